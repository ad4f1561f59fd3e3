# SPDX-License-Identifier: Apache-2.0
"""Objects whose sender, or whose moment, is chosen badly: what is held, refused or kept must stay that."""
import os
import time

from lib import dicom, peers
from lib.dicom import CT, ELE, ILE, MR
from lib.site import check, equal, test
from lib.trail import Trail, Witness, object_of
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


def parts(scu, instance, data, sop_class, context):
    """The command and the first part of the data set; what sends the rest."""
    half = len(data) // 2
    scu.send_pdvs(context, dicom.command_bytes(field=dicom.C_STORE, priority=0, affected_class=sop_class, id=77,
                                               affected_instance=instance, data=1), True)
    scu.send_pdvs(context, data[:half], False, last=False)
    return lambda: scu.send_pdvs(context, data[half:], False)


@test
def held_while_nothing_is_recorded(bench):
    """Records cannot be made while an object is held: it must not pass without one."""
    trail = Trail(bench, folder=tmpfs(bench), **{"unrecorded": "hold", "hold-most": 3})
    archive = Witness(bench, trail)
    g = trail.gateway(archive=plain(archive.port), flow={"inspect": True})
    bad = dicom.Part10(BAD)
    scu = g.scu(timeout=60)
    scu.associate(contexts=((dicom.VERIFICATION, [ILE]), (CT, [ILE, ELE]), (MR, [ILE]), (PDF, [ELE])))
    equal(scu.store(3, "1.2.3.4.1", CT, object_of("F1", "1.2.6.1", "1.2.3.4.1"))["status"], 0, "status")
    to_the_brim(trail, scu)
    equal(scu.store(context=7, sop_class=PDF, instance=bad.instance, data=bad.data)["status"], 0x0124, "bad")
    rest = parts(scu, "1.2.3.4.9", object_of("F9", "1.2.6.9", "1.2.3.4.9"), CT, 3)
    time.sleep(4.5)
    free(trail.folder)
    time.sleep(1)
    rest()
    status = scu.answer()["status"]
    scu.release()
    trail.settled()
    equal((status, trail.passed(patient="F9"), "1.2.3.4.9" in archive.scp.stored()), (0, 1, True), "status, recorded, stored")


@test
def held_known_bad_dribbles(bench):
    """What is known to be bad does not pass as `unjudged`, however slowly it comes."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive=plain(port), flow={"inspect": {"danger": "quarantine", "hold-max": "1s", "fail": "pass"}})
    bad = dicom.Part10(BAD)
    with g.scu() as scu:
        scu.associate(contexts=CONTEXTS)
        scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=PDF,
                                             affected_instance=bad.instance, data=1), True)
        for part, last in ((bad.data[:-2], False), (bad.data[-2:], True)):
            scu.send(dicom.pdu(dicom.DATA, (len(part) + 2).to_bytes(4, "big") + bytes([3, 2 if last else 0]) + part))
            if not last:
                time.sleep(2)
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
