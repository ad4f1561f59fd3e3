# SPDX-License-Identifier: Apache-2.0
"""`gantry media import`: patients' discs, as folders and as images, through a running gateway to storescp and Orthanc."""
import ctypes
import json
import os
import pty
import shutil
import signal
import subprocess
import threading
import urllib.request
import zipfile

from lib import dicom, peers
from lib.site import ROOT, check, equal, test, until
from lib.trail import Trail
from test_deidentify_flow import new_key
from test_hold import good

DATA = os.path.join(ROOT, "tests/data")
IMAGES = {"IM000001": "CT_small.dcm", "IM000002": "MR_small_implicit.dcm", "IM000003": "sr.dcm"}
PDF_JS = os.path.join(DATA, "structure/encapsulated-pdf-js.dcm")
LIBC = ctypes.CDLL(None, use_errno=True)


def a_disc(bench, name="disc", directory=True):
    """As a hospital burns it: objects in folders, a DICOMDIR by dcmmkdir, a viewer that starts by itself."""
    folder = bench.path(name)
    os.makedirs(os.path.join(folder, "IMAGES"))
    os.makedirs(os.path.join(folder, "VIEWER"))
    for to, sample in IMAGES.items():
        shutil.copy(os.path.join(DATA, "dicom", sample), os.path.join(folder, "IMAGES", to))
    if directory:
        bench.run("dcmmkdir", "-W", "+I", "-Nxc", "-Nec", "+D", "DICOMDIR", *[f"IMAGES/{to}" for to in IMAGES], cwd=folder, wants=0)
    for path, text in (("AUTORUN.INF", "[autorun]\r\nopen=VIEWER\\SETUP.EXE\r\n"), ("VIEWER/SETUP.EXE", "MZ" + "\0" * 400),
                       ("VIEWER/README.TXT", "Double click on SETUP.EXE\r\n")):
        with open(os.path.join(folder, path), "w", encoding="ascii") as file:
            file.write(text)
    return folder


def media(bench, g, source, *options, wants=None):
    return bench.run(bench.program, "media", "import", source, "--to", "archive", "-c", g.yaml, *options, wants=wants,
                     env={"TMPDIR": bench.new_folder("tmp")})


def document(bench, g, source, *options, wants=None):
    return json.loads(media(bench, g, source, "--json", *options, wants=wants).text)


def behind(bench, port):
    return bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"})


def sent(folder):
    """What storescp got of the usual disc is what is on it."""
    got = peers.received(folder)
    for sample in IMAGES.values():
        part10 = dicom.Part10(os.path.join(DATA, "dicom", sample))
        check(part10.instance in got, "not there:", sample)
        equal(got[part10.instance].data == part10.data, True, f"the bytes of {sample}")
    return len(got)


class Watched:
    """Tells whether files were opened."""

    def __init__(self, *paths):
        self.fd = LIBC.inotify_init1(os.O_NONBLOCK)
        for path in paths:
            check(LIBC.inotify_add_watch(self.fd, path.encode(), 0x20) >= 0, "no watch on", path)

    def opened(self):
        try:
            return os.read(self.fd, 4096) != b""
        except BlockingIOError:
            return False
        finally:
            os.close(self.fd)


@test
def media_folder(bench):
    """The objects of a disc arrive as they are, programs are not opened, and it is said what there is."""
    port, folder = peers.storescp(bench)
    trail = Trail(bench)
    g = trail.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"})
    disc = a_disc(bench)
    watched = Watched(os.path.join(disc, "AUTORUN.INF"), os.path.join(disc, "VIEWER/SETUP.EXE"))
    ran = media(bench, g, disc, "--yes", "--note", "CD of Mr Doe", wants=0)
    check(not watched.opened(), "a program or autorun file was opened")
    equal(sent(folder), 3, "objects that arrived")
    for words in ("3 objects of 3 patients", "CompressedSamples^CT1  ID 1CT1", "2004-01-19", "there is more than one patient",
                  "the DICOMDIR lists 3 files; 0 of them are not there", "left alone: 2 programs", "AUTORUN.INF", "SETUP.EXE",
                  "1 file that is not DICOM", "3 of 3 objects sent to archive"):
        check(words in ran.text, f"`{words}` is not said:", ran.text)
    check("CD of Mr Doe" in g.find(event="door.opened")[0]["message"], "the note", g.find(event="door.opened"))
    imports = trail.wait("import", 3)
    equal(sorted(r["event"].get("patient", "") for r in imports), ["", "1CT1", "4MR1"], "patients of imports")
    equal({r["event"]["object"] for r in imports}, {"CD of Mr Doe"}, "what was imported")
    out = bench.run(bench.program, "incident", "-c", g.yaml, "--key", trail.path("auditor.key"), "--vkey", trail.vkey()).text
    check(" 3 imported" in out and "1CT1" in out and "stored 1 imported 1\n" in out, "the report of an incident:", out)
    equal(os.listdir(bench.path("tmp")), [], "left in TMPDIR")


@test
def media_images(bench):
    """Images of the same disc, by three makers, say the same, and Orthanc gets the same."""
    port, http = peers.orthanc(bench)
    g = behind(bench, port)
    disc = a_disc(bench)
    bench.run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-o", bench.path("rock.iso"), disc, wants=0)
    bench.run("genisoimage", "-quiet", "-udf", "-iso-level", "1", "-o", bench.path("level1.iso"), disc, wants=0)
    bench.run("zip", "-qr", bench.path("disc.zip"), ".", cwd=disc, wants=0)
    told = document(bench, g, disc, wants=3)
    equal(told.pop("source"), disc, "the source")
    equal(told["objects"], 3, "objects")
    equal(len(told["left_alone"]["program"]), 2, "programs")
    equal([s["modalities"] for p in told["patients"] for s in p["studies"]], [["SR"], ["CT"], ["MR"]], "modalities")
    for image in ("rock.iso", "level1.iso", "disc.zip"):
        got = document(bench, g, bench.path(image), wants=3)
        del got["source"]
        for lists in (told, got):
            for names in lists["left_alone"].values():
                names.sort(key=lambda one: one["file"])
        equal(got, told, image)
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances") as answer:
        equal(json.load(answer), [], "objects in Orthanc before")
    for image in ("rock.iso", "level1.iso", "disc.zip"):
        equal(document(bench, g, bench.path(image), "--yes", wants=0)["sent"], 3, image)
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances") as answer:
            equal(len(json.load(answer)), 3, "objects in Orthanc")
    equal(os.listdir(bench.path("tmp")), [], "left in TMPDIR")


def bomb(path):
    """A ZIP of 280 KB with 280 MiB of zeros behind a DICOM head."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("IM1", "w") as member:
            member.write(bytes(128) + b"DICM")
            for _ in range(280):
                member.write(bytes(1 << 20))


@test
def media_hostile(bench):
    """What is dangerous is refused by name, links lead nowhere, bombs are given up, and the good rest arrives."""
    port, folder = peers.storescp(bench)
    g = behind(bench, port)
    disc = a_disc(bench)
    shutil.copy(os.path.join(DATA, "inspect/preamble-pe-in-private.dcm"), os.path.join(disc, "IMAGES/IM000004"))
    shutil.copy(PDF_JS, os.path.join(disc, "IMAGES/IM000005"))
    shutil.copy(peers.CT_SMALL, os.path.join(disc, "IMAGES/SETUP.EXE"))
    shutil.copy(peers.CT_SMALL, os.path.join(disc, "IMAGES/AGAIN"))
    with open(peers.CT_SMALL, "rb") as file:
        raw = bytearray(file.read())
    raw[-1] ^= 1
    with open(os.path.join(disc, "IMAGES/OTHER"), "wb") as file:
        file.write(raw)
    secret = bench.path("secret.dcm")
    shutil.copy(os.path.join(DATA, "dicom/rtplan.dcm"), secret)
    os.symlink(secret, os.path.join(disc, "IMAGES/LINK"))
    os.symlink(bench.folder, os.path.join(disc, "OUT"))
    os.mkfifo(os.path.join(disc, "PIPE"))
    os.remove(os.path.join(disc, "IMAGES/IM000003"))
    told = document(bench, g, disc, "--yes", wants=1)
    equal(told["sent"], 2, "objects sent")
    equal(told["repeated"], 1, "the same again")
    equal([(r["file"], r.get("check")) for r in told["refused"]],
          [("IMAGES/IM000004", "preamble-pe"), ("IMAGES/IM000005", "pdf-javascript"), ("IMAGES/OTHER", None)], "refused")
    equal([m["file"] for m in told["dicomdir"]["missing"]], ["IMAGES/IM000003"], "missing")
    names = {kind: [one["file"] for one in files] for kind, files in told["left_alone"].items()}
    equal(names["link"], ["IMAGES/LINK", "OUT"], "links")
    equal(names["special"], ["PIPE"], "specials")
    equal(names["program"], ["AUTORUN.INF", "IMAGES/SETUP.EXE", "VIEWER/SETUP.EXE"], "programs")
    equal(len(peers.received(folder)), 2, "objects that arrived")
    # The same as an image; what only an image can do is in the next one.
    bench.run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", bench.path("disc.iso"), disc, wants=0)
    again = document(bench, g, bench.path("disc.iso"), "--yes", wants=1)
    equal((again["sent"], len(again["refused"])), (2, 3), "of the image")
    shutil.copy(os.path.join(ROOT, "tests/corpus/image/made-outside.zip"), bench.path("out.zip"))
    with zipfile.ZipFile(bench.path("out.zip"), "a") as file:
        file.write(peers.MR_SMALL, "../../MR")
        file.write(peers.MR_SMALL, "MR")
    told = document(bench, g, bench.path("out.zip"), "--yes", wants=1)
    equal(told["sent"], 1, "objects sent")
    equal(len(told["refused"]), 6, "names that lead out")
    if os.path.exists("/sys/class/net/lo/speed"):
        # It opens, and fails to be read, as what is on a scratch of a disc does.
        refused = {one["file"]: one["why"] for one in document(bench, g, "/sys/class/net/lo")["refused"]}
        equal(refused.get("speed"), "Invalid argument", "what cannot be read")
    bomb(bench.path("bomb.zip"))
    ran = media(bench, g, bench.path("bomb.zip"), "--yes", wants=3)
    check("unpacks to more" in ran.text and "nothing was sent" in ran.text, ran.text)
    with open(bench.path("disc.iso"), "rb+") as file:
        file.truncate(file.read().index(b"DICM") + 2048)
    ran = media(bench, g, bench.path("disc.iso"), "--yes")
    check(ran.code in (1, 3) and "could not be read to its end" in ran.text, ran.text)
    equal(len(peers.received(folder)), 2, "objects that arrived in all")
    equal(os.listdir(bench.path("tmp")), [], "left in TMPDIR")


@test
def media_warns(bench):
    """What passes with a warning is named by study, before anybody is asked: an object that its file announces as another."""
    port, folder = peers.storescp(bench)
    g = behind(bench, port)
    disc = a_disc(bench, directory=False)
    with open(os.path.join(disc, "IMAGES/IM000001"), "rb+") as file:
        raw = file.read()
        at = raw.index(b"\x02\0\x03\0UI") + 8
        length = int.from_bytes(raw[at - 2:at], "little")
        file.seek(at)
        file.write(b"1.2.9" + raw[at + 5:at + length])
    warned = [(s["modalities"], [(w["check"], w["objects"]) for w in s["warnings"] if w["check"].endswith("-differs")])
              for p in document(bench, g, disc, wants=3)["patients"] for s in p["studies"]]
    equal(warned, [(["SR"], []), (["CT"], [("sop-instance-differs", 1)]), (["MR"], [])], "warnings")
    ran = media(bench, g, disc, wants=3)
    check(ran.text.count("warning, 1 object: sop-instance-differs: The SOP instance in the object is not") == 1, ran.text)
    equal(len(peers.received(folder)), 0, "objects that arrived")


@test
def media_leaves_room(bench):
    """Where TMPDIR would be filled nothing is taken in, from a folder or an image; with room for it a large object arrives."""
    disk = bench.new_folder("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=41m", "tmpfs", disk], check=False).returncode != 0:
        return  # cli_media has the numbers
    bench.later(lambda: subprocess.run(["umount", disk], check=False))
    port, folder = peers.storescp(bench)
    g = behind(bench, port)
    disc = bench.new_folder("large")
    with open(os.path.join(disc, "IM1"), "wb") as file, open(peers.CT_SMALL, "rb") as small:
        meta = small.read()[:-len(dicom.Part10(peers.CT_SMALL).data)]
        file.write(meta + good("1.2.3.7", size=40 << 20))
    bench.run("genisoimage", "-quiet", "-R", "-o", bench.path("large.iso"), disc, wants=0)
    command = lambda source: (bench.program, "media", "import", source, "--to", "archive", "--yes", "-c", g.yaml)
    for source in (disc, bench.path("large.iso")):
        ran = bench.run(*command(source), env={"TMPDIR": disk}, wants=3)
        check("No space left" in ran.text and "nothing was sent" in ran.text, ran.text)
    equal(os.listdir(disk), [], "left on the disk")
    bench.run(*command(bench.path("large.iso")), env={"TMPDIR": bench.folder}, wants=0)
    equal(len(peers.received(folder)["1.2.3.7"].data) > 40 << 20, True, "the large object")


@test
def media_refused_by_node(bench):
    """What the node does not take is said with its status, and is no success."""
    port, folder = peers.storescp(bench, "+xi")
    disc = a_disc(bench, directory=False)
    told = document(bench, behind(bench, port), disc, "--yes", wants=1)
    equal(told["sent"], 1, "sent to one that takes implicit VR alone")
    equal([(f["file"], "takes no such objects" in f["why"]) for f in told["failed"]],
          [("IMAGES/IM000003", True), ("IMAGES/IM000001", True)], "failed")
    equal(len(peers.received(folder)), 1, "objects that arrived")
    scp = bench.scp(answer=lambda scp, wire, context, command, data: wire.send_message(
        context, field=command["field"] | dicom.RSP, affected_class=command["affected_class"],
        affected_instance=command["affected_instance"], answers=command["id"], status=0xA700,
        comment="disk full") or True)
    g = behind(bench, scp.port)
    told = document(bench, g, disc, "--yes", wants=3)
    equal(told["sent"], 0, "sent")
    equal([(f["status"], f["why"]) for f in told["failed"]], [("A700", "disk full")] * 3, "failed")
    ran = media(bench, g, disc, "--yes", wants=3)
    check("0 of 3 objects sent" in ran.text and "status A700H disk full" in ran.text, ran.text)


@test
def media_ended_while_it_sends(bench):
    """Who ends it is told what was sent by then, and what was not: no object is in doubt."""
    go = threading.Event()
    scp = bench.scp(answer=lambda *_: not go.wait(20))
    g = behind(bench, scp.port)
    process = bench.start(bench.program, "media", "import", a_disc(bench, directory=False), "--to", "archive", "--yes", "-c", g.yaml)
    until(lambda: scp.messages, "the first object")
    process.signal(signal.SIGINT)
    until(lambda: "ends when the object" in process.text(), "that it was told")
    go.set()
    equal(process.wait(), 1, "the exit status")
    for words in ("1 of 3 objects sent", "not sent: it was ended by a signal before"):
        check(words in process.text(), words, process.text())
    equal(len(scp.stored()), 1, "objects that arrived")


@test
def media_by_its_flow(bench):
    """To a node to which a flow de-identifies nothing goes as it is, unless a flow that has it so is named; of several one must be."""
    (port, archive), (other, research) = peers.storescp(bench), peers.storescp(bench)
    trail = Trail(bench)
    made = {"name": "study-7", "from": ["ct1"], "to": "research", "services": ["echo", "store"], "deidentify": "yes",
            "titles": {"calling": "STUDY7"}, "user-identity": {"caller": "require"}}
    g = trail.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"}, deidentify={"key": new_key(bench)},
                      nodes={"research": {"ae": ["RESEARCH"], "address": [f"127.0.0.1:{other}"], "transport": "plain"}}, flows=[made])
    disc = a_disc(bench, directory=False)

    def imported(to, *options, wants=0):
        return bench.run(bench.program, "media", "import", disc, "--to", to, "-c", g.yaml, *options, wants=wants,
                         env={"TMPDIR": bench.new_folder("tmp")}).text

    told = json.loads(imported("research", "--json", wants=3))
    equal((told["flow"], told["deidentified"], told["signed"]), ("study-7", True, False), "what would be done")
    said = imported("research", "--yes")
    check("3 of 3 objects sent to research, de-identified, as flow study-7 has it" in said, said)
    originals = [dicom.Part10(os.path.join(DATA, "dicom", sample)) for sample in IMAGES.values()]

    def is_clean(folder, n):
        found = peers.received(folder)
        equal(len(found), n, "objects that arrived")
        for uid, object_ in found.items():
            check(uid.startswith("2.25.") and not any(word in object_.data for word in (b"CompressedSamples", b"1CT1", b"4MR1")),
                  "an original is at", folder, uid)

    is_clean(research, 3)
    equal(g.find(event="door.opened")[0]["flow"], "study-7", "the log")
    equal({r["event"].get("patient", "") for r in trail.wait("import", 3)}, {"", "1CT1", "4MR1"}, "whose were imported")
    check("3 of 3 objects sent to archive\n" in imported("archive", "--yes"), "to where a flow lets them pass as they are")
    equal(sent(archive), 3, "objects at the archive")
    check("no flow `images` brings objects to node research; these do: study-7" in
          imported("research", "--flow", "images", "--yes", wants=3), "a flow that leads elsewhere")
    # The file de-identifies what the gateway that runs does not.
    g.config["flows"][0]["deidentify"] = "yes"
    g.write()
    text = imported("archive", "--yes", wants=3)
    check("0 of 3 objects sent to archive, de-identified" in text, "before a reload", text)
    check("`gantry reload` first" in g.decision("no-flow")["message"], "why")
    equal(sent(archive), 3, "objects at the archive")
    del g.config["flows"][0]["deidentify"]
    # A second one, that lets objects pass.
    g.config["flows"].append({"name": "service", "from": ["ct-tls"], "to": "research", "services": ["store"]})
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    check("--flow NAME` (study-7, service); nothing was sent" in imported("research", "--yes", wants=3), "none of two is named")
    equal(json.loads(imported("research", "--flow", "study-7", "--yes", "--json"))["sent"], 3, "by the one")
    is_clean(research, 3)
    equal(json.loads(imported("research", "--flow", "service", "--yes", "--json"))["deidentified"], False, "by the other")
    found = peers.received(research)
    check(all(o.instance in found for o in originals), "the originals, as they were asked for", list(found))


@test
def media_asks_for_a_passphrase(bench):
    """Twice, and each way that it is not had has its sentence: none, one that is too short, two that differ."""
    disc = a_disc(bench)
    good = b"correct horse staple"
    for answers, words in (((b"",), "there was no passphrase; nothing"), ((b"short",), "a passphrase has 12 characters or more; nothing"),
                           ((good, b"another horse staple"), "the two are not the same; nothing was sealed"), ((good, good), "")):
        out, left = bench.path(f"sealed-{len(words)}"), list(answers)
        outer, inner = pty.openpty()
        with subprocess.Popen([bench.program, "media", "seal", "--passphrase", disc, out], stdin=inner, stdout=inner, stderr=inner) as process:
            os.close(inner)
            shown = b""
            try:
                while more := os.read(outer, 4096):
                    shown += more
                    if left and shown.endswith((b"or more): ", b"Again: ")):
                        os.write(outer, left.pop(0) + b"\n")
            except OSError:  # its end is closed
                pass
            process.wait(20)
        os.close(outer)
        check(words.encode() in shown and not left, answers, shown)
        equal((b"Again: " in shown, os.path.exists(out)), (answers[0] == good, not words), answers)


@test
def media_asks(bench):
    """Nothing is sent without a yes; with one there is a bar on the terminal; and the command line is looked at first."""
    port, folder = peers.storescp(bench)
    g = behind(bench, port)
    disc = a_disc(bench)
    command = [bench.program, "media", "import", disc, "--to", "archive", "-c", g.yaml]
    check("say --yes" in bench.run(*command, wants=3).text, "nobody can be asked")
    for answer, code in ((b"n\n", 3), (b"\n", 3), (b"y\n", 0)):
        equal(os.listdir(folder), [], "objects that arrived before the yes")
        outer, inner = pty.openpty()
        with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner) as process:
            os.close(inner)
            shown = b""
            try:
                while more := os.read(outer, 4096):
                    shown += more
                    if shown.endswith(b"[y/N] "):
                        os.write(outer, answer)
            except OSError:  # its end is closed
                pass
            equal(process.wait(20), code, f"exit code after {answer}")
        os.close(outer)
    check(b"sending [" in shown and b"3 of 3" in shown, "no bar:", shown)
    equal(sent(folder), 3, "objects that arrived")
    for arguments, code, words in (((disc,), 2, "usage"), ((), 2, "usage"), (("export", disc), 2, "usage"),
                                   (("import", disc, "--to", "archiv", "-c", g.yaml), 3, "did you mean `archive`"),
                                   (("import", bench.path("nothing"), "--to", "archive", "-c", g.yaml), 3, "No such file"),
                                   (("import", peers.CT_SMALL, "--to", "archive", "-c", g.yaml), 3, "neither a folder")):
        ran = bench.run(bench.program, "media", *arguments, wants=code)
        check(words in ran.text, f"`{words}` is not said:", ran.text)
    g.stop()
    check("no gateway is running" in bench.run(*command, "--yes", wants=3).text, "without a gateway")
