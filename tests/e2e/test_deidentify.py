# SPDX-License-Identifier: Apache-2.0
"""`gantry deidentify`: what other programs read in the copies, what is not copied, and what nobody finds again."""
import base64
import csv
import glob
import gzip
import io
import lzma
import os
import re
import shutil
import signal
import zipfile
import zlib

from lib.site import ROOT, check, equal, test, until
from lib.token import token

DATA = os.path.join(ROOT, "tests/data/dicom")
FILES = ["CT_small.dcm", "MR_small_implicit.dcm", "SC_rgb_small_odd_big_endian.dcm", "liver_deflate.dcm", "sr.dcm",
         "JPEG2000.dcm", "SC_rgb_rle_2frame.dcm", "rtplan.dcm", "report_dfl.dcm"]


def make_key(bench, name="key"):
    path = bench.path(name)
    bench.run(bench.program, "deidentify", "--new-key", path, wants=0)
    equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the key")
    return path


def values(bench, path, *tags):
    """What dcmdump reads, by tag, at the top and in sequences."""
    wanted = [word for tag in tags for word in ("+P", tag)]
    text = bench.run("dcmdump", "-q", "-Un", "-M", *wanted, path, wants=0).text
    return re.findall(r"\[([^]]*)\]", text)


def copies(folder):
    return sorted(glob.glob(os.path.join(folder, "**/*.dcm"), recursive=True))


REMARKS = re.compile(rb"Kakadu-2\.2|MITRA_DICOM_STANDARD|(?<=\0\x01)Created by [ -~]*|LJIF\0\x01|(?<=\xff\xd9).\Z", re.DOTALL)


def pixels(bench, path, name):
    """The pixel data as DCMTK writes it, fragments each by itself; comments of the tests' files, and what is behind the end, as zeros."""
    folder = bench.path(name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    bench.run("dcmdump", "-q", "+W", folder, path, wants=0)
    values = [open(f, "rb").read() for f in sorted(glob.glob(os.path.join(folder, "*")))]
    return [REMARKS.sub(lambda found: bytes(len(found[0])), value) for value in values]


def bytes_of(bench, path, tag):
    """The bytes of an element, as dcmdump prints them."""
    text = bench.run("dcmdump", "-q", "+L", "+P", tag, path, wants=0).text
    return [bytes.fromhex(value.replace("\\", "")) for value in re.findall(r"OB ([0-9a-f\\]+)", text)]


@test
def deidentified(bench):
    """Each transfer syntax: DCMTK reads the copy, nobody is named in it, and its pixels are what they were."""
    key = make_key(bench)
    for name in FILES:
        out, source = bench.path(f"out-{name}"), os.path.join(DATA, name)
        ran = bench.run(bench.program, "deidentify", "--key", key, source, out, wants=0)
        made, = copies(out)
        check("1 copied" in ran.text, ran.text)
        equal(values(bench, made, "0012,0062"), ["YES"], f"{name}: Patient Identity Removed")
        check("113100" in values(bench, made, "0008,0100"), f"{name}: no code of the profile")
        equal(values(bench, made, "0028,0303"), ["REMOVED"], f"{name}: Longitudinal Temporal Information Modified")
        identity, = values(bench, made, "0010,0020")
        check(re.fullmatch(r"[0-9A-Z]{16}", identity), identity)
        equal(values(bench, made, "0010,0010"), [identity], f"{name}: Patient's Name")
        for uid in values(bench, made, "0008,0018", "0020,000d", "0020,000e", "0020,0052"):
            check(uid.startswith("2.25.") and len(uid) <= 64, f"{name}: {uid}")
        equal(values(bench, made, "0002,0003"), values(bench, made, "0008,0018"), f"{name}: file meta information")
        equal(pixels(bench, made, "now"), pixels(bench, source, "before"), f"{name}: pixel data")
        with open(made, "rb") as copy:
            check(not any(copy.read(128)), f"{name}: the preamble is not empty")
        for old in values(bench, source, "0010,0010", "0010,0020", "0008,0018", "0020,000d"):
            check(not old or old.encode() not in open(made, "rb").read(), f"{name}: {old} is there still")


@test
def pseudonyms(bench):
    """The same key makes the same of the same, in other runs too; another does not."""
    study, key = bench.path("study"), make_key(bench)
    os.makedirs(study)
    for number in ("1", "2"):
        path = os.path.join(study, f"{number}.dcm")
        shutil.copy(os.path.join(DATA, "CT_small.dcm"), path)
        os.chmod(path, 0o644)
        bench.run("dcmodify", "-nb", "-q", "-m", f"0008,0018=1.2.3.{number}", path, wants=0)
    found = []
    for turn, how in (("a", key), ("b", key), ("c", make_key(bench, "other"))):
        out = bench.path("out-" + turn)
        bench.run(bench.program, "deidentify", "--key", how, study, out, wants=0)
        made = copies(out)
        equal(len(made), 2, "copies")
        equal(len({os.path.dirname(path) for path in made}), 1, "series")
        found.append([os.path.relpath(path, out) for path in made])
    equal(found[0], found[1], "with the same key")
    check(not set(found[0]) & set(found[2]), "another key makes the same names")
    ran = bench.run(bench.program, "deidentify", "--key", key, study, bench.path("out-a"), wants=3)
    check("there is something in it" in ran.text, ran.text)
    for out in (study, os.path.join(study, "copies")):
        ran = bench.run(bench.program, "deidentify", "--key", key, "--into-existing", study, out, wants=3)
        check("would be copied again" in ran.text, ran.text)
    ran = bench.run(bench.program, "deidentify", "--key", key, study, os.path.join(study, "copies"), wants=3)
    check("would be copied again" in ran.text, ran.text)
    check(not os.path.exists(os.path.join(study, "copies")), "an OUT is left of what was refused")
    ran = bench.run(bench.program, "deidentify", "--key", key, "--into-existing", study, bench.path("out-a"), wants=1)
    equal(ran.text.count("there is a copy of this SOP instance already, which is the same"), 2, ran.text)
    bench.run("dcmodify", "-nb", "-q", "-i", "0028,1050=77", os.path.join(study, "1.dcm"), wants=0)
    ran = bench.run(bench.program, "deidentify", "--key", key, "--into-existing", study, bench.path("out-a"), wants=1)
    equal((ran.text.count("which is the same"), ran.text.count("and that is another: two files have one SOP Instance UID")), (1, 1), ran.text)
    bench.run("dcmodify", "-nb", "-q", "-m", "0020,000d=" + "1.2" * 22, os.path.join(study, "1.dcm"), wants=0)
    ran = bench.run(bench.program, "deidentify", "--key", key, os.path.join(study, "1.dcm"), bench.path("neither"), wants=1)
    check("StudyInstanceUID(0020,000D) is no UID: it has more than 64 characters" in ran.text, ran.text)


@test
def dates(bench):
    """Removed, moved all alike, or kept."""
    key, source = make_key(bench), os.path.join(DATA, "CT_small.dcm")
    before = values(bench, source, "0008,0020", "0008,0022")
    for how, word in (("remove", "REMOVED"), ("shift", "MODIFIED"), ("keep", "UNMODIFIED")):
        out = bench.path("dates-" + how)
        bench.run(bench.program, "deidentify", "--key", key, "--dates", how, source, out, wants=0)
        made, = copies(out)
        after = [value for value in values(bench, made, "0008,0020", "0008,0022") if value]
        equal(values(bench, made, "0028,0303"), [word], how)
        if how == "remove":
            equal(after, [], "dates that are left")
        elif how == "keep":
            equal(after, before, "dates that are kept")
        else:
            check(after != before and len(after) == len(before) and all(len(date) == 8 for date in after), str(after))
            equal(len(set(after)), len(set(before)), "dates that were alike")


@test
def leftovers(bench):
    """A name in an element that the profile keeps: the copy is not kept, and where it is, is said; not what it is."""
    key, path = make_key(bench), bench.path("named.dcm")
    shutil.copy(os.path.join(DATA, "CT_small.dcm"), path)
    os.chmod(path, 0o644)
    bench.run("dcmodify", "-nb", "-q", "-m", "0010,0010=Zzyzxon^Quentin", "-i", "0018,1210=KERNEL QUENTIN", path, wants=0)
    out = bench.path("out")
    ran = bench.run(bench.program, "deidentify", "--key", key, path, out, wants=1)
    check("PatientName(0010,0010) is still in ConvolutionKernel(0018,1210)" in ran.text, ran.text)
    check("Quentin" not in ran.text and "QUENTIN" not in ran.text, "the name is printed")
    equal(os.listdir(out), [], "what is left in OUT")
    bench.run(bench.program, "deidentify", "--key", key, "--leftovers", "keep", path, out, wants=0)
    equal(len(copies(out)), 1, "copies with --leftovers keep")
    # In large letters; and the date that a UID is made of, where UIDs are to stay.
    bench.run("dcmodify", "-nb", "-q", "-m", "0008,0005=ISO_IR 192", "-m", "0010,0010=Müller^J", "-m", "0018,1210=MÜLLER",
              path, wants=0)
    ran = bench.run(bench.program, "deidentify", "--key", key, path, bench.path("none"), wants=1)
    check("PatientName(0010,0010) is still in ConvolutionKernel(0018,1210)" in ran.text, ran.text)
    ran = bench.run(bench.program, "deidentify", "--key", key, "--retain", "uids", os.path.join(DATA, "CT_small.dcm"), bench.path("uids"),
                    wants=0)
    check("see whether SOPInstanceUID(0008,0018), whose value was also that of InstanceCreationDate" in ran.text, ran.text)
    equal(len(copies(bench.path("uids"))), 1, "copies with UIDs that are made of dates")


@test
def leftovers_compressed(bench):
    """A name that is compressed in what stays is found there; what cannot be looked into is told of."""
    key, plain, number = make_key(bench), bench.path("plain.dcm"), 0
    shutil.copy(os.path.join(DATA, "CT_small.dcm"), plain)
    os.chmod(plain, 0o644)
    bench.run("dcmodify", "-nb", "-q", "-m", "0010,0010=Zzyzxon^Quentin", "-i", "7e01,0010=HOLOGIC, Inc.", plain, wants=0)
    named, members = b"<name>Quentin Zzyzxon</name>" * 3, io.BytesIO()
    with zipfile.ZipFile(members, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("who.xml", named)
    locked = bytearray(members.getvalue())
    locked[6] |= 1  # of the member's flags: encrypted
    page = b"%PDF-1.4\n1 0 obj<</Filter/FlateDecode>>stream\n" + zlib.compress(b"BT [(Zzy)-9(zxon)] TJ ET") + b"\nendstream"
    for value, words in ((gzip.compress(named), "is still in"), (members.getvalue(), "is still in"), (page, "is still in"),
                         (base64.b64encode(gzip.compress(members.getvalue())), "is still in"),
                         (bytes(locked), "something in it is encrypted"), (lzma.compress(named), "in a way that is not searched"),
                         (gzip.compress(bytes(30 << 20)), "more than is searched"), (gzip.compress(b"nobody at all"), "")):
        number += 1
        path, out = bench.path(f"{number}.dcm"), bench.path(f"out-{number}")
        shutil.copy(plain, path)
        with open(bench.path("value"), "wb") as there:
            there.write(value + bytes(len(value) % 2))
        bench.run("dcmodify", "-nb", "-q", "-if", "7e01,1012=" + bench.path("value"), path, wants=0)
        left = words == "is still in"
        ran = bench.run(bench.program, "deidentify", "--key", key, "--retain", "safe-private", path, out, wants=int(left))
        equal(len(copies(out)), int(not left), f"copies of {number}")
        check(words in ran.text and ("7E01,1012" in ran.text) == (words != ""), f"{number}: {ran.text}")


@test
def not_copied(bench):
    """What cannot be made safe, and what is no object; a mistaken key; nothing half-written."""
    key, folder, out = make_key(bench), bench.path("in"), bench.path("out")
    os.makedirs(folder)
    shutil.copy(os.path.join(ROOT, "tests/data/structure/encapsulated-pdf-js.dcm"), os.path.join(folder, "document.dcm"))
    burned = os.path.join(folder, "burned.dcm")
    shutil.copy(os.path.join(DATA, "CT_small.dcm"), burned)
    os.chmod(burned, 0o644)
    bench.run("dcmodify", "-nb", "-q", "-i", "0028,0301=YES", burned, wants=0)
    whole = open(os.path.join(DATA, "MR_small_implicit.dcm"), "rb").read()
    open(os.path.join(folder, "cut.dcm"), "wb").write(whole[:len(whole) // 2])
    open(os.path.join(folder, "readme.txt"), "w", encoding="utf-8").write("no image\n")
    os.symlink(os.path.join(DATA, "sr.dcm"), os.path.join(folder, "link.dcm"))
    ran = bench.run(bench.program, "deidentify", "--key", key, folder, out, wants=1)
    for words in ("document.dcm: it holds a document", "burned.dcm: it says that text is burned", "cut.dcm: it is broken at byte",
                  "readme.txt: it is no DICOM file", "link.dcm: it is no plain file"):
        check(words in ran.text, f"{words}: {ran.text}")
    equal(os.listdir(out), [], "what is left in OUT")
    bench.run(bench.program, "deidentify", "--key", key, "--burned-in", "keep", "--documents", "replace", folder, out, wants=1)
    equal(len(copies(out)), 2, "copies of those that are wanted all the same")
    pdf = os.path.join(ROOT, "tests/data/valid/pdf.dcm")  # Burned In Annotation YES
    ran = bench.run(bench.program, "deidentify", "--key", key, "--clean-pixels", pdf, bench.path("pdf"), wants=1)
    check("it holds a document" in ran.text and "--clean-pixels" not in ran.text, ran.text)
    check("and it holds" not in ran.text, ran.text)
    bench.run(bench.program, "deidentify", "--key", key, "--documents", "replace", pdf, bench.path("pdf"), "--into-existing", wants=0)
    equal(values(bench, copies(bench.path("pdf"))[0], "0028,0301"), ["NO"], "Burned In Annotation of what has no document any more")
    both = bench.path("both.dcm")
    shutil.copy(burned, both)
    with open(bench.path("page"), "wb") as page:
        page.write(b"%PDF-1.4")
    bench.run("dcmodify", "-nb", "-q", "-if", "0042,0011=" + bench.path("page"), both, wants=0)
    ran = bench.run(bench.program, "deidentify", "--key", key, both, bench.path("neither"), wants=1)
    check("--burned-in keep" in ran.text and "--documents replace" in ran.text and "both are needed" in ran.text, ran.text)
    check(not any(b"JavaScript" in open(path, "rb").read() for path in copies(out)), "the document is there still")
    os.mkdir(bench.path("empty"))
    ran = bench.run(bench.program, "deidentify", "--key", key, bench.path("empty"), bench.path("none"), wants=3)
    check("empty: there is no DICOM file in it" in ran.text and not os.path.exists(bench.path("none")), ran.text)
    os.chmod(key, 0o644)
    ran = bench.run(bench.program, "deidentify", "--key", key, folder, bench.path("none"), wants=3)
    check("others may read it" in ran.text and not os.path.exists(bench.path("none")), ran.text)
    ran = bench.run(bench.program, "deidentify", "--new-key", key, wants=3)
    check("it is there already" in ran.text, ran.text)
    typed = bench.write("typed.key", "correct horse battery staple 123")
    os.chmod(typed, 0o600)
    ran = bench.run(bench.program, "deidentify", "--key", typed, folder, bench.path("none"), wants=3)
    check("it is a text or a pattern" in ran.text and not os.path.exists(bench.path("none")), ran.text)
    os.chmod(key, 0o600)
    ran = bench.run(bench.program, "deidentify", "--key", key, "--manifest", bench.path("none/list.csv"), folder, bench.path("new"), wants=3)
    check("none/list.csv: No such file" in ran.text and not os.path.exists(bench.path("new")), ran.text)
    bench.run(bench.program, "deidentify", "--key", key, "--manifest", bench.path("new/list.csv"), "--documents", "replace", folder,
              bench.path("new"), wants=1)
    check(os.path.exists(bench.path("new/list.csv")), "a list in OUT itself")
    ran = bench.run(bench.program, "deidentify", "--key", key, "--manifest", bench.path("new/list.csv"), folder, bench.path("newer"), wants=3)
    check("it is there already: name a new file" in ran.text and not os.path.exists(bench.path("newer")), ran.text)


@test
def words_of_standard(bench):
    """A person who is called as a value type is (Enter text) does not keep a report back."""
    ran = bench.run(bench.program, "deidentify", "--key", make_key(bench), os.path.join(ROOT, "tests/data/valid/reportsi.dcm"), bench.path("out"), wants=0)
    check("ValueType" not in ran.text, "a leftover", ran.text)
    check("TEXT" in values(bench, copies(bench.path("out"))[0], "0040,A040"), "its value types")
    other = bench.path("other.dcm")  # where it is not the word alone, it is a leftover as ever
    shutil.copy(os.path.join(ROOT, "tests/data/valid/reportsi.dcm"), other)
    os.chmod(other, 0o644)
    bench.run("dcmodify", "-nb", "-q", "-m", "0040,a040=TEXT ENTER", other, wants=0)
    ran = bench.run(bench.program, "deidentify", "--key", bench.path("key"), other, bench.path("more"), wants=1)
    check("is still in ValueType(0040,A040)" in ran.text, "no leftover", ran.text)


@test
def manifest(bench):
    """What was done to each element, by its path; what was there before is not in it."""
    key, listed = make_key(bench), bench.path("list.csv")
    bench.run(bench.program, "deidentify", "--key", key, "--manifest", listed, os.path.join(DATA, "sr.dcm"), bench.path("out"),
              wants=0)
    with open(listed, encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    done = {row["element"]: row["done"] for row in rows}
    equal(done.get("(0008,0018)"), "new-uid", "SOP Instance UID")
    equal(done.get("(0010,0010)"), "replaced", "Patient's Name")
    equal([done.get(f"({tag})") for tag in ("0012,0062", "0012,0063", "0012,0064", "0028,0303")], ["added"] * 4, "what the profile says")
    equal({row["why"] for row in rows}, {"profile"}, "why")
    again = bench.path("again.csv")
    bench.run(bench.program, "deidentify", "--key", key, "--manifest", again, copies(bench.path("out"))[0], bench.path("again"), wants=0)
    with open(again, encoding="utf-8", newline="") as lines:
        done = {row["element"]: row["done"] for row in csv.DictReader(lines)}
    equal([done.get(f"({tag})") for tag in ("0012,0062", "0012,0063", "0012,0064", "0028,0303")], ["replaced"] * 4, "of a copy's copy")
    check(any("[1]." in element for element in done), "no element of a sequence")
    equal(os.stat(listed).st_mode & 0o777, 0o600, "mode of the list")


@test
def jobs(bench):
    """By several processes at once all comes out as by one; and ended in the midst, there are whole copies alone."""
    key, folder = make_key(bench), bench.path("in")
    for number, name in enumerate(FILES * 3):
        os.makedirs(os.path.join(folder, str(number // 7)), exist_ok=True)
        shutil.copy(os.path.join(DATA, name), os.path.join(folder, str(number // 7), f"{number:02}.dcm"))
    open(os.path.join(folder, "2", "readme.txt"), "w", encoding="utf-8").write("no image\n")
    os.symlink(os.path.join(DATA, "sr.dcm"), os.path.join(folder, "1", "link.dcm"))
    came = []
    for number in ("1", "4"):
        out, listed = bench.path("out"), bench.path("list.csv")
        ran = bench.run(bench.program, "deidentify", "--key", key, "--jobs", number, "--manifest", listed, folder, out, wants=1)
        came.append((ran.text, open(listed, "rb").read(), [(path, open(path, "rb").read()) for path in copies(out)]))
        shutil.rmtree(out)
        os.unlink(listed)
    equal(came[1], came[0], "what four processes make, beside what one does")
    equal(len(came[0][2]), len(FILES), "copies")
    for number in range(300):
        shutil.copy(os.path.join(DATA, "CT_small.dcm"), os.path.join(folder, "3", f"{number}.dcm"))
    for number in ("1", "3"):
        process = bench.start(bench.program, "deidentify", "--key", key, "--isolate", "--jobs", number, "--manifest", listed, folder, out)
        until(lambda: copies(out), "the first copy")
        process.popen.send_signal(signal.SIGINT)
        equal(process.wait(), -signal.SIGINT, "how it ended")
        check(f"ended by SIGINT: whole copies in {out}: {len(copies(out))}, not of all files; no manifest" in process.text(), process.text())
        equal([name for name in os.listdir(out) if name.startswith(".")], [], "what has no name yet")
        check(not os.path.exists(listed), "a list of a part of them")
        shutil.rmtree(out)


@test
def originals(bench):
    """What was removed is in the copy, encrypted to two people: OpenSSL decrypts it with either one's key, and nobody reads it without."""
    key, source, out = make_key(bench), os.path.join(DATA, "CT_small.dcm"), bench.path("out")
    for name in "ab":
        bench.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", bench.path(name + ".key"), "-out",
                  bench.path(name + ".pem"), "-subj", "/CN=" + name, wants=0)
    bench.run(bench.program, "deidentify", "--key", key, "--originals-to", bench.path("a.pem"), "--originals-to", bench.path("b.pem"),
              source, out, wants=0)
    made, = copies(out)
    name, identity, instance = (values(bench, source, tag)[0] for tag in ("0010,0010", "0010,0020", "0008,0018"))
    whole = open(made, "rb").read()
    check(not any(text.encode() in whole for text in (name, identity, instance)), "the originals can be read")
    cms, = bytes_of(bench, made, "0400,0520")
    open(bench.path("cms.der"), "wb").write(cms)
    for who in "ab":
        bench.run("openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", bench.path("cms.der"), "-inkey",
                  bench.path(who + ".key"), "-out", bench.path("plain"), wants=0)
        bench.run("dcmdump", "-q", "-f", "-te", bench.path("plain"), wants=0)
        plain = open(bench.path("plain"), "rb").read()
        for text in (name, identity, instance):
            check(text.encode() in plain, f"{text} is not in what {who} has")
    again = bench.path("again.dcm")
    ran = bench.run(bench.program, "reidentify", "--key", bench.path("b.key"), made, again, wants=0)
    check(name not in ran.text, ran.text)
    for tag in ("0010,0010", "0010,0020", "0008,0018", "0008,0020", "0020,000d", "0020,000e", "0002,0003"):
        equal(values(bench, again, tag), values(bench, source, tag)[:1], f"{tag} that is back")
    equal(values(bench, again, "0012,0062"), ["NO"], "Patient Identity Removed")
    equal(values(bench, again, "0012,0063", "0012,0064", "0400,0500"), [], "how it was de-identified")
    equal(pixels(bench, again, "now"), pixels(bench, source, "before"), "pixel data")
    equal(os.stat(again).st_mode & 0o777, 0o600, "who may read it")
    ran = bench.run(bench.program, "reidentify", "--key", bench.path("b.key"), made, again, wants=3)
    check("there already" in ran.text, ran.text)
    bench.run("openssl", "genrsa", "-out", bench.path("c.key"), "2048", wants=0)
    for which, what, words in (("c.key", made, "encrypted to others|another's key"), ("b.key", source, "no encrypted originals"),
                               ("b.key", key, "no DICOM file"), ("b.pem", made, "no private key in PEM")):
        if which.endswith("pem"):
            os.chmod(bench.path(which), 0o600)
        ran = bench.run(bench.program, "reidentify", "--key", bench.path(which), what, bench.path("no.dcm"), wants=3)
        check(re.search(words, ran.text) and not os.path.exists(bench.path("no.dcm")), ran.text)
    equal([name for name in os.listdir(os.path.dirname(again)) if "stage" in name], [], "what is left beside it")
    ran = bench.run(bench.program, "deidentify", "--key", key, "--originals-to", key, source, bench.path("none"), wants=3)
    check("no certificate" in ran.text and not os.path.exists(bench.path("none")), ran.text)


@test
def originals_of_a_folder(bench):
    """Put back in one go, by a key with a passphrase and by one on a token: what is none is named, and stays away."""
    key, source, out = make_key(bench), bench.new_folder("in"), bench.path("out")
    for name in ("CT_small.dcm", "MR_small_implicit.dcm"):
        shutil.copy(os.path.join(DATA, name), source)
    bench.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", bench.path("a.key"), "-out", bench.path("a.pem"),
              "-subj", "/CN=a", wants=0)
    bench.run("openssl", "pkcs8", "-topk8", "-in", bench.path("a.key"), "-passout", "pass:open it", "-out", bench.path("a.p8"), wants=0)
    for name, text in (("right", "open it\n"), ("wrong", "let me in\n")):
        os.chmod(bench.write(name, text), 0o600)
    bench.run(bench.program, "deidentify", "--key", key, "--originals-to", bench.path("a.pem"), source, out, wants=0)
    before = sorted(values(bench, os.path.join(source, name), "0010,0020")[0] for name in os.listdir(source))
    with open(os.path.join(out, "none.txt"), "w", encoding="utf-8") as file:
        file.write("no image\n")
    again = bench.path("again")
    command = [bench.program, "reidentify", "--key", bench.path("a.p8"), "--passphrase-file"]
    ran = bench.run(*command, bench.path("wrong"), out, again, wants=3)
    check("the passphrase does not open it" in ran.text and not os.path.exists(again), ran.text)
    ran = bench.run(*command[:-1], out, again, wants=3)
    check("there was no passphrase; where nobody can be asked, `--passphrase-file FILE`" in ran.text, ran.text)
    os.chmod(bench.path("wrong"), 0o604)
    ran = bench.run(*command, bench.path("wrong"), out, again, wants=3)
    equal(len(ran.text.splitlines()), 1, "sentences: " + ran.text)
    check("can be read by every user" in ran.text and not os.path.exists(again), ran.text)
    ran = bench.run(*command, bench.path("right"), out, again, wants=0)
    check("2 put back in" in ran.text and "1 left alone" in ran.text and not any(text in ran.text for text in before), ran.text)
    equal(sorted(values(bench, path, "0010,0020")[0] for path in copies(again)), before, "patients that are back")
    equal([os.path.relpath(path, again) for path in copies(again)], [os.path.relpath(path, out) for path in copies(out)], "their names")
    equal({os.stat(path).st_mode & 0o777 for path in copies(again)}, {0o600}, "who may read them")
    uri, words, folder, _ = token(bench, {"a": bench.path("a.key")})
    bench.run("chown", "-R", str(os.getuid()), folder, wants=0)
    env = {**os.environ, **dict(word.split("=", 1) for word in words["token-environment"])}
    command = [bench.program, "reidentify", "--key", uri.format("a")]
    bench.run(*command, out, bench.path("no"), wants=2, env=env)
    plain, command = os.path.join(source, "CT_small.dcm"), [*command, "--cert", bench.path("a.pem")]
    ran = bench.run(*command, *copies(out), plain, bench.path("several"), wants=1, env=env)
    check("no encrypted originals" in ran.text, ran.text)
    equal(sorted(values(bench, path, "0010,0020")[0] for path in copies(bench.path("several"))), before, "patients, by the token")
    ran = bench.run(*command, plain, plain, bench.path("no"), wants=3, env=env)
    check("nothing was put back" in ran.text and not os.path.exists(bench.path("no")), ran.text)
