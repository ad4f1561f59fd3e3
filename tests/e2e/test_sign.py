# SPDX-License-Identifier: Apache-2.0
"""Digital signatures of objects, both ways with DCMTK's dcmsign."""
import glob
import json
import os
import re
import shutil
import struct
import subprocess

from lib import dicom, peers
from lib.site import ROOT, check, equal, test, until
from lib.terminal import type_at
from lib.token import token

DATA = os.path.join(ROOT, "tests/data/dicom")
CT = os.path.join(DATA, "CT_small.dcm")
MACS = {"+mr": "RIPEMD160", "+ms": "SHA1", "+mm": "MD5", "+m2": "SHA256", "+m3": "SHA384", "+m5": "SHA512"}


class Signer:
    """An authority, an RSA certificate by it, and a site with `signatures:`."""

    def __init__(self, bench, bits=2048, **more):
        self.bench = bench
        # gantry ca's certificates begin a minute ago: dcmsign refuses what is signed in the second in which they begin.
        folder = bench.path("ca")
        bench.run(bench.program, "ca", "make", folder, wants=0)
        self.key, self.ca = bench.path("signer.key"), folder + "/ca.pem"
        bench.run("openssl", "req", "-newkey", f"rsa:{bits}", "-nodes", "-subj", "/CN=Test signer", "-keyout", self.key, "-out",
                  bench.path("signer.csr"), wants=0)
        text = bench.run(bench.program, "ca", "sign", folder, bench.path("signer.csr"), "--by", "Ann Smith", "--yes", wants=0).text
        self.certificate = re.search(r"(\S+\.pem), valid", text).group(1)
        self.config = {"key": self.key, "certificate": self.certificate, "trust": [self.ca], **more}
        self.g = bench.gateway(start=False)
        self.g.config["signatures"] = self.config
        self.g.write()

    def sign(self, source, out="signed.dcm", *arguments, wants=0):
        out = self.bench.path(out)
        text = self.bench.run(self.bench.program, "sign", "-c", self.g.yaml, "--force", *arguments, source, out, wants=wants).text
        return out if wants == 0 else text

    def dcmsign(self, source, out="theirs.dcm", *arguments, wants=0):
        out = self.bench.path(out)
        self.bench.run("dcmsign", "+s", self.key, self.certificate, *(arguments or ("+m2",)), source, out, wants=wants)
        return out

    def verify(self, *paths, wants=0):
        """The signatures of the first."""
        ran = subprocess.run([self.bench.program, "verify", "-c", self.g.yaml, "--json", *paths], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        equal(ran.returncode, wants, f"gantry verify {paths}: {ran.stdout[-600:]} {ran.stderr[-300:]}")
        return json.loads(ran.stdout.splitlines()[0])["signatures"] if ran.stdout else []

    def theirs(self, path, wants=0):
        ran = self.bench.run("dcmsign", "--verify", "+rg", "+cf", self.ca, path)
        check((ran.code == 0) == (wants == 0), f"dcmsign says of {path}: {ran.text[-600:]}")


def elements(path):
    """What dcmdump says of the data set, but for the signatures and lengths."""
    text = subprocess.run(["dcmdump", "+L", "-Un", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    keep, lines = True, []
    for line in text.decode("latin-1").splitlines():
        if re.match(r"\((4ffe,0001|fffa,fffa)\)", line):
            keep = False
        elif line.startswith("(") and not line.startswith("(fffe"):
            keep = True
        if keep and not line.startswith("(fffe"):
            lines.append(line)
    return lines


@test
def sign_as_dcmtk_has_it(bench):
    """Files of each encoding: what we sign dcmsign verifies, what it signs we verify, and the bytes of the MAC are the same."""
    s = Signer(bench)
    dump = bench.tool("mac_dump")
    names = ["CT_small", "MR_small_implicit", "SC_rgb_small_odd_big_endian", "SC_rgb_jpeg_dcmtk", "SC_rgb_rle_2frame", "sr", "rtplan",
             "MR_small_jp2klossless", "CT0012.fragmented_no_bot_jpeg_baseline.51"]
    for name in names:
        source = os.path.join(DATA, name + ".dcm")
        ours = s.sign(source)
        s.theirs(ours)
        got = s.verify(ours)
        equal([(v["state"], v["all"], v["algorithm"]) for v in got], [("good", True, "SHA256")], name)
        equal(elements(ours), elements(source), f"{name}: what else is in the file")
        bytes_of = bench.path("dump")
        theirs = s.dcmsign(source, "theirs.dcm", "+m2", "+d", bytes_of)
        equal([(v["state"], v["all"]) for v in s.verify(theirs)], [("good", True)], f"{name} by dcmsign")
        mac = subprocess.run([dump, source], stdout=subprocess.PIPE, check=True).stdout
        with open(bytes_of, "rb") as file:
            check(file.read().startswith(mac + b"\x00\x04\x05\x00US\x02\x00"), f"{name}: the MAC is over other bytes")
    refused = s.sign(os.path.join(DATA, "liver_deflate.dcm"), "refused.dcm")  # its fragments are deflated, and not it
    equal(s.verify(refused)[0]["state"], "good", "liver_deflate")
    deflated = bench.path("deflated.dcm")
    bench.run("dcmconv", "+td", CT, deflated, wants=0)
    for path in (deflated, s.dcmsign(deflated, "first.dcm")):
        ours = s.sign(path, "deflated-signed.dcm", "--timestamp-query", bench.path("query"))
        s.theirs(ours)
        equal(elements(ours), elements(deflated), "what else is in a deflated file")
        equal(os.path.getsize(ours) % 2, 0, "its length (PS3.5 A.5)")
        for v in s.verify(ours):
            equal((v["state"], v["all"]), ("good", True), "a deflated one")
    tsa = Authority(bench)
    bench.run(bench.program, "sign", "--timestamp-response", tsa.answer(bench.path("query"), "answer"), ours, bench.path("stamped"), wants=0)
    bench.run(bench.program, "verify", "-c", s.g.yaml, "--timestamp-trust", tsa.ca, bench.path("stamped"), wants=0)
    with open(deflated, "rb") as file, open(bench.path("cut"), "wb") as cut:
        cut.write(file.read()[:-40])
    s.sign(bench.path("cut"), "no.dcm", wants=1)
    check(not glob.glob(bench.path("no.dcm*")), "an output of it")


@test
def sign_leaves_nothing_half(bench):
    """Killed while it writes, or on a full disk, it leaves neither an object nor a query; the next one is not in the way of anything."""
    s = Signer(bench)
    folder, big = bench.new_folder("out"), bench.path("big.dcm")
    with open(CT, "rb") as file:
        data = file.read()
    at = data.rindex(b"\xe0\x7f\x10\0OW")
    with open(big, "wb") as file:
        file.write(data[:at + 8] + struct.pack("<I", 300 << 20))
        file.truncate(at + 12 + (300 << 20))
    signing = subprocess.Popen([bench.program, "sign", "-c", s.g.yaml, big, folder + "/signed.dcm"])

    def writes():
        """It has a file of that folder open, with something in it."""
        for fd in glob.glob(f"/proc/{signing.pid}/fd/*"):
            try:
                if os.readlink(fd).startswith(folder + "/") and os.stat(fd).st_size > 0:
                    return True
            except OSError:
                pass
        return False

    until(writes, "that it writes")
    signing.kill()
    equal(signing.wait(), -9, "it was over before")
    equal(os.listdir(folder), [], "what is left of it")
    os.remove(big)
    with open(folder + "/signed.dcm.new", "w", encoding="ascii") as file:
        file.write("somebody's")
    s.sign(CT, "out/signed.dcm")
    s.sign(CT, "out/signed.dcm")
    equal(sorted(os.listdir(folder)), ["signed.dcm", "signed.dcm.new"], "files")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode != 0:
        return  # not root: no file system of its own
    try:
        query, deflated = bench.path("query"), bench.path("deflated.dcm")
        bench.run("dcmconv", "+td", CT, deflated, wants=0)
        with open(folder + "/fill", "wb") as file:
            file.write(bytes(48 << 10))
        for source in (CT, deflated):
            text = s.sign(source, "out/signed.dcm", "--timestamp-query", query, wants=1)
            check("No space left on device" in text, source, text)
            equal((os.listdir(folder), os.path.exists(query)), (["fill"], False), "what is left")
        with open(folder + "/more", "wb") as file:
            try:
                file.write(bytes(64 << 10))
            except OSError:
                pass
        text = s.sign(CT, "signed.dcm", "--timestamp-query", folder + "/query", wants=1)
        check("No space left on device" in text and not os.path.exists(bench.path("signed.dcm")), text)
        equal(sorted(os.listdir(folder)), ["fill", "more"], "no query either")
    finally:
        subprocess.run(["umount", folder], check=True)


@test
def sign_each_mac(bench):
    """All MACs of PS3.15 C.1 are verified, those below SHA-256 as weak; ours are of SHA-256 and up."""
    s = Signer(bench)
    for option, name in MACS.items():
        v = s.verify(s.dcmsign(CT, "theirs.dcm", option))[0]
        equal((v["state"], v["algorithm"], v["weak"], v["time_fits"]), ("good", name, name in ("RIPEMD160", "SHA1", "MD5"), True), name)
    for name in ("SHA256", "SHA384", "SHA512"):
        out = s.sign(CT, f"{name}.dcm", "--hash", name if name == "SHA256" else name.lower())
        s.theirs(out)
        equal(s.verify(out)[0]["algorithm"], name, "our MAC")
    s.sign(CT, "no.dcm", "--hash", "SHA1", wants=2)


@test
def sign_over_what_is_there(bench):
    """Another file is kept, and nothing is signed, unless that is said; IN itself may be OUT."""
    s = Signer(bench)
    out, query = bench.path("out.dcm"), bench.path("query.tsq")
    command = [bench.program, "sign", "-c", s.g.yaml]
    for taken, options in ((out, []), (query, ["--timestamp-query", query])):
        with open(taken, "w", encoding="ascii") as file:
            file.write("precious")
        text = bench.run(*command, *options, CT, out, wants=1).text
        check("it is there already" in text and "--force" in text, "why", text)
        with open(taken, encoding="ascii") as file:
            equal(file.read(), "precious", f"{taken} afterwards")
        os.remove(taken)
        check(not glob.glob(out + "*"), "an output")
    with open(query, "w", encoding="ascii") as file:
        file.write("precious")
    bench.run(*command, "--timestamp-query", query, "--force", CT, out, wants=0)
    bench.run("openssl", "ts", "-query", "-in", query, "-text", wants=0)
    s.theirs(out)
    with open(out, "rb") as file:
        before = file.read()
    os.symlink(out, bench.path("same.tsq"))
    for where, source, target in ((out, out, bench.path("new.dcm")), (bench.path("same.tsq"), CT, out), (bench.path("new.dcm"), CT, bench.path("new.dcm"))):
        text = bench.run(*command, "--timestamp-query", where, "--force", source, target, wants=1).text
        check("and the query" in text and not os.path.exists(bench.path("new.dcm")), f"a query into an object: {text}")
    bench.run(*command, "--timestamp-query", bench.path("ca/../new.dcm"), "--force", CT, bench.path("new.dcm"), wants=1)
    check(not os.path.exists(bench.path("new.dcm")), "one of two that are to be one file")
    with open(out, "rb") as file:
        equal(file.read(), before, "the object that a query was to replace")
    bench.run(*command, out, out, wants=0)
    bench.run(*command, out, bench.path("ca/../out.dcm"), wants=0)
    equal([v["state"] for v in s.verify(out)], ["good"] * 3, "signed in its place")


@test
def sign_and_change(bench):
    """Anything that was signed and is changed is found, by both; what was not signed may change."""
    s = Signer(bench)
    out = s.sign(CT)
    with open(out, "rb") as file:
        good = file.read()
    changed = bench.path("changed.dcm")
    for words in (b"CompressedSamples^CT1", b"1.3.6.1.4.1.5962.1.3.1.1", b"MONOCHROME2", b"2.25."):
        at = good.rindex(words)
        with open(changed, "wb") as file:
            file.write(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        v = s.verify(changed, wants=1)[0]
        equal(v["state"], "false", f"a change of {words}: {v}")
        s.theirs(changed, wants=1)
    # An element that was signed is taken out; one that could be signed and is not is put in.
    shutil.copy(out, changed)
    bench.run("dcmodify", "-nb", "-ea", "(0010,0010)", changed, wants=0)
    check("not there any more" in s.verify(changed, wants=1)[0]["why"], "an element is missing")
    part = s.sign(CT, "part.dcm", "--tag", "0008,0016", "--tag", "SOPInstanceUID", "--tag", "PixelData")
    s.theirs(part)
    bench.run("dcmodify", "-nb", "-m", "(0010,0010)=OTHER^ONE", part, wants=0)
    v = s.verify(part)[0]
    equal((v["state"], v["all"], v["elements"]), ("good", False, 3), "one over three elements")
    s.theirs(part)
    # Another's signature is not believed.
    v = s.verify(s.bench.path("part.dcm"))[0]
    other = bench.run(bench.program, "verify", "--trust", bench.keys.path("other-ca.pem"), part, wants=1).text
    check("untrusted" in other and "not to be trusted" in other, "another authority:", other)
    with open(bench.path("cut.dcm"), "wb") as file:
        file.write(good[:-100])
    s.verify(bench.path("cut.dcm"), wants=3)
    s.verify(CT, wants=3)
    s.verify(bench.write("text", "no image"), wants=3)
    s.verify(bench.path("nothing"), wants=3)


@test
def sign_profiles(bench):
    """Which profile's attributes a signature is over, as dcmsign has them; and the Creator profile, asked for."""
    s = Signer(bench)
    for options, profile in ((("+pc",), "creator"), (("+pa",), "authorization")):
        v = s.verify(s.dcmsign(CT, "theirs.dcm", "+m2", *options, "-t", "0008,0016"))[0]
        check(profile in v["profiles"] and not v["all"], f"{options}: {v}")
    report = os.path.join(DATA, "sr.dcm")
    v = s.verify(s.dcmsign(report, "theirs.dcm", "+m2", "+pr", "+sp", "1", "-t", "0008,0016", "-t", "0020,000d", "-t", "0020,000e"))[0]
    check("report" in v["profiles"] and "verified-report" not in v["profiles"], f"+pr: {v}")
    # An image is no report; one that is verified takes a signature for that, by the standard's own code.
    v = s.verify(s.dcmsign(CT, "theirs.dcm", "+m2", "+sp", "5"))[0]
    check("creator" in v["profiles"] and "report" not in v["profiles"], f"a purpose in an image: {v}")
    require = [bench.program, "verify", "-c", s.g.yaml, "--require"]
    verified, two = bench.path("verified.dcm"), bench.path("two.dcm")
    shutil.copy(report, verified)
    bench.run("dcmodify", "-nb", "-m", "(0040,a493)=VERIFIED", "-i", "(0040,a073)[0].(0040,a075)=Doe^Jane", verified, wants=0)
    for source, purpose, wanted in ((report, "5", ["report"]), (verified, "1", ["report"]), (verified, "5", ["report", "verified-report"])):
        signed = s.dcmsign(source, "theirs.dcm", "+m2", "+pr" if source == report else "-pf", "+sp", purpose)
        equal([p for p in s.verify(signed)[0]["profiles"] if "report" in p], wanted, f"purpose {purpose} of {source}")
        bench.run(*require, "report", signed, wants=1 if (source, purpose) == (verified, "1") else 0)
        bench.run(*require, "verified-report", signed, wants=0 if len(wanted) == 2 else 1)
    with open(signed, "rb") as file:
        other = file.read().replace(b"ASTM-sigpurpose", b"99LOCAL-purpose")
    with open(bench.path("other.dcm"), "wb") as file:
        file.write(other)
    check("verified-report" not in s.verify(bench.path("other.dcm"), wants=1)[0]["profiles"], "a purpose of somebody's own")
    shutil.copy(verified, two)
    bench.run("dcmodify", "-nb", "-i", "(0040,a073)[1].(0040,a075)=Roe^Richard", two, wants=0)
    v = s.verify(s.dcmsign(two, "theirs.dcm", "+m2", "+sp", "5"))[0]
    check("report" not in v["profiles"], f"two observers: {v}")
    v = s.verify(s.sign(CT, "base.dcm", "--tag", "PatientID"))[0]
    equal(v["profiles"], ["base"], "over one element")
    check("asks for" in s.sign(CT, "no.dcm", "--profile", "creator", "--tag", "PatientID", wants=1), "creator")
    out = s.sign(CT, "creator.dcm", "--profile", "creator")
    bench.run("dcmsign", "--verify", "+rc", "+cf", s.ca, out, wants=0)
    bench.run(bench.program, "verify", "-c", s.g.yaml, "--require", "creator", out, wants=0)
    bench.run(bench.program, "verify", "-c", s.g.yaml, "--require", "creator", bench.path("base.dcm"), wants=1)
    check("is not there" in s.sign(CT, "no.dcm", "--tag", "0040,A730", wants=1), "an element that is absent")
    check("is not there" in s.sign(CT, "no.dcm", "--tag", "FFFA,FFFA", wants=1), "what is never signed")


@test
def sign_several(bench):
    """A second signature beside the first, ours and theirs, in defined and undefined lengths; and in an item."""
    s = Signer(bench)
    one = s.sign(CT, "one.dcm")
    two = s.sign(one, "two.dcm")
    three = s.dcmsign(two, "three.dcm")
    undefined = bench.path("undefined.dcm")
    bench.run("dcmconv", "-e", three, undefined, wants=0)
    four = s.sign(undefined, "four.dcm")
    for path, n in ((two, 2), (three, 3), (four, 4)):
        s.theirs(path)
        equal([v["state"] for v in s.verify(path)], ["good"] * n, path)
    implicit = os.path.join(DATA, "MR_small_implicit.dcm")
    five = s.sign(s.dcmsign(s.sign(implicit, "first.dcm")), "five.dcm")
    s.theirs(five)
    equal([v["state"] for v in s.verify(five)], ["good"] * 3, "implicit")
    # A private element's VR is lost in implicit VR: what was signed of it in explicit VR cannot be told any more.
    bench.run("dcmconv", "+ti", one, bench.path("lost.dcm"), wants=0)
    equal(s.verify(bench.path("lost.dcm"), wants=1)[0]["state"], "unknown", "without VRs")
    item = bench.path("item.dcm")
    bench.run("dcmsign", "+si", s.key, s.certificate, "ContentSequence[0]", "+m2", os.path.join(DATA, "sr.dcm"), item, wants=0)
    v = s.verify(item)[0]
    equal((v["state"], v["where"]), ("good", "(0040,A730)[1]"), "in an item")
    both = s.sign(item, "both.dcm")
    states = [(v["state"], v["where"]) for v in s.verify(both)]
    equal(states, [("good", "(0040,A730)[1]"), ("good", "")], "both")
    s.theirs(both)
    # Elements that stand behind the signatures: of private groups FFFB and FFFD.
    behind = bench.path("behind.dcm")
    shutil.copy(CT, behind)
    bench.run("dcmodify", "-nb", "-i", "(fffb,0010)=PRIVATE", behind, wants=0)
    both = s.sign(s.dcmsign(behind, "first.dcm"), "both.dcm")
    s.theirs(both)
    equal([(v["state"], v["all"]) for v in s.verify(both)], [("good", True)] * 2, "elements behind the signatures")


@test
def sign_long_sequences(bench):
    """All of a sequence is signed, also beyond 16 KiB, where dcmsign 3.6.7 leaves out what does not fit into its buffer."""
    s = Signer(bench)

    def put(group, number, vr, value):
        value += b" " * (len(value) % 2)
        if vr in (b"SQ", b"UT"):
            return struct.pack("<HH2sHI", group, number, vr, 0, len(value)) + value
        return struct.pack("<HH2sH", group, number, vr, len(value)) + value

    def item(value):
        return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value

    meta = put(2, 2, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0") + put(2, 3, b"UI", b"1.2.3.4\0") + \
        put(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")
    meta = put(2, 0, b"UL", struct.pack("<I", len(meta))) + meta
    data = put(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0") + put(8, 0x18, b"UI", b"1.2.3.4\0")
    data += put(0x40, 0xA730, b"SQ", b"".join(item(put(0x40, 0xA160, b"UT", b"%d " % i * 500)) for i in range(40)))
    source = bench.path("long.dcm")
    with open(source, "wb") as file:
        file.write(bytes(128) + b"DICM" + meta + data)
    out = s.sign(source)
    equal(s.verify(out)[0]["state"], "good", "a long sequence")
    with open(out, "rb") as file:
        good = file.read()
    at = good.index(b"39 39 39")
    with open(out, "wb") as file:
        file.write(good[:at] + b"4" + good[at + 1:])
    equal(s.verify(out, wants=1)[0]["state"], "false", "a change in its last item")


@test
def sign_with_which_key(bench):
    """RSA alone, of the certificate, and on a token; who signs has the key in a process of its own."""
    s = Signer(bench)
    for name, words in (("gateway", "RSA alone"),):
        s.config.update({"key": bench.keys.path(name + ".key"), "certificate": bench.keys.path(name + ".pem")})
        s.g.write()
        check(words in bench.run(bench.program, "check", s.g.yaml, wants=1).text, "gantry check")
        check(words in s.sign(CT, "no.dcm", wants=1), "gantry sign")
    s.config.update({"key": s.key, "certificate": bench.keys.path("gateway-rsa.pem")})
    s.g.write()
    check("does not belong" in s.sign(CT, "no.dcm", wants=1), "another's certificate")
    bench.run("openssl", "req", "-x509", "-key", s.key, "-subj", "/CN=Ann", "-addext", "keyUsage=keyEncipherment", "-out", bench.path("unfit.pem"), wants=0)
    s.config["certificate"] = bench.path("unfit.pem")
    s.g.write()
    check("is not for signatures" in s.sign(CT, "no.dcm", wants=1), "a certificate for other things")
    del s.config["key"]
    s.g.write()
    check("both `key` and `certificate`" in bench.run(bench.program, "check", s.g.yaml, wants=1).text, "half of it")
    del s.g.config["signatures"]
    s.g.write()
    check("no `key` and `certificate`" in s.sign(CT, "no.dcm", wants=1), "without")
    check(not glob.glob(bench.path("no.dcm*")), "an output")


class Authority:
    """A timestamping authority of `openssl ts`, under a CA of its own."""

    def __init__(self, bench, name="tsa", days=30, usage="critical,timeStamping"):
        self.bench, self.folder = bench, bench.path(name)
        os.mkdir(self.folder)
        self.ca, self.certificate, self.key = (os.path.join(self.folder, n) for n in ("ca.pem", "tsa.pem", "tsa.key"))
        bench.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                  f"/CN={name} authority", "-keyout", os.path.join(self.folder, "ca.key"), "-out", self.ca, wants=0)
        bench.run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=Test {name}", "-keyout", self.key, "-out",
                  os.path.join(self.folder, "tsa.csr"), wants=0)
        extensions = os.path.join(self.folder, "extensions")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"keyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n")
        bench.run("openssl", "x509", "-req", "-in", os.path.join(self.folder, "tsa.csr"), "-CA", self.ca, "-CAkey",
                  os.path.join(self.folder, "ca.key"), "-CAcreateserial", "-days", str(days), "-extfile", extensions, "-out",
                  self.certificate, wants=0)
        self.config = os.path.join(self.folder, "tsa.cnf")
        with open(self.config, "w", encoding="ascii") as file:
            file.write(f"[tsa]\ndefault_tsa=one\n[one]\nserial={self.folder}/serial\nsigner_digest=sha256\ndefault_policy=1.2.3.4\n"
                       "digests=sha256,sha384,sha512,sha1\n")

    def answer(self, query, out):
        self.bench.run("openssl", "ts", "-reply", "-config", self.config, "-section", "one", "-queryfile", query, "-signer", self.certificate,
                       "-inkey", self.key, "-chain", self.ca, "-out", self.bench.path(out), wants=0)
        return self.bench.path(out)


@test
def sign_with_timestamps(bench):
    """Certified timestamps by an authority of OpenSSL's: asked for, put in, and verified, both ways with dcmsign."""
    s, tsa = Signer(bench), Authority(bench)
    s.config["timestamps"] = [tsa.ca]
    s.g.write()

    def stamped(name, source):
        query, out = bench.path("query.tsq"), bench.path(name + ".dcm")
        signed = s.sign(source, "unstamped.dcm", "--timestamp-query", query)
        answer = tsa.answer(query, "answer.tsr")
        bench.run(bench.program, "sign", "--timestamp-response", answer, signed, out, wants=0)
        return out

    for name in ("CT_small", "MR_small_implicit", "SC_rgb_small_odd_big_endian", "SC_rgb_jpeg_dcmtk", "sr"):
        out = stamped(name, os.path.join(DATA, name + ".dcm"))
        v = s.verify(out)[0]
        equal((v["state"], v["timestamp"]["state"], v["timestamp"]["by"]), ("good", "good", "CN=Test tsa"), name)
        check(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$", v["timestamp"]["time"]), f"its time: {v}")
        bench.run("dcmsign", "--verify", "+rg", "+tr", "+cf", s.ca, "+cf", tsa.ca, out, wants=0)
    bench.run(bench.program, "verify", "-c", s.g.yaml, "--require-timestamp", out, wants=0)
    bench.run(bench.program, "verify", "-c", s.g.yaml, "--require-timestamp", bench.path("unstamped.dcm"), wants=1)
    # A second signature, beside one of undefined lengths, has its own; one that has one gets no other.
    bench.run("dcmconv", "-e", out, bench.path("undefined.dcm"), wants=0)
    both = stamped("both", bench.path("undefined.dcm"))
    equal([(v["state"], v["timestamp"]["state"]) for v in s.verify(both)], [("good", "good")] * 2, "two")
    text = bench.run(bench.program, "sign", "--timestamp-response", bench.path("answer.tsr"), both, bench.path("no.dcm"), wants=1).text
    check("has a timestamp already" in text, "twice", text)
    text = bench.run(bench.program, "sign", "--timestamp-response", bench.path("answer.tsr"), s.sign(CT), bench.path("no.dcm"), wants=1).text
    check("over none of its signatures" in text, "another's", text)
    text = bench.run(bench.program, "sign", "--timestamp-response", bench.path("query.tsq"), out, bench.path("no.dcm"), wants=1).text
    check("none of RFC 3161" in text and not os.path.exists(bench.path("no.dcm")), "no response", text)
    # By dcmsign.
    bench.run("dcmsign", "+s", s.key, s.certificate, "+m2", "+ts", bench.path("q"), bench.path("uid"), CT, bench.path("theirs.dcm"), wants=0)
    bench.run("dcmsign", "+t", bench.path("q"), tsa.answer(bench.path("q"), "r"), bench.path("uid"), bench.path("theirs.dcm"), bench.path("both.dcm"), wants=0)
    equal(s.verify(bench.path("both.dcm"))[0]["timestamp"]["state"], "good", "dcmsign's")


@test
def sign_with_wrong_timestamps(bench):
    """Timestamps over something else, changed, by an authority that is not trusted, not for timestamps, or expired: each has its sentence."""
    s, tsa = Signer(bench), Authority(bench)
    s.config["timestamps"] = [tsa.ca]
    s.g.write()
    query = bench.path("query.tsq")
    signed = s.sign(CT, "unstamped.dcm", "--timestamp-query", query)
    out = bench.path("stamped.dcm")
    bench.run(bench.program, "sign", "--timestamp-response", tsa.answer(query, "answer.tsr"), signed, out, wants=0)

    def told(path, state, words):
        v = s.verify(path, wants=1)[0]
        equal((v["state"], v["timestamp"]["state"]), ("good", state), words)
        check(words in v["timestamp"]["why"], f"{words}: {v['timestamp']}")

    s.config["timestamps"] = [s.ca]
    s.g.write()
    told(out, "untrusted", "is not to be trusted: self-signed certificate in")
    text = bench.run(bench.program, "verify", "-c", s.g.yaml, "--timestamp-trust", tsa.ca, out, wants=0).text
    check("timestamp: good, " in text and "by CN=Test tsa" in text, "told in words", text)
    s.config["timestamps"] = [tsa.ca]
    s.g.write()
    with open(out, "rb") as file:
        good = file.read()
    changed = bench.path("changed.dcm")
    # The last byte of the token: the authority's signature; and the imprint in it, which ends the signed hash of this signature.
    at = good.index(b"CMS_TSP ")
    end = good.index(b"\x30\x82", at) + 4 + struct.unpack(">H", good[good.index(b"\x30\x82", at) + 2:][:2])[0]
    with open(changed, "wb") as file:
        file.write(good[:end - 1] + bytes([good[end - 1] ^ 1]) + good[end:])
    told(changed, "false", "what its authority signed is something else")
    other = s.sign(CT, "other.dcm", "--timestamp-query", bench.path("other.tsq"))
    bench.run(bench.program, "sign", "--timestamp-response", tsa.answer(bench.path("other.tsq"), "other.tsr"), other, other, wants=0)
    with open(other, "rb") as file:
        theirs = file.read()
    there = theirs.index(b"CMS_TSP ")
    # Two tokens of one authority are as long as each other, but for their serial numbers and times; lengths are those of the elements.
    check(len(theirs) - there == len(good) - at, "tokens of another length")
    with open(changed, "wb") as file:
        file.write(good[:at] + theirs[there:])
    told(changed, "false", "over something else than this signature")
    # The purpose of its certificate: OpenSSL makes no timestamp with one for servers, but a CMS message of the same content.
    wrong, late = Authority(bench, "server", usage="serverAuth"), Authority(bench, "late", days=0)
    s.config["timestamps"] = [tsa.ca, wrong.ca, late.ca]
    s.g.write()
    content, token, response = bench.path("content"), bench.path("token"), bench.path("wrong.tsr")
    with open(bench.path("answer.token"), "wb") as file:
        file.write(good[good.index(b"\x30\x82", at):end])
    bench.run("openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-in", bench.path("answer.token"), "-out", content, wants=0)
    bench.run("openssl", "cms", "-sign", "-in", content, "-binary", "-nodetach", "-outform", "DER", "-cades", "-md", "sha256", "-econtent_type",
              "1.2.840.113549.1.9.16.1.4", "-signer", wrong.certificate, "-inkey", wrong.key, "-out", token, wants=0)
    with open(token, "rb") as file:
        token = b"\x30\x03\x02\x01\x00" + file.read()
    with open(response, "wb") as file:
        file.write(b"\x30\x82" + struct.pack(">H", len(token)) + token)
    bench.run(bench.program, "sign", "--force", "--timestamp-response", response, signed, changed, wants=0)
    told(changed, "untrusted", "unsuitable certificate purpose")
    bench.run(bench.program, "sign", "--force", "--timestamp-response", late.answer(query, "late.tsr"), signed, changed, wants=0)
    told(changed, "untrusted", "certificate has expired")


def store(g, path, names=None, **more):
    """A file, as it is, or other bytes of it: the status, and with a check that its refusal names it."""
    part10 = dicom.Part10(path)
    with g.scu() as scu:
        scu.associate(contexts=((part10.sop_class, [part10.syntax]),))
        got = scu.store(context=1, sop_class=part10.sop_class, instance=part10.instance, data=more.get("data", part10.data))
        scu.release()
    if names:
        number = re.search(r"Gantry (\d+): content", got.get("comment", "")).group(1)
        check(names in g.decision("content", number=int(number))["message"], f"not {names}")
    return got["status"]


@test
def sign_asked_for_in_passing(bench):
    """A flow that asks for signatures: good ones pass, of each MAC and encoding; what was changed, or is not signed, is refused."""
    s = Signer(bench)
    port, folder = peers.storescp(bench, "-v", name="scp")
    archive = {"address": [f"127.0.0.1:{port}"], "transport": "plain"}
    g = bench.gateway(archive=archive, flow={"inspect": {"signatures": "require"}}, start=False)
    g.config["signatures"] = {"trust": [s.ca]}
    g.write()
    g.start()
    signed = s.sign(CT)
    equal(store(g, signed), 0, "a signed one")
    sent = peers.received(folder)
    equal(len(sent), 1, "what arrived")
    for option in MACS:
        equal(store(g, s.dcmsign(CT, "theirs.dcm", option)), 0, f"by dcmsign {option}")
    for name in ("MR_small_implicit", "SC_rgb_jpeg_dcmtk", "sr"):
        equal(store(g, s.dcmsign(os.path.join(DATA, name + ".dcm"), "theirs.dcm", "+m5")), 0, name)
    equal(store(g, CT, "signature-missing"), 0x0124, "without a signature")
    data = dicom.Part10(signed).data
    at = data.rindex(b"CompressedSamples^CT1")
    equal(store(g, signed, "signature-false", data=data[:at] + b"k" + data[at + 1:]), 0x0124, "another name")
    at = data.index(b"\xe0\x7f\x10\0OW") + 1000
    equal(store(g, signed, "signature-false", data=data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]), 0x0124, "another pixel")
    # Another's; and of an item alone.
    other = bench.path("other.dcm")
    bench.run("dcmsign", "+s", bench.keys.path("gateway-rsa.key"), bench.keys.path("gateway-rsa.pem"), "+m2", CT, other, wants=0)
    equal(store(g, other, "signature-missing"), 0x0124, "another's")
    g.stop()
    g.config["flows"][0]["inspect"] = {"signatures": "check", "warning": "refuse", "checks": {"group-length": "allow"}}
    g.write()
    g.start()
    equal(store(g, CT), 0, "check: without")
    equal(store(g, other, "signature-untrusted"), 0x0124, "check: another's")
    item = bench.path("item.dcm")
    bench.run("dcmsign", "+si", s.key, s.certificate, "ContentSequence[0]", "+m2", os.path.join(DATA, "sr.dcm"), item, wants=0)
    equal(store(g, item, "signature-unknown"), 0x0124, "check: of an item")


class Chain:
    """A root, an authority below it, and a signer below that, by openssl; and lists of those."""

    def __init__(self, bench):
        self.bench = bench
        self.make("root")
        self.make("middle", "root", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign")
        self.make("leaf", "middle", "keyUsage=critical,digitalSignature")

    def path(self, name):
        return self.bench.path("chain-" + name)

    def make(self, name, by=None, extensions="", bits=2048):
        key, cert, csr = (self.path(f"{name}.{end}") for end in ("key", "pem", "csr"))
        self.bench.run("openssl", "req", *([] if by else ["-x509", "-days", "9"]), "-newkey", f"rsa:{bits}", "-nodes", "-subj", f"/CN=The {name}", "-keyout", key,
                       "-out", csr if by else cert, wants=0)
        if by:
            self.bench.run("openssl", "x509", "-req", "-in", csr, "-CA", self.path(by + ".pem"), "-CAkey", self.path(by + ".key"), "-CAcreateserial", "-days", "9",
                           "-extfile", self.bench.write(f"{name}.ext", extensions), "-out", cert, wants=0)

    def revoked(self, name, by, cert=None, pair=None):
        """A list of that authority with that certificate."""
        cert, pair = cert or self.path(name + ".pem"), pair or (self.path(by + ".pem"), self.path(by + ".key"))
        index, number = self.bench.write(f"{by}-index", ""), self.bench.write(f"{by}-number", "01\n")
        config = self.bench.write(f"{by}.cnf", f"[ca]\ndefault_ca=c\n[c]\ndatabase={index}\ncrlnumber={number}\ndefault_md=sha256\ndefault_crl_days=9\n")
        for options in (("-revoke", cert), ("-gencrl", "-out", self.path(by + ".crl"))):
            self.bench.run("openssl", "ca", "-config", config, "-cert", pair[0], "-keyfile", pair[1], *options, wants=0)
        return self.path(by + ".crl")


@test
def sign_by_somebody_revoked(bench):
    """Lists of authorities that TLS does not know; of a signer, of the authority above it, of a timestamp's; by `gantry verify` and in passing."""
    s, chain, tsa = Signer(bench), Chain(bench), Authority(bench)
    query, signed = bench.path("query.tsq"), bench.path("signed.dcm")
    bench.run(bench.program, "sign", "--key", chain.path("leaf.key"), "--cert", chain.path("leaf.pem"), "--timestamp-query", query, CT, signed, wants=0)
    bench.run(bench.program, "sign", "--timestamp-response", tsa.answer(query, "answer.tsr"), signed, signed, wants=0)
    trust = [chain.path("root.pem"), chain.path("middle.pem")]
    s.config.update(trust=trust, timestamps=[tsa.ca])

    def told(lists, why="", stamp=""):
        s.config["crl"] = lists
        s.g.write()
        bench.run(bench.program, "check", s.g.yaml, wants=0)
        v = s.verify(signed, wants=1 if lists else 0)[0]
        check(re.fullmatch(why, v["why"]) and re.fullmatch(stamp, v["timestamp"]["why"]), f"of {lists}: {v}")

    leaf, middle = chain.revoked("leaf", "middle"), chain.revoked("middle", "root")
    stamps = chain.revoked("", "tsa", tsa.certificate, (tsa.ca, os.path.join(tsa.folder, "ca.key")))
    day = r"was revoked on 20\d\d-\d\d-\d\d"
    told([])
    told([leaf], f"its certificate {day}")
    told([leaf, middle], f"its certificate {day}")
    told([middle], f"the certificate of CN=The middle, which is above it, {day}")
    told([stamps], stamp=f"its authority's certificate {day}")
    options = [bench.program, "verify", *(word for path in trust for word in ("--trust", path)), "--timestamp-trust", tsa.ca]
    bench.run(*options, signed, wants=0)
    check("was revoked" in bench.run(*options, "--crl", leaf, signed, wants=1).text, "with --crl")
    text = bench.run(bench.program, "verify", "--trust", trust[0], "--crl", leaf, signed, wants=3).text
    check("signed by no authority that is trusted" in text, "another's list", text)
    s.config.update(trust=trust[:1], crl=[leaf])
    s.g.write()
    check("signed by no authority that is trusted" in bench.run(bench.program, "check", s.g.yaml, wants=1).text, "another's list, to gantry check")
    # Others' old keys of RSA are believed from 1024 bits up.
    for bits, state in ((768, "untrusted"), (1024, "good")):
        chain.make("old", "middle", "keyUsage=critical,digitalSignature", bits)
        old = bench.path("old.dcm")
        bench.run("dcmsign", "+s", chain.path("old.key"), chain.path("old.pem"), "+m2", CT, old, wants=0)
        text = bench.run(*options, old, wants=0 if state == "good" else 1).text
        check(f"{state}: " in text and ("too short" in text) == (bits < 1024), bits, text)
    g = bench.gateway(flow={"inspect": {"signatures": "require"}}, start=False)
    g.config["signatures"] = {"trust": trust, "timestamps": [tsa.ca]}
    g.write()
    g.start()
    equal(store(g, signed), 0, "before it is revoked")
    g.config["signatures"]["crl"] = [middle]
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    equal(store(g, signed, "signature-missing"), 0x0124, "afterwards")
    check("signature-untrusted" in g.wait_log(event="object.found")["checks"], "what was found")
    uses = [(c["use"], c["subject"]) for c in json.loads(g.cli("status", "--json"))["certificates"]]
    check(("crl", "CN=The root") in uses, "its days in the status", uses)


@test
def sign_as_a_person(bench):
    """By the Authorization profile, with a card and its PIN or a key of one's own; no `signatures:` are asked."""
    s = Signer(bench)
    del s.g.config["signatures"]
    uri, tls, _, pin = token(bench, {"ann": s.key})
    s.g.config["tls"].update(tls)
    s.g.write()
    out, wrong = bench.path("out.dcm"), bench.write("wrong", "0000\n")
    os.chmod(wrong, 0o600)
    card = [bench.program, "sign", "-c", s.g.yaml, "--key", uri.format("ann").split("&pin-source")[0], "--cert", s.certificate]
    text = bench.run(*card, "--passphrase-file", wrong, CT, out, wants=1).text
    check("no login with that PIN" in text, "a wrong PIN", text)
    bench.run(*card, CT, out, wants=1)
    bench.run(*card, "--profile", "authorization", "--passphrase-file", pin, CT, out, wants=0)
    s.theirs(out)
    bench.run("dcmsign", "--verify", "+ru", "+cf", s.ca, out, wants=0)
    check("Authorization" in bench.run(bench.program, "verify", "--trust", s.ca, "--require", "authorization", out, wants=0).text, "whose")
    own = [bench.program, "sign", "--key", s.key, "--cert", s.certificate, "--profile", "authorization"]
    bench.run(*own, out, out, wants=0)
    bench.run(bench.program, "verify", "--trust", s.ca, out, wants=0)
    text = bench.run(*own, "--tag", "PatientID", "--tag", "SOPClassUID", CT, bench.path("no.dcm"), wants=1).text
    check("the Authorization profile (PS3.15 C.3) asks for (0008,0018) as well" in text, "less than that", text)
    for words in (own[:4], [*own[:2], "--cert", s.certificate], [*own[:2], "--passphrase-file", pin]):
        bench.run(*words, CT, bench.path("no.dcm"), wants=2)
    check(not os.path.exists(bench.path("no.dcm")), "an output")


@test
def sign_with_a_passphrase(bench):
    """A person's key is encrypted, in either form of PEM: its passphrase is of a file, of a pipe, or typed."""
    s = Signer(bench)
    forms = {"pkcs8": ("pkcs8", "-topk8"), "traditional": ("rsa", "-traditional", "-aes256")}
    good, wrong, out = bench.write("good", "open it\n"), bench.write("wrong", "open\n"), bench.path("out.dcm")
    for path in (good, wrong):
        os.chmod(path, 0o600)
    for name, (verb, *form) in forms.items():
        key = bench.path(name + ".key")
        bench.run("openssl", verb, *form, "-in", s.key, "-passout", "pass:open it", "-out", key, wants=0)
        own = [bench.program, "sign", "--key", key, "--cert", s.certificate]
        for words, option in ((f"the passphrase does not open {key}\n", ("--passphrase-file", wrong)),
                              (f"there was no passphrase for {key}; where nobody can be asked, `--passphrase-file FILE` names", ()),
                              (f"there was no passphrase for {key}\n", ("--passphrase-file", bench.path("nothing")))):
            text = bench.run(*own, *option, CT, out, wants=1).text
            check(words in text and not glob.glob(out + "*"), f"{name} {option}", text)
        bench.run(*own, "--passphrase-file", good, CT, out, wants=0)
        s.theirs(out)
        os.remove(out)
    for line, code in (("open", 1), ("open it", 0)):
        shown, got = type_at([*own, CT, out], line)
        equal((got, os.path.exists(out)), (code, code == 0), f"typed: {shown}")
        check("Passphrase of the key: " in shown and "open it" not in shown, "what is shown", shown)
    s.theirs(out)
    bench.run("sh", "-ec", f"printf 'open it\\n' | '{bench.program}' sign --force --key '{key}' --cert '{s.certificate}' '{CT}' '{out}'", wants=0)
    s.config["key"] = key
    s.g.write()
    check("without a passphrase" in s.sign(CT, "no.dcm", wants=1), "the site's key")


@test
def sign_with_a_token(bench):
    """The key of objects is on a token: the module that has it runs in the process that signs, in its sandbox."""
    s = Signer(bench)
    uri, tls, _, _ = token(bench, {"signer": s.key})
    s.config["key"] = uri.format("signer")
    s.g.config["tls"].update(tls)
    s.g.write()
    bench.run(bench.program, "check", s.g.yaml, wants=0)
    out = s.sign(CT)
    s.theirs(out)
    equal(s.verify(out)[0]["state"], "good", "a signature by a token")
    s.config["key"] = uri.format("nobody")
    s.g.write()
    text = s.sign(CT, "no.dcm", wants=1)
    check("no private key" in text and not os.path.exists(bench.path("no.dcm")), "a key that is not on it", text)
