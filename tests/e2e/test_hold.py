# SPDX-License-Identifier: Apache-2.0
"""Objects that are looked into on their way: held, let pass, refused; what happens in between."""
import contextlib
import glob
import hashlib
import json
import os
import shutil
import signal
import struct
import threading
import time
import urllib.request

from lib import dicom, peers
from lib.site import ROOT, check, equal, free_port, test, until

BAD = os.path.join(ROOT, "tests/data/structure/encapsulated-pdf-js.dcm")  # pdf-javascript, a danger
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
CONTEXTS = ((dicom.VERIFICATION, [dicom.ILE]), (dicom.CT, [dicom.ELE]), (PDF, [dicom.ELE]))


def plain(port):
    return {"address": [f"127.0.0.1:{port}"], "transport": "plain"}


def good(instance, size=0):
    """A CT's data set in explicit VR little endian that has nothing to remark, but with pixels of any size."""
    part10 = dicom.Part10(peers.CT_SMALL)
    uid = part10.instance.encode() + (b"\0" if len(part10.instance) % 2 else b"")
    new = instance.encode() + (b"\0" if len(instance) % 2 else b"")
    head = b"\x08\0\x18\0UI"
    data = part10.data.replace(head + len(uid).to_bytes(2, "little") + uid, head + len(new).to_bytes(2, "little") + new)
    return data if not size else enlarge(data, size)


def enlarge(data, size):
    """So many bytes of pixels, in frames of 1024 by 1024."""
    at = data.index(b"\xe0\x7f\x10\0")
    rows = size // (2048 * 1024)
    head = data[:at]
    for tag in (b"\x28\0\x10\0US", b"\x28\0\x11\0US"):
        where = head.index(tag) + 8
        head = head[:where] + (1024).to_bytes(2, "little") + head[where + 2:]
    frames = str(rows).encode() + (b" " if len(str(rows)) % 2 else b"")
    where = head.index(b"\x28\0\x10\0US")
    head = head[:where] + b"\x28\0\x08\0IS" + len(frames).to_bytes(2, "little") + frames + head[where:]
    pixels = hashlib.shake_128(b"pixels").digest(1 << 20) * 2 * rows
    return head + b"\xe0\x7f\x10\0OW\0\0" + len(pixels).to_bytes(4, "little") + pixels


def store_three(scu):
    """A good object, a bad one, another good one: their statuses."""
    scu.associate(contexts=CONTEXTS)
    bad = dicom.Part10(BAD)
    first = scu.store(context=3, instance="1.2.3.1", data=good("1.2.3.1"))
    second = scu.store(context=5, sop_class=PDF, instance=bad.instance, data=bad.data)
    third = scu.store(context=3, instance="1.2.3.3", data=good("1.2.3.3"))
    equal(scu.echo(), 0, "an echo after them")
    scu.release()
    return first, second, third


def refused_between(g):
    first, second, third = store_three(g.scu())
    line = g.decision("content")
    check("pdf-javascript" in line["message"], "the check is not named", line)
    equal((first["status"], second["status"], third["status"]), (0, 0x0124, 0), "statuses")
    equal(second.get("comment"), f"Gantry {line['number']}: content", "the comment")
    text = g.cli("explain", str(line["number"]))
    check("pdf-javascript: log" in text and "refused" in text, "what would let it pass", text)


def has_three(found):
    equal(found, ["1.2.3.1", "1.2.3.3"], "what the archive has")


def each_mode(bench, make, has):
    """The refused instance is not in the archive, the one before it still is, and the next one arrives."""
    for mode in ("whole", "tail"):
        port, place = make()
        g = bench.gateway(archive=plain(port), flow={"inspect": {"hold": mode}})
        refused_between(g)
        has_three(sorted(until(lambda has=has, place=place: found if len(found := has(place)) >= 2 else None,
                               f"two objects ({mode})")))
        g.stop()


def fails_early(scp, wire):
    """Has had the beginning of the first object, and answers with a failure; takes all that comes afterwards."""
    rq = dicom.Associate(wire.expect(dicom.RQ))
    body = struct.pack(">HH", 1, 0) + dicom.title(rq.called) + dicom.title(rq.calling) + bytes(32)
    body += dicom.item(0x10, dicom.APPLICATION.encode())
    for number, (_, _, syntaxes) in rq.contexts.items():
        body += dicom.item(0x21, bytes([number, 0, 0, 0]) + dicom.item(0x40, syntaxes[0].encode()))
    wire.send(dicom.pdu(dicom.AC, body + dicom.user_items()))
    if len(scp.wires) > 1:
        while got := wire.recv_message():
            scp.respond(wire, got[0], got[1])
        wire.send(dicom.pdu(dicom.RELEASE_RP, bytes(4)))
        return True
    for _ in range(2):
        wire.recv_pdu()
    wire.send_message(3, field=dicom.C_STORE | dicom.RSP, answers=1, status=0xA700, affected_class=dicom.CT,
                      affected_instance="1.2.3.1")
    kind, last = None, b""
    try:
        while kind != dicom.ABORT:
            kind, body = wire.recv_pdu()
            last = body if kind == dicom.DATA else last
    finally:
        scp.last_of_first = last
    return True


@test
def hold_answered_early(bench):
    """The archive fails an object of which it has had the beginning: what is found in the rest is recorded all the same."""
    with open(os.path.join(ROOT, "tests/data/inspect/preamble-elf64.dcm"), "rb") as file:
        data = good("1.2.3.1", 4 << 20) + file.read(128)
    limit = {"limits": {"object-size": {"most": "2M", "over": "refuse"}}}
    for rule, flow in (("content", {"inspect": {"hold": "tail"}}), ("object-size", limit),
                       ("object-size", {"inspect": {"hold": "tail"}, **limit})):
        scp = bench.scp(before=fails_early)
        g = bench.gateway(archive=plain(scp.port), flow=flow)
        with g.scu() as scu:
            scu.associate(contexts=CONTEXTS)
            scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                                 affected_instance="1.2.3.1", data=1), True)
            scu.send_pdvs(3, data[:200000], False, last=False)
            equal(scu.answer()["status"], 0xA700, "the archive's failure")
            scu.send_pdvs(3, data[200000:], False)
            line = g.decision(rule)
            check(line["number"] > 0 and line["answered"] == "receiver's failure", "the record", line)
            equal(line["decision"], "refuse", "what was done")
            check("receiver's failure" in g.cli("explain", str(line["number"])), "what was answered")
            until(lambda scp=scp: hasattr(scp, "last_of_first"), "the archive's association to end")
            check(scp.last_of_first[5] & 2 == 0, "the archive has had the object's last fragment")
            equal(scu.store(context=3, instance="1.2.3.2", data=good("1.2.3.2"))["status"], 0, "the next one")
            scu.release()
        g.stop()


@test
def hold_before_storescp(bench):
    each_mode(bench, lambda: peers.storescp(bench, "-v", name="scp"), peers.received)


@test
def hold_before_dcmqrscp(bench):
    def has(folder):
        return [dicom.Part10(path).instance for path in glob.glob(os.path.join(folder, "*"))
                if not path.endswith("index.dat")]

    def make():
        shutil.rmtree(bench.path("dcmqrscp"), ignore_errors=True)
        return peers.dcmqrscp(bench)

    each_mode(bench, make, has)


@test
def hold_before_orthanc(bench):
    def get(http, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=10) as answer:
            return json.load(answer)

    def has(http):
        return [get(http, f"/instances/{i}/simplified-tags")["SOPInstanceUID"] for i in get(http, "/instances")]

    def make():
        shutil.rmtree(bench.path("orthanc"), ignore_errors=True)
        return peers.orthanc(bench)

    each_mode(bench, make, has)


@test
def hold_before_ctn(bench):
    """CTN keeps what it has had of an object that is cut off, so that `hold: tail` is not for it; whole objects are."""
    port, folder = free_port(), bench.new_folder("ctn")
    bench.serve(port, "simple_storage", "-s", "-f", "-i", "-c", "ARCHIVE", "-x", folder, str(port))
    g = bench.gateway(archive=plain(port), flow={"inspect": "yes"})
    mr = dicom.Part10(peers.MR_SMALL)
    with open(os.path.join(ROOT, "tests/data/inspect/preamble-elf64.dcm"), "rb") as file:
        program = file.read(128)
    with g.scu() as scu:
        scu.associate(contexts=((dicom.VERIFICATION, [dicom.ILE]), (mr.sop_class, [dicom.ILE])))
        next_one = mr.instance[:-1] + ("7" if mr.instance[-1] != "7" else "8")
        statuses = [scu.store(context=3, sop_class=mr.sop_class, instance=instance, data=data)["status"]
                    for instance, data in ((mr.instance, mr.data), (mr.instance, mr.data + program),
                                           (next_one, mr.data.replace(mr.instance.encode(), next_one.encode())))]
        equal(statuses, [0, 0x0124, 0], "statuses")
        scu.release()
    files = [path for path in glob.glob(os.path.join(folder, "**"), recursive=True) if os.path.isfile(path)]
    equal(len(files), 2, f"files in CTN's folder: {files}")
    for path in files:
        with open(path, "rb") as file:
            check(program not in file.read(), "the refused object is in CTN's folder", path)


@test
def hold_large(bench):
    """An object of many times the memory goes through a file without a name, and arrives byte for byte; a bad one does not."""
    port, folder = peers.storescp(bench, "-pdu", "131072")
    g = bench.gateway(archive=plain(port), flow={"inspect": "yes"})
    data = good("1.2.9.1", 40 << 20)
    with g.scu(timeout=60) as scu:
        scu.associate(contexts=CONTEXTS)
        equal(scu.store(instance="1.2.9.1", data=data)["status"], 0, "a large one")
        held = os.path.join(g.folder, "state", "held")
        equal(os.listdir(held), [], "names in the folder of held objects")
        with open(os.path.join(ROOT, "tests/data/inspect/preamble-elf64.dcm"), "rb") as file:
            bad = data.replace(b"1.2.9.1\0", b"1.2.9.2\0") + file.read(128)
        answer = scu.store(instance="1.2.9.2", data=bad)
        equal(answer["status"], 0x0124, "a large one that is bad at its end")
        equal(scu.store(instance="1.2.9.3", data=good("1.2.9.3"))["status"], 0, "a small one after it")
        scu.release()
    found = peers.received(folder)
    equal(sorted(found), ["1.2.9.1", "1.2.9.3"], "what arrived")
    check(found["1.2.9.1"].data == data, "the large object has changed on its way")


@test
def hold_of_what_a_get_brings(bench):
    """The sub-operations of C-GET: the bad object does not reach the caller, the good ones do."""
    port, _ = peers.dcmqrscp(bench)
    for path in (peers.CT_SMALL, BAD):
        bench.run("dcmsend", "-aec", "ARCHIVE", "127.0.0.1", str(port), path, wants=0)
    g = bench.gateway(archive=plain(port), flow={"services": ["get", "find"], "inspect": "yes"})
    out = bench.new_folder("got")
    for path in (peers.CT_SMALL, BAD):
        study = bench.run("dcmdump", "+P", "StudyInstanceUID", path, wants=0).text.split("[")[1].split("]")[0]
        bench.run("getscu", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "+B", "-od", out, "-k", "QueryRetrieveLevel=STUDY",
                  "-k", f"StudyInstanceUID={study}", "127.0.0.1", str(g.plain))
    equal([dicom.Part10(p).instance for p in glob.glob(os.path.join(out, "*"))], [dicom.Part10(peers.CT_SMALL).instance],
          "what the caller got")
    check("pdf-javascript" in g.decision("content")["message"], "the check is not named")


@test
def hold_not_in_observe_mode(bench):
    """Observed, and where the policy can refuse nothing: all pass as they come, and what was found is recorded."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), flow={"inspect": "yes", "mode": "observe"})
    equal([a["status"] for a in store_three(g.scu())], [0, 0, 0], "statuses")
    equal(g.decision("content")["decision"], "observe", "what was done")
    equal(g.wait_log(event="object.found")["action"], "log", "what is told of it")
    check("content, passed (observe)" in g.cli("status"), "that it passed, in status")
    equal(len(peers.received(folder)), 3, "objects in the archive")
    g.stop()
    g = bench.gateway(archive=plain(port), flow={"inspect": {"danger": "log"}})
    equal([a["status"] for a in store_three(g.scu())], [0, 0, 0], "statuses")
    line = g.wait_log(event="object.found")
    check("pdf-javascript" in line["checks"] and line["action"] == "log", "what was found", line)


@test
def hold_for_too_long(bench):
    """An object that dribbles in: after `hold-max` the flow's `fail` says what happens, and both are told."""
    port, folder = peers.storescp(bench)
    data = good("1.2.8.1")
    for fail, status, there in (("refuse", 0xA700, 0), ("pass", 0, 1)):
        g = bench.gateway(archive=plain(port), flow={"inspect": {"hold-max": "1s", "fail": fail}})
        with g.scu() as scu:
            scu.associate(contexts=CONTEXTS)
            scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                                 affected_instance="1.2.8.1", data=1), True)
            scu.send_pdvs(3, data[:1000], False, last=False)
            line = g.decision("unjudged")
            check("hold-max" in line["message"], "what was waited for", line)
            scu.send_pdvs(3, data[1000:], False)
            equal(scu.answer()["status"], status, f"status with fail: {fail}")
            scu.release()
        equal(len(peers.received(folder)), there, f"objects with fail: {fail}")
        g.stop()
    check(peers.received(folder)["1.2.8.1"].data == data, "the object has changed on its way")


def of_body_part(instance, part):
    data = good(instance)
    where = data.index(b"\x18\0\x22\0CS")
    return data[:where] + b"\x18\0\x15\0CS" + len(part).to_bytes(2, "little") + part + data[where:]


@test
def hold_for_wanted_lists(bench):
    """What a flow takes and does not take, by modality and by part of the body: a CT of the head and one of the chest."""
    port, folder = peers.storescp(bench)
    head, chest = of_body_part("1.2.9.1", b"HEAD"), of_body_part("1.2.9.2", b"CHEST ")
    rows = (({"modalities": ["MR"]}, "modality-unwanted", 0x0124, 0x0124),
            ({"modalities": ["CT", "MR"]}, "", 0, 0),
            ({"not-modalities": ["CT"]}, "modality-unwanted", 0x0124, 0x0124),
            ({"body-parts": ["HEAD"]}, "body-part-unwanted", 0, 0x0124),
            ({"not-body-parts": ["HEAD"]}, "body-part-unwanted", 0x0124, 0))
    for lists, why, of_head, of_chest in rows:
        g = bench.gateway(archive=plain(port), flow={"inspect": {"danger": "refuse", **lists}})
        with g.scu() as scu:
            scu.associate(contexts=CONTEXTS)
            equal(scu.store(context=3, instance="1.2.9.1", data=head)["status"], of_head, f"the head with {lists}")
            equal(scu.store(context=3, instance="1.2.9.2", data=chest)["status"], of_chest, f"the chest with {lists}")
            scu.release()
        if why:
            check(why in g.decision("content")["message"], "the check is not named", lists)
        g.stop()
    equal(sorted(peers.received(folder)), ["1.2.9.1", "1.2.9.2"], "what arrived")


@test
def hold_without_room(bench):
    """There is no room, and never will be: refused for good, or let pass, as the flow says; and the disk's room comes back."""
    port, folder = peers.storescp(bench, "-pdu", "131072")
    data = good("1.2.7.1", 80 << 20)
    for fail, status in (("refuse", 0x0124), ("pass", 0)):
        g = bench.gateway(archive=plain(port), flow={"inspect": {"fail": fail}}, **{"hold-quota": "64M"})
        with g.scu(timeout=60) as scu:
            scu.associate(contexts=CONTEXTS)
            equal(scu.store(instance="1.2.7.1", data=data)["status"], status, f"status with fail: {fail}")
            check("hold-quota" in g.decision("unjudged")["message"], "why")
            equal(scu.store(instance="1.2.7.2", data=good("1.2.7.2", 40 << 20))["status"], 0, "one that has room")
            scu.release()
        g.stop()
    found = peers.received(folder)
    equal(sorted(found), ["1.2.7.1", "1.2.7.2"], "what arrived")
    check(found["1.2.7.1"].data == data, "the object has changed on its way")


@test
def hold_without_room_now(bench):
    """Another association has all the room and keeps it: what waited for it in vain is told to come again, and then passes."""
    port, folder = peers.storescp(bench, "-pdu", "131072", "--fork")
    g = bench.gateway(archive=plain(port), flow={"inspect": True}, **{"hold-quota": "64M"})
    data = good("1.2.7.3", 2 << 20)
    with g.scu(timeout=60) as first, g.scu(timeout=60) as second:
        for scu in (first, second):
            scu.associate(contexts=CONTEXTS)
        first.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                               affected_instance="1.2.7.4", data=1), True)
        first.send_pdvs(3, good("1.2.7.4", 2 << 20)[:-2], False, last=False)
        held = held_file(g, 1 << 20)
        since = time.monotonic()
        equal(second.store(instance="1.2.7.3", data=data)["status"], 0xA700, "status without room")
        check(9 < time.monotonic() - since < 20, "how long it waited for room")
        check("hold-quota" in g.decision("unjudged")["message"], "why")
        first.abort()
        until(lambda: not os.path.exists(held), "the end of the first")
        equal(second.store(instance="1.2.7.3", data=data)["status"], 0, "status with room")
        # It has none of the room while it only stays there.
        until(lambda: not held_files(g), "its room to be given back")
        with g.scu(timeout=60) as third:
            third.associate(contexts=CONTEXTS)
            equal(third.store(instance="1.2.7.5", data=good("1.2.7.5", 2 << 20))["status"], 0, "status beside one that is idle")
        second.release()
    equal(sorted(peers.received(folder)), ["1.2.7.3", "1.2.7.5"], "what arrived")


@test
def hold_waits_for_room(bench):
    """Another association has all the room: who needs some is read no further, and passes when that one is done with."""
    port, folder = peers.storescp(bench, "-pdu", "131072", "--fork")
    g = bench.gateway(archive=plain(port), flow={"inspect": True}, **{"hold-quota": "64M"})
    data = {uid: good(uid, 4 << 20) for uid in ("1.2.7.6", "1.2.7.7", "1.2.7.8")}
    answers = {}

    def send(uid):
        with g.scu(timeout=60) as scu:
            scu.associate(contexts=CONTEXTS)
            answers[uid] = scu.store(instance=uid, data=data[uid])["status"]
            scu.release()

    with g.scu(timeout=60) as first:
        first.associate(contexts=CONTEXTS)
        first.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                               affected_instance="1.2.7.6", data=1), True)
        first.send_pdvs(3, data["1.2.7.6"][:-2], False, last=False)
        held_file(g, 1 << 20)
        others = [threading.Thread(target=send, args=(uid,)) for uid in ("1.2.7.7", "1.2.7.8")]
        for other in others:
            other.start()
        g.wait_log(event="hold.waits")
        equal(answers, {}, "answers while there is no room")
        first.send_pdvs(3, data["1.2.7.6"][-2:], False)
        equal(first.answer()["status"], 0, "status of who had the room")
        for other in others:
            other.join()
        first.release()
    equal(answers, {"1.2.7.7": 0, "1.2.7.8": 0}, "statuses of who waited")
    equal(g.find(event="decision", rule="unjudged"), [], "refusals")
    found = peers.received(folder)
    equal({uid: found[uid].data == data[uid] for uid in found}, dict.fromkeys(data, True), "what arrived")


@test
def hold_of_some_that_wait_for_each_other(bench):
    """Four have all the room, and each needs more: one of them is told to come again, so that the others come to an end."""
    port, folder = peers.storescp(bench, "-pdu", "131072", "--fork")
    g = bench.gateway(archive=plain(port), flow={"inspect": True}, **{"hold-quota": "256M"})
    data, head, statuses, together = good("1.2.7.9", 80 << 20), 4 << 20, [], threading.Barrier(5, timeout=60)

    def send():
        with g.scu(timeout=60) as scu:
            scu.associate(contexts=CONTEXTS)
            scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                                 affected_instance="1.2.7.9", data=1), True)
            scu.send_pdvs(3, data[:head], False, last=False)
            together.wait()
            scu.send_pdvs(3, data[head:], False)
            statuses.append(scu.answer()["status"])
            scu.release()

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    until(lambda: len([size for size in held_files(g).values() if size > 0]) == 4, "four that are held")
    together.wait()
    for sender in senders:
        sender.join()
    equal(sorted(statuses), [0, 0, 0, 0xA700], "statuses")
    check("hold-quota" in g.decision("unjudged")["message"], "why")
    equal(g.wait_log(event="hold.full")["error"].split(":")[0], "all that have room of `hold-quota` wait for more", "what the log says")
    check(peers.received(folder)["1.2.7.9"].data == data, "the object has changed on its way")


@test
def hold_that_failed_still_judges(bench):
    """`fail: pass` is for what could not be judged: what is found bad after all is cut off, and not in the archive."""
    port, folder = peers.storescp(bench, "-pdu", "131072")
    with open(os.path.join(ROOT, "tests/data/inspect/preamble-elf64.dcm"), "rb") as file:
        data = good("1.2.3.1", 80 << 20) + file.read(128)
    for danger in ("refuse", "quarantine"):
        g = bench.gateway(archive=plain(port), flow={"inspect": {"fail": "pass", "danger": danger}},
                          **{"hold-quota": "64M"})
        with g.scu(timeout=60) as scu:
            scu.associate(contexts=CONTEXTS)
            equal(scu.store(instance="1.2.3.1", data=data)["status"], 0x0124, f"status with danger: {danger}")
            equal(g.decision("unjudged")["decision"], "alarm", "that its guard failed")
            equal(g.decision("content")["decision"], "refuse", "what was found at its end")
            equal(scu.store(instance="1.2.3.2", data=good("1.2.3.2"))["status"], 0, "the next one")
            scu.release()
        g.stop()
    equal(sorted(peers.received(folder)), ["1.2.3.2"], "what arrived")


@test
def hold_while_the_archive_restarts(bench):
    """Nothing of a whole object has been sent: an archive that goes meanwhile is opened again, and gets it."""
    scp = bench.scp()
    g = bench.gateway(archive=plain(scp.port), flow={"inspect": "yes"})
    data = good("1.2.6.1")
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                             affected_instance="1.2.6.1", data=1), True)
        scu.send_pdvs(3, data[:1000], False, last=False)
        until(lambda: scp.wires, "the archive's association")
        scp.wires[0].send(dicom.pdu(dicom.ABORT, bytes(4)))
        until(lambda: scp.ends, "the gateway to have heard of it")
        scu.send_pdvs(3, data[1000:], False)
        equal(scu.answer()["status"], 0, "status")
        scu.release()
    check(len(scp.requests) == 2, "the archive was not opened again")
    equal(scp.stored()["1.2.6.1"][1], data, "what the archive has")


@test
def hold_store_killed(bench):
    """The store role is killed in the midst of a large object: it is refused or passes, never lost or half there."""
    port, folder = peers.storescp(bench, "-pdu", "131072")
    g = bench.gateway(archive=plain(port), flow={"inspect": "yes"})
    data = good("1.2.5.1", 100 << 20)
    with g.scu(timeout=60) as scu:
        scu.associate(contexts=CONTEXTS)
        scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                             affected_instance="1.2.5.1", data=1), True)
        scu.send_pdvs(3, data[:20 << 20], False, last=False)
        store = [pid for pid, line in g.roles().items() if "store" in line][0]
        os.kill(store, signal.SIGKILL)
        scu.send_pdvs(3, data[20 << 20:], False)
        equal(scu.answer()["status"], 0xA700, "status")
        check("store does not answer" in g.decision("unjudged")["message"], "why")
        until(lambda: [pid for pid, line in g.roles().items() if "store" in line and pid != store], "a new store role")
        equal(scu.store(instance="1.2.5.1", data=data)["status"], 0, "sent again")
        scu.release()
    check(peers.received(folder)["1.2.5.1"].data == data, "the object has changed on its way")


@test
def hold_gate_killed(bench):
    """The gate is killed in the midst of a bad object: it is refused all the same, without a number, and the log says why."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), flow={"inspect": "yes"})
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        scu.send_pdvs(5, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=PDF,
                                             affected_instance=bad.instance, data=1), True)
        scu.send_pdvs(5, bad.data[:-2], False, last=False)
        os.kill([pid for pid, line in g.roles().items() if "gate" in line][0], signal.SIGKILL)
        scu.send_pdvs(5, bad.data[-2:], False)
        answer = scu.answer()
    equal((answer["status"], answer["comment"]), (0x0124, "Gantry: content, and its log says why"), "the answer")
    check("pdf-javascript" in g.decision("content")["message"], "what the log says")
    equal(peers.received(folder), {}, "objects in the archive")


def held_files(g):
    """The store's files without a name, and their sizes; one may be closed meanwhile."""
    store = [pid for pid, line in g.roles().items() if "store" in line][0]
    found = {}
    for path in glob.glob(f"/proc/{store}/fd/*"):
        with contextlib.suppress(FileNotFoundError):
            link = os.readlink(path)
            if "/held/" in link and "(deleted)" in link:
                found[path] = os.stat(path).st_size
    return found


def held_file(g, least):
    """One, once so many bytes of an object are in it."""
    return until(lambda: next((path for path, size in held_files(g).items() if size >= least), None), "the file of what is held")


def change_byte(path, at):
    with open(path, "r+b", buffering=0) as file:
        file.seek(at)
        was = file.read(1)
        file.seek(at)
        file.write(bytes([was[0] ^ 1]))


@test
def hold_file_changed(bench):
    """Who may write the file of what is held changes a bit of it: the object is refused, and none of it is in the archive."""
    port, folder = peers.storescp(bench, "-pdu", "131072")
    g = bench.gateway(archive=plain(port), flow={"inspect": {"hold": "whole", "fail": "pass"}})
    data = good("1.2.2.1", 20 << 20)
    block = (512 << 10) + 4096  # of the file: a sealed block, on whole pages
    # The first block, before anything has left; a tag; and one that is read back when others have left.
    for at in (100, (512 << 10) + 3, 20 * block + 100):
        with g.scu(timeout=60) as scu:
            scu.associate(contexts=CONTEXTS)
            scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=dicom.CT,
                                                 affected_instance="1.2.2.1", data=1), True)
            scu.send_pdvs(3, data[:-2], False, last=False)
            change_byte(held_file(g, 21 * block), at)
            scu.send_pdvs(3, data[-2:], False)
            answer, line = scu.answer(), g.decision("unjudged")
            equal((answer["status"], answer.get("comment")), (0xA700, f"Gantry {line['number']}: unjudged"), f"byte {at}")
            check("cannot be read back" in line["message"] and line["decision"] == "refuse", "why", line)
            equal(scu.store(instance="1.2.2.2", data=good("1.2.2.2"))["status"], 0, "the next one")
            scu.release()
    equal(sorted(peers.received(folder)), ["1.2.2.2"], "what arrived")


@test
def hold_unwanted(bench):
    """Modalities and body parts that the flow does not take."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), flow={"inspect": {"modalities": ["MR", "US"]}})
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        equal(scu.store(instance="1.2.4.1", data=good("1.2.4.1"))["status"], 0x0124, "a CT where none is wanted")
        scu.release()
    check("modality-unwanted" in g.decision("content")["message"], "the check is not named")
    equal(peers.received(folder), {}, "objects in the archive")


@test
def hold_configured(bench):
    """Mistakes under `inspect`, and what is meant."""
    g = bench.gateway(flow={"inspect": {"checks": {"pdf-javascrip": "refuse"}, "danger": "reject", "modalities": ["ct"]}},
                      start=False)
    text = g.cli("check", wants=1)
    for words in ("did you mean `pdf-javascript`", "`danger: reject`", "`ct`"):
        check(words in text, f"{words} is missing:", text)
    g.config["flows"][0]["inspect"] = {"hold": "tail", "danger": "quarantine", "modalities": ["CT", "MR"],
                                       "not-modalities": ["US", "MR"]}
    g.write()
    text = g.cli("check")
    for words in ("`hold: tail` does nothing", "takes what it does not take"):
        check(words in text, f"{words} is missing:", text)
    g.config["flows"][0]["inspect"] = "maybe"
    g.write()
    check("yes, no, or keys of its own" in g.cli("check", wants=1), "what may stand there")
