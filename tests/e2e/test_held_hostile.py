# SPDX-License-Identifier: Apache-2.0
"""Objects whose sender, or whose moment, is chosen badly: what is held, refused or kept must stay that."""
import os
import time

from lib import dicom, peers
from lib.dicom import CT, ELE, ILE, MR
from lib.site import check, equal, test
from lib.trail import Trail, Witness, object_of
from test_hold import good
from test_quarantine import BAD, CONTEXTS, KEEPS, PDF, listed, plain, quarantine
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
