# SPDX-License-Identifier: Apache-2.0
"""What `gantry media seal` makes of objects in other transfer syntaxes, beside DCMTK's dcmconv, dcmdjpeg and dcmdrle, and GDCM."""
import glob
import os
import re
import shutil
import subprocess

from lib import dicom
from lib.site import ROOT, check, equal, test
from test_secure_media import Disc, records
from test_sign import Signer

LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81")
EXPLICIT, IMPLICIT, JPEG_2000 = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.91"
DATA = os.path.join(ROOT, "tests/data")
PEERS = (("dcmconv", "+te", "-e", "-g"), ("dcmdjpeg", "+px", "+te", "-e", "-g"), ("dcmdrle", "+te", "-e", "-g"), ("gdcmconv", "-w"))
# What gdcmconv changes of its own, or adds.
GDCM = ("0008,0016", "0020,000d", "0020,000e", "0028,0008", "0028,0101", "0028,0102", "0028,2110", "0028,2112", "0028,2114")


def said(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode("latin-1")


def facts(path):
    """Its transfer syntax, and its SOP instance."""
    part10 = dicom.Part10(path)
    return part10.syntax, part10.instance


def data_set(path, leave=()):
    """What dcmdump says of it, but for lengths; pixels as bytes, whichever of OB and OW they are."""
    lines = []
    for line in said("dcmdump", "+L", "-Un", path).splitlines():
        line = re.sub(r" \(Sequence with.*| +#.*", "", line)
        tag = line.strip()[1:10]
        if not tag or tag.startswith("0002,") or tag.endswith(",0000") or line.startswith("#") or tag in leave or tag.startswith("fffe,e0"):
            continue
        pixels = re.match(r" *\((?:7fe0,0010)\) O([BW]) (.*)", line)
        if pixels and pixels.group(1) == "W":
            line = "(7fe0,0010) OB " + "\\".join(f"{w[2:]}\\{w[:2]}" for w in pixels.group(2).split("\\"))
        lines.append(line)
    return lines


def peer_of(source, out):
    """Which program converts it."""
    for command in PEERS:
        if subprocess.run([*command, source, out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return command[0]
    return None


def others():
    """Files of ours that are in other syntaxes, one of each SOP instance; TIFF-like pairs and damaged ones left aside."""
    found, seen = [], set()
    names = glob.glob(DATA + "/valid/*.dcm") + glob.glob(DATA + "/dicom/*.dcm") + [
        f"{DATA}/structure/{n}.dcm" for n in ("MR_small_bigendian", "rtdose_expb", "rwvm", "chrSQEncoding")]
    for path in sorted(names):
        if os.path.getsize(path) > 100000:
            continue  # what it takes to print them
        syntax, instance = facts(path)
        if syntax != EXPLICIT and instance not in seen:
            seen.add(instance)
            found.append((path, instance))
    return found


@test
def media_becomes_explicit(bench):
    """Whatever an object is written in, on the disc it is in Explicit VR Little Endian, and says the same as other programs' conversion."""
    disc, sources = Disc(bench, convert=True), {}
    shutil.rmtree(disc.folder)
    os.mkdir(disc.folder)
    for i, (path, instance) in enumerate(others()):
        shutil.copy(path, disc.folder + f"/{i}")
        sources[instance] = path
    check(len(sources) > 15, "too few files in other syntaxes", len(sources))
    text = disc.media("seal", disc.folder, bench.path("sealed"))
    check("stay as they are" not in text and f"{len(sources)} of {len(sources)} objects become" in text, text[-600:])
    disc.media("open", bench.path("sealed"), bench.path("opened"))
    opened, peers, lossy = glob.glob(bench.path("opened/D*/F*")), set(), 0
    equal(len(opened), len(sources), "objects")
    for path in opened:
        (syntax, instance), theirs = facts(path), bench.path("theirs.dcm")
        source = sources[instance]
        equal(syntax, EXPLICIT, source)
        if facts(source)[0] in LOSSY:
            lossy += 1
            check("(0028,2110) CS [01]" in said("dcmdump", path), f"{source}: nothing says that it has lost something")
        peer = peer_of(source, theirs)
        peers.add(peer)
        if peer:
            leave = GDCM if peer == "gdcmconv" else ("0028,2110",)
            ours, other = data_set(path, leave), data_set(theirs, leave)
            equal([x for x in ours if x not in other][:3], [x for x in other if x not in ours][:3], f"{source} beside {peer}")
            equal(ours, other, f"{source} beside {peer}")
    check(lossy > 2, "too few lossy ones", lossy)
    equal(sorted(p or "" for p in peers), ["", "dcmconv", "dcmdjpeg", "dcmdrle", "gdcmconv"], "who else converts them")


@test
def media_keeps_syntax(bench):
    """What is to stay stays, byte for byte: all of it, or what is compressed. An icon that is encapsulated beside what no longer is goes."""
    disc = Disc(bench, convert=True)
    text = disc.media("seal", "--keep-transfer-syntax", disc.folder, bench.path("as-it-was"))
    check("4 of 6 objects are not in Explicit VR Little Endian" in text, text)
    disc.media("open", bench.path("as-it-was"), bench.path("opened"))
    disc.is_whole(bench.path("opened"))
    text = disc.media("seal", "--keep-compressed", disc.folder, bench.path("compressed"))
    check("2 of 6 objects become Explicit VR Little Endian\n" in text and "JPEG2000.dcm: it stays compressed, as --keep-compressed has it\n" in text, text)
    disc.media("open", bench.path("compressed"), bench.path("opened-compressed"))
    icon = bench.new_folder("icon")
    shutil.copy(f"{DATA}/hostile/slicethickness_empty_string.dcm", icon)
    disc.media("seal", icon, bench.path("sealed-icon"))
    disc.media("open", bench.path("sealed-icon"), bench.path("opened-icon"))
    text = said("dcmdump", bench.path("opened-icon/D0000000/F0000000"))
    check("=LittleEndianExplicit" in text and "(0088,0200)" not in text and "PixelSequence" not in text, "an icon that is encapsulated", text)
    disc.media("seal", "--keep-compressed", "--keep-transfer-syntax", disc.folder, bench.path("never"), wants=2)


@test
def media_signatures_hold(bench):
    """Signatures of an object hold when it is converted, by us and by dcmsign; where they would not, it is not."""
    s, disc = Signer(bench), Disc(bench, convert=True)
    shutil.rmtree(disc.folder)
    os.mkdir(disc.folder)
    deflated = bench.path("deflated.dcm")
    bench.run("dcmconv", "+td", f"{DATA}/dicom/CT_small.dcm", deflated, wants=0)
    names = ("MR_small_implicit", "SC_rgb_small_odd_big_endian", "deflated", "JPEG2000")
    for i, name in enumerate(names):
        source = f"{DATA}/dicom/{name}.dcm" if name != "deflated" else deflated
        made = s.sign(s.dcmsign(source) if i < 2 else source)
        shutil.copy(made, disc.folder + f"/{i}.dcm")
    implicit = bench.path("implicit.dcm")  # with private elements, which dcmsign knows and signs
    bench.run("dcmconv", "+ti", f"{DATA}/dicom/CT_small.dcm", implicit, wants=0)
    bench.run("dcmodify", "-nb", "-m", "0008,0018=1.2.3", implicit, wants=0)
    shutil.copy(s.dcmsign(implicit), disc.folder + "/private.dcm")
    text = disc.media("seal", disc.folder, bench.path("sealed"))
    check("3 of 5 objects become" in text and "3.dcm: its pixels are compressed, and digitally signed so" in text, text)
    check("private.dcm: private elements of it are digitally signed" in text, text)
    disc.media("open", bench.path("sealed"), bench.path("opened"))
    found = []
    for path in glob.glob(bench.path("opened/D*/F*")):
        if facts(path)[0] != IMPLICIT:
            found.append((facts(path)[0], [v["state"] for v in s.verify(path)]))
        s.theirs(path)
    equal(sorted(found), [(EXPLICIT, ["good"]), (EXPLICIT, ["good"] * 2), (EXPLICIT, ["good"] * 2), (JPEG_2000, ["good"])], "verdicts")


@test
def media_of_valid_files(bench):
    """A disc of all valid files: dicom3tools have nothing against its DICOMDIR, and DCMTK makes one of what it opens to with the same files."""
    disc = Disc(bench, convert=True)
    shutil.rmtree(disc.folder)
    shutil.copytree(f"{DATA}/valid", disc.folder, ignore=shutil.ignore_patterns("examples_palette.dcm"))  # another's SOP instance
    disc.media("seal", disc.folder, bench.path("sealed"))
    disc.media("open", bench.path("sealed"), bench.path("opened"))
    text = bench.run("dciodvfy", bench.path("opened/DICOMDIR")).text
    errors = [v for v in text.splitlines() if v.startswith("Error") and "Specific Character Set" not in v and "invalid data values" not in v]
    equal(errors, [], "what dciodvfy says")  # but for "ISO-IR 100", which files of others have
    files = [os.path.relpath(p, bench.path("opened")) for p in sorted(glob.glob(bench.path("opened/D*/F*")))]
    dull = [f for f in files if b"\x10\0\x20\0UN" in dicom.Part10(bench.path("opened/" + f)).data]
    equal(len(dull), 1, "files whose values are all UN, which dcmmkdir does not read")
    bench.run("dcmmkdir", "-Pgp", "-W", "-Nxc", "+I", "+D", "THEIRS", *(f for f in files if f not in dull), cwd=bench.path("opened"), wants=0)
    ours, theirs = records(bench.path("opened/DICOMDIR")), records(bench.path("opened/THEIRS"))
    equal(sorted(ours), sorted(f.replace("/", "\\") for f in files), "files that ours lists")
    for file, lines in theirs.items():
        equal({v for v in ours[file] if "(0020,0013)" not in v}, {v for v in lines if "(0020,0013)" not in v}, f"the record of {file}")


@test
def media_without_what_cannot_be_listed(bench):
    """An object that breaks off before it says what its record has keeps a disc from being made, or is left out of it."""
    disc = Disc(bench, convert=True)
    with open(f"{DATA}/structure/rtplan_truncated.dcm", "rb") as file:
        data = file.read()
    for i in range(2):
        with open(disc.folder + f"/broken{i}.dcm", "wb") as file:
            file.write(data.replace(b"1.2.777.777.77.7.7777.7777.20030903150023", f"1.2.777.777.77.7.7777.7777.2003090315002{i}".encode()))
    os.remove(disc.folder + "/rtplan.dcm")
    text = disc.media("seal", disc.folder, bench.path("sealed"), wants=3)
    check("it cannot be read to where it says what it is" in text and not os.path.exists(bench.path("sealed")), text)
    text = disc.media("seal", "--incomplete", disc.folder, bench.path("sealed"), wants=1)
    check("2 of 7 objects are left out" in text and "  broken0.dcm\n  broken1.dcm\n" in text and "5 objects sealed" in text, text)
    disc.media("open", bench.path("sealed"), bench.path("opened"))
    equal(len(records(bench.path("opened/DICOMDIR"))), 5, "records")
