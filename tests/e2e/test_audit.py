# SPDX-License-Identifier: Apache-2.0
"""The journal: verified, proved, and checked by an implementation that is not ours (golang.org/x/mod/sumdb)."""
import json
import os
import shutil
import threading

from lib.site import HERE, check, equal, test

ORIGIN = "hospital.example/gantry"
GO_LOCK = threading.Lock()


def journal(bench, name, records, segment=4000, origin=ORIGIN):
    """Append to a journal; its folder and its key."""
    folder = bench.path(name)
    os.makedirs(folder, exist_ok=True)
    key = bench.run(bench.tool("audit_maker"), folder, origin, str(records), "100", str(segment), wants=0).text.strip()
    return folder, key


def tlog(bench):
    """tests/e2e/tlog, built offline from Debian's packages."""
    program = bench.path("tlog")
    env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOCACHE=bench.path("gocache"), GOFLAGS="",
               CGO_ENABLED="0", GOTOOLCHAIN="local")
    with GO_LOCK:
        bench.run("go", "build", "-o", program, os.path.join(HERE, "tlog/main.go"), env=env, wants=0, patience=120)
    return program


def audit(bench, *arguments, wants):
    return bench.run(bench.program, "audit", *arguments, wants=wants).text


@test
def audit_others_verify(bench):
    """Checkpoints, inclusion and consistency proofs, by Go's note and tlog; a cosignature by Go, read by us."""
    go = tlog(bench)
    sizes, old = [], []
    for records in (1, 6, 25, 68):
        folder, key = journal(bench, "journal", records)
        sizes.append(sum(sizes[-1:]) + records)
        old.append(bench.path(f"checkpoint-{sizes[-1]}"))
        shutil.copy(os.path.join(folder, "checkpoint"), old[-1])
        equal(bench.run(go, "checkpoint", key, old[-1], wants=0).text.strip(), str(sizes[-1]), "the checkpoint's size")
    check(len([f for f in os.listdir(folder) if f.endswith(".checkpoint")]) > 2, "too few segments")
    for index in list(range(0, 100, 7)) + [99]:
        proof = bench.path(f"record-{index}")
        audit(bench, "prove", folder, "--record", str(index), "--with-record", "--output", proof, wants=0)
        equal(bench.run(go, "inclusion", key, proof, wants=0).text.split(), [str(index), "100"], "the proof")
    for size, path in zip(sizes[:-1], old):
        proof = bench.path(f"from-{size}")
        audit(bench, "prove", folder, "--from", path, "--output", proof, wants=0)
        equal(bench.run(go, "consistency", key, proof, wants=0).text.split(), [str(size), "100"], "the proof")
    # Go's word counts only if it can say no.
    proof = bench.path("record-7")
    with open(proof, encoding="utf-8") as file:
        text = file.read()
    with open(proof, "w", encoding="utf-8") as file:
        file.write(text.replace("index 7\n", "index 8\n"))
    check(bench.run(go, "inclusion", key, proof).code != 0, "Go takes a false proof")
    audit(bench, "verify-proof", proof, "--key", key, wants=1)
    witness = bench.run(go, "cosign", "witness.example/w1", bench.path("record-14"), wants=0).text.strip()
    keys = bench.write("keys", f"# the journal's and a witness's\n{key}\n{witness}\n")
    said = audit(bench, "verify-proof", bench.path("record-14"), "--key", keys, wants=0)
    check("cosigned: witness.example/w1" in said, "no cosignature:", said)
    bench.run(go, "cosign", "witness.example/w1", os.path.join(folder, "checkpoint"), wants=0)
    equal(json.loads(audit(bench, "verify", folder, "--key", key, "--json", wants=0))["good"], True, "with a stranger's line")


@test
def audit_verify_finds(bench):
    """Exit codes and words: a byte, a file, a record, the end, and the whole rewritten."""
    folder, key = journal(bench, "journal", 100)
    exported = bench.path("exported")
    shutil.copy(os.path.join(folder, "checkpoint"), exported)
    good = bench.write("leaves", audit(bench, "leaves", folder, wants=0))
    text = audit(bench, "verify", folder, "--key", key, "--leaves", good, "--checkpoint", exported, wants=0)
    check("100 records" in text and "good: nothing" in text, "verify says", text)
    segments = sorted(f for f in os.listdir(folder) if f.startswith("segment-") and not f.endswith("checkpoint"))

    def spoiled(name, change):
        copy = bench.path(name)
        shutil.copytree(folder, copy)
        change(copy)
        arguments = ["verify", copy, "--key", key, "--leaves", good, "--checkpoint", exported]
        text = audit(bench, *arguments, wants=1)
        found = json.loads(audit(bench, *arguments, "--json", wants=1))
        equal(found["good"], False, name)
        return text, {f["kind"]: f for f in found["findings"]}

    def flip(copy):
        with open(os.path.join(copy, segments[1]), "r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last[0] ^ 1]))

    first = [int(s[8:]) for s in segments]
    text, found = spoiled("flipped", flip)
    equal(found["changed"]["first"], first[2] - 1, "the record that was changed")
    check(f"record {first[2] - 1} was changed" in text, "no word of it:", text)
    _, found = spoiled("without", lambda copy: os.unlink(os.path.join(copy, segments[1])))
    equal((found["removed"]["first"], found["removed"]["last"]), (first[1], first[2] - 1), "the records that are gone")
    _, found = spoiled("cut", lambda copy: os.truncate(os.path.join(copy, segments[-1]), 200))
    check("truncated" in found, "found only", found)

    def rewrite(copy):
        shutil.rmtree(copy)
        os.mkdir(copy)
        bench.run(bench.tool("audit_maker"), copy, ORIGIN, "101", "99", "4000", wants=0)

    text, found = spoiled("rewritten", rewrite)
    check("contradicts" in found and "rewritten" in text, "found only", found)
    # By who has the key: without what left the machine before, it looks good.
    audit(bench, "verify", bench.path("rewritten"), "--key", key, wants=0)
    # The same records and more of them contradict nothing.
    longer, _ = journal(bench, "longer", 101, segment=5000)
    audit(bench, "verify", longer, "--key", key, "--checkpoint", exported, wants=0)


@test
def audit_verify_of_a_part(bench):
    """Cold folders without the journal are judged by themselves, and it is said what was not looked at; a journal without its middle is bad."""
    folder, key = journal(bench, "journal", 100)
    segments = sorted(f for f in os.listdir(folder) if f.startswith("segment-") and not f.endswith("checkpoint"))
    first = [int(s[8:]) for s in segments]
    a, b = bench.new_folder("a"), bench.new_folder("b")
    for to, names in ((a, segments[0:1]), (b, segments[1:2])):
        for name in names:
            for file in (name, name + ".checkpoint"):
                shutil.move(os.path.join(folder, file), os.path.join(to, file))
    text = audit(bench, "verify", "--cold", b, "--key", key, wants=4)
    check("PART: in what was given nothing" in text and f"records from {first[2]} on were not looked at" in text and
          f"the records before {first[1]} are not here" in text, "of the second folder:", text)
    found = json.loads(audit(bench, "verify", "--cold", b, "--cold", a, "--key", key, "--json", wants=4))
    equal((found["good"], found["partial"], found["first"], found["size"]), (False, True, 0, first[2]), "both folders")
    audit(bench, "verify", folder, "--cold", b, "--cold", a, "--key", key, wants=0)
    for cold in ([], ["--cold", a], ["--cold", b]):
        text = audit(bench, "verify", folder, *cold, "--key", key, wants=1)
        check("BAD" in text and "handed over" in text, "without a record of a hand-over", cold, text)
    with open(os.path.join(b, segments[1]), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"~")
    check("BAD: the journal" in audit(bench, "verify", "--cold", b, "--key", key, wants=1), "a part that was changed")
    check("JOURNAL is missing" in audit(bench, "verify", "--key", key, wants=2), "neither")


@test
def audit_usage(bench):
    folder, key = journal(bench, "journal", 10)
    _, other = journal(bench, "other", 1, origin="another.example/gantry")
    proof = bench.path("proof")
    audit(bench, "prove", folder, "--record", "3", "--output", proof, wants=0)
    audit(bench, "verify-proof", proof, "--key", key, wants=0)
    audit(bench, "verify-proof", proof, "--key", other, wants=1)
    audit(bench, "verify", folder, "--key", other, wants=1)
    audit(bench, "prove", folder, "--record", "10", wants=1)
    audit(bench, "prove", folder, "--record", "3", "--output", proof, wants=3)  # not written over
    for bad in (["verify", folder], ["verify", "--key", key], ["verify", folder, "--key", "nonsense+1+x", "--key", key],
                ["prove", folder], ["prove", folder, "--record", "x"], ["verify-proof", proof], ["nonsense"], [],
                ["leaves"], ["verify", folder, "--key", key, "--nonsense"]):
        code = bench.run(bench.program, "audit", *bad).code
        check(code == 2 or (code == 3 and "nonsense+1+x" in bad), f"exit code {code} of {bad}")
    for missing in (["verify", bench.path("none"), "--key", key], ["verify-proof", bench.path("none"), "--key", key],
                    ["leaves", bench.path("none")], ["prove", bench.path("none"), "--record", "1"]):
        audit(bench, *missing, wants=3)
    # JSON has a file whatever its name is.
    named = os.path.join(os.fsencode(folder), b"f\xff\x1b")
    with open(named, "wb"):
        pass
    findings = json.loads(audit(bench, "verify", folder, "--key", key, "--json", wants=0))["findings"]
    equal([(f["kind"], f["file"]) for f in findings], [("foreign", "f??")], "the file that is somebody else's")
    os.unlink(named)
    # What is mistaken is named, and a folder without a journal is no journal that was tampered with.
    empty = bench.new_folder("empty")
    short, _ = journal(bench, "short", 6)
    for words, wants, sentence in (
            (["verify", folder], 2, "--key KEY is missing"), (["verify-proof", proof], 2, "--key KEY is missing"),
            (["verify", empty, "--key", key], 3, f"{empty}: there is no journal here"),
            (["verify", empty, "--key", key, "--checkpoint", os.path.join(folder, "checkpoint")], 1, "BAD"),
            (["prove", folder, "--record", "x"], 2, "`x`: expected a number"),
            (["prove", folder, "--record", "10"], 1, "covers 10 records, which number 10 is none of. If it is in the journal"),
            (["prove", folder, "--from", proof], 1, f"{proof} is no checkpoint"),
            (["prove", short, "--from", os.path.join(folder, "checkpoint")], 1, "was it cut?")):
        said = audit(bench, *words, wants=wants)
        check(sentence in said and "none of the journal's" not in said, words, "said:", said)
    for verb in ("verify", "prove", "verify-proof", "leaves"):
        check("usage: gantry audit " + verb in audit(bench, verb, "--help", wants=0), "no usage of", verb)
