# SPDX-License-Identifier: Apache-2.0
"""What auditors read: searches by each criterion, each of which is recorded itself; and incident reports with proofs."""
import csv
import html.parser
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET

from lib import dicom, peers
from lib.dicom import CT, ILE, MR
from lib.site import ROOT, check, equal, test, until
from lib.trail import Trail, object_of

PASSPHRASE = "correct horse battery"


class Auditor:
    """The auditor's side of a trail: a key under a passphrase, and the checkpoints' public key."""

    def __init__(self, trail, g):
        self.trail, self.bench, self.g = trail, trail.bench, g
        self.key, self.passphrase = trail.path("auditor.enc"), trail.path("passphrase")
        for path, text in ((self.passphrase, PASSPHRASE + "\n"), (self.key, "")):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
                file.write(text)
        subprocess.run(["openssl", "pkcs8", "-topk8", "-in", trail.path("auditor.key"), "-out", self.key, "-passout",
                        "file:" + self.passphrase], check=True)
        os.chmod(self.key, 0o600)
        self.vkey = trail.vkey()

    def with_key(self, *arguments, config=True):
        where = ["-c", self.g.yaml] if config else []
        return [*arguments, *where, "--key", self.key, "--passphrase-file", self.passphrase]

    def run(self, *arguments, wants=0, config=True):
        """Standard output alone, and standard error."""
        command = [self.bench.program, *self.with_key(*arguments, config=config)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                             errors="replace", timeout=60, check=False, cwd=self.bench.folder)
        equal(ran.returncode, wants, f"{' '.join(command[1:4])} {arguments}: {ran.stderr[-600:]} {ran.stdout[-600:]}")
        return ran.stdout, ran.stderr

    def find(self, *criteria, wants=0):
        out, _ = self.run("audit", "search", *criteria, "--format", "json", wants=wants)
        return [json.loads(line) for line in out.splitlines()]

    def settled(self):
        """Until a checkpoint covers all that there is now."""
        until(self.trail.records, "a first record: the gateway is ready before its start is recorded")
        size = self.trail.settled()[-1]["index"] + 1

        path = os.path.join(self.trail.folder, "checkpoint")

        def covered():
            if not os.path.exists(path):
                return False
            with open(path, encoding="utf-8") as file:
                return int(file.read().split("\n")[1]) >= size
        until(covered, f"a checkpoint of {size} records")


def served(bench, flow=(), **options):
    """dcmqrscp behind a gateway, CT_small and MR_small stored through it, one query, one object refused, one stranger."""
    trail = Trail(bench, **{"checkpoint-every": 1})
    port, _ = peers.dcmqrscp(bench)
    g = trail.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"},
                      flow={"services": ["echo", "store", "find"],
                            "limits": {"object-size": {"most": "200K", "over": "refuse"}}, **dict(flow)}, **options)
    where = ["-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain)]
    for source in (peers.CT_SMALL, peers.MR_SMALL):
        bench.run("storescu", *where, source, wants=0)
    bench.run("findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=4MR1", "-k", "StudyInstanceUID", *where,
              wants=0)
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE])])
    big = object_of("BIG", "1.2.3.9", "1.2.3.9.1", size=500_000, name="=HYPERLINK(1)")
    check(scu.store(1, "1.2.3.9.1", CT, big)["status"] != 0, "the large object was taken")
    scu.release()
    bench.run("echoscu", "-aet", "STRANGER", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain))
    trail.wait("alert", alert=110126)
    auditor = Auditor(trail, g)
    auditor.settled()
    return trail, g, auditor


@test
def audit_search_by_each_criterion(bench):
    trail, _, a = served(bench)
    study = next(r["event"]["study"] for r in trail.records("begin", patient="1CT1"))
    stored = a.find("--patient", "1CT1", "--kind", "transfer")
    equal([(h["how"], h["state"], h["instances"], h["from"]["node"], h["to"]["node"]) for h in stored],
          [("stored", "complete", 1, "ct1", "archive")], "1CT1")
    equal(len(stored[0]["records"]), 2, "its records")
    for criterion in (("--study", study), ("--name", "COMPRESSEDSAMPLES^CT1"), ("--patient", " 1CT1 ")):
        equal(a.find(*criterion), stored, str(criterion))
    equal(a.find("--patient", "1ct1", wants=1), [], "another identifier")
    hows = [h["how"] for h in a.find("--patient", "4MR1")]
    check({"stored", "queried", "shown"} <= set(hows), "4MR1:", hows)
    refused = a.find("--accession", "ACCBIG")
    equal([(h["how"], h["state"], h["failed"], h["outcome"]) for h in refused], [("refused", "refused", 1, "serious")], "BIG")
    by_number = a.find("--refusal", str(refused[0]["refusal"]))
    equal({h["kind"] for h in by_number}, {"transfer", "alert"}, "by the refusal's number")
    equal({h["from"]["ae"] for h in a.find("--address", "127.0.0.1", "--kind", "alert")}, {"CT1", "STRANGER"}, "alerts")
    check(len(a.find("--node", "archive", "--outcome", "serious")) >= 2, "no serious ones")
    equal(a.find("--node", "nobody", wants=1), [], "no such node")
    equal(a.find("--from", "2020-01-01", "--to", "2020-12-31", wants=1), [], "long ago")
    equal(len(a.find("--from", "1h", "--limit", "2")), 2, "a limit")
    equal(a.find("--kind", "start")[0]["text"].split()[0], "Gantry", "the start")


@test
def audit_search_is_recorded(bench):
    """Audit Log Used: who, by what and not for whom; and no search without it unless that is said."""
    trail, g, a = served(bench)
    a.find("--patient", "1CT1", "--from", "1d")
    used = a.find("--kind", "log-used")
    check("by: from, patient." in used[0]["text"] and f"Unix user {os.getuid()}," in used[0]["text"], "the text:", used[0])
    check("@" in used[0]["user"] and used[0]["outcome"] == "success", "the user:", used[0])
    check("1CT1" not in json.dumps(used), "the record says for whom was searched")
    equal(len(used), 2, "searches, this one included")
    message = trail.one("log-used", text=used[0]["text"])
    equal(message["event"]["object"], trail.config["origin"], "the log")
    # With a key or passphrase that opens nothing there is no search, and no record of one.
    with open(trail.path("wrong"), "w", encoding="ascii") as file:
        os.chmod(trail.path("wrong"), 0o600)
        file.write("wrong\n")
    ran = bench.run(bench.program, "audit", "search", "-c", g.yaml, "--key", a.key, "--passphrase-file", trail.path("wrong"),
                    wants=3)
    check("passphrase does not open" in ran.text, "said:", ran.text)
    ran = bench.run(bench.program, "audit", "search", "-c", g.yaml, "--key", a.key, wants=3)
    check("no passphrase for" in ran.text and "`--passphrase-file FILE`" in ran.text, "said:", ran.text)
    # A copy is nobody's journal.
    copy = bench.path("copy")
    shutil.copytree(trail.folder, copy, ignore=shutil.ignore_patterns("spool"))
    _, said = a.run("audit", "search", "--journal", copy, wants=3)
    check("this search is not in the journal" in said and "--unrecorded" in said, "said:", said)
    if not os.path.exists("/etc/gantry/gantry.yaml"):
        _, said = a.run("audit", "search", "--journal", copy, wants=3, config=False)
        check("none was named by -c FILE" in said, "without a configuration:", said)
    _, said = a.run("audit", "search", "--journal", copy, "--unrecorded", "--patient", "1CT1")
    check("this search is not in the journal" in said, "said:", said)
    g.stop()
    _, said = a.run("audit", "search", wants=3)
    check("this search is not in the journal: the gateway does not run" in said, "said:", said)
    out, _ = a.run("audit", "search", "--unrecorded", "--kind", "stop")
    check("Every association has ended." in out, "the stop:", out)


@test
def audit_search_wrong_key_and_damage(bench):
    trail, g, a = served(bench)
    g.stop()
    other = bench.path("other.key")
    subprocess.run(["openssl", "genpkey", "-algorithm", "x25519", "-out", other], check=True)
    os.chmod(other, 0o600)
    ran = bench.run(bench.program, "audit", "search", "-c", g.yaml, "--unrecorded", "--key", other, wants=3)
    check("nothing opens with this key" in ran.text, "said:", ran.text)
    whole = a.run("audit", "search", "--unrecorded")[0].splitlines()
    victim = trail.one("begin", patient="4MR1")
    path = os.path.join(trail.folder, next(n for n in os.listdir(trail.folder) if re.fullmatch(r"segment-\d+", n)))
    with open(path, "rb") as file:
        segment = bytearray(file.read())
    token = bytes.fromhex(trail.token(1, "4MR1")[1])
    segment[segment.index(token) + 3] ^= 1
    with open(path, "wb") as file:
        file.write(segment)
    out, said = a.run("audit", "search", "--unrecorded", wants=3)
    check(f"record {victim['index']} cannot be read" in said, "said:", said)
    check(len(out.splitlines()) >= len(whole) - 1 and "1CT1" in out, "the rest:", out)
    out, _ = a.run("incident", "--node", "ct1", "--vkey", a.vkey, "--unrecorded", wants=3)
    check("NOT shown to be complete" in out and f"record {victim['index']} cannot be read" in out, "said:", out)


@test
def audit_search_formats(bench):
    """CSV as Python reads it, with no formulas; XML as ElementTree and xmllint with the standard's schema read it."""
    _, _, a = served(bench)
    out, _ = a.run("audit", "search", "--format", "csv")
    check("\r\n" in out or "\n" in out, "no lines")
    rows = list(csv.DictReader(io.StringIO(out)))
    check(len(rows) > 8 and all(None not in row and None not in row.values() for row in rows), "rows:", rows)
    equal([row["patient_name"] for row in rows if row["patient_id"] == "BIG"], ["'=HYPERLINK(1)"], "a formula")
    check(not any(re.match(r"[=+@\t-]", cell) for row in rows for cell in row.values()), "formulas:", rows)
    out, _ = a.run("audit", "search", "--format", "xml", "--patient", "1CT1")
    root = ET.fromstring(out)
    equal((root.tag, [m.tag for m in root]), ("AuditMessages", ["AuditMessage"] * 2), "messages")
    paths = [bench.write(f"message-{i}.xml", ET.tostring(m, encoding="unicode"))
             for i, m in enumerate(ET.fromstring(a.run("audit", "search", "--format", "xml")[0]))]
    check(len(paths) > 10, "messages:", paths)
    bench.run("xmllint", "--noout", "--relaxng", os.path.join(ROOT, "tests/data/audit/audit-message.rng"), *paths, wants=0)
    ids = {p.get("ParticipantObjectID") for p in root.iter("ParticipantObjectIdentification")}
    check("1CT1" in ids, "objects:", ids)
    out, _ = a.run("audit", "search", "--format", "text", "--patient", "1CT1")
    check(out.splitlines()[0].startswith("TIME") and "stored 1" in out.splitlines()[1], "text:", out)
    a.run("audit", "search", "--format", "yaml", wants=2)
    a.run("audit", "search", "--until", "yesterday", wants=2)
    a.run("audit", "search", "--patient", " ", wants=2)


@test
def audit_search_mistaken(bench):
    """What is mistyped is said to be, rather than answered with nothing, or with all."""
    trail = Trail(bench, **{"checkpoint-every": 1})
    g = trail.gateway()
    a = Auditor(trail, g)
    a.settled()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    bench.path("bare.key"), "-out", bench.path("bare.pem"), "-subj", "/", "-addext", "subjectAltName=DNS:ct1"],
                   check=True, stderr=subprocess.DEVNULL)
    for verb in (("audit", "search"), ("incident", "--vkey", a.vkey)):
        for words, wants, sentence in (
                (("--node", "ct11"), 1, "has no node `ct11`: is `ct1` meant?"),
                (("--from", "1h", "--node", "ct1", "--user", "nobody"), 1, "nothing found in records 0 to"),
                (("--node", "ct1", "--node", "archive"), 2, "--node is given twice"),
                (("--from", "2026-01-02", "--to", "2026-01-01"), 2, "--from is after --to"),
                (("--node", b"ct\xff1"), 2, "expected a text in UTF-8"),
                (("--user", "a\x1b[31m"), 2, "expected a text in UTF-8"),
                (("--certificate", "sha256:00"), 2, "nor a SHA-256 fingerprint"),
                (("--certificate", ("ab:" * 33)[:-1]), 2, "nor a SHA-256 fingerprint"),
                (("--certificate", "bare.pem"), 1, "nothing found in records"),
                (("--certificate", "bear.pem"), 2, "there is no such file"),
                (("--certificate", "bare.key"), 2, "is no certificate")):
            _, said = a.run(*verb, *words, wants=wants)
            check(sentence in said and f"gantry {' '.join(verb[:2 if verb[0] == 'audit' else 1])}: " in said, words, "said:", said)
        ran = bench.run(bench.program, *verb, "-c", g.yaml, "--key", trail.path("auditor.pem"), wants=3)
        check("auditor.pem is a public key" in ran.text and "chmod" not in ran.text, "said:", ran.text)
    _, said = a.run("incident", "--vkey", "missing.vkey", wants=3)
    check("gantry incident: missing.vkey" in said, "said:", said)
    _, said = a.run("audit", "search", "--from", "2020-01-01", "--to", "2020-01-02", wants=1)
    check("there are no records of that time" in said, "said:", said)


DERIVE = """
import ctypes, sys
p = ctypes.CDLL(sys.argv[1])
L, B = ctypes.c_ulong, ctypes.c_ubyte
class Attribute(ctypes.Structure):
    _fields_ = [("type", L), ("value", ctypes.c_void_p), ("length", L)]
def call(name, *arguments):
    assert getattr(p, name)(*arguments) == 0, name
def attribute(kind, value):
    return Attribute(kind, ctypes.cast(ctypes.pointer(value), ctypes.c_void_p), ctypes.sizeof(value))
call("C_Initialize", None)
slots, n, session, key, found = (L * 8)(), L(8), L(), L(), L()
call("C_GetSlotList", B(1), slots, ctypes.byref(n))
call("C_OpenSession", slots[0], L(6), None, None, ctypes.byref(session))
call("C_Login", session, L(1), sys.argv[2].encode(), L(len(sys.argv[2])))
call("C_FindObjectsInit", session, ctypes.byref(attribute(0, L(3))), L(1))
call("C_FindObjects", session, ctypes.byref(key), L(1), ctypes.byref(found))
assert found.value == 1
call("C_FindObjectsFinal", session)
call("C_SetAttributeValue", session, key, ctypes.byref(attribute(0x10C, B(1))), L(1))
"""


@test
def audit_search_with_a_token(bench):
    """The auditor's key, P-256, on a PKCS#11 token: which must let it derive."""
    module = "/usr/lib/softhsm/libsofthsm2.so"
    folder = bench.new_folder("tokens")
    env = {"SOFTHSM2_CONF": bench.write("softhsm.conf", f"directories.tokendir = {folder}\nobjectstore.backend = file\n")}
    key, pin = bench.path("token.pem"), bench.write("pin", "4711\n")
    os.chmod(pin, 0o600)
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", bench.path("token.pub")], check=True)
    bench.run("softhsm2-util", "--init-token", "--free", "--label", "auditor", "--so-pin", "0815", "--pin", "4711", env=env,
              wants=0)
    bench.run("softhsm2-util", "--import", key, "--token", "auditor", "--label", "auditor", "--id", "01", "--pin", "4711",
              env=env, wants=0)
    trail = Trail(bench)
    trail.config["auditors"].append(bench.path("token.pub"))
    g = trail.gateway()
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    trail.settled()
    uri = f"pkcs11:token=auditor;object=auditor?module-path={module}&pin-source={pin}"
    ran = bench.run(bench.program, "audit", "search", "-c", g.yaml, "--key", uri, "--patient", "1CT1", env=env, wants=3)
    check("CKA_DERIVE" in ran.text and len(ran.text.splitlines()) < 4, "said:", ran.text)
    bench.run("python3", "-c", DERIVE, module, "4711", env=env, wants=0)
    ran = bench.run(bench.program, "audit", "search", "-c", g.yaml, "--key", uri, "--patient", "1CT1", env=env, wants=0)
    check("stored 1" in ran.text, "found:", ran.text)
    with open(pin, "w", encoding="ascii") as file:
        file.write("4712\n")
    ran = bench.run(bench.program, "audit", "search", "-c", g.yaml, "--key", uri, env=env, wants=3)
    check("PIN" in ran.text, "said:", ran.text)


# ---- Incidents ----


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "line", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        equal(self.open.pop(), tag, "the tag that ends")

    def handle_data(self, data):
        self.texts.append(data)


@test
def incident_report(bench):
    trail, g, a = served(bench)
    # The same study once more, under another name: which is what reports are made for.
    other = bench.path("other.dcm")
    shutil.copy(peers.CT_SMALL, other)
    bench.run("dcmodify", "-nb", "-m", "PatientName=Another^Name", "-m", "AccessionNumber=A2", "-gin", other, wants=0)
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), other, wants=0)
    a.settled()
    folder = bench.path("report")
    out, _ = a.run("incident", "--node", "ct1", "--from", "1d", "--vkey", a.vkey, "--out", folder)
    with open(os.path.join(folder, "statement.txt"), encoding="utf-8") as file:
        statement = file.read()
    said = re.match(r"This list is complete for what crossed this gateway \(origin test\.example/gantry\) from .* for node ct1: "
                    r"records 0 to (\d+), all (\d+) of them, were read; they are the leaves 0 to (\d+) of the tree of the "
                    r"signed checkpoint of size (\d+); none is missing or changed\.", statement)
    check(said, "the statement:", statement)
    last, n, leaf, size = map(int, said.groups())
    equal((last + 1, leaf), (n, last), "the records")
    check(size >= n > 10 and statement in out, "the statement:", out)
    with open(os.path.join(folder, "incident.json"), encoding="utf-8") as file:
        report = json.load(file)
    studies = {s["patient_id"]: s for s in report["studies"]}
    equal(set(studies), {"1CT1", "4MR1", "BIG"}, "patients")
    equal(studies["1CT1"]["instances_by_how"]["stored"], 2, "1CT1")
    equal(studies["BIG"]["entries_by_how"]["refused"], 1, "BIG, refused")
    equal(studies["BIG"]["instances_by_how"]["refused"], 1, "BIG's instances")
    hows = {k for s in report["studies"] if s["patient_id"] == "4MR1" for k, v in s["entries_by_how"].items() if v}
    check({"stored", "shown", "queried"} <= hows, "4MR1:", hows)
    equal(report["complete"], True, "complete")
    equal(sum(d["entries_by_how"]["stored"] for d in report["days"]), 3, "stored, by day")
    check(all(r["how"] == "refused" for r in report["without_patient"]), "without a patient:", report["without_patient"])
    with open(os.path.join(folder, "incident.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    equal({r["patient_id"] for r in rows}, set(studies), "patients in the CSV")
    named = {r["patient_id"]: r for r in rows}["1CT1"]
    equal((named["patient_name"], named["accession"]), ("CompressedSamples^CT1\\Another^Name", "A2"), "both names, and the number")
    equal([e["patient_name"] for e in studies["1CT1"]["entries"]], ["CompressedSamples^CT1", "Another^Name"], "whose each entry was")
    check("'=HYPERLINK(1)" in {r["patient_name"] for r in rows}, "a formula:", rows)
    check_page(folder)
    check_proofs(bench, trail, a, folder, report)
    equal(os.stat(folder).st_mode & 0o777, 0o700, "who may look into the folder")
    # What is mistaken is said before anything is read, or recorded as read.
    used = len(a.find("--kind", "log-used"))
    _, said = a.run("incident", "--node", "ct1", "--vkey", a.vkey, "--out", folder, wants=3)
    check("it is there already" in said, "said:", said)
    a.run("incident", "--vkey", a.vkey, "--out", bench.path("none/of/these"), wants=3)
    a.run("incident", "--vkey", a.vkey, "--checkpoint", "missing", "--out", bench.path("another"), wants=3)
    a.run("incident", "--vkey", "missing", "--out", bench.path("another"), wants=3)
    equal(len(a.find("--kind", "log-used")), used + 1, "records of reading: this search's alone")
    a.run("incident", "--vkey", a.vkey, "--node", " ", "--out", bench.path("another"), wants=2)
    check(not os.path.exists(bench.path("another")), "a folder is left of a report that was not made")
    equal(a.find("--kind", "log-used")[0]["text"].split(" by the ")[0].split(" By ")[0],
          "A report of the journal by: from, node.", "the record")


def check_page(folder):
    with open(os.path.join(folder, "incident.html"), encoding="utf-8") as file:
        text = file.read()
    page = Page()
    page.feed(text)
    page.close()
    equal(page.open, [], "tags that are open")
    names = [t for t, _ in page.tags]
    check("svg" in names and names.count("rect") >= 3, "no chart")
    check(not {"script", "img", "link", "iframe", "a"} & set(names), "something from elsewhere:", set(names))
    check(not re.search(r"https?://|url\(|@import", text), "something from elsewhere")
    check("CompressedSamples^CT1" in "".join(page.texts), "no patient")
    check('<td class="w">stored 1</td>' in text, "what was done may be broken between its letters")
    # 4MR1 has several lines, and each says whose it is: a page may end between them.
    lines = re.findall(r"<tr><td.*?</tr>", text[text.index("Patients and studies"):text.index("Entries that name no patient")], re.S)
    check(len(lines) > 4 and sum("<bdi>4MR1</bdi>" in line for line in lines) >= 3, "lines:", lines)
    check(all(re.match(r"<tr><td[^>]*>(<b>|<span [^>]*>)?<bdi>[^<]", line) for line in lines), "a line of nobody:", lines)
    check(any("<bdi>1CT1</bdi></span><br><bdi>Another^Name</bdi></td><td><bdi>A2</bdi>" in line for line in lines), "the other name:", lines)


def check_proofs(bench, trail, a, folder, report):
    proofs = os.path.join(folder, "proofs")
    listed = {n for s in report["studies"] for e in s["entries"] for n in e["records"]}
    listed |= {n for e in report["without_patient"] for n in e["records"]}
    files = {int(re.fullmatch(r"record-(\d+)\.tlog-proof", f)[1]) for f in os.listdir(proofs) if f.startswith("record-")}
    equal(files, {n for n in listed if n < report["checkpoint"]["size"]}, "proofs")
    for n in files:
        bench.run(bench.program, "audit", "verify-proof", os.path.join(proofs, f"record-{n}.tlog-proof"), "--key", a.vkey,
                  wants=0)
    with open(os.path.join(proofs, "checkpoint.vkey"), encoding="ascii") as file:
        equal(file.read().strip(), a.vkey, "the key")
    bench.run(bench.program, "audit", "verify", trail.folder, "--key", a.vkey, "--checkpoint",
              os.path.join(proofs, "checkpoint"), "--leaves", os.path.join(proofs, "leaves"), wants=0)
    one = os.path.join(proofs, f"record-{min(files)}.tlog-proof")
    with open(one, encoding="utf-8") as file:
        text = file.read()
    with open(one, "w", encoding="utf-8") as file:
        file.write(text.replace(f"index {min(files)}\n", f"index {min(files) + 1}\n"))
    bench.run(bench.program, "audit", "verify-proof", one, "--key", a.vkey, wants=1)


@test
def incident_counts_a_refusal_once(bench):
    """The gate's alert and the transfer's records of one refusal count once; days and patients agree; who was refused as a caller counts."""
    trail, g, a = served(bench, flow={"inspect": {"danger": "refuse"}})
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE])])
    with open(os.path.join(ROOT, "tests/data/inspect/preamble-elf64.dcm"), "rb") as file:
        elf = file.read(128)
    # One study with two objects refused for different reasons: for each a record that says whose it was, and an alert.
    for instance, more in (("1.2.3.7.1", {"size": 400_000}), ("1.2.3.7.2", {})):
        data = object_of("TWICE", "1.2.3.7", instance, **more) + (b"" if more else elf)
        check(scu.store(1, instance, CT, data)["status"] != 0, f"{instance} was taken")
    scu.release()
    trail.wait("transferred", 2, patient="TWICE", failed=1)
    a.settled()
    numbers = {r["event"]["refusal"] for r in trail.records("alert") if r.get("event", {}).get("from", {}).get("ae") == "CT1"}
    equal(len(numbers), 2, "reasons of refusals")
    for scope, refused, alone in (((), 4, 1), (("--node", "ct1"), 3, 0), (("--refusal", str(min(numbers))), 2, 0),
                                  (("--refusal", str(max(numbers))), 1, 0)):
        folder = bench.path(f"once-{'-'.join(scope)}")
        out, _ = a.run("incident", *scope, "--vkey", a.vkey, "--out", folder)
        with open(os.path.join(folder, "incident.json"), encoding="utf-8") as file:
            report = json.load(file)
        days = sum(d["entries_by_how"]["refused"] for d in report["days"])
        patients = sum(s["entries_by_how"]["refused"] for s in report["studies"])
        equal((days, patients), (refused, refused - alone), f"refused, by day and by patient, {scope}: {out}")
        with open(os.path.join(folder, "incident.csv"), encoding="utf-8", newline="") as file:
            equal(sum(int(row["refused"]) for row in csv.DictReader(file)), patients, "in the CSV")
        with open(os.path.join(folder, "incident.html"), encoding="utf-8") as file:
            check(f" {refused} refused" in file.read().split("<title>")[2], "in the chart")
        check(f" {refused} refused" in out, "as text:", out)


@test
def incident_of_what_was_cut_off(bench):
    """Two objects of a study pass, one is refused when half of it has gone: stored, and refused, under its patient, by that number."""
    trail, g, a = served(bench)
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE])])
    for number, size in ((1, 16), (2, 16), (3, 500_000), (4, 16)):
        instance = f"1.2.3.7.{number}"
        equal(scu.store(1, instance, CT, object_of("PART", "1.2.3.7", instance, size=size))["status"] == 0, number != 3, instance)
    scu.release()
    a.settled()
    hits = a.find("--patient", "PART", "--kind", "transfer")
    (hit,) = [h for h in hits if h["state"] == "refused"]
    equal(sorted((h["state"], h["instances"], h["failed"]) for h in hits), [("complete", 3, 0), ("refused", 0, 1)], "the transfers")
    for scope, refused, stored in ((("--patient", "PART"), 1, 1), (("--refusal", str(hit["refusal"])), 2, 0)):
        folder = bench.path(f"cut-{scope[0]}")
        out, _ = a.run("incident", *scope, "--vkey", a.vkey, "--out", folder)
        with open(os.path.join(folder, "incident.json"), encoding="utf-8") as file:
            report = json.load(file)
        for what in ("days", "studies"):
            equal([sum(x["entries_by_how"][how] for x in report[what]) for how in ("refused", "stored")], [refused, stored], what + out)
        (study,) = [x for x in report["studies"] if x["patient_id"] == "PART"]
        equal([(study["instances_by_how"][how], study["entries_by_how"][how]) for how in ("stored", "refused")],
              [(3 * stored, stored), (1, 1)], out)
        equal({e["refusal"] for e in study["entries"] if e["how"] == "refused"}, {hit["refusal"]}, "its number")
        equal({e["what"] for e in study["entries"]}, {"stored 3", "refused 1"} if stored else {"refused 1"}, "the entries")
        check(f"PART Test^One ACCPART 1.2.3.7:{' stored 1' * stored} refused 1" in out, out)


@test
def incident_scopes(bench):
    """By refusal, by version, by a user; a time without records; gaps; a checkpoint that left the gateway."""
    trail, g, a = served(bench)
    number = next(r["event"]["refusal"] for r in trail.records("transferred", patient="BIG"))
    out, _ = a.run("incident", "--refusal", str(number), "--vkey", a.vkey)
    check("It names 1 patient and 1 study" in out and "BIG" in out, "by refusal:", out)
    version = subprocess.run([bench.program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1]
    out, _ = a.run("incident", "--version", version, "--node", "ct1", "--vkey", a.vkey)
    check(f"Version {version} ran from" in out and "1CT1" in out, "by version:", out)
    out, _ = a.run("incident", "--version", version + ".9", "--vkey", a.vkey, wants=1)
    check("No start of version" in out and "complete" in out, "another version:", out)
    out, _ = a.run("incident", "--user", "nobody", "--vkey", a.vkey, wants=1)
    check("It names 0 patients" in out and "This list is complete" in out, "nobody:", out)
    out, _ = a.run("incident", "--from", "2020-01-01", "--until", "2020-12-31", "--vkey", a.vkey, wants=3)
    check("no record of that time" in out, "long ago:", out)
    kept = bench.path("kept-checkpoint")
    shutil.copy(os.path.join(trail.folder, "checkpoint"), kept)
    g.stop()
    # All is vouched for, and what is asked for reaches into the future: nothing can be said of that.
    out, _ = a.run("incident", "--from", "2020-01-01", "--to", "2099-12-31", "--node", "ct1", "--vkey", a.vkey, "--unrecorded")
    check(re.search(r"from 2020-01-01 00:00:00 [+-]\d{4} until its last record at 20\d\d-\S+ \S+ [+-]\d{4}, for node ct1", out),
          "until the future:", out)
    g.start()
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    a.settled()
    out, _ = a.run("incident", "--node", "ct1", "--vkey", a.vkey)
    check(re.search(r"Nothing was recorded from .* until .*: recording had been stopped in good order", out), "the gap:", out)
    out, _ = a.run("incident", "--node", "ct1", "--vkey", a.vkey, "--checkpoint", kept)
    check("This list is complete" in out and "recorded after that checkpoint" in out, "an older checkpoint:", out)
    stranger = a.vkey.split("+")[0] + "+00000000+" + a.vkey.split("+")[2]
    a.run("incident", "--vkey", stranger, wants=3)


@test
def what_happened_as_the_page_has_it(bench):
    """Each command of docs/what-happened.md, as it stands there; dates, folders and numbers are those of the test."""
    with open(os.path.join(ROOT, "docs/what-happened.md"), encoding="utf-8") as file:
        page = file.read()
    commands = [c for block in re.findall(r"^```\n(gantry .*?)^```", page, re.M | re.S) for c in block.splitlines()]
    commands += [c for row in re.findall(r"^\| .* \|$", page, re.M) for c in re.findall(r"`(gantry [^`]* [^`]*)`", row)]
    check(len(commands) >= 8 and all(c.startswith("gantry ") for c in commands), "commands:", commands)
    worm = bench.new_folder("worm")
    os.chmod(worm, 0o777)
    exported = os.path.join(worm, "checkpoint")
    trail = Trail(bench, **{"checkpoint-every": 1, "checkpoint-file": exported})
    g = trail.gateway()
    a = Auditor(trail, g)
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    a.settled()
    first = trail.one("begin", patient="1CT1")["index"]
    desk = os.path.dirname(g.yaml)
    shutil.copy(a.key, os.path.join(desk, "auditor.key"))
    for path in (os.path.join(desk, "checkpoint.vkey"), trail.path("checkpoint.vkey")):
        with open(path, "w", encoding="ascii") as file:
            file.write(a.vkey + "\n")
    until(lambda: os.path.exists(exported), "a checkpoint elsewhere")
    kept = shutil.copy(exported, bench.path("kept-checkpoint"))  # of then: the report's is not older
    here = {"gantry ": bench.program + " ", "2026-11-01": "1d", "2026-11-30": "2099-12-31", "81025": str(first), "4711": "1CT1",
            "/var/lib/gantry/audit": trail.folder, "/mnt/worm/checkpoint": kept, "COPY": "copy"}
    for number, command in enumerate(commands):
        if "COPY" in command and not os.path.exists(os.path.join(desk, "copy")):
            shutil.copytree(trail.folder, os.path.join(desk, "copy"), ignore=shutil.ignore_patterns("spool"))
        for there, is_here in here.items():
            command = command.replace(there, is_here)
        ran = subprocess.run(command.split(), input=PASSPHRASE + "\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             timeout=60, check=False, cwd=desk)
        equal(ran.returncode, 0, f"{number}, {command}: {ran.stderr} {ran.stdout[-600:]}")
    with open(os.path.join(desk, "november/statement.txt"), encoding="utf-8") as file:
        check(file.read().startswith("This list is complete for what crossed this gateway (origin "), "the statement")


@test
def incident_by_certificate(bench):
    """A certificate by its file, its fingerprint or its subject; another one of that subject is another one."""
    trail, g, a = served(bench)
    keys = bench.keys
    # Another certificate of the same subject and authority, as after a renewal; and the first as DER.
    keys.leaf("scanner-renewed", "scanner", "DNS:scanner")
    scanner, second, der = keys.path("scanner.pem"), keys.path("scanner-renewed.pem"), bench.path("scanner.der")
    subprocess.run(["openssl", "x509", "-in", scanner, "-outform", "DER", "-out", der], check=True)
    for patient, uid, name in (("TLS", "1.2.3.7", "scanner"), ("RENEWED", "1.2.3.8", "scanner-renewed")):
        scu = bench.scu(g.tls, tls=keys.client(name))
        scu.associate(calling="CT_TLS", contexts=[(CT, [ILE])])
        equal(scu.store(1, uid + ".1", CT, object_of(patient, uid, uid + ".1"))["status"], 0, "status")
        scu.release()
    prints = {cert: subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256"], check=True,
                                   stdout=subprocess.PIPE, text=True).stdout.strip() for cert in (scanner, second)}
    hexadecimal = {cert: text.split("=")[1].replace(":", "").lower() for cert, text in prints.items()}
    begun = trail.settled() and trail.one("begin", patient="TLS")
    equal(begun["event"]["from_certificate"], "sha256:" + hexadecimal[scanner], "the record's fingerprint")
    a.settled()
    for name in (scanner, der, prints[scanner], hexadecimal[scanner].upper(), "sha256:" + hexadecimal[scanner],
                 prints[scanner].split("=")[1]):
        out, _ = a.run("incident", "--certificate", name, "--vkey", a.vkey)
        check("This list is complete" in out and "It names 1 patient " in out and "TLS" in out and "RENEWED" not in out,
              f"by {name}:", out)
    out, _ = a.run("incident", "--certificate", begun["event"]["from"]["subject"], "--vkey", a.vkey, "--out", bench.path("report"))
    check("It names 2 patients " in out and "A subject is not one certificate" in out, "by subject:", out)
    for cert in (scanner, second):
        check(f"- sha256:{hexadecimal[cert]}, serial number " in out, "which of them:", out)
    with open(bench.path("report/incident.csv"), encoding="utf-8", newline="") as file:
        equal({row["patient_id"]: row["certificates"] for row in csv.DictReader(file)},
              {"TLS": "sha256:" + hexadecimal[scanner], "RENEWED": "sha256:" + hexadecimal[second]}, "incident.csv")
    with open(bench.path("report/incident.html"), encoding="utf-8") as file:
        check(hexadecimal[second] in file.read(), "incident.html")
    hit = a.find("--certificate", second, "--kind", "transfer")
    equal([(h["patient"]["id"], h["from"]["fingerprint"]) for h in hit], [("RENEWED", "sha256:" + hexadecimal[second])], "a search")
    # By number, as OpenSSL writes it; of its authority, by its name and by its certificate; and of another, which issued none.
    serial = subprocess.run(["openssl", "x509", "-in", second, "-noout", "-serial"], check=True, stdout=subprocess.PIPE,
                            text=True).stdout.strip()
    equal(hit[0]["from"]["serial"], serial.split("=")[1].lower(), "its serial number")
    of = hit[0]["from"]["issuer"]
    for more in ((), ("--certificate-issuer", of), ("--certificate-issuer", keys.path("ca.pem"))):
        out, _ = a.run("incident", "--certificate", serial, *more, "--vkey", a.vkey)
        check("This list is complete" in out and "It names 1 patient " in out and "RENEWED" in out, f"by {serial} {more}:", out)
        check(f"- sha256:{hexadecimal[second]}, serial number {serial.split('=')[1].lower()} of {of}: " in out, "which it is:", out)
    equal([h["patient"]["id"] for h in a.find("--certificate-issuer", of, "--kind", "transfer")], ["TLS", "RENEWED"], "of an authority")
    a.find("--certificate", serial, "--certificate-issuer", "CN=Other", wants=1)
    _, err = a.run("incident", "--certificate", second, "--certificate-issuer", of, "--vkey", a.vkey, wants=2)
    check("leave out --certificate-issuer" in err, "both:", err)


@test
def incident_by_called_certificate(bench):
    """What went to the node that showed a certificate; and another name for the same subject finds nothing."""
    trail = Trail(bench, **{"checkpoint-every": 1})
    archive = bench.scp(tls=bench.keys.server("archive"))
    g = trail.gateway(archive={"address": [f"127.0.0.1:{archive.port}"], "transport": "tls"})
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE])])
    equal(scu.store(1, "1.2.3.7.1", CT, object_of("SENT", "1.2.3.7", "1.2.3.7.1"))["status"], 0, "status")
    scu.release()
    a = Auditor(trail, g)
    a.settled()
    out, _ = a.run("incident", "--certificate", bench.keys.path("archive.pem"), "--vkey", a.vkey)
    check("This list is complete" in out and "It names 1 patient and 1 study" in out and "SENT" in out, "what it was sent:", out)
    hit = a.find("--certificate", "CN=archive", "--kind", "transfer")
    equal([(h["patient"]["id"], h["to"]["certificate"]) for h in hit], [("SENT", "CN=archive")], "by subject")
    a.run("incident", "--certificate", bench.keys.path("gateway.pem"), "--vkey", a.vkey, wants=1)


YAMADA = (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B")  # PS3.5 H.3.1


@test
def audit_search_by_groups_of_a_name(bench):
    """As the object had it, in ISO 2022; asked for in UTF-8, by any group, with tokens and without."""
    trail = Trail(bench, **{"checkpoint-every": 1})
    g = trail.gateway()
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE])])
    tag = dicom.element(0x10, 0x10, dicom.even(b"NAME", b" "))
    data = object_of("JP", "1.2.3.7", "1.2.3.7.1", name="NAME").replace(tag, dicom.element(0x10, 0x10, dicom.even(YAMADA, b" ")))
    data = dicom.element(8, 5, dicom.even(b"\\ISO 2022 IR 87", b" ")) + data
    equal(scu.store(1, "1.2.3.7.1", CT, data)["status"], 0, "status")
    scu.release()
    a = Auditor(trail, g)
    a.settled()
    for name in ("yamada^TAROU", "山田^太郎", "=山田^太郎", "やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう"):
        equal([h["patient"] for h in a.find("--name", name)],
              [{"id": "JP", "name": "Yamada^Tarou=山田^太郎=やまだ^たろう"}], name)
    a.find("--name", "太郎^山田", wants=1)
    out, _ = a.run("incident", "--name", "山田^太郎", "--vkey", a.vkey)
    check("for name 山田^太郎: records" in out and "This list is complete" in out and "It names 1 patient and 1 study" in out, out)
    out, _ = a.run("incident", "--patient", "P2", "--vkey", a.vkey, wants=1)
    check("for patient P2: records" in out and "names another identifier" in out, out)


@test
def searches_and_reports_agree_on_times(bench):
    """A transfer without a record of the time that is asked for, where there is no other record either."""
    trail = Trail(bench, **{"checkpoint-every": 1})
    g = trail.gateway()
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE])])
    equal(scu.store(1, "1.2.3.7.1", CT, object_of("LONG", "1.2.3.7", "1.2.3.7.1"))["status"], 0, "status")
    a = Auditor(trail, g)
    trail.wait("progress")
    # Seconds are what can be asked for: one in which nothing is recorded.
    until(lambda: trail.records()[-1]["time_ms"] + 3000 < time.time() * 1000, "a quiet time", patience=20)
    quiet = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(trail.records()[-1]["time_ms"] / 1000 + 1))
    scu.release()
    a.settled()
    moment = ["--from", quiet, "--to", quiet]
    equal([(h["patient"]["id"], h["state"]) for h in a.find(*moment)], [("LONG", "complete")], "the search")
    out, _ = a.run("incident", *moment, "--vkey", a.vkey)
    check("This list is complete" in out and "LONG" in out and "No record is of that time itself" in out, "the report:", out)


@test
def incident_by_user_and_of_retrievals(bench):
    """What one user stored, who proved to be that user; and what a device was sent that asked for it (C-GET)."""
    path, pwd = bench.path("users.txt"), "correct horse"
    subprocess.run([bench.program, "user", "set", path, "ann"], check=True, input=pwd + "\n", text=True, stdout=subprocess.DEVNULL)
    trail = Trail(bench, **{"checkpoint-every": 1})
    port, _ = peers.dcmqrscp(bench)
    g = trail.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"}, start=False,
                      flow={"services": ["store"], "user-identity": {"caller": "verify"}})
    g.config["users"] = {"passwords": path}
    images = g.config["flows"][0]
    g.config["nodes"]["ct2"] = {**g.config["nodes"]["ct1"], "ae": ["CT2"]}
    g.config["flows"].append({"name": "ct2", "from": ["ct2"], "to": images["to"], "services": ["store", "find", "get"]})
    g.write()
    g.start()
    where = ["-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain)]
    bench.run("storescu", "-usr", "ann", "-pwd", pwd, *where, peers.CT_SMALL, wants=0)
    where[1] = "CT2"
    bench.run("storescu", *where, peers.MR_SMALL, wants=0)
    bench.run("getscu", "-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=4MR1", "-od", bench.new_folder("got"), *where, wants=0)
    a = Auditor(trail, g)
    a.settled()
    out, _ = a.run("incident", "--user", " ANN ", "--vkey", a.vkey)
    check("It names 1 patient and 1 study" in out and "1CT1" in out and "4MR1" not in out, "by user:", out)
    out, _ = a.run("incident", "--node", "ct2", "--vkey", a.vkey)
    # The request for all of a patient names no study, and is none.
    check("It names 1 patient and 1 study, in 3 entries" in out and re.search(r"  4MR1: queried 1\n", out) and
          re.search(r"4MR1 \S+ \S+: stored 1 retrieved 1\n", out) and "  1 study: " in out, "what was retrieved:", out)
    found = a.find("--patient", "4MR1", "--kind", "transfer")
    equal([(h["how"], h["instances"], h["from"]["node"], h["to"]["node"]) for h in found],
          [("stored", 1, "ct2", "archive"), ("retrieved", 1, "ct2", "archive")], "4MR1")


@test
def incident_of_times_out_of_order(bench):
    """The auditor is away for seconds, and what the gateway had to tell of it is recorded afterwards, with its own time."""
    trail = Trail(bench, **{"checkpoint-every": 1})
    g = trail.gateway()
    a = Auditor(trail, g)
    a.settled()
    out, _ = a.run("incident", "--vkey", a.vkey)
    check("of an earlier time" not in out, "in order:", out)
    os.rename(trail.folder, trail.folder + ".kept")
    os.kill(next(pid for pid, line in g.roles().items() if "audit" in line), signal.SIGKILL)
    state = lambda: json.loads(g.cli("status", "--json"))["audit"]["state"]
    until(lambda: state() == "away", "the auditor to be away")
    died = time.monotonic()
    until(lambda: time.monotonic() - died > 2.5, "more than a second")
    os.rename(trail.folder + ".kept", trail.folder)
    until(lambda: state() == "recording", "the auditor to be back", 60)
    trail.wait("alert", object="audit")
    a.settled()
    out, _ = a.run("incident", "--vkey", a.vkey)
    check(re.search(r"- \d+ records? (is|are) of an earlier time than the one before, by \d+ s at most", out), "out of order:", out)
    said = bench.run(bench.program, "audit", "verify", trail.folder, "--key", a.vkey, wants=0).text
    check("of an earlier time" in said and "or what they tell of was kept" in said, "verify:", said)


@test
def incident_after_a_kill(bench):
    """All processes killed in a transfer: it is listed as interrupted, with at least what was counted; and what was cut off of it as refused."""
    trail, g, a = served(bench)
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE]), (MR, [ILE])])
    for i in range(3):
        equal(scu.store(1, f"1.2.3.8.{i}", CT, object_of("CUT", "1.2.3.8", f"1.2.3.8.{i}"))["status"], 0, "status")
    until(lambda: any(r["count"] == 3 for r in trail.records("progress")), "the count")
    check(scu.store(1, "1.2.3.8.3", CT, object_of("CUT", "1.2.3.8", "1.2.3.8.3", size=500_000))["status"] != 0, "too large")
    trail.wait("transferred", 1, patient="CUT", failed=1)
    running = sorted(a.find("--patient", "CUT"), key=lambda h: h["state"], reverse=True)
    equal([(h["state"], h["instances"], h["at_least"]) for h in running], [("running", 3, True), ("refused", 0, False)], "while it runs")
    g.kill_all()
    scu.close()
    g.start()
    trail.wait("interrupted", 1)
    cut = sorted(a.find("--patient", "CUT"), key=lambda h: h["state"])
    equal([(h["state"], h["instances"], h["at_least"], h["outcome"]) for h in cut],
          [("interrupted", 3, True, "major"), ("refused", 0, False, "serious")], "after")
    equal((cut[1]["study"], cut[1]["refusal"]), ("1.2.3.8", g.find(rule="object-size")[-1]["number"]), "whose it was, and its number")
    a.settled()
    out, _ = a.run("incident", "--node", "ct1", "--vkey", a.vkey)
    check("interrupted 1" in out and "recording ended without a word" in out, "the report:", out)
