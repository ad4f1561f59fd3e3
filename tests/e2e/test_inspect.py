# SPDX-License-Identifier: Apache-2.0
"""`gantry inspect` over files and folders: what it says, what it follows, its exit codes."""
import json
import os
import pty
import shutil
import subprocess

from lib.site import ROOT, check, equal, test

DATA = os.path.join(ROOT, "tests/data")
UNREADABLE = "/sys/class/net/lo/speed"  # opens, and fails to be read, as what is on a scratch of a disc does


@test
def inspect_folder(bench):
    """Notes alone are 0, dangers 1; links are not followed, pipes not opened, names not printed raw."""
    folder = bench.path("disc")
    os.makedirs(os.path.join(folder, "inner"))
    shutil.copy(os.path.join(DATA, "dicom/sr.dcm"), os.path.join(folder, "a.dcm"))
    equal(bench.run(bench.program, "inspect", folder).code, 0, "exit code of a good folder")
    os.symlink(os.path.join(DATA, "inspect/preamble-elf64.dcm"), os.path.join(folder, "link.dcm"))
    os.symlink(os.path.join(DATA, "inspect"), os.path.join(folder, "inner/folder"))
    os.mkfifo(os.path.join(folder, "pipe"))
    ran = bench.run(bench.program, "inspect", folder, wants=0)
    check("link.dcm: skipped" in ran.text and "inner/folder: skipped" in ran.text and "pipe: skipped" in ran.text, ran.text)
    check("1 file: 0 with dangers" in ran.text, ran.text)
    bad = os.path.join(folder, "inner/\x1b[31mbad.dcm")
    shutil.copy(os.path.join(DATA, "structure/encapsulated-pdf-js.dcm"), bad)
    ran = bench.run(bench.program, "inspect", "--least", "warning", folder, wants=1)
    check("danger" in ran.text and "pdf-javascript" in ran.text, ran.text)
    check("pdf-open-action" not in ran.text, "a note is shown with --least warning")
    check("\x1b" not in ran.text, "a control character is printed")
    equal(bench.run(bench.program, "inspect", "--quiet", folder).text.count("danger"), 0, "dangers named with --quiet")


@test
def inspect_json(bench):
    """A line of JSON a file, in the order of their names, however many at once."""
    files = [os.path.join(DATA, "inspect", name) for name in sorted(os.listdir(os.path.join(DATA, "inspect")))
             if name.endswith(".dcm")]
    one = bench.run(bench.program, "inspect", "--json", "--jobs", "1", *files, wants=1).text
    equal(bench.run(bench.program, "inspect", "--json", "--jobs", "8", *files, wants=1).text, one, "with eight jobs")
    told = [json.loads(line) for line in one.splitlines()]
    equal([o["file"] for o in told], files, "the files")
    by_name = {os.path.basename(o["file"]): o for o in told}
    equal(by_name["preamble-pe-in-private.dcm"]["verdict"], "refuse", "the verdict")
    equal(by_name["preamble-tiff-le-valid.dcm"]["verdict"], "allow", "the verdict of a legal file")
    equal(by_name["TC0437_sop_modality_ct_sop_mr_mod.dcm"]["facts"]["modality"], "MR", "the modality")


@test
def inspect_names(bench):
    """JSON has names as they are, so that no other file is taken for one that is refused; bytes that are no UTF-8 in hexadecimal too."""
    folder = bench.new_folder("named")
    names = [b"a\x1b\nb.dcm", b"a??b.dcm", "\u202egro\u00df.dcm".encode(), b"z\xff.dcm"]
    for name in names:
        shutil.copy(os.path.join(DATA, "structure/encapsulated-pdf-js.dcm"), os.path.join(folder.encode(), name))
    text = bench.run(bench.program, "inspect", "--json", folder, wants=1).text
    check(text.isascii() and "\x1b" not in text, "a terminal would take it for more than text", text)
    told = [json.loads(line) for line in text.splitlines()]
    got = [bytes.fromhex(o["file_hex"]) if "file_hex" in o else o["file"].encode() for o in told]
    equal(sorted(map(os.path.basename, got)), sorted(names), "the names")
    equal([o["file"].endswith("/z\ufffd.dcm") for o in told if "file_hex" in o], [True], "the one that is no text")


@test
def inspect_image(bench):
    """Of members of an image the same is said as of files, whoever made it; what is odd is named and not opened."""
    folder = bench.path("disc")
    os.makedirs(os.path.join(folder, "IMAGES"))
    for name in ("CT_small.dcm", "sr.dcm"):
        shutil.copy(os.path.join(DATA, "dicom", name), os.path.join(folder, "IMAGES"))
    shutil.copy(os.path.join(DATA, "inspect/preamble-elf64.dcm"), os.path.join(folder, "IMAGES/program.dcm"))
    told = {}
    for line in bench.run(bench.program, "inspect", "--json", folder, wants=1).text.splitlines():
        one = json.loads(line)
        told[os.path.relpath(one.pop("file"), folder)] = one
    equal(len(told), 3, "files of the folder")
    bench.run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-o", bench.path("xorriso.iso"), folder, wants=0)
    bench.run("genisoimage", "-quiet", "-udf", "-J", "-o", bench.path("udf.iso"), folder, wants=0)
    bench.run("zip", "-qr", bench.path("disc.zip"), "IMAGES", cwd=folder, wants=0)
    for image in ("xorriso.iso", "udf.iso", "disc.zip"):
        lines = bench.run(bench.program, "inspect", "--json", bench.path(image), wants=1).text.splitlines()
        members = {}
        for one in map(json.loads, lines):
            members[os.path.relpath(one.pop("file"), bench.path(image))] = one
        equal(members, told, image)
    odd = os.path.join(ROOT, "tests/corpus/image/made-outside.zip")
    ran = bench.run(bench.program, "inspect", odd, wants=3)
    check(ran.text.count("leads out of the disc") == 5 and "link: skipped" in ran.text, ran.text)
    # In a folder an image is a file like others.
    shutil.copy(bench.path("disc.zip"), os.path.join(folder, "IMAGES"))
    ran = bench.run(bench.program, "inspect", "--json", folder, wants=1)
    check("disc.zip" in ran.text and "disc.zip/" not in ran.text, ran.text)
    check("disc.zip: looked at as one file; to have what is in this image" in ran.text, "how it is looked into", ran.text)


@test
def inspect_usage(bench):
    """Wrong command lines are 2, files that are not there or cannot be looked at 3."""
    os.symlink("nowhere", bench.path("broken"))
    os.mkfifo(bench.path("pipe"))
    for arguments, code in (((), 2), (("--least", "fatal", "x"), 2), (("--jobs", "0", "x"), 2), (("--help",), 0),
                            ((bench.path("nothing"),), 3), ((bench.path("broken"),), 3), ((bench.path("pipe"),), 3)):
        equal(bench.run(bench.program, "inspect", *arguments).code, code, f"exit code with {arguments}")
    good = os.path.join(DATA, "dicom/sr.dcm")
    with open("/dev/full", "wb") as full:
        for arguments, code in (((good,), 3), (("--json", good), 3), (("--quiet", good), 0)):
            ran = subprocess.run([bench.program, "inspect", *arguments], check=False, stdout=full, stderr=subprocess.PIPE)
            equal((ran.returncode, b"could not be written" in ran.stderr), (code, code == 3), f"with a full disk: {arguments}")
        for arguments in (("--version",), ("explain", "--help")):
            equal(subprocess.run([bench.program, *arguments], check=False, stdout=full, stderr=full).returncode, 1, arguments)
    if os.path.exists(UNREADABLE):
        ran = bench.run(bench.program, "inspect", UNREADABLE, good, wants=3)
        check("lo/speed: Invalid argument" in ran.text and "inspection-failed" not in ran.text, ran.text)


def on_a_terminal(*command):
    """Its exit status, what it wrote to a terminal as its standard error, and to a pipe as its output."""
    outer, inner = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=inner) as process:
        os.close(inner)
        shown = b""
        try:
            while more := os.read(outer, 4096):
                shown += more
        except OSError:  # its end is closed
            pass
        said = process.stdout.read()
        code = process.wait(20)
    os.close(outer)
    return code, shown.decode(), said.decode()


@test
def inspect_shows_how_far_it_is(bench):
    """On a terminal: each file counts, the line goes before a finding comes and at the end. Not in a pipe, nor with --quiet."""
    folder = bench.new_folder("files")
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        shutil.copy(os.path.join(DATA, "structure/encapsulated-pdf-js.dcm"), os.path.join(folder, name))
    code, shown, said = on_a_terminal(bench.program, "inspect", "--json", folder)
    equal((code, said.count("pdf-javascript") >= 3), (1, True), "exit status, findings")
    steps = [f"\r{n} of 3 files, {n * 100 // 3} %" for n in (1, 2, 3)]
    check(all(step in shown for step in steps), "no steps:", shown)
    at = [shown.index(step) for step in steps]
    check(at == sorted(at) and shown.index("\r\x1b[K", at[2]) > at[2], "their order, or the last one stays:", shown)
    code, shown, said = on_a_terminal(bench.program, "inspect", "--quiet", folder)
    equal((code, shown, said), (1, "", ""), "with --quiet")
    check("\r" not in bench.run(bench.program, "inspect", folder, wants=1).text, "a bar in a pipe")
