# SPDX-License-Identifier: Apache-2.0
"""Objects in quarantine: what brings them there, what is known of them, and how they leave."""
import csv
import glob
import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.request

from lib import dicom, peers, trail
from lib.site import ROOT, check, equal, test, until

BAD = os.path.join(ROOT, "tests/data/structure/encapsulated-pdf-js.dcm")  # pdf-javascript, a danger
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
CONTEXTS = ((dicom.VERIFICATION, [dicom.ILE]), (PDF, [dicom.ELE]), (dicom.CT, [dicom.ELE]))
KEEPS = {"inspect": {"danger": "quarantine"}}
ANN, BOB = "54321", "54322"


def plain(port):
    return {"address": [f"127.0.0.1:{port}"], "transport": "plain"}


def quarantine(g, *words, user=ANN, wants=0):
    """`gantry quarantine`, as root whom this user became by sudo."""
    verb, *rest = words
    ran = g.bench.run(g.bench.program, "quarantine", verb, "-c", g.yaml, *rest, env={"SUDO_UID": user or ""})
    equal(ran.code, wants, f"exit status of {' '.join(words)}: {ran.text}")
    return ran.text


def listed(g, *words):
    return json.loads(quarantine(g, "list", "--json", *words))


def folder_of(g):
    return os.path.join(g.folder, "state", "quarantine")


def store_bad(scu, bad, times=1):
    answers = [scu.store(context=3, sop_class=PDF, instance=bad.instance, data=bad.data) for _ in range(times)]
    return answers[0] if times == 1 else answers


def resent(bench, g, has):
    """Ten times the same: refused by one number, in quarantine once, and the association lives on."""
    bad, good = dicom.Part10(BAD), dicom.Part10(peers.CT_SMALL)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        answers = store_bad(scu, bad, 10)
        equal({a["status"] for a in answers}, {0x0124}, "statuses")
        line = g.decision("content")
        equal({a["comment"] for a in answers}, {f"Gantry {line['number']}: content"}, "comments")
        equal(scu.echo(), 0, "an echo after them")
        equal(scu.store(context=5, instance=good.instance, data=good.data)["status"], 0, "a good one after them")
        scu.release()
    equal(until(has, "the good object"), [good.instance], "what the archive has")
    (one,) = listed(g)
    wanted = {"number": 1, "count": 10, "state": "waiting", "from": "ct1", "to": "archive", "flow": "images",
              "calling": "CT1", "address": "127.0.0.1", "sop_class": PDF, "sop_instance": bad.instance,
              "transfer_syntax": dicom.ELE, "refusal": line["number"], "last_refusal": line["number"],
              "bytes": len(bad.data), "asked": None}
    equal({k: one[k] for k in wanted}, wanted, "what is known")
    check("pdf-javascript" in [f["check"] for f in one["findings"]], "findings", one["findings"])
    check(one["patient_name"] and one["patient_id"], "whose it is", one)
    for event, most in (("decision", 4), ("object.found", 1), ("quarantine.kept", 4), ("object.quarantined", 0),
                        ("quarantine.disputed", 0)):
        check(len(g.find(event=event)) <= most, f"lines in the log of {event}", g.find(event=event))


@test
def quarantine_before_storescp(bench):
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), flow=KEEPS)
    resent(bench, g, lambda: list(peers.received(folder)))
    names = os.listdir(folder_of(g))
    equal(sorted(n.split("-")[0] for n in names), ["1", "lock", "next"], "names in the folder")
    secrets = [dicom.Part10(BAD).instance.encode(), b"JavaScript", b"127.0.0.1", listed(g)[0]["patient_name"].encode()]
    for path in glob.glob(os.path.join(folder_of(g), "*")):
        with open(path, "rb") as file:
            text = file.read()
        check(not any(s in text or s.decode() in path for s in secrets), "something is told by", path)
        equal(os.stat(path).st_mode & 0o077 if "-" in os.path.basename(path) else 0, 0, f"who may read {path}")
    equal(os.stat(os.path.join(g.folder, "state", "quarantine.key")).st_mode & 0o777, 0o600, "who may read the key")


@test
def quarantine_before_orthanc(bench):
    port, http = peers.orthanc(bench)

    def has():
        def get(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=10) as answer:
                return json.load(answer)
        return [get(f"/instances/{i}/simplified-tags")["SOPInstanceUID"] for i in get("/instances")]

    resent(bench, bench.gateway(archive=plain(port), flow=KEEPS), has)


@test
def quarantine_of_large_objects(bench):
    """Through memory and a file on disk, and out again byte for byte."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), flow=KEEPS)
    bad = dicom.Part10(BAD)
    with open(os.path.join(ROOT, "tests/data/inspect/preamble-elf64.dcm"), "rb") as file:
        elf = file.read(128)
    with g.scu(timeout=60) as scu:
        scu.associate(contexts=CONTEXTS)
        for size in (1 << 20, (1 << 20) + 1, 20 << 20):
            data = bad.data + bytes(size - len(bad.data) - len(elf)) + elf  # what is behind the object is one more finding
            answer = scu.store(context=3, sop_class=PDF, instance=bad.instance, data=data)
            equal(answer["status"], 0x0124, f"status of {size} bytes")
            number = listed(g)[-1]["number"]
            out = bench.path(f"out-{size}.dcm")
            quarantine(g, "show", str(number), "--export", out)
            copy = dicom.Part10(out)
            check(copy.data == data and copy.instance == bad.instance, f"{size} bytes have changed")
            equal(os.stat(out).st_mode & 0o777, 0o600, "who may read the copy")
            check("exists" in quarantine(g, "show", str(number), "--export", out, wants=1), "a file was written over")
        scu.release()
    # The kernel kills it in the midst of its copy.
    cut = os.path.join(bench.new_folder("cut"), "out.dcm")
    ran = bench.run("prlimit", "--fsize=3000000", bench.program, "quarantine", "show", "-c", g.yaml, "3", "--export", cut)
    equal((ran.code, os.listdir(os.path.dirname(cut))), (-signal.SIGXFSZ, []), "what is left of a copy that was cut off")
    equal(len(g.find(event="quarantine.used", act="export")), 4, "copies that are recorded")
    equal(peers.received(folder), {}, "objects in the archive")


@test
def quarantine_of_what_a_get_brings(bench):
    port, _ = peers.dcmqrscp(bench)
    for path in (peers.CT_SMALL, BAD):
        bench.run("dcmsend", "-aec", "ARCHIVE", "127.0.0.1", str(port), path, wants=0)
    g = bench.gateway(archive=plain(port), flow={"services": ["get", "find"], **KEEPS})
    out = bench.new_folder("got")
    for path in (peers.CT_SMALL, BAD):
        study = bench.run("dcmdump", "+P", "StudyInstanceUID", path, wants=0).text.split("[")[1].split("]")[0]
        bench.run("getscu", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "+B", "-od", out, "-k", "QueryRetrieveLevel=STUDY",
                  "-k", f"StudyInstanceUID={study}", "127.0.0.1", str(g.plain))
    equal([dicom.Part10(p).instance for p in glob.glob(os.path.join(out, "*"))], [dicom.Part10(peers.CT_SMALL).instance],
          "what the caller got")
    (one,) = listed(g)
    equal((one["from"], one["to"], one["calling"], one["called"]), ("archive", "ct1", "ARCHIVE", "CT1"), "whence and where to")
    equal(g.find(event="quarantine.disputed"), [], "what the gate disputes")


@test
def quarantine_full(bench):
    """No room: refused all the same, said aloud, nothing thrown out, and a resend of what is there still counts."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), flow=KEEPS, quarantine={"objects-most": 1})
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        equal(store_bad(scu, bad)["status"], 0x0124, "status")
        other = scu.store(context=3, sop_class=PDF, instance=bad.instance, data=bad.data + bytes(8))
        equal(other["status"], 0x0124, "status of the next one")
        equal(store_bad(scu, bad)["status"], 0x0124, "status of the first again")
        scu.release()
    line = g.wait_log(event="object.not-quarantined")
    check("full" in line["message"] and line["level"] == "error", "the alarm", line)
    equal([(o["number"], o["count"]) for o in listed(g)], [(1, 2)], "what is in it")
    status = until(lambda: (s := json.loads(g.cli("status", "--json"))["quarantine"])["not_kept"] == 1 and s, "the count")
    equal((status["state"], status["objects"], status["objects_most"]), ("full", 1, 1), "the status")
    check(status["oldest"] and status["bytes"] > len(bad.data), "the status", status)
    check("full" in g.cli("status") and "1 objects were not kept" in g.cli("status"), "what people see")
    equal(peers.received(folder), {}, "objects in the archive")


@test
def quarantine_disk_full(bench):
    """A small disk: the object is refused, and nothing is left of it."""
    disk = bench.new_folder("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=False).returncode != 0:
        return  # mounting takes rights that this machine does not give; archive_quarantine has a size limit in its place
    bench.later(lambda: subprocess.run(["umount", disk], check=False))
    g = bench.gateway(flow=KEEPS, quarantine={"folder": os.path.join(disk, "q")})
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        big = scu.store(context=3, sop_class=PDF, instance=bad.instance, data=bad.data + bytes(600000))
        equal(big["status"], 0x0124, "status")
        check("disk is full" in g.wait_log(event="object.not-quarantined")["message"], "why")
        equal(store_bad(scu, bad)["status"], 0x0124, "status of a small one")
        scu.release()
    equal([o["number"] for o in listed(g)], [1], "what is in it")
    equal(len(os.listdir(os.path.join(disk, "q"))), 3, "names")
    g.stop()


@test
def quarantine_keeper_killed(bench):
    """The store role with all its children is killed before it has taken the object: it is refused, and comes again."""
    g = bench.gateway(flow=KEEPS)
    bad = dicom.Part10(BAD)
    with g.scu(timeout=60) as scu:
        scu.associate(contexts=CONTEXTS)
        store = [pid for pid, line in g.roles().items() if "store" in line][0]
        os.kill(store, signal.SIGKILL)
        equal(store_bad(scu, bad)["status"], 0x0124, "status")
        until(lambda: [pid for pid, line in g.roles().items() if "store" in line and pid != store], "a new store role")
        until(lambda: json.loads(g.cli("status", "--json"))["quarantine"]["state"] == "open", "the quarantine")
        equal(store_bad(scu, bad)["status"], 0x0124, "status when it came again")
        scu.release()
    check(listed(g)[-1]["count"] >= 1, "what is in it")


@test
def quarantine_while_reloaded(bench):
    """A reload in the midst of an object: the flow by which it came is known all the same, and so it can be released."""
    scp = bench.scp()
    g = bench.gateway(archive=plain(scp.port), flow=KEEPS)
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=PDF, affected_instance=bad.instance,
                                             data=1), True)
        scu.send_pdvs(3, bad.data[:-2], False, last=False)
        mark = g.reload()
        g.wait_log(mark, event="gateway.reloaded")
        scu.send_pdvs(3, bad.data[-2:], False)
        equal(scu.answer()["status"], 0x0124, "status")
        scu.release()
    equal(listed(g)[0]["flow"], "images", "the flow")
    release(g, 1, ANN)
    release(g, 1, BOB)
    check(scp.stored()[bad.instance][1] == bad.data, "it was not delivered")


@test
def quarantine_looked_at(bench):
    """list, show, delete; whose key it is; what is damaged; who may."""
    t = trail.Trail(bench)
    g = t.gateway(flow=KEEPS)
    bad = dicom.Part10(BAD)
    check("Nothing is in quarantine" in quarantine(g, "list"), "an empty one")
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        for more in (0, 2, 4):
            scu.store(context=3, sop_class=PDF, instance=bad.instance, data=bad.data + bytes(more))
        scu.release()
    text = quarantine(g, "list")
    check("danger: " in text and "ct1" in text and "archive" in text and text.count("\n") == 4, "the list", text)
    text = quarantine(g, "show", "2", "--findings")
    for words in ("object 2: waiting", "pdf-javascript", "ct1, AE title CT1, address 127.0.0.1", bad.instance, "gantry explain"):
        check(words in text, f"{words} is missing:", text)
    check("no object 9" in quarantine(g, "show", "9", wants=1), "one that is not there")
    check("expected a number" in quarantine(g, "show", "x", wants=2), "what is no number")
    path = glob.glob(os.path.join(folder_of(g), "2-*"))[0]
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    check("damaged" in quarantine(g, "show", "2", "--export", bench.path("copy"), wants=1), "damage in a piece")
    check(not os.path.exists(bench.path("copy")), "a copy of a damaged object")
    with open(path, "r+b") as file:
        file.seek(20)
        file.write(b"damage")
    check("cannot be read" in quarantine(g, "list", wants=1), "damage in the head")
    quarantine(g, "show", "1", "--export", bench.path("copy"))
    bench.run("dcmdump", bench.path("copy"), wants=0)
    with open(bench.path("copy"), "rb") as file:
        check(b"/JavaScript" in file.read(), "something was taken out of it")
    quarantine(g, "delete", "2", "3", "--yes", "--reason", "looked at", user=BOB)
    equal([o["number"] for o in listed(g)], [1], "what is left")
    exports = [r["event"] for r in t.wait("export", 2)]
    check(all(e["object"] == bench.path("copy") and e["name"] for e in exports), "what was exported", exports)
    report = bench.path("report")
    bench.run(bench.program, "incident", "-c", g.yaml, "--key", t.path("auditor.key"), "--vkey", t.vkey(), "--out", report)
    with open(os.path.join(report, "incident.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    equal([sum(int(row[how]) for row in rows) for how in ("exported", "imported")], [2, 0], "in the report of an incident")
    alerts = [r["event"]["text"] for r in t.wait("alert", 1, object="quarantine/3")]
    check(any(f"user {BOB}" in a and "deleted" in a and "looked at" in a for a in alerts), "who deleted it", alerts)
    shutil.move(os.path.join(g.folder, "state", "quarantine.key"), bench.path("key"))
    check("its key" in quarantine(g, "list", wants=1), "without its key")
    g.stop()
    with open(os.path.join(g.folder, "state", "quarantine.key"), "wb") as file:
        file.write(os.urandom(32))
    check("another key" in quarantine(g, "list", wants=1), "with another key")


@test
def quarantine_certificate(bench):
    """Of which certificate an object came, by more than its subject: where it is shown, and in the records of what people do to it."""
    t = trail.Trail(bench)
    g = t.gateway(flow=KEEPS)
    bad = dicom.Part10(BAD)
    with bench.scu(g.tls, tls=bench.keys.client("scanner")) as scu:
        scu.associate(calling="CT_TLS", contexts=CONTEXTS)
        store_bad(scu, bad)
        scu.release()
    (one,) = listed(g)
    told = subprocess.run(["openssl", "x509", "-in", bench.keys.path("scanner.pem"), "-noout", "-serial", "-fingerprint", "-sha256"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout.replace(":", "").lower()
    serial, sha256 = (line.split("=")[1] for line in told.splitlines())
    equal((one["fingerprint"], one["serial"]), ("sha256:" + sha256, serial), "in the list")
    text = quarantine(g, "show", "1")
    check(serial in text and sha256 in text and one["issuer"] in text, "what is shown", text)
    release(g, 1, ANN)
    for event in [r["event"] for what in ("content", "quarantine/1") for r in t.wait("alert", 1, object=what)]:
        equal((event["from_certificate"], event["from"]["serial"], event["from"]["issuer"]), ("sha256:" + sha256, serial, one["issuer"]),
              "in the record of " + event["text"])


@test
def quarantine_explained(bench):
    """`gantry explain` says which objects a refusal has kept; to who may not read the quarantine where to look, and nothing else."""
    g = bench.gateway(flow=KEEPS)
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        store_bad(scu, bad)
        other = bad.instance[:-1] + ("1" if bad.instance[-1] != "1" else "2")
        scu.store(context=3, sop_class=PDF, instance=other, data=bad.data.replace(bad.instance.encode(), other.encode()))
        scu.release()
    number = g.decision("content")["number"]
    explain = (bench.program, "explain", "-c", g.yaml, str(number))
    first = lambda text: "in quarantine: objects 1, 2 (`gantry quarantine show 1`)" in text and "quarantine list" not in text
    check(first(bench.run(*explain, wants=0).text), "what it says", bench.run(*explain).text)
    equal(json.loads(bench.run(*explain, "--json", wants=0).text)["kept"], [1, 2], "as JSON")
    release(g, 1, ANN)
    release(g, 1, BOB)
    check(first(bench.run(*explain, wants=0).text), "what was released is there still")
    quarantine(g, "delete", "1", "2", "--yes")
    text = bench.run(*explain, wants=0).text
    check("in quarantine:" not in text and "gantry quarantine list" in text, "what is gone", text)
    os.rename(os.path.join(g.folder, "state", "quarantine.key"), bench.path("away"))
    ran = bench.run(*explain, "--json", wants=0)
    told = json.loads(ran.text)  # and nothing is said beside it
    equal((told["kept"], "gantry quarantine list" in told["note"]), (None, True), "without its key")


def release(g, number, user, *words, wants=0):
    return quarantine(g, "release", str(number), "--yes", *words, user=user, wants=wants)


@test
def quarantine_released(bench):
    """By two persons, to where it was bound, byte for byte, without inspection; both are recorded."""
    port, folder = peers.storescp(bench)
    t = trail.Trail(bench)
    g = t.gateway(archive=plain(port), flow=KEEPS)
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        store_bad(scu, bad, 2)
        scu.release()
    check("cannot be told" in release(g, 1, "", wants=1), "root is nobody")
    check("nobody has asked" in release(g, 1, ANN, "--withdraw", wants=1), "nothing to withdraw")
    check("asked for the release" in release(g, 1, ANN, "--reason", "a report of ours"), "the first person")
    check("a second person" in release(g, 1, ANN, wants=1), "the same person twice")
    check("stays in quarantine" in release(g, 1, BOB, "--withdraw"), "taken back")
    release(g, 1, BOB)
    equal((listed(g)[0]["state"], listed(g)[0]["asked"]["uid"]), ("asked for", int(BOB)), "the state")
    equal(peers.received(folder), {}, "objects in the archive before it")
    text = release(g, 1, ANN, "--reason", "looked at it")
    check("was delivered to archive" in text, "the second person", text)
    found = peers.received(folder)
    equal(list(found), [bad.instance], "objects in the archive")
    check(found[bad.instance].data == bad.data, "the object has changed")
    equal(listed(g), [], "what is in quarantine")
    (one,) = listed(g, "--all")
    equal((one["state"], one["asked"]["uid"], one["approved"]["uid"], one["count"]), ("released", int(BOB), int(ANN), 2), "who")
    check("was released" in quarantine(g, "show", "1", "--export", bench.path("x"), wants=1), "its data are gone")
    check("already" in release(g, 1, BOB, wants=1), "a second time")
    texts = [r["event"]["text"] for r in t.wait("alert", 5, object="quarantine/1")]
    for words in (f"(Unix user {ANN}) asked that it be released. a report of ours", "withdrew",
                  f"(Unix user {ANN}) approved that it be released, as user {BOB} (Unix user {BOB}) had asked", "was delivered"):
        check([x for x in texts if words in x], f"no record has `{words}`", texts)
    (sent,) = [r["event"] for r in t.wait("transferred", 2) if r["outcome"] == 0]
    equal((sent["from"]["ae"], sent["to"]["node"]), ("CT1", "archive"), "the transfer's record")
    check(f"released by user {ANN}, as user {BOB} had asked" in g.wait_log(event="door.opened")["message"], "at the door")
    # It comes again: an object like any other.
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        equal(store_bad(scu, bad)["status"], 0x0124, "status of the next time")
        scu.release()
    equal([(o["number"], o["count"]) for o in listed(g)], [(2, 1)], "the next time")
    equal(os.stat(os.path.join(g.folder, "run", "door")).st_mode & 0o777, 0o600, "who may open the door")


@test
def quarantine_not_delivered(bench):
    """The archive is away, refuses the object, or is no node any more: it stays, and can be released later."""
    def full(scp, wire, context, fields, data):
        scp.respond(wire, context, fields, status=0xA700, comment="the disk is full")
        return True

    scp = bench.scp(answer=full)
    g = bench.gateway(archive=plain(scp.port), flow=KEEPS)
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        store_bad(scu, bad)
        scu.release()
    release(g, 1, ANN)
    check("status A700H" in release(g, 1, BOB, wants=1), "an archive that is full")
    scp.close()
    check("rejected" in release(g, 1, BOB, wants=1), "an archive that is away")
    (one,) = listed(g)
    equal((one["state"], one["approved"]["uid"]), ("asked for", int(BOB)), "the state")
    check("rejected" in one["outcome"], "the outcome", one)
    g.config["nodes"]["elsewhere"] = g.config["nodes"].pop("archive")
    g.config["flows"][0]["to"] = "elsewhere"
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    check("no node `archive`" in release(g, 1, BOB, wants=1), "without the node")
    g.config["nodes"]["archive"] = g.config["nodes"].pop("elsewhere")
    g.config["flows"][0]["to"] = "archive"
    g.write()
    g.stop()
    text = release(g, 1, BOB, wants=1)
    check("could not be recorded: the gateway does not run" in text and "--unrecorded" not in text, "without a gateway", text)


@test
def quarantine_left_alone_while_delivered(bench):
    """What is on its way to the archive is not deleted, withdrawn or delivered twice; who is killed on the way leaves that it began."""
    go = threading.Event()

    def waits(scp, wire, context, fields, data):
        go.wait(20)
        return False

    scp = bench.scp(answer=waits)
    g = bench.gateway(archive=plain(scp.port), flow=KEEPS)
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        store_bad(scu, bad)
        scu.release()
    check("--unrecorded" not in release(g, 1, ANN), "the first person")
    bob = (bench.program, "quarantine", "release", "-c", g.yaml, "1", "--yes")
    killed = bench.start(*bob, env={"SUDO_UID": BOB})
    until(lambda: len(scp.messages) == 1, "the delivery")
    killed.signal(signal.SIGKILL)
    killed.wait()
    text = quarantine(g, "show", "1")
    check("how it ended was not noted" in text and f"approved        user {BOB}" in text, "what is known of it", text)
    running = bench.start(*bob, env={"SUDO_UID": BOB})
    until(lambda: len(scp.messages) == 2, "the next delivery")
    for words, user in ((("release", "1", "--yes"), "54323"), (("release", "1", "--withdraw"), ANN), (("delete", "1", "--yes"), ANN)):
        check("at this moment" in quarantine(g, *words, user=user, wants=1), words)
    go.set()
    equal(running.wait(), 0, f"the exit status: {running.text()}")
    equal([o["state"] for o in listed(g, "--all")], ["released"], "the state")
    acts = [row["act"] for row in g.find(event="quarantine.used")]
    equal(acts, ["ask", "approve", "approve", "delivered"], "what is recorded")


@test
def quarantine_released_elsewhere(bench):
    """To a folder, and by TLS; while a gateway that was reloaded serves another site."""
    bad = dicom.Part10(BAD)
    scp = bench.scp(tls=bench.keys.server())
    for archive in ({}, {"address": [f"127.0.0.1:{scp.port}"], "transport": "tls"}):
        g = bench.gateway(archive=archive, flow=KEEPS)
        with g.scu() as scu:
            scu.associate(contexts=CONTEXTS)
            store_bad(scu, bad)
            scu.release()
        mark = g.reload()
        g.wait_log(mark, event="gateway.reloaded")
        release(g, 1, ANN)
        release(g, 1, BOB)
        got = scp.stored()[bad.instance][1] if archive else g.stored()[bad.instance].data
        check(got == bad.data, "the object has changed")
        g.stop()
        check(not os.path.exists(os.path.join(g.folder, "run", "door")), "the door is left")


@test
def quarantine_released_as_its_flow_would(bench):
    """With the flow's titles, de-identified where it de-identifies, with its encrypted originals; and not at all once the flow is gone, or joins others."""
    name = b"CompressedSamples^CT1"
    key = bench.write("pseudonyms.key", "")
    with open(key, "wb") as file:
        file.write(os.urandom(32))
    os.chmod(key, 0o600)
    trial = bench.path("trial.pem")
    bench.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", bench.path("trial.key"), "-out", trial,
              "-subj", "/CN=trial", wants=0)
    scp = bench.scp()
    g = bench.gateway(archive=plain(scp.port), deidentify={"key": key},
                      flow={**KEEPS, "deidentify": {"originals-to": trial}, "titles": {"calling": "GANTRY", "called": "PACS"}})
    ct, pdf = dicom.Part10(peers.CT_SMALL), dicom.Part10(BAD)
    data = ct.data.replace(name, b"<script>" + name[8:])
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        equal(scu.store(context=5, instance=ct.instance, data=data)["status"], 0x0124, "a name with a script")
        store_bad(scu, pdf)
        scu.release()
    equal([o["number"] for o in listed(g)], [1, 2], "what is in quarantine")
    for number in (1, 2):
        release(g, number, ANN)
    flow = g.config["flows"][0]
    def configure(reload=True, **change):
        g.config["nodes"]["elsewhere"] = {"ae": ["ELSEWHERE"], **plain(scp.port)}
        g.config["flows"] = [{**flow, **change}]
        g.write()
        if reload:
            mark = g.reload()
            g.wait_log(mark, event="gateway.reloaded")

    configure(name="pictures")
    check("is no longer in the configuration" in release(g, 1, BOB, wants=1), "without its flow")
    configure(reload=False)
    check("rejected" in release(g, 1, BOB, wants=1), "the gateway that runs is without it")
    check("is no longer in the configuration" in g.decision("no-flow")["message"], "why")
    configure(to="elsewhere")
    check("no longer joins node archive" in release(g, 1, BOB, wants=1), "it leads elsewhere")
    configure(deidentify="no")
    configure(reload=False)
    check("rejected" in release(g, 1, BOB, wants=1), "the gateway that runs does not de-identify")
    equal(scp.stored(), {}, "what has arrived")
    configure()
    del scp.requests[:]
    check("was delivered" in release(g, 1, BOB), "with its flow")
    equal([(rq.calling, rq.called) for rq in scp.requests], [("GANTRY", "PACS")], "titles")
    ((uid, got),) = scp.stored().items()
    check(uid.startswith("2.25.") and b"<script>" not in got[1] and name[8:] not in got[1] and b"1CT1" not in got[1],
          "the object is not de-identified", uid)
    check(b"\0\x04\0\x05SQ" in got[1] and b"\0\x04\x20\x05OB" in got[1], "its originals are not with it")
    # It holds a document, which nothing can be made of.
    check("deidentify" in release(g, 2, BOB, wants=1), "what cannot be de-identified")
    equal(([o["number"] for o in listed(g)], len(scp.stored())), ([2], 1), "it stays")
