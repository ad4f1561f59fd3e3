# SPDX-License-Identifier: Apache-2.0
"""Objects whose sender, or whose moment, is chosen badly: what is held, refused or kept must stay that."""
import os
import time
import zlib

from lib import dicom, peers
from lib.dicom import CT, ELE, ILE, MR
from lib.site import ROOT, check, equal, test, until
from lib.trail import Trail, Witness, object_of
from test_hold import good
from test_quarantine import BAD, CONTEXTS, KEEPS, PDF, listed, plain, quarantine
from test_trouble import association_pids
from test_recording import free, tmpfs, to_the_brim


@test
def held_quarantine_bytes(bench):
    port, _ = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), flow=KEEPS)
    bad = dicom.Part10(BAD)
    with g.scu(timeout=60) as scu:
        scu.associate(contexts=CONTEXTS)
        for size in (400 << 10, 900 << 10, 1 << 20, 5 << 20):
            data = bad.data + os.urandom(size)
            equal(scu.store(context=3, sop_class=PDF, instance=bad.instance, data=data)["status"], 0x0124, "status")
            out = bench.path(f"out-{size}.dcm")
            quarantine(g, "show", str(listed(g)[-1]["number"]), "--export", out)
            got = dicom.Part10(out).data
            where = next((i for i in range(min(len(got), len(data))) if got[i] != data[i]), None)
            check(got == data, f"{size}: has changed at {where} of {len(data)} ({len(got)})")
        scu.release()


def command(scu, message, instance, sop_class, context):
    scu.send_pdvs(context, dicom.command_bytes(field=dicom.C_STORE, priority=0, affected_class=sop_class, id=message,
                                               affected_instance=instance, data=1), True)


def fragment(scu, context, part, last):
    scu.send(dicom.pdu(dicom.DATA, (len(part) + 2).to_bytes(4, "big") + bytes([context, 2 if last else 0]) + part))


def unrecorded(bench, flow, refused):
    """A refused object whose record cannot be made is given up while another one comes: that one waits for its own record."""
    trail = Trail(bench, folder=tmpfs(bench), **{"unrecorded": "hold", "hold-most": 3})
    archive = Witness(bench, trail)
    g = trail.gateway(archive=plain(archive.port), flow=flow)
    scu = g.scu(timeout=60)
    scu.associate(contexts=((dicom.VERIFICATION, [ILE]), (CT, [ILE, ELE]), (MR, [ILE]), (PDF, [ELE])))
    equal(scu.store(3, "1.2.3.4.1", CT, object_of("F1", "1.2.6.1", "1.2.3.4.1"))["status"], 0, "status")
    to_the_brim(trail, scu)
    equal(refused(scu)["status"], 0x0124, "status of what is refused")
    data = object_of("F9", "1.2.6.9", "1.2.3.4.9")
    command(scu, 77, "1.2.3.4.9", CT, 3)
    fragment(scu, 3, data[:8], False)
    g.decision("unrecorded")
    check("1.2.3.4.9" not in archive.scp.stored(), "it is there")
    free(trail.folder)
    time.sleep(1)
    fragment(scu, 3, data[8:], True)
    status = scu.answer()["status"]
    scu.release()
    trail.settled()
    equal((status, trail.passed(patient="F9"), list(archive.scp.stored()).count("1.2.3.4.9")), (0, 1, 1),
          "status, recorded, stored")


@test
def held_while_nothing_is_recorded(bench):
    bad = dicom.Part10(BAD)
    unrecorded(bench, {"inspect": True},
               lambda scu: scu.store(context=7, sop_class=PDF, instance=bad.instance, data=bad.data))


@test
def begun_while_nothing_is_recorded(bench):
    large = object_of("F8", "1.2.6.8", "1.2.3.4.8", size=9000)
    unrecorded(bench, {"limits": {"object-size": {"most": "2K", "over": "refuse"}}},
               lambda scu: scu.store(3, "1.2.3.4.8", CT, large))


@test
def held_tail_behind_a_slow_answer(bench):
    """With `hold: tail` an object waits for the answer to the one before: its sender is not late meanwhile."""
    def answer(scp, wire, context, fields, data):
        time.sleep(5 if fields["affected_instance"] == "1.2.9.1" else 0)
        return False

    scp = bench.scp(answer=answer)
    g = bench.gateway(archive=plain(scp.port), timeouts={"message": 2}, flow={"inspect": {"hold": "tail"}})
    with g.scu(timeout=30) as scu:
        scu.associate(contexts=CONTEXTS)
        for i, size in ((1, 0), (2, 6 << 20)):
            command(scu, i, f"1.2.9.{i}", CT, 5)
            scu.send_pdvs(5, good(f"1.2.9.{i}", size), False)
        equal([scu.answer()["status"] for _ in range(2)], [0, 0], "statuses")
        scu.release()


@test
def held_known_bad_dribbles(bench):
    """What is known to be bad does not pass as `unjudged`, however slowly it comes."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), flow={"inspect": {"danger": "quarantine", "hold-max": "1s", "fail": "pass"}})
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        command(scu, 1, bad.instance, PDF, 3)
        fragment(scu, 3, bad.data[:-2], False)
        time.sleep(2)
        fragment(scu, 3, bad.data[-2:], True)
        status = scu.answer()["status"]
        scu.release()
    check(status != 0 and not peers.received(folder), "it passed", hex(status), peers.received(folder))


@test
def held_known_bad_not_scanned(bench):
    """What is refused for what is in it does not pass because it was not scanned as well."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), antivirus={"socket": bench.path("nobody"), "timeout": 2, "max-size": "4M"},
                      flow={"inspect": {"danger": "quarantine", "checks": {"pdf-javascript": "refuse"}, "antivirus": "values",
                                        "fail": "pass"}})
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        status = scu.store(context=3, sop_class=PDF, instance=bad.instance, data=bad.data)["status"]
        scu.release()
    check(status != 0 and not peers.received(folder), "it passed", hex(status), peers.received(folder))


DEFLATED = "1.2.840.10008.1.2.1.99"
WHERE = ((dicom.VERIFICATION, [ILE]), (CT, [ELE]), (MR, [ELE]), (PDF, [DEFLATED]))


def begin(scu, instance, data, context=3, message=1):
    command(scu, message, instance, CT, context)
    fragment(scu, context, data, False)


def in_pieces(scu, uid, data, size=998):
    command(scu, 1, uid, CT, 3)
    for at in range(0, len(data), size):
        fragment(scu, 3, data[at:at + size], at + size >= len(data))
    return scu.answer()["status"]


def in_odd_pieces(scu, uid, data):
    return in_pieces(scu, uid, data, 997)


def with_empty_pieces(scu, uid, data):
    begin(scu, uid, b"")
    fragment(scu, 3, data[:1002], False)
    fragment(scu, 3, b"", False)
    fragment(scu, 3, data[1002:], False)
    fragment(scu, 3, b"", True)
    return scu.answer()["status"]


def number_again(scu, uid, data):
    return in_pieces(scu, uid, data) or in_pieces(scu, uid, data)


def command_in_data(scu, uid, data):
    begin(scu, uid, data[:1000])
    command(scu, 2, uid, CT, 3)
    return scu.answer()["status"]


def two_at_once(scu, uid, data):
    begin(scu, uid, data[:1000])
    begin(scu, uid, data[:1000], context=5, message=2)
    fragment(scu, 3, data[1000:], True)
    return scu.answer()["status"]


def data_elsewhere(scu, uid, data):
    begin(scu, uid, data[:1000])
    fragment(scu, 9, data[1000:], True)
    return scu.answer()["status"]


def left_midway(scu, uid, data):
    begin(scu, uid, data[:1000])
    scu.close()
    return None


def aborted_midway(scu, uid, data):
    begin(scu, uid, data[:1000])
    scu.abort()
    return None


def nested(scu, uid, data):
    head = data[:data.index(b"\x10\0\x10\0PN")]
    deep = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 4000
    return scu.store(3, uid, CT, head + deep)["status"]


def said_to_be_longer(scu, uid, data):
    head = data[:data.index(b"\x10\0\x10\0PN")]
    inner = b"\x09\0\x01\x10OB\0\0\xfe\xff\xff\xff" + bytes(64)
    item = b"\xfe\xff\0\xe0" + len(inner).to_bytes(4, "little") + inner
    return scu.store(3, uid, CT, head + b"\x08\0\x40\x11SQ\0\0" + len(item).to_bytes(4, "little") + item)["status"]


def bomb(scu, uid, data):
    """Thirty MiB of nothing, in thirty KiB."""
    part10 = dicom.Part10(BAD)
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = pack.compress(part10.data + b"\x99\x00\x10\x10OB\0\0" + (30 << 20).to_bytes(4, "little"))
    for _ in range(30):
        packed += pack.compress(bytes(1 << 20))
    return scu.store(7, uid, PDF, packed + pack.flush())["status"]


# What each gets by the mode; ABORT: that; None: it does not wait for anything.
ABORT = "an abort"
SENDERS = {in_pieces: 0, in_odd_pieces: ABORT, with_empty_pieces: 0, number_again: 0, command_in_data: ABORT,
           two_at_once: ABORT, data_elsewhere: ABORT,
           left_midway: None, aborted_midway: None, nested: 0x0124, said_to_be_longer: 0x0124, bomb: 0x0124}


def files_under(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names
                  if "quarantine" not in at and "refusals" not in name)


def descriptors(g):
    roles = until(lambda: None if association_pids(g) else g.roles(), "the associations' end")
    return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in roles}


@test
def held_hostile_senders(bench):
    """Each way to be a bad sender, in each mode: it gets what it must, the log says why, the archive has whole objects, nothing stays."""
    data = good("1.2.5.1")
    for mode in ({"hold": "whole"}, {"hold": "tail"}, KEEPS["inspect"], {"danger": "log"}):
        port, folder = peers.storescp(bench)
        g = bench.gateway(archive=plain(port), flow={"inspect": mode})
        refuses = mode.get("danger") != "log"
        with g.scu() as scu:
            scu.associate(contexts=WHERE)
            equal(scu.store(3, "1.2.5.1", CT, data)["status"], 0, "the first")
            scu.release()
        before, files = descriptors(g), files_under(os.path.join(g.folder, "state"))
        for sender, wanted in SENDERS.items():
            mark = g.mark()
            scu = g.scu()
            scu.associate(contexts=WHERE)
            try:
                got = sender(scu, "1.2.5.1", data)
            except (dicom.Aborted, dicom.Closed, OSError):  # it may be gone before all was sent
                got = ABORT
            # What is not held goes on as it comes, and what is bad is its affair.
            if refuses or wanted in (ABORT, None):
                equal(got, wanted, f"what {sender.__name__} gets with {mode}")
            scu.close()
            ended = g.wait_log(mark, event="association.ended")
            if wanted == ABORT:
                check("PS3." in ended["message"] and ended["refusals"] == 1, "why is not told", ended)
            if wanted == 0x0124 and refuses:
                g.decision("content", mark)
        until(lambda: descriptors(g) == before, lambda: f"descriptors with {mode} to be {before}, now {descriptors(g)}")
        equal(files_under(os.path.join(g.folder, "state")), files, f"files with {mode}")
        if refuses:
            equal(list(peers.received(folder)), ["1.2.5.1"], f"objects in the archive with {mode}")
            check(peers.received(folder)["1.2.5.1"].data == data, "it has changed")
        g.stop()


@test
def held_while_reloaded(bench):
    """A reload in the midst of a bad object that is held takes nothing from its judgement, in memory or in a file; the next one is the new file's."""
    port, folder = peers.storescp(bench, "-pdu", "131072")
    with open(os.path.join(ROOT, "tests/data/inspect/preamble-elf64.dcm"), "rb") as file:
        program = file.read(128)
    for inspect, size in (({"hold": "whole"}, 4 << 20), ({"hold": "tail"}, 0), (KEEPS["inspect"], 0)):
        g = bench.gateway(archive=plain(port), flow={"inspect": inspect, "refusal-status": "0xC001"})
        data = good("1.2.11.1", size) + program
        with g.scu(timeout=60) as scu:
            scu.associate(contexts=CONTEXTS)
            command(scu, 1, "1.2.11.1", CT, 5)
            scu.send_pdvs(5, data[:-200], False, last=False)
            del g.config["flows"][0]["inspect"]
            g.config["flows"].insert(0, {"name": "other", "from": ["ct1"], "to": "archive", "services": ["echo"]})
            g.write()
            mark = g.reload()
            g.wait_log(mark, event="gateway.reloaded")
            scu.send_pdvs(5, data[-200:], False)
            equal(scu.answer()["status"], 0xC001, f"status with {inspect}, {size}")
            equal(g.decision("content")["flow"], "images", "the flow")
            equal(scu.store(5, "1.2.11.2", CT, good("1.2.11.1") + program)["status"], 0, "the next one, not looked into")
            scu.release()
        g.stop()
    equal(sorted(peers.received(folder)), ["1.2.11.2"], "what arrived")
