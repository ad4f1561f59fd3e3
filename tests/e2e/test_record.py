# SPDX-License-Identifier: Apache-2.0
"""Signed records: what the gateway signs for whom, read by Go's golang.org/x/mod/sumdb/note as well."""
import json
import os
import re
import socket
import subprocess
import sys

from lib.site import check, equal, test, until
from lib.trail import Trail
from test_audit import journal, tlog
from test_audit_status import audit

HASH = "00112233445566778899aabbccddeeff" * 2
WHAT = "antivirus-definitions"
FIELDS = {"engine": "ClamAV 1.0.7", "definitions": HASH, "corpus": HASH, "files": "52", "clean": "50", "found": "2",
          "failed": "0", "bytes-per-second": "81000000", "memory": "1400000000"}
ASK = """import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\\n")
print(s.makefile().read())
"""


def keys(bench):
    """A trail whose keys `gantry audit init` made."""
    passphrase = bench.write("passphrase", "correct horse battery\n")
    os.chmod(passphrase, 0o600)
    bench.run(bench.program, "audit", "init", "--folder", bench.path("made"), "--origin", "hospital.example/gantry",
              "--passphrase-file", passphrase, wants=0)
    made = bench.path("made")
    return {"origin": "hospital.example/gantry", "auditors": [f"{made}/auditor.pem"],
            **{f"{kind}-key": f"{made}/{kind}.key" for kind in ("checkpoint", "record", "index")}}


def sign(bench, g, fields, wants=0, what=WHAT, **options):
    words = [f"{name}={value}" for name, value in fields.items()]
    ran = subprocess.run([bench.program, "record", "sign", "-c", g.yaml, what, *words], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, timeout=60, check=False, **options)
    equal(ran.returncode, wants, f"record sign: {ran.stderr}")
    return ran.stdout if wants == 0 else ran.stderr


@test
def record_signed_and_verified(bench):
    """The text is what was asked for, by whom the kernel says; both verifiers take it, and neither takes a changed one."""
    g = bench.gateway(audit=keys(bench))
    note = sign(bench, g, FIELDS)
    text = note.split("\n\n")[0]
    lines = text.split("\n")
    equal(lines[:3], ["gantry-record@v1", "hospital.example/gantry", f"what {WHAT}"], "the first lines")
    check(re.fullmatch(r"time 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines[3]), "the time:", lines[3])
    check(lines[4].startswith(f"by {os.getuid()} "), "who:", lines[4])
    equal(dict(line.split(" ", 1) for line in lines[5:]), FIELDS, "the fields")
    record, vkey = bench.write("record", note), bench.path("made/record.vkey")
    for where in (["-c", g.yaml], ["--vkey", vkey]):
        check(": good: " + WHAT in bench.run(bench.program, "record", "verify", *where, record, wants=0).text, "verify")
    go = tlog(bench)
    with open(vkey, encoding="ascii") as file:
        key = file.read().strip()
    equal(bench.run(go, "note", key, record, wants=0).text.strip(), text, "as Go reads it")
    false = bench.write("false", note.replace("found 2\n", "found 0\n"))
    check("FALSE" in bench.run(bench.program, "record", "verify", "--vkey", vkey, record, false, wants=1).text, "a false one")
    check(bench.run(go, "note", key, false).code != 0, "Go takes a false one")
    for other in ("checkpoint.vkey",):
        said = bench.run(bench.program, "record", "verify", "--vkey", bench.path("made/" + other), record, wants=1).text
        check("not signed by this key" in said, "with the checkpoints' key:", said)
    bench.run(bench.program, "record", "verify", "--vkey", vkey, bench.write("empty", ""), wants=1)
    bench.run(bench.program, "record", "verify", "--vkey", vkey, bench.path("nothing"), wants=3)


@test
def record_refused(bench):
    """A wrong field, a kind that is not to be asked for, a gateway without a key for records, without a trail, and none."""
    audit = keys(bench)
    g = bench.gateway(audit=audit)
    for change, words in (({"files": "many"}, "`files` is not of its kind"), ({"corpus": "1"}, "`corpus` is not"),
                          ({"colour": "red"}, "no field `colour`"), ({"engine": "a\nwhat x"}, "`engine` is not")):
        said = sign(bench, g, {**FIELDS, **change}, wants=3)
        check(words in said, change, said)
    said = sign(bench, g, {k: v for k, v in FIELDS.items() if k != "found"}, wants=3)
    check("`found` is missing" in said, "without a field:", said)
    check("no record of `hand-over`" in sign(bench, g, {"first": "1"}, what="hand-over", wants=2), "the auditor's own")
    check("engine" in sign(bench, g, {}, wants=2), "no list of the fields")
    # The program is not what refuses it.
    for what in ("hand-over", "checkpoint"):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(g.folder, "run/control"))
            s.sendall(json.dumps({"sign-record": what, "fields": {"first": 1}}).encode() + b"\n")
            answer = json.loads(s.makefile().read())
        equal(answer["record"], None, f"a record of {what}")
    if os.getuid() == 0:
        # One of the gateway's group may look at its state, and no more.
        ran = bench.run("setpriv", "--reuid=nobody", "--regid=gantry", "--clear-groups", sys.executable, "-c", ASK,
                        os.path.join(g.folder, "run/control"), json.dumps({"sign-record": WHAT, "fields": FIELDS}), wants=0)
        check("only root and the user" in ran.text, "one of the group:", ran.text)
    g.stop()
    g.config["audit"] = {k: v for k, v in audit.items() if k != "record-key"}
    g.write()
    g.start()
    check("no key for records" in sign(bench, g, FIELDS, wants=3), "without a key")
    # It gets one without a new start.
    os.makedirs(bench.path("later"))
    said = bench.run(bench.program, "record", "init", "-c", g.yaml, bench.path("later"), wants=0).text
    check(f"record-key: {bench.path('later')}/record.key" in said, "the line for gantry.yaml:", said)
    bench.run(bench.program, "record", "init", "-c", g.yaml, bench.path("later"), wants=3)
    g.config["audit"]["record-key"] = bench.path("later/record.key")
    g.write()
    g.cli("reload")
    note = bench.write("note", sign(bench, g, FIELDS))
    bench.run(bench.program, "record", "verify", "-c", g.yaml, note, wants=0)
    bench.run(bench.program, "record", "verify", "--vkey", bench.path("made/record.vkey"), note, wants=1)
    g.stop()
    del g.config["audit"]
    g.write()
    g.start()
    check("no audit trail" in sign(bench, g, FIELDS, wants=3), "without a trail")
    g.stop()
    check("does not run" in sign(bench, g, FIELDS, wants=3), "without a gateway")
    g.config["audit"] = {**audit, "record-key": audit["checkpoint-key"]}
    g.write()
    said = bench.run(bench.program, "check", g.yaml, wants=1).text
    check("each has one of its own" in said, "one key for two purposes:", said)


@test
def record_of_a_hand_over(bench):
    """Segments that are older than `keep` go to the cold folder, and a signed record of it is beside the statement."""
    folder, key = journal(bench, "journal", 100, origin="test.example/gantry")
    cold = bench.new_folder("cold")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", bench.path("record.key")], check=True)
    os.chmod(bench.path("record.key"), 0o600)
    if os.getuid() == 0:
        bench.run("chown", "-R", "gantry:", folder, cold, wants=0)
    trail = Trail(bench, folder, keep="1d", cold=cold, **{"record-key": bench.path("record.key")})
    g = trail.gateway()

    def record():
        return [name for name in os.listdir(cold) if name.startswith("record-hand-over-") and not name.endswith(".new")]
    until(record, lambda: f"a record; there are {os.listdir(cold)}")
    name = record()[0]
    with open(os.path.join(cold, name), encoding="utf-8") as file:
        text = file.read()
    check("what hand-over\n" in text and f"statement {name[7:]}\n" in text, "the record:", text)
    said = bench.run(bench.program, "audit", "verify", cold, "--key", key)
    check("record-hand-over" not in said.text, "a good record is found fault with:", said.text)
    # What is left is verified without what was handed over, and both as one journal.
    both = bench.write("both.vkey", f"{key}\n{trail.vkey()}\n")
    rest = bench.run(bench.program, "audit", "verify", folder, "--key", both, "--json", wants=0)
    check(json.loads(rest.text)["first"] > 0, "what is left:", rest.text)
    whole = bench.run(bench.program, "audit", "verify", folder, "--cold", cold, "--key", both, "--json", wants=0)
    check(json.loads(whole.text)["first"] == 0 and json.loads(whole.text)["size"] > 100, "the whole:", whole.text)
    # Whoever would have told the journal of it died: the next one does.
    owed = os.path.join(folder, "owed-hand-over")
    until(lambda: not os.path.exists(owed), "the hand-over to be settled")
    told = [r for r in trail.records() if r["kind"] == "hand-over"]
    g.stop()
    words = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    with open(owed, "w", encoding="ascii") as file:
        file.write("\n".join(["gantry-hand-over-owed@v1", *(words[w] for w in ("first", "next", "segments", "bytes", "statement",
                                                                               "sha256"))]) + "\n")
    # But not where another folder was named since: what was stated and its statement stay together, and the gateway says so.
    g.config["audit"]["cold"] = bench.new_folder("another")
    if os.getuid() == 0:
        bench.run("chown", "gantry:", g.config["audit"]["cold"], wants=0)
    g.write()
    g.start()
    until(lambda: "whose statement is not in this folder" in audit(g).get("cold_why", ""), "word of the other folder")
    check("whose statement is not in this folder" in bench.run(bench.program, "status", "-c", g.yaml).text, "what status says")
    g.stop()
    equal((os.path.exists(owed), os.listdir(g.config["audit"]["cold"])), (True, []), "what is owed, and what went to the other folder")
    g.config["audit"]["cold"] = cold
    g.write()
    g.start()
    until(lambda: not os.path.exists(owed), "what was owed to be told")
    equal(len([r for r in trail.records() if r["kind"] == "hand-over"]), len(told) + 1, "records of it")
    with open(os.path.join(cold, name[7:]), "ab") as file:
        file.write(b"x")
    said = bench.run(bench.program, "audit", "verify", cold, "--key", key, wants=1)
    check("is not what this record tells of" in said.text, "another statement:", said.text)
