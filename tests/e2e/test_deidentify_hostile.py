# SPDX-License-Identifier: Apache-2.0
"""Peers that would learn what a flow has de-identified: by commands, answers, observe mode, and values in odd places."""
import os
import zlib

from lib import dicom
from lib.site import check, equal, test
from test_deidentify_flow import gateway, new_key, references
from test_deidentify_names import gateway as site_with_reports, report, volumes
from test_hold import good, plain

STATE = dicom.identifier((0x00400252, "IN PROGRESS"))


def answers(asked):
    """An archive that answers with what it was asked, and a UID that it was told."""
    def answer(scp, wire, context, fields, data):
        asked.append((fields, data or b""))
        if fields["field"] in (dicom.C_FIND, dicom.C_STORE):
            return False
        instance = fields.get("requested_instance", fields.get("affected_instance", ""))
        wire.send_message(context, dicom.identifier((0x00081155, instance)), field=fields["field"] | dicom.RSP, answers=fields["id"],
                          status=0, affected_class=dicom.MPPS, affected_instance=instance)
        return True
    return answer


@test
def hostile_instances_in_commands(bench):
    """Steps are created, changed, asked for and deleted by UIDs that the archive knows, and answered by those of the caller."""
    asked = []
    scp = bench.scp(answer=answers(asked))
    g = gateway(bench, scp.port, services=["store", "mpps", "n-services"])
    scu = g.scu()
    scu.associate(contexts=[(dicom.MPPS, [dicom.ILE])])
    for field, which, data in ((dicom.N_CREATE, "affected", STATE), (dicom.N_SET, "requested", STATE), (dicom.N_GET, "requested", None),
                               (dicom.N_ACTION, "requested", None)):
        more = {"action": 1} if field == dicom.N_ACTION else {}
        scu.request(1, data, field=field, **{which + "_class": dicom.MPPS, which + "_instance": "1.2.840.77.1"}, **more)
        _, fields, got = scu.recv_message()
        equal((fields["field"], fields["status"]), (field | dicom.RSP, 0), "the answer")
        equal(fields.get("affected_instance"), "1.2.840.77.1", "whose it is")
        check(b"1.2.840.77.1" in got and b"2.25." not in got, "the answer's data set", got)
    scu.release()
    told = {f.get("requested_instance", f.get("affected_instance")) for f, _ in asked}
    check(len(asked) == 4 and len(told) == 1 and told.pop().startswith("2.25."), "what the archive was told", asked)


@test
def hostile_event_replies(bench):
    """What the scanner says to a report, on the association of the one or the other, tells the archive no word of its own."""
    told = []
    comment = "no 1.2.3.1 of MILLER"

    def reports(scp, wire, context, fields, data):
        if fields["field"] == dicom.C_STORE:
            scp.respond(wire, context, fields)
            wire.send_message(3, field=dicom.N_EVENT_REPORT, id=9, affected_class=dicom.COMMIT, affected_instance=dicom.COMMIT_INSTANCE, event=1)
            return True
        return False

    def replies(scp, wire, context, fields, data):
        reply(wire, context, fields)
        return True

    def reply(wire, context, fields):
        wire.send_message(context, dicom.identifier((0x00100010, "MILLER")), field=dicom.N_EVENT_REPORT | dicom.RSP, answers=fields["id"],
                          status=0x0110, comment=comment, affected_class=dicom.COMMIT, affected_instance=dicom.COMMIT_INSTANCE, event=1)

    scp, scanner = bench.scp(answer=reports), bench.scp(answer=replies, roles=True)
    g = site_with_reports(bench, scp.port, scanner.port)
    scu = g.scu()
    scu.associate(contexts=[(dicom.CT, [dicom.ELE]), (dicom.COMMIT, [dicom.ILE])])
    equal(scu.store(context=1, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "the object")
    context, fields, _ = scu.recv_message()
    reply(scu, context, fields)
    scu.release()
    told.append(scp.messages[-1])
    scu = g.scu()
    scu.associate(calling="ARCHIVE", called="CT1", contexts=[(dicom.COMMIT, [dicom.ILE])], roles=[(dicom.COMMIT, 0, 1)])
    for _ in range(2):
        scu.request(1, dicom.identifier((0x00081195, "2.25.1")), field=dicom.N_EVENT_REPORT, affected_class=dicom.COMMIT,
                    affected_instance=dicom.COMMIT_INSTANCE, event=1)
        told.append(scu.recv_message())
    scu.release()
    for _, fields, data in told:
        equal((fields["field"], fields["status"]), (dicom.N_EVENT_REPORT | dicom.RSP, 0x0110), "the reply")
        check(not data and "comment" not in fields, "what it says", fields, data)


@test
def hostile_questions_that_no_flow_allows(bench):
    """Observed only, a question passes that no flow allows: in the archive's words, or not at all."""
    asked = []
    scp = bench.scp(answer=answers(asked))
    research = {"name": "research", "from": ["ct1"], "to": "archive", "services": ["store"], "deidentify": "yes"}
    g = bench.gateway(archive=plain(scp.port), flow={"services": ["echo"]}, flows=[research], mode="observe",
                      deidentify={"key": new_key(bench)})
    scu = g.scu()
    scu.associate(contexts=[(dicom.STUDY_FIND, [dicom.ILE]), (dicom.MPPS, [dicom.ILE])])
    got = scu.find(((0x00080052, "STUDY"), (0x00100010, "MILLER*")))
    check(got[-1][0]["status"] >= 0xA700, "a name", got)
    equal(scu.find(((0x00080052, "STUDY"), (0x00100020, "1CT1"), (0x0020000D, "1.2.840.77.1")))[-1][0]["status"], 0, "an ID")
    scu.request(3, STATE, field=dicom.N_CREATE, affected_class=dicom.MPPS, affected_instance="1.2.840.77.1")
    equal(scu.recv_message()[1]["status"], 0, "a step")
    scu.release()
    text = repr(asked)
    check(len(asked) == 2 and text.count("2.25.") == 2, "what the archive was asked", asked)
    check(not any(word in text for word in ("MILLER", "1CT1", "1.2.840.77.1")), "what the archive was told", asked)


@test
def hostile_values_where_none_belong(bench):
    """Text in numbers, in overlays, sequences as bytes: no question carries anything of them."""
    asked = []
    scp = bench.scp(answer=answers(asked))
    g = gateway(bench, scp.port, services=["store", "find"])
    scu = g.scu()
    scu.associate(contexts=[(dicom.STUDY_FIND, [dicom.ELE])])
    level = b"\x08\0\x52\0CS\x06\0STUDY "

    def ask(data):
        scu.request(1, level + data, field=dicom.C_FIND, priority=0, affected_class=dicom.STUDY_FIND)
        return scu.answer()["status"]

    long = b"\0\0\x08\0\0\0MILLER  "
    for data in (b"\x28\0\x10\0LO\x08\0MILLER  ", b"\x28\0\x10\0UT" + long, b"\0\x60\x22\0LO\x08\0MILLER  ", b"\0\x50\x22\0LO\x08\0MILLER  ",
                 b"\x08\0\x99\x11OB" + long, b"\x40\0\x75\x02OB" + long, b"\x08\0\x06\0LO\x08\0MILLER  ", b"\x10\0\x10\0UI\x08\0MILLER  ",
                 b"\x10\0\x10\0UN" + long, b"\x10\0\x10\0US\x08\0MILLER  ", b"\x09\0\x10\0LO\x08\0MILLER  ", b"\x10\0\xff\xffLO\x08\0MILLER  "):
        check(ask(data) >= 0xA700, "it is asked", data)
    equal(asked, [], "what reached the archive")
    equal(ask(b"\x28\0\x10\0US\x02\0\x01\0"), 0, "a number")
    scu.release()


@test
def hostile_book_of_names(bench):
    """Records that somebody has changed, exchanged or cut off while the gateway stood still: nobody's old name is another's, and it is said."""
    scp, scanner = bench.scp(), bench.scp(roles=True)
    g = site_with_reports(bench, scp.port, scanner.port)
    scu = g.scu()
    scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
    for instance in ("1.2.3.1", "1.2.3.2"):
        equal(scu.store(context=1, instance=instance, data=good(instance))["status"], 0, "the object")
    scu.release()
    new = list(scp.stored())
    g.stop()
    path, = volumes(g)
    with open(path, "rb") as file:
        whole = file.read()
    head, *records = [whole[at:at + 128] for at in range(0, len(whole), 128)]

    def summed(record):
        return record[:124] + zlib.crc32(record[:124]).to_bytes(4, "big")

    changed = b"".join(summed(r[:40] + bytes([r[40] ^ 1]) + r[41:]) for r in records)
    exchanged = b"".join(summed(r[:16] + records[i - 1][16:]) for i, r in enumerate(records))
    for data, said in ((head + changed, True), (head + exchanged, True), (head + b"".join(records)[:-70], False), (bytes(len(whole)), True),
                       (b"", False)):
        for old in volumes(g):
            os.remove(old)
        with open(path, "wb") as file:
            file.write(data)
        os.chown(path, *g.owner)
        mark = os.path.getsize(g.log_path)
        g.start()
        equal(report(g, references(*new)), 0, "status of the report")
        got = scanner.messages[-1][2]
        wrong = [n for n in new if n.encode() not in got]
        check(len(wrong) == 0 or (not said and len(wrong) < len(new)), "put back by what was changed", got)
        with open(g.log_path, encoding="utf-8") as file:
            equal("names.damaged" in file.read()[mark:], said, "it is said")
        scu = g.scu()
        scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
        equal(scu.store(context=1, instance="1.2.3.2", data=good("1.2.3.2"))["status"], 0, "again")
        scu.release()
        g.stop()
