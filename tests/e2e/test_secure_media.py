# SPDX-License-Identifier: Apache-2.0
"""`gantry media seal` and `gantry media open`: Secure DICOM Files on a disc or in a mail, beside OpenSSL and DCMTK."""
import base64
import email
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import zlib
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from lib import token, trail
from lib.site import ROOT, check, equal, test, until
from lib.terminal import type_at

DATA = os.path.join(ROOT, "tests/data/dicom")
SAMPLES = ("CT_small", "MR_small_implicit", "sr", "rtplan", "liver_deflate", "JPEG2000")
PASSPHRASE = "correct horse battery"


class Disc:
    """A folder of objects, and somebody whom a disc of them is for."""

    def __init__(self, bench, convert=False):
        """convert: into the transfer syntax of the profile; otherwise what is opened is what was sealed, byte for byte."""
        self.bench, self.env, self.convert = bench, None, convert
        self.folder = bench.new_folder("in")
        for name in SAMPLES:
            shutil.copy(os.path.join(DATA, name + ".dcm"), self.folder)

    def pair(self, name, more=""):
        key, cert = self.bench.path(name + ".key"), self.bench.path(name + ".pem")
        self.bench.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}{more}", "-keyout", key, "-out",
                       cert, "-days", "2", wants=0)
        return key, cert

    def media(self, verb, *arguments, passphrase=PASSPHRASE, wants=0):
        """With a passphrase by a pipe: standard input."""
        pipe = ("--passphrase-file", "/dev/stdin") if passphrase else ()
        pipe += ("--keep-transfer-syntax",) if verb == "seal" and not self.convert else ()
        ran = subprocess.run([self.bench.program, "media", verb, *pipe, *arguments], input=(passphrase or "") + "\n", stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=120, check=False, env=self.env)
        equal(ran.returncode, wants, f"gantry media {verb} {arguments}: {ran.stdout[-800:]}")
        return ran.stdout

    def fails(self, source, words, *arguments, passphrase=PASSPHRASE):
        """With these words, and nothing is left."""
        before = sorted(os.listdir(self.bench.path()))
        text = self.media("open", *arguments, source, self.bench.path("never"), passphrase=passphrase, wants=3)
        check(words in text, f"`{words}` is not said:", text)
        equal(sorted(os.listdir(self.bench.path())), before, "what is left behind")

    def is_whole(self, folder):
        """Byte for byte: and so are the data sets."""
        def bytes_of(paths):
            out = []
            for path in paths:
                with open(path, "rb") as file:
                    out.append(file.read())
            return sorted(out)

        equal(bytes_of(glob.glob(folder + "/D*/F*")) == bytes_of(glob.glob(self.folder + "/*")), True, f"objects in {folder}")
        text = self.bench.run("dcmdump", folder + "/DICOMDIR", wants=0).text
        names = re.findall(r"\(0004,1500\) CS \[([^]]*)\]", text)
        equal(sorted(n.replace("\\", "/") for n in names), sorted(os.path.relpath(p, folder) for p in glob.glob(folder + "/D*/F*")),
              "files that the DICOMDIR lists")
        for kind in ("IMAGE", "SR DOCUMENT", "RT PLAN"):
            check(f"[{kind}]" in text, kind, text)


def identifying(folder):
    """Names, identifiers and UIDs of the objects."""
    found = set()
    for path in glob.glob(folder + "/*"):
        text = subprocess.run(["dcmdump", "-Un", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
        for tag in (b"0010,0010", b"0010,0020", b"0008,0018", b"0020,000d", b"0020,000e", b"0008,1030"):
            found |= {v for v in re.findall(rb"\(" + tag + rb"\) .. \[([^]]*)\]", text) if len(v) > 4}
    return found


@test
def secure_media_image(bench):
    """An image tells nothing to who has no key, and everything to who has the passphrase or a key; OpenSSL opens its files."""
    disc = Disc(bench)
    key, cert = disc.pair("Bob")
    other_key, other_cert = disc.pair("Eve")
    image = bench.path("out.iso")
    said = disc.media("seal", "--to", cert, disc.folder, image)
    check("6 objects sealed" in said, said)
    with open(image, "rb") as file:
        whole = file.read()
    values = identifying(disc.folder)
    check(len(values) > 15, "too few values to be looked for", values)
    for value in values:
        check(value not in whole, "readable in the image:", value)
    disc.media("open", image, bench.path("by-passphrase"))
    disc.is_whole(bench.path("by-passphrase"))
    disc.media("open", "--key", key, "--cert", cert, image, bench.path("by-key"), passphrase=None)
    disc.is_whole(bench.path("by-key"))
    bench.run("xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", bench.path("extracted"), wants=0)
    for sealed in (image, bench.path("extracted")):
        said = disc.media("seal", sealed, bench.path("again"), wants=3)
        check(re.search(r"left alone: \d+ files that are sealed \(Secure DICOM Files\): `gantry media open` first", said), said)
    disc.fails(image, "the passphrase is wrong", passphrase="correct horse stable")
    disc.fails(image, "it is sealed to others", "--key", other_key, "--cert", other_cert, passphrase=None)
    disc.fails(image, "sealed to another key", "--key", other_key, passphrase=None)
    disc.fails(image, "nobody has signed it", "--trust", cert)
    bench.run("openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:open it", "-out", bench.path("locked"), wants=0)
    for command in (("open", image), ("seal", disc.folder), ("open", "--key", bench.path("locked"), image)):
        said = bench.run(bench.program, "media", *command, bench.path("never"), wants=3).text
        check("there was no passphrase; where nobody can be asked, `--passphrase-file FILE`" in said and "same twice" not in said, said)
    word = bench.write("word", "open it\n")
    os.chmod(word, 0o600)
    disc.media("open", "--key", bench.path("locked"), "--passphrase-file", word, image, bench.path("by-locked"), passphrase=None)
    disc.is_whole(bench.path("by-locked"))
    for text, words in (("\n", "is empty"), ("x" * 256 + "\n", "is too long")):
        disc.fails(image, f"the first line of /dev/stdin {words}", passphrase=text)
    os.chmod(word, 0o604)
    disc.fails(image, "can be read by every user", "--passphrase-file", word, passphrase=None)
    bench.run("xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", bench.path("disc"), wants=0)
    equal(sorted(os.listdir(bench.path("disc"))), ["D0000000", "DICOMDIR", "README.TXT"], "the disc")
    page_opens(bench, bench.path("disc"), key, cert)


def page_opens(bench, disc, key, authority):
    """What the page says to do with OpenSSL, done by a shell."""
    with open(disc + "/README.TXT", encoding="ascii") as file:
        page = file.read()
    text = page[page.index("With OpenSSL"):page.index("The last command")].split("\n", 1)[1]
    text = re.sub(r"\nor\n.*?(?=\n  \()", "", text, flags=re.S)
    text = text.replace("your-key.pem", key).replace("authority.pem", authority)
    ran = bench.run("sh", "-ec", text, cwd=disc)
    equal(ran.code, 0, f"the commands of README.TXT: {text} {ran.text}")
    with open(disc + "/F0000000.dcm", "rb") as file:
        equal(file.read()[128:132], b"DICM", "what they make")


@test
def secure_media_folder(bench):
    """Signed files in a folder: by whom is said; a byte that is another, and a file that is missing, are found."""
    disc = Disc(bench)
    key, cert = disc.pair("Bob")
    signer_key, signer = disc.pair("Alice")
    sealed = bench.path("sealed")
    disc.media("seal", "--to", cert, "--key", signer_key, "--cert", signer, disc.folder, sealed, passphrase=None)
    said = disc.media("open", "--key", key, "--trust", signer, sealed, bench.path("good"), passphrase=None)
    check("signed by CN=Alice\n" in said, said)
    disc.is_whole(bench.path("good"))
    said = disc.media("open", "--key", key, sealed, bench.path("unknown"), passphrase=None)
    check("nobody vouches for" in said, said)
    disc.fails(sealed, "whom --trust does not know", "--key", key, "--trust", cert, passphrase=None)
    disc.fails(sealed, "it is sealed to keys", passphrase=PASSPHRASE)
    page_opens(bench, sealed, key, signer)
    for left in ("inner", "whole", "F0000000.dcm"):
        os.remove(os.path.join(sealed, left))
    disc.media("seal", "--to", cert, disc.folder, sealed, passphrase=None, wants=3)
    path = os.path.join(sealed, "D0000000/F0000001")
    with open(path, "r+b") as file:
        size = os.path.getsize(path)
        file.seek(size // 2)
        byte = file.read(1)[0]
        file.seek(size // 2)
        file.write(bytes([byte ^ 1]))
    disc.fails(sealed, "D0000000/F0000001: ", "--key", key, passphrase=None)
    said = disc.media("open", "--incomplete", "--key", key, sealed, bench.path("some"), passphrase=None, wants=1)
    check("6 files opened" in said and "it is not there" not in said, said)
    check(not os.path.exists(bench.path("some/D0000000/F0000001")), "the damaged file")
    # A file in another's place is one that somebody has sealed, too.
    disc.media("seal", "--to", cert, "--key", signer_key, "--cert", signer, disc.folder, bench.path("swapped"), passphrase=None)
    first, second, aside = (os.path.join(bench.path("swapped"), name) for name in ("D0000000/F0000000", "D0000000/F0000001", "aside"))
    for source, target in ((first, aside), (second, first), (aside, second)):
        os.rename(source, target)
    said = disc.media("open", "--key", key, "--trust", signer, bench.path("swapped"), bench.path("other"), passphrase=None, wants=1)
    equal(said.count("it is another object than the DICOMDIR lists"), 2, said)
    # A file that begins as nothing does was damaged, if the DICOMDIR lists it; so was a DICOMDIR. Without one nobody can tell.
    for name in ("D0000000/F0000001", "DICOMDIR"):
        with open(os.path.join(sealed, name), "r+b") as file:
            file.write(bytes(2048))
        disc.fails(sealed, name + ": it does not begin as a Secure DICOM File does: it is damaged", "--key", key, passphrase=None)
    for name in ("D0000000/F0000001", "DICOMDIR"):
        os.remove(os.path.join(sealed, name))
    said = disc.media("open", "--key", key, sealed, bench.path("unlisted"), passphrase=None, wants=1)
    check("5 files opened" in said and "there is no DICOMDIR: nobody can tell whether files are missing" in said, said)


@test
def secure_media_signed_by_locked_key(bench):
    """Who signs has a key with a passphrase of its own, beside that of the disc: each is told from the other."""
    disc = Disc(bench)
    key, signer = disc.pair("Alice")
    locked, out = bench.path("locked"), bench.path("sealed")
    bench.run("openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:open it", "-out", locked, wants=0)
    good, wrong = bench.write("good", "open it\n"), bench.write("wrong", "open\n")
    for path in (good, wrong):
        os.chmod(path, 0o600)
    sign = ("--key", locked, "--cert", signer)
    before = sorted(os.listdir(bench.path()))
    for option, words in ((("--key-passphrase-file", wrong), "the passphrase does not open "),
                          ((), "there was no passphrase for "), ((), "; where nobody can be asked, `--key-passphrase-file FILE` names")):
        said = disc.media("seal", *sign, *option, disc.folder, out, wants=3)
        check(words in said and "; nothing was sealed" in said, f"`{words}` is not said:", said)
        equal(sorted(os.listdir(bench.path())), before, "what is left behind")
    unfit = bench.path("unfit.pem")
    bench.run("openssl", "req", "-x509", "-key", key, "-subj", "/CN=Alice", "-addext", "keyUsage=keyEncipherment", "-out", unfit, wants=0)
    said = disc.media("seal", "--key", key, "--cert", unfit, disc.folder, out, wants=3)
    check("is not for signatures" in said and not os.path.exists(out), said)
    os.remove(unfit)
    disc.media("seal", "--key-passphrase-file", good, disc.folder, out, wants=2)
    disc.media("seal", *sign, "--key-passphrase-file", good, disc.folder, out)
    said = disc.media("open", "--trust", signer, out, bench.path("opened"))
    check("signed by CN=Alice\n" in said, said)
    disc.is_whole(bench.path("opened"))
    shown, code = type_at([bench.program, "media", "seal", *sign, "--to", signer, disc.folder, bench.path("typed")], "open it")
    equal(code, 0, f"typed: {shown}")
    check("Passphrase of the key: " in shown and "open it" not in shown, "what is shown", shown)
    page_opens(bench, bench.path("typed"), key, signer)


@test
def secure_media_recorded(bench):
    """What is sealed is an export and what is opened an import, of each study, before it is there; without a gateway that is said."""
    disc = Disc(bench)
    audit = trail.Trail(bench)
    g = audit.gateway()
    image, opened = bench.path("out.iso"), bench.path("opened")
    said = disc.media("seal", "-c", g.yaml, disc.folder, image)
    check("the export is in the audit trail" in said, said)
    said = disc.media("open", "-c", g.yaml, "--recorded", image, opened)
    check("the import is in the audit trail" in said, said)
    exports = [r["event"] for r in audit.records("export")]
    imports = [r["event"] for r in audit.records("import")]
    equal(sorted(e["study"] for e in exports), sorted(e["study"] for e in imports), "studies")
    equal(len({e["study"] for e in exports}), len(SAMPLES), "one each")
    check(all(e["object"] == image and "whoever knows the passphrase" in e["text"] for e in exports), "exports", exports)
    check(all(e["object"] == image and "not signed" in e["text"] for e in imports), "imports", imports)
    check(any(e["name"] == "CompressedSamples^CT1" for e in exports), "whose they are", exports)
    check("<Encrypted>true</Encrypted>" in audit.raw().stdout, "the message", audit.raw().stdout[-500:])
    g.stop()
    disc.media("seal", "-c", g.yaml, "--recorded", disc.folder, bench.path("never"), wants=3)
    disc.fails(image, "no gateway can record it: the gateway does not run", "-c", g.yaml, "--recorded")
    said = disc.media("open", "-c", g.yaml, image, bench.path("unrecorded"))
    check("no gateway has recorded this import: the gateway does not run" in said, said)
    equal(os.path.exists(bench.path("never")), False, "a disc that nobody recorded")


class Recorder(threading.Thread):
    """A gateway's control socket that records so many, and then says that it cannot; or is gone."""

    def __init__(self, bench, good, gone=False):
        super().__init__(daemon=True)
        self.good, self.gone, self.told = good, gone, []
        run = tempfile.mkdtemp(dir=bench.path())
        self.yaml = run + "/gantry.yaml"
        with open(self.yaml, "w", encoding="ascii") as file:
            file.write(f"run: {run}\n")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(run + "/control")
        self.socket.listen(8)
        self.start()

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            with client, client.makefile("rwb") as file:
                self.told.append(json.loads(file.readline()))
                full = len(self.told) == self.good + 1
                if full and self.gone:
                    self.socket.shutdown(socket.SHUT_RDWR)
                    self.socket.close()
                answer = {"recorded": None, "why": "the disk is full"} if full else {"recorded": len(self.told)}
                file.write(json.dumps(answer).encode())


@test
def secure_media_recorded_in_part(bench):
    """The trail takes two studies and no third: what it says of them it is told again, that it was not done, or the person is told."""
    disc = Disc(bench)
    for name in SAMPLES[3:]:
        os.remove(f"{disc.folder}/{name}.dcm")
    image = bench.path("out.iso")
    disc.media("seal", disc.folder, image)
    for verb, paths in (("seal", (disc.folder, bench.path("never"))), ("open", (image, bench.path("never")))):
        recorder = Recorder(bench, 2)
        said = disc.media(verb, "-c", recorder.yaml, "--recorded", *paths, wants=3)
        check("it could not be recorded: the disk is full" in said and "could not be told" not in said, said)
        good = [(r["act"], r["good"]) for r in recorder.told]
        equal(good, [(verb, True)] * 3 + [(verb, False)] * 2, "what it was told")
        studies = [r["study"] for r in recorder.told]
        equal(studies[3:], [studies[1], studies[0]], "of which studies")
        recorder = Recorder(bench, 2, gone=True)
        said = disc.media(verb, "-c", recorder.yaml, "--recorded", *paths, wants=3)
        told = {"seal": "exported", "open": "imported"}[verb]
        for record in recorder.told[:2]:
            check(f"the study {record['study']} was {told}, and could not be told that it was not" in said, said)
        equal(len(recorder.told), 3, "what the other one was told")
    check(not os.path.exists(bench.path("never")), "something was done")


def is_free(folder):
    """Has nobody locked it?"""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(fd)


@test
def secure_media_killed(bench):
    """An opening that is killed leaves nothing that can be read, and the next one removes what it leaves."""
    disc = Disc(bench)
    sealed = bench.path("sealed")
    disc.media("seal", disc.folder, sealed)
    for i in range(300):
        shutil.copy(os.path.join(sealed, "D0000000/F0000000"), os.path.join(sealed, f"D0000000/G{i:07}"))
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode() + b"\n")
    opening = subprocess.Popen([bench.program, "media", "open", "--passphrase-file", f"/dev/fd/{reading}", sealed, bench.path("never")],
                               pass_fds=(reading,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    left = lambda: glob.glob(bench.path(".gantry-stage-*/D0000000/*"))
    until(lambda: len(left()) > 20, "an opening that is under way")
    opening.send_signal(signal.SIGKILL)
    opening.wait()
    os.close(reading)
    os.close(writing)
    # Its child, which has the file that it is at, ends with it, but not in the same moment.
    until(lambda: is_free(glob.glob(bench.path(".gantry-stage-*"))[0]), "the end of its child")
    names = left()
    check(20 < len(names) < 300, "files when it was killed", len(names))
    equal({os.path.getsize(n) for n in names}, {0}, "their sizes")
    equal(glob.glob(bench.path(".gantry-stage-*/[!D]*")), [], "other files there")
    disc.media("open", sealed, bench.path("opened"))
    equal([f for f in os.listdir(bench.path()) if f.startswith(".")], [], "what is left of it")
    equal(len(os.listdir(bench.path("opened/D0000000"))), 306, "files")


@test
def secure_media_full(bench):
    """A disk that fills up is no fault of the disc: nothing is left, with --incomplete neither, and it is said what is full."""
    disc = Disc(bench)
    sealed, room = bench.path("sealed"), bench.path("room")
    disc.media("seal", disc.folder, sealed)
    os.mkdir(room)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", room], check=False).returncode != 0:
        return  # not root: no file system of its own
    try:
        for how in ((), ("--incomplete",)):
            text = disc.media("open", *how, sealed, os.path.join(room, "opened"), wants=3)
            check("No space left on device" in text and "cannot be written beside OUT" in text, text)
            equal(os.listdir(room), [], "what is left behind")
    finally:
        subprocess.run(["umount", room], check=True)


def udf_alone(image):
    """The same without the volume descriptors of ISO 9660."""
    with open(image, "rb") as file:
        whole = bytearray(file.read())
    sectors = range(16 * 2048, 64 * 2048, 2048)
    ours = [whole[at:at + 2048] for at in sectors if whole[at + 1:at + 6] in (b"BEA01", b"NSR02", b"TEA01")]
    for at in sectors:
        if re.match(rb"CD001|BEA01|NSR02|TEA01", whole[at + 1:at + 6]):
            whole[at:at + 2048] = bytes(2048)
    whole[16 * 2048:19 * 2048] = b"".join(ours)
    with open(image + ".udf", "wb") as file:
        file.write(whole)
    return image + ".udf"


@test
def secure_media_udf(bench):
    """An image that is UDF and ISO 9660 at once has the same files in both; who mounts neither reads it too."""
    disc = Disc(bench)
    key, cert = disc.pair("Bob")
    image = bench.path("out.iso")
    disc.media("seal", "--to", cert, "--udf", disc.folder, image, passphrase=None)
    bench.run("7z", "x", "-tUdf", "-o" + bench.path("udf"), image, wants=0)
    bench.run("xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", bench.path("iso"), wants=0)
    bench.run("diff", "-r", bench.path("udf"), bench.path("iso"), wants=0)
    about = bench.run("udfinfo", image, wants=0).text
    check("udfrev=1.02" in about and "label=SECURE_DICOM" in about and re.search(r"^owner=$", about, re.M), about)
    for i, source in enumerate((image, bench.path("udf"))):
        disc.media("open", "--key", key, source, bench.path(f"opened{i}"), passphrase=None)
        disc.is_whole(bench.path(f"opened{i}"))
    disc.media("seal", "--to", cert, "--udf", disc.folder, bench.path("folder"), passphrase=None, wants=2)
    alone = udf_alone(image)
    bench.run("7z", "x", "-tUdf", "-o" + bench.path("alone"), alone, wants=0)
    bench.run("diff", "-r", bench.path("udf"), bench.path("alone"), wants=0)
    disc.media("open", "--key", key, alone, bench.path("opened-alone"), passphrase=None)
    disc.is_whole(bench.path("opened-alone"))
    os.truncate(alone, os.path.getsize(alone) // 2)
    disc.fails(alone, "UDF", "--key", key, passphrase=None)
    plain = bench.path("plain.iso")
    bench.run("genisoimage", "-quiet", "-udf", "-o", plain, disc.folder, wants=0)
    plain = udf_alone(plain)
    said = bench.run(bench.program, "inspect", plain).text
    check(f"{len(SAMPLES)} files" in said, said)


# ---- As a mail ----

def mail_of(disc, multipart="related"):
    """What somebody else would attach: by Python's email package."""
    whole, files = MIMEMultipart(), MIMEMultipart(multipart)
    whole.attach(MIMEText("Here they are."))
    for i, path in enumerate(sorted(glob.glob(disc.folder + "/*"))):
        with open(path, "rb") as file:
            part = MIMEApplication(file.read(), "dicom")
        part.set_param("id", f"IMAGES/F{i}")
        files.attach(part)
    whole.attach(files)
    return whole.as_bytes()


def smime(bench, text, *arguments, form="SMIME"):
    """Through `openssl cms`."""
    ran = subprocess.run(["openssl", "cms", *arguments, "-outform", form], input=text, stdout=subprocess.PIPE, check=True, timeout=60)
    path = bench.path(f"foreign{len(os.listdir(bench.path()))}.eml")
    with open(path, "wb") as file:
        file.write(ran.stdout)
    return path, ran.stdout


@test
def secure_media_mail(bench):
    """A mail is S/MIME that OpenSSL decrypts and verifies and a mail program takes apart; opened, all is as it was."""
    disc = Disc(bench)
    key, cert = disc.pair("Bob")
    signer_key, signer = disc.pair("Alice", "/emailAddress=alice@hospital.example")
    mail = bench.path("out.eml")
    disc.media("seal", "--to", cert, disc.folder, mail, passphrase=None, wants=2)
    said = disc.media("seal", "--to", bench.path("none.pem"), disc.folder, bench.path("never"), passphrase=None, wants=3)
    check(said.startswith("gantry media seal: ") and "No such file" in said, said)
    said = disc.media("seal", "--to", cert, "--key", signer_key, "--cert", signer, disc.folder, mail, passphrase=None)
    check("6 objects sealed" in said, said)
    with open(mail, "rb") as file:
        whole = file.read()
    check(b"From: alice@hospital.example\r\n" in whole and b"smime-type=enveloped-data" in whole, "its head", whole[:600])
    opened = base64.b64decode(whole.split(b"\r\n\r\n", 1)[1])
    check(not any(v in opened or v in whole for v in identifying(disc.folder)), "readable in the mail")
    bench.run("openssl", "cms", "-decrypt", "-inform", "SMIME", "-in", mail, "-inkey", key, "-out", bench.path("inner"), wants=0)
    bench.run("openssl", "cms", "-verify", "-inform", "SMIME", "-in", bench.path("inner"), "-CAfile", signer, "-purpose", "any", "-out",
              bench.path("text"), wants=0)
    with open(bench.path("text"), "rb") as file:
        parts = [p for p in email.message_from_binary_file(file).walk() if p.get_content_type() == "application/dicom"]
    equal(sorted(p.get_param("id") for p in parts), sorted(["DICOMDIR", *(f"D0000000/F000000{i}" for i in range(6))]), "File IDs")
    said = disc.media("open", "--key", key, "--trust", signer, mail, bench.path("opened"), passphrase=None)
    check("CN=Alice" in said, said)
    disc.is_whole(bench.path("opened"))
    disc.fails(mail, "whom --trust does not know", "--key", key, "--trust", cert, passphrase=None)
    disc.fails(mail, "it is sealed to keys", passphrase=PASSPHRASE)
    damaged = bench.path("damaged.eml")
    lines = whole.split(b"\r\n")
    for change, words in ((lines[:len(lines) // 2], "it ends before its end"), (lines[:600] + lines[601:], "d")):
        with open(damaged, "wb") as file:
            file.write(b"\r\n".join(change))
        disc.fails(damaged, words, "--key", key, passphrase=None)
    with open(damaged, "wb") as file:
        file.write(b"To be or not to be\n")
    disc.fails(damaged, "nor a mail", "--key", key, passphrase=None)


@test
def secure_media_mail_foreign(bench):
    """Mails that others make: signed clearly or opaquely, inside or outside, with line ends of Unix, not signed, saved as smime.p7m."""
    disc = Disc(bench)
    key, cert = disc.pair("Bob")
    signer_key, signer = disc.pair("Alice")
    sign = ("-sign", "-signer", signer, "-inkey", signer_key)
    encrypt = ("-encrypt", "-aes128", "-recip", cert)
    plain = mail_of(disc)
    clear, opaque = smime(bench, plain, *sign)[1], smime(bench, plain, *sign, "-nodetach")[1]
    outside = smime(bench, smime(bench, plain, *encrypt)[1], *sign)[0]
    mails = [(smime(bench, clear, *encrypt)[0], True), (smime(bench, opaque, *encrypt)[0], True), (outside, True),
             (smime(bench, mail_of(disc, "mixed"), *encrypt)[0], False), (smime(bench, clear, *encrypt, form="DER")[0], True),
             (smime(bench, clear, *encrypt, "-stream", "-keyopt", "rsa_padding_mode:oaep")[0], True)]
    before = sorted(open(p, "rb").read() for p in glob.glob(disc.folder + "/*"))
    for i, (mail, signed) in enumerate(mails):
        out = bench.path(f"opened{i}")
        said = disc.media("open", "--key", key, *(("--trust", signer) if signed else ()), mail, out, passphrase=None)
        check(("signed by CN=Alice" if signed else "neither signature nor digest") in said, mail, said)
        equal(sorted(os.listdir(out)), ["IMAGES"], "what it has")
        equal(sorted(open(p, "rb").read() for p in glob.glob(out + "/IMAGES/*")) == before, True, f"files of {mail}")
    disc.fails(mails[3][0], "nobody has signed it", "--key", key, "--trust", signer, passphrase=None)
    with open(bench.path("bare.eml"), "wb") as file:
        file.write(plain)
    disc.fails(bench.path("bare.eml"), "it is not sealed", "--key", key, passphrase=None)
    text = smime(bench, clear.replace(b"Here they are", b"Here they were"), *encrypt)[0]
    disc.fails(text, "its signature is false", "--key", key, passphrase=None)


def compressed(stream, mime=True):
    """Compressed-data (RFC 3274) of a stream of zlib's, as a part of a mail or bare: Debian's OpenSSL makes none."""
    oid = bytes.fromhex
    data = der(0x30, oid("060b2a864886f70d0109100109"), der(0xA0, der(0x30, der(2, b"\0"), der(0x30, oid("060b2a864886f70d0109100308")), der(
        0x30, oid("06092a864886f70d010701"), der(0xA0, der(4, stream))))))
    head = b"Content-Type: application/pkcs7-mime; smime-type=compressed-data; name=smime.p7z\nContent-Transfer-Encoding: base64\n\n"
    return head + base64.encodebytes(data) if mime else data


@test
def secure_media_mail_compressed(bench):
    """Compressed inside, between and around what is signed and encrypted; bombs end soon, and nothing is left of them."""
    disc = Disc(bench)
    key, cert = disc.pair("Bob")
    signer_key, signer = disc.pair("Alice")
    sign = ("-sign", "-signer", signer, "-inkey", signer_key)
    encrypt = ("-encrypt", "-aes128", "-recip", cert)
    plain = mail_of(disc)
    before = sorted(open(p, "rb").read() for p in glob.glob(disc.folder + "/*"))
    clear = smime(bench, plain, *sign)[1]
    signed_pack = smime(bench, compressed(zlib.compress(plain)), *sign)[1]
    saved = bench.path("smime.p7z")
    with open(saved, "wb") as file:
        file.write(compressed(zlib.compress(smime(bench, clear, *encrypt)[1]), mime=False))
    mails = [smime(bench, compressed(zlib.compress(clear)), *encrypt)[0], smime(bench, signed_pack, *encrypt)[0], saved]
    for i, mail in enumerate(mails):
        out = bench.path(f"opened{i}")
        said = disc.media("open", "--key", key, "--trust", signer, mail, out, passphrase=None)
        check("signed by CN=Alice\n" in said, mail, said)
        equal(sorted(open(p, "rb").read() for p in glob.glob(out + "/IMAGES/*")) == before, True, f"files of {mail}")
    with open(saved, "wb") as file:
        file.write(compressed(zlib.compress(plain), mime=False))
    disc.fails(saved, "it is not sealed", "--key", key, passphrase=None)
    bomb = zlib.compress(bytes(257 << 20), 1)
    began = time.monotonic()
    for data, words in ((compressed(bomb[:1000]), "it is not compressed as it says"),
                        (compressed(zlib.compress(compressed(bomb, mime=False))), "it unpacks to more than pictures would")):
        disc.fails(smime(bench, data, *encrypt)[0], words, "--key", key, passphrase=None)
    check(time.monotonic() - began < 20, "time for bombs")


# ---- The DICOMDIR ----

def records(path):
    """By the File ID: what a record says, one line an element, but where it lies, and which character set is meant."""
    text = subprocess.run(["dcmdump", "-Un", "+L", "-q", path], stdout=subprocess.PIPE, check=True).stdout.decode("latin-1")
    found, lines = {}, []
    for line in text.splitlines() + ["  (fffe,e000)"]:
        if line.startswith("  (fffe,e000)"):
            name = [v for v in lines if v.startswith("(0004,1500)")]
            if name:
                found[name[0].split("[")[1].rstrip("]")] = [v for v in lines if v[:10] not in ("(0004,1500", "(0004,1400", "(0004,1410", "(0004,1420",
                                                                                              "(0008,0005")]
            lines = []
        elif re.match(r"    +\([0-9a-f]{4},", line) and "(fffe," not in line:
            words = re.sub(r"\s*#.*", "", line).strip()
            lines.append(re.sub(r"\(Sequence with.*", "", words))
    return found


@test
def secure_media_profile(bench):
    """A disc of STD-GEN-SEC has one transfer syntax: another is told. DCMTK's dcmgpdir takes what a disc of that one opens to, and says the same of it."""
    disc = Disc(bench)
    sealed, opened = bench.path("sealed"), bench.path("opened")
    text = disc.media("seal", disc.folder, sealed)
    check("4 of 6 objects are not in Explicit VR Little Endian" in text, "what readers may not read", text)
    folder = bench.new_folder("profile")
    for number in "12":
        bench.run("dcmconv", "+te", os.path.join(DATA, "CT_small.dcm"), f"{folder}/{number}", wants=0)
        bench.run("dcmodify", "-nb", "-m", f"0008,0018=1.2.3.{number}", f"{folder}/{number}", wants=0)
    text = disc.media("seal", folder, bench.path("plain"))
    check("Explicit VR" not in text, "a disc of that one", text)
    disc.media("open", bench.path("plain"), opened)
    ours = records(opened + "/DICOMDIR")
    os.remove(opened + "/DICOMDIR")
    bench.run("dcmgpdir", *sorted(file.replace("\\", "/") for file in ours), cwd=opened, wants=0)
    equal({k: set(v) for k, v in records(opened + "/DICOMDIR").items()}, {k: set(v) for k, v in ours.items()}, "records")
    equal(len(ours), 2, "records")


CODE = "(fffe,e000) na\n(0008,0100) SH 1\n(0008,0102) SH 99X\n(0008,0104) LO Word\n(fffe,e00d) na\n(fffe,e0dd) na\n"
LABELS = "(0008,0023) DA 20260102\n(0008,0033) TM 1011\n(0070,0080) CS LABEL\n(0070,0081) LO Words\n(0070,0084) PN Doe^J\n"
REPORT = "(0008,0023) DA 20260102\n(0008,0033) TM 1011\n(0040,a043) SQ\n" + CODE + "(0040,a491) CS COMPLETE\n(0040,a493) CS UNVERIFIED\n"
SPECTRUM = ("(0008,0008) CS ORIGINAL\\PRIMARY\n(0008,0023) DA 20260102\n(0008,0033) TM 1011\n(0028,0008) IS 2\n(0028,0010) US 3\n(0028,0011) US 4\n"
            "(0028,9001) UL 70000\n(0028,9002) UL 6\n(0008,9092) SQ\n(fffe,e000) na\n(0008,1150) UI 1.2.3\n(0008,1155) UI 1.2.4\n(fffe,e00d) na\n"
            "(fffe,e0dd) na\n")
HANGING = ("(0072,0002) SH Name\n(0072,0004) LO Words\n(0072,0006) CS SITE\n(0072,0008) LO Doe\n(0072,000a) DT 2026\n(0072,000c) SQ\n(fffe,e000) na\n"
           "(0008,0060) CS CT\n(fffe,e00d) na\n(fffe,e0dd) na\n(0072,000e) SQ\n" + CODE + "(0072,0014) US 3\n")
BLENDING = ("(0070,0402) SQ\n(fffe,e000) na\n(0008,1115) SQ\n(fffe,e000) na\n(0020,000e) UI 1.2.9.1\n(0008,1140) SQ\n(fffe,e000) na\n(0008,1150) UI 1.2.3\n"
            "(0008,1155) UI 1.2.9.1.1\n(fffe,e00d) na\n(fffe,e0dd) na\n(fffe,e00d) na\n(fffe,e0dd) na\n(0020,000d) UI 1.2.9\n(0028,3110) SQ\n(fffe,e000) na\n"
            "(0028,1050) DS 1\n(fffe,e00d) na\n(fffe,e0dd) na\n(0070,0405) CS SUPERIMPOSED\n(fffe,e00d) na\n(fffe,e0dd) na\n")
# What has no file in tests/data: by its SOP class, 1.2.840.10008.5.1.4.… before it. DCMTK 3.6.7 takes assemblies of implants for groups.
MADE = {"1.1.4.2": ("SPECTROSCOPY", SPECTRUM), "1.1.78.6": ("SR DOCUMENT", REPORT), "1.1.78.7": ("MEASUREMENT", LABELS), "1.1.79.1": ("SR DOCUMENT", REPORT),
        "1.1.80.1": ("MEASUREMENT", LABELS), "1.1.90.1": ("ASSESSMENT", "(0008,0012) DA 20260102\n(0008,0013) TM 1011\n"),
        "1.1.104.2": ("ENCAP DOC", "(0008,0023) DA 2026\n(0040,e001) ST 1.2^3\n(0042,0012) LO text/xml\n"),
        "1.1.131": ("PRESENTATION", "(0070,0082) DA 20260102\n(0070,0083) TM 1011\n" + LABELS),
        "1.1.11.4": ("PRESENTATION", "(0070,0082) DA 20260102\n(0070,0083) TM 1011\n" + LABELS + BLENDING),
        "1.1.481.10": ("RADIOTHERAPY", "(3010,0033) SH Label\n(3010,0034) LO Words\n(0070,0081) LO Words\n(0070,0084) PN Doe^J\n"),
        "34.7": ("PLAN", ""), "38.1": ("HANGING PROTOCOL", HANGING), "39.1": ("PALETTE", LABELS),
        "43.1": ("IMPLANT", "(0008,0070) LO Acme\n(0022,1095) LO Hip\n(0022,1097) LO 4711\n(0068,6210) LO 12\n"),
        "44.1": ("IMPLANT ASSY", "(0008,0070) LO Acme\n(0076,0001) LO Hips\n(0076,0003) LO Acme\n(0076,0020) SQ\n" + CODE),
        "45.1": ("IMPLANT GROUP", "(0078,0001) LO All\n(0078,0020) LO Acme\n")}


def make(bench, folder):
    """Objects of MADE, of one patient where they are of any."""
    for number, (name, (kind, more)) in enumerate(MADE.items()):
        text = f"(0008,0016) UI 1.2.840.10008.5.1.4.{name}\n(0008,0018) UI 1.2.3.{number}.1\n" + more
        if not kind.startswith(("HANGING", "PALETTE", "IMPLANT")):
            text += ("(0008,0020) DA 20260101\n(0008,0030) TM 10\n(0008,0050) SH\n(0008,0060) CS OT\n(0010,0010) PN Doe^J\n(0010,0020) LO 1\n(0020,000d) UI 1.2.3\n"
                     f"(0020,000e) UI 1.2.3.{number}\n(0020,0010) SH 1\n(0020,0011) IS 1\n(0020,0013) IS 1\n")
        with open(bench.path("dump"), "w", encoding="ascii") as file:
            file.write(text)
        bench.run("dump2dcm", bench.path("dump"), os.path.join(folder, f"made{number}.dcm"), wants=0)


@test
def secure_media_directory(bench):
    """Records of what is no plain image say what those of DCMTK's dcmmkdir say."""
    disc = Disc(bench)
    for name in ("MR_small_implicit", "liver_deflate", "JPEG2000"):
        os.remove(os.path.join(disc.folder, name + ".dcm"))
    for name in ("waveform_ecg", "reportsi", "sample-sr", "JPGLosslessP14SV1_1s_1f_8b", "parametric_map_float", "pdf", "rtss"):
        for path in glob.glob(os.path.join(ROOT, "tests/data/*", name + ".dcm"))[:1]:
            shutil.copy(path, disc.folder)
    bench.run("dcmpsmk", os.path.join(disc.folder, "CT_small.dcm"), os.path.join(disc.folder, "state.dcm"), wants=0)
    make(bench, disc.folder)
    sealed, opened = bench.path("sealed"), bench.path("opened")
    disc.media("seal", disc.folder, sealed)
    disc.media("open", sealed, opened)
    ours, kinds = records(opened + "/DICOMDIR"), set()
    equal(len(ours), len(os.listdir(disc.folder)), "records of files")
    for file, lines in ours.items():
        kinds |= {v.split("[")[1].rstrip("]") for v in lines if v.startswith("(0004,1430)")}
        if any("[IMPLANT ASSY]" in v or "[IMPLANT GROUP]" in v for v in lines):
            check(("(0076,0001) LO [Hips]" in lines) != ("(0078,0001) LO [All]" in lines), "what they are called", lines)
            continue
        folder = bench.new_folder("one" + file[-8:])
        shutil.copy(os.path.join(opened, file.replace("\\", "/")), os.path.join(folder, "F"))
        ran = subprocess.run(["dcmmkdir", "-Pgp", "+I", "-W", "-Nxc", "-Nec", "-Nrc", "+D", "DICOMDIR", "F"], cwd=folder,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        equal(ran.returncode, 0, f"dcmmkdir of {file}: {ran.stdout}")
        theirs = records(folder + "/DICOMDIR")["F"]
        equal([v for v in lines if "(0020,0013)" not in v], [v for v in theirs if "(0020,0013)" not in v], f"the record of {file}")
    check(len(kinds) >= 17 and kinds >= {kind for kind, _ in MADE.values()}, "kinds of records:", kinds)


@test
def secure_media_two_people(bench):
    """Two people with one Patient ID are shown and listed as two, each with what is theirs; one person with spaces behind the name is one."""
    disc = Disc(bench)
    for name in SAMPLES:
        os.remove(os.path.join(disc.folder, name + ".dcm"))
    people = (("Doe^Jane", "19700101"), ("Doe^Jane ", "19700101"), ("Doe^John", "19700101"), ("Doe^John", "19710101"))
    for number, (name, born) in enumerate(people):
        with open(bench.path("dump"), "w", encoding="ascii") as file:
            file.write(f"(0008,0016) UI 1.2.840.10008.5.1.4.1.1.7\n(0008,0018) UI 1.2.{number}.1\n(0008,0020) DA 2026010{number + 1}\n(0008,0030) TM 10\n"
                       f"(0008,0060) CS OT\n(0010,0010) PN {name}\n(0010,0020) LO 4711\n(0010,0030) DA {born}\n(0020,000d) UI 1.2.{number}\n"
                       f"(0020,000e) UI 1.2.{number}.2\n(0020,0010) SH 1\n(0020,0011) IS 1\n(0020,0013) IS 1\n")
        bench.run("dump2dcm", bench.path("dump"), os.path.join(disc.folder, f"{number}.dcm"), wants=0)
    said = disc.media("seal", disc.folder, bench.path("sealed"))
    check("4 objects of 3 patients" in said and said.count("ID 4711") == 3, said)
    disc.media("open", bench.path("sealed"), bench.path("opened"))
    text = bench.run("dcmdump", bench.path("opened/DICOMDIR"), wants=0).text
    walk = [w for w in re.findall(r"\((?:0004,1430|0010,0010|0010,0020|0020,000d)\) .. \[([^]]*)\]", text) if w not in ("SERIES", "IMAGE")]
    equal(walk, ["PATIENT", "Doe^Jane", "4711", "STUDY", "1.2.0", "STUDY", "1.2.1", "PATIENT", "Doe^John", "4711", "STUDY", "1.2.2",
                 "PATIENT", "Doe^John", "4711", "STUDY", "1.2.3"], "who has which study")


# ---- Discs of others, and of nobody's friends ----

class Foreign:
    """Secure DICOM Files by `openssl cms` alone."""

    def __init__(self, disc):
        self.disc, self.bench = disc, disc.bench
        self.key, self.cert = disc.pair("Bob")
        self.signer_key, self.signer = disc.pair("Alice")
        self.ec_key, self.ec = self.bench.path("ec.key"), self.bench.path("ec.pem")
        self.bench.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Eve", "-keyout",
                       self.ec_key, "-out", self.ec, "-days", "2", wants=0)
        self.file = os.path.join(disc.folder, "CT_small.dcm")
        with open(self.file, "rb") as file:
            self.bytes = file.read()

    def cms(self, data, *arguments):
        return subprocess.run(["openssl", "cms", "-binary", "-outform", "DER", *arguments], input=data, stdout=subprocess.PIPE, check=True,
                              timeout=60).stdout

    def signed(self, *arguments):
        return self.cms(self.bytes, "-sign", "-nodetach", "-signer", self.signer, "-inkey", self.signer_key, *arguments)

    def folder(self, name, files):
        folder = self.bench.new_folder(name)
        for path, data in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
            with open(os.path.join(folder, path), "wb") as file:
                file.write(data)
        return folder

    def opens(self, folder, *arguments, passphrase=None):
        """All of it, and each file is the one that was sealed. There is no DICOMDIR."""
        out = folder + "-opened"
        said = self.disc.media("open", *arguments, folder, out, passphrase=passphrase, wants=1)
        check("there is no DICOMDIR: nobody can tell" in said, said)
        for path in glob.glob(out + "/**/F*", recursive=True):
            with open(path, "rb") as file:
                equal(file.read() == self.bytes, True, f"the bytes of {path}")
        return said


@test
def secure_media_foreign(bench):
    """Whatever of CMS a conforming disc is made of, and more: ciphers, recipients, passphrases, streams; in folders and images."""
    f = Foreign(Disc(bench))
    ciphers = ("aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3", "aes-128-gcm", "aes-256-gcm")
    mine, signed = ("--key", f.key, "--cert", f.cert), f.signed()
    said = f.opens(f.folder("ciphers", {f"F{i}": f.cms(signed, "-encrypt", "-" + c, f.cert) for i, c in enumerate(ciphers)}), *mine, "--trust", f.signer)
    check("6 files opened" in said and "signed by CN=Alice\n" in said, said)
    padding = ("-keyopt", "rsa_padding_mode:oaep")
    several = f.folder("several", {
        "A/F0": f.cms(signed, "-encrypt", "-aes256", "-stream", "-recip", f.ec, "-recip", f.cert, *padding, "-keyopt", "rsa_oaep_md:sha256",
                      "-recip", f.signer, "-pwri_password", PASSPHRASE),
        "A/B/F1": f.cms(f.signed("-stream", "-md", "sha512"), "-encrypt", "-aes128", "-pwri_password", PASSPHRASE, "-recip", f.cert, "-recip", f.ec)})
    image = bench.path("genisoimage.iso")
    bench.run("genisoimage", "-quiet", "-r", "-J", "-o", image, several, wants=0)
    for source in (several, image):
        f.opens(source, *mine, "--trust", f.signer)
    os.rename(several, several + "2")
    f.opens(several + "2", "--key", f.ec_key, "--cert", f.ec, "--trust", f.signer)
    os.rename(several + "2", several + "3")
    f.opens(several + "3", "--trust", f.signer, passphrase=PASSPHRASE)
    whole = f.folder("gcm", {"F0": f.cms(f.bytes, "-encrypt", "-aes-256-gcm", f.cert)})
    check("as they were sealed; nobody has signed" in f.opens(whole, *mine), "authenticated encryption")
    said = f.opens(f.folder("bare", {"F0": f.cms(f.bytes, "-encrypt", "-aes256", f.cert)}), *mine)
    check("nobody can tell" in said, said)
    f.disc.fails(several + "3", "it is sealed to others", "--key", f.disc.pair("Mallory")[0], "--cert", bench.path("Mallory.pem"), passphrase=None)
    with open(whole + "/F0", "r+b") as file:
        file.seek(-400, os.SEEK_END)
        file.write(b"x")
    f.disc.fails(whole, "it is damaged", *mine, passphrase=None)


@test
def secure_media_senders(bench):
    """Of --trust is who has a certificate for signatures, valid and not in a list of --crl, and signs as PS3.15 D.1 has it."""
    f = Foreign(Disc(bench))
    folder = bench.path("ca")
    bench.run(bench.program, "ca", "make", folder, wants=0)
    ca, key = folder + "/ca.pem", bench.path("sender.key")

    def sender(name, usage="digitalSignature", bits=2048):
        """A certificate of this authority; its list has the serial number 0x99."""
        key, csr, cert = (bench.path(f"{name}.{end}") for end in ("key", "csr", "pem"))
        bench.run("openssl", "req", "-newkey", f"rsa:{bits}", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", csr, wants=0)
        bench.run("openssl", "x509", "-req", "-in", csr, "-CA", ca, "-CAkey", folder + "/ca.key", "-days", "2", "-set_serial", "0x99" if name == "revoked" else "0x98",
                  "-extfile", bench.write(name + ".ext", f"keyUsage=critical,{usage}\nauthorityKeyIdentifier=none"), "-out", cert, wants=0)
        return key, cert

    def disc(name, pair, *how):
        key, cert = pair
        signed = f.cms(f.bytes, "-sign", "-nodetach", "-signer", cert, "-inkey", key, *how)
        return f.folder(name + "-disc", {"F0": f.cms(signed, "-encrypt", "-aes256", f.cert)})

    index = bench.write("index", "R\t301231000000Z\t261120000000Z,keyCompromise\t99\tunknown\t/CN=revoked\n")
    config = bench.write("lists.cnf", f"[ca]\ndefault_ca=c\n[c]\ndatabase={index}\ndefault_md=sha256\ndefault_crl_days=9\n")
    bench.run("openssl", "ca", "-config", config, "-cert", ca, "-keyfile", folder + "/ca.key", "-gencrl", "-out", bench.path("list.crl"), wants=0)
    mine, trust = ("--key", f.key, "--cert", f.cert), ("--trust", ca, "--crl", bench.path("list.crl"))
    good = sender("good")
    for name, pair, how, words in (
            ("revoked", sender("revoked"), (), "its certificate was revoked on 2026-11-20 (key compromise)"),
            ("cipher", sender("cipher", "keyEncipherment"), (), "its certificate is not for signatures"),
            ("short", sender("short", bits=768), (), "its key is too short to prove anything"),
            ("md5", good, ("-md", "md5"), "with a hash that PS3.15 D.1 does not know")):
        made = disc(name, pair, *how)
        f.disc.fails(made, "whom --trust does not know: " + words if "hash" not in words else words, *mine, *trust, passphrase=None)
        check("nobody vouches for" in f.opens(made, *mine) if name != "revoked" else "signed by CN=revoked\n" in f.opens(made, *mine, *trust[:2]), name)
    for how in (("-md", "sha1"), ("-md", "sha384"), ("-nosmimecap", "-md", "sha512")):
        check("signed by CN=good\n" in f.opens(disc("good" + how[-1], good, *how), *mine, *trust), "signed with", how)
    f.disc.media("open", "--crl", bench.path("list.crl"), *mine, made, bench.path("never"), passphrase=None, wants=2)
    f.disc.fails(made, "--crl: ", *mine, "--trust", f.signer, *trust[2:], passphrase=None)


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body).to_bytes(4, "big")
    return bytes([tag, 0x84]) + size + body


def pbkdf2(rounds):
    """Enveloped for a passphrase with so many rounds; where it gets so far, it is damaged."""
    oid = lambda text: bytes.fromhex(text)
    kdf = der(0xA0, oid("06092a864886f70d01050c"), der(0x30, der(4, bytes(8)), der(2, rounds.to_bytes(5, "big"))))
    cipher = der(0x30, oid("060960864801650304012a"), der(4, bytes(16)))
    wrap = der(0x30, oid("060b2a864886f70d0109100309"), cipher)
    recipient = der(0xA3, der(2, b"\0"), kdf, wrap, der(4, bytes(48)))
    content = der(0x30, oid("06092a864886f70d010701"), cipher, der(0x80, bytes(64)))
    return der(0x30, oid("06092a864886f70d010703"), der(0xA0, der(0x30, der(2, b"\3"), der(0x31, recipient), content)))


def enciphered(key, start, data, *options):
    return subprocess.run(["openssl", "enc", "-aes-256-cbc", "-K", key.hex(), "-iv", start.hex(), *options], input=data, stdout=subprocess.PIPE,
                          check=True, timeout=60).stdout


def with_prf(number, name, data, explicit=True):
    """Enveloped for the passphrase by PBKDF2 (RFC 8018 A.2) with HMAC of a hash, 1.2.840.113549.2.number, wrapped by RFC 3211."""
    salt, start, key, null = os.urandom(16), os.urandom(16), os.urandom(32), b"\5\0"
    kek = hashlib.pbkdf2_hmac(name, PASSPHRASE.encode(), salt, 5000, 32)
    oid = lambda text: bytes.fromhex(text)
    prf = der(0x30, oid("06082a864886f70d02") + bytes([number]), null) if explicit else b""
    kdf = der(0xA0, oid("06092a864886f70d01050c"), der(0x30, der(4, salt), der(2, (5000).to_bytes(2, "big")), prf))
    cipher = der(0x30, oid("060960864801650304012a"), der(4, start))
    once = enciphered(kek, start, bytes([32]) + bytes(b ^ 0xFF for b in key[:3]) + key + os.urandom(12), "-nopad")
    twice = enciphered(kek, once[-16:], once, "-nopad")
    recipient = der(0xA3, der(2, b"\0"), kdf, der(0x30, oid("060b2a864886f70d0109100309"), cipher), der(4, twice))
    content = der(0x30, oid("06092a864886f70d010701"), cipher, der(0x80, enciphered(key, start, data)))
    return der(0x30, oid("06092a864886f70d010703"), der(0xA0, der(0x30, der(2, b"\3"), der(0x31, recipient), content)))


@test
def secure_media_prf(bench):
    """Others' PBKDF2, with each HMAC that OpenSSL opens too, and with the one that is meant where none is named; together on one disc."""
    f = Foreign(Disc(bench))
    names = {"sha1": 7, "sha224": 8, "sha256": 9, "sha384": 10, "sha512": 11}
    signed = f.signed()
    files = {f"F{number}": with_prf(number, name, signed) for name, number in names.items()}
    files["F0"] = with_prf(7, "sha1", signed, explicit=False)
    folder = f.folder("prf", files)
    for name in files:
        bench.run("openssl", "cms", "-decrypt", "-inform", "DER", "-pwri_password", PASSPHRASE, "-in", f"{folder}/{name}", "-binary", "-out",
                  bench.path("theirs"), wants=0)
        with open(bench.path("theirs"), "rb") as file:
            equal(file.read() == signed, True, f"what OpenSSL opens of {name}")
    said = f.opens(folder, "--trust", f.signer, passphrase=PASSPHRASE)
    check("6 files opened" in said and "signed by CN=Alice\n" in said, said)
    f.disc.fails(folder, "the passphrase is wrong", passphrase="correct horse stable")


@test
def secure_media_hostile(bench):
    """What somebody might put on a disc to do harm has its sentence, is done with soon, and leaves nothing."""
    f = Foreign(Disc(bench))
    mine = ("--key", f.key)
    good = f.cms(f.signed(), "-encrypt", "-aes256", f.cert)
    nested = good
    for _ in range(4):
        nested = f.cms(nested, "-encrypt", "-aes256", f.cert)
    for i, (data, words) in enumerate((
            (nested, "it is sealed in itself too often"), (b"\x30\x84\xff\xff\xff\xff" + good[6:], "it ends before its end"),
            (b"\x30\x88" + b"\xff" * 8 + good[6:], "it ends before its end"), (b"\x30\x80" * 5000, "F0: it"), (b"\x30" + b"\0" * 100, "F0: it"),
            (good + b"x", "its structure is none of CMS"), (f.cms(b"echo", "-encrypt", "-aes256", f.cert), "what is in it is no DICOM file"))):
        f.disc.fails(f.folder(f"bad{i}", {"F0": data}), words, *mine, passphrase=None)
    for rounds in (2**31 - 1, 2**31, 2**39):
        began = time.monotonic()
        f.disc.fails(f.folder(f"rounds{rounds}", {"F0": pbkdf2(rounds)}), "the passphrase is wrong")
        check(time.monotonic() - began < 5, "time for", rounds, "rounds")
    cut = f.folder("cut", {f"F{at}": good[:at] for at in range(1, len(good), len(good) // 60)})
    said = f.disc.media("open", *mine, cut, bench.path("never"), passphrase=None, wants=3)
    equal(said.count("it ends before its end") > 50, True, said)
    # Names: links, two that are one, such as lead away.
    links = f.folder("links", {"F0": good})
    os.symlink("/etc/passwd", links + "/F1")
    os.symlink(links, links + "/up")
    f.disc.fails(links, "F1: it is no plain file", *mine, passphrase=None)
    f.disc.fails(f.folder("twice", {"F0": good, "F0.;1": good}), "there are two of this name", *mine, passphrase=None)
    f.disc.fails(f.folder("names", {"a b": good}), "it has a name that no file of a disc has", *mine, passphrase=None)
    # A DICOMDIR that lists what is above it.
    f.disc.media("seal", f.disc.folder, bench.path("sealed"))
    f.disc.media("open", bench.path("sealed"), bench.path("opened"))
    with open(bench.path("opened/DICOMDIR"), "rb") as file:
        listing = file.read().replace(b"D0000000\\F0000001", b"..\\..\\..\\etc\\newX", 1)
    climbs = f.folder("climbs", {"D0000000/F0000000": good, "DICOMDIR": f.cms(listing, "-encrypt", "-aes256", f.cert)})
    said = f.disc.media("open", *mine, climbs, bench.path("climbed"), passphrase=None, wants=1)
    check("../../../etc/newX: the DICOMDIR lists it" in said or "cannot be read" in said, said)
    equal(sorted(os.listdir(bench.path("climbed"))), ["D0000000", "DICOMDIR"], "what it has")
    # A mail whose parts have such names.
    mail = mail_of(f.disc).replace(b'id="IMAGES/F0"', b'id="../../F0"').replace(b'id="IMAGES/F1"', b'id="/tmp/F1"')
    path = smime(bench, mail, "-encrypt", "-aes128", "-recip", f.cert)[0]
    f.disc.media("open", *mine, path, bench.path("mailed"), passphrase=None)
    equal(sorted(os.listdir(bench.path("mailed"))), ["IMAGES", "PART0001", "PART0002"], "what it has")


@test
def secure_media_token(bench):
    """With the key on a token: discs of ours and of others, mails; a process opens it that reads no file."""
    f = Foreign(Disc(bench))
    uri, site, folder, pin = token.token(bench, {"bob": f.key, "alice": f.signer_key})
    subprocess.run(["chown", "-R", str(os.getuid()), folder], check=True)
    f.disc.env = {**os.environ, "SOFTHSM2_CONF": site["token-environment"][0].split("=", 1)[1]}
    mine = ("--key", uri.format("bob"), "--cert", f.cert)
    signed = f.signed()
    oaep = ("-keyopt", "rsa_padding_mode:oaep")
    foreign = f.folder("foreign", {
        "F0": f.cms(signed, "-encrypt", "-aes256", "-recip", f.ec, "-recip", f.cert), "F1": f.cms(signed, "-encrypt", "-des3", "-stream", "-keyid", f.cert),
        "F2": f.cms(signed, "-encrypt", "-aes128", "-pwri_password", PASSPHRASE, "-recip", f.cert, *oaep)})
    check("3 files opened" in f.opens(foreign, *mine, "--trust", f.signer), "others' files")
    image, mail = bench.path("out.iso"), bench.path("out.eml")
    f.disc.media("seal", "--to", f.signer, "--to", f.cert, f.disc.folder, image, passphrase=None)
    f.disc.media("seal", "--to", f.cert, "--key", uri.format("alice").split("&pin-source")[0], "--key-passphrase-file", pin, "--cert", f.signer,
                 f.disc.folder, mail, passphrase=None)
    for i, source in enumerate((image, mail)):
        f.disc.media("open", *mine, source, bench.path(f"opened{i}"), passphrase=None)
        f.disc.is_whole(bench.path(f"opened{i}"))
    f.disc.fails(mail, "it is sealed to others", "--key", uri.format("alice"), "--cert", f.signer, passphrase=None)
    f.disc.fails(mail, "it is not the key of that certificate", "--key", uri.format("alice"), "--cert", f.cert, passphrase=None)
    f.disc.fails(mail, "no private key of that name", "--key", uri.format("eve"), "--cert", f.cert, passphrase=None)
    f.disc.fails(f.folder("gcm", {"F0": f.cms(signed, "-encrypt", "-aes-128-gcm", f.cert)}), "in a way that keys on tokens do not open", *mine, passphrase=None)
    f.disc.fails(f.folder("sha512", {"F0": f.cms(signed, "-encrypt", "-aes256", "-recip", f.cert, *oaep, "-keyopt", "rsa_oaep_md:sha512")}),
                 "in a way that keys on tokens do not open", *mine, passphrase=None)
    f.disc.fails(f.folder("phrase", {"F0": f.cms(signed, "-encrypt", "-aes256", "-pwri_password", PASSPHRASE)}), "it is sealed with a passphrase: leave out --key", *mine,
                 passphrase=None)
    f.disc.media("open", "--key", uri.format("bob"), mail, bench.path("never"), passphrase=None, wants=2)
