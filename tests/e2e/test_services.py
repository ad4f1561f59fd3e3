# SPDX-License-Identifier: Apache-2.0
"""Query and retrieve, worklist, MPPS, storage commitment, and what an association may negotiate."""
import glob
import json
import os
import threading

from lib import dicom, peers
from lib.dicom import COMMIT, COMMIT_INSTANCE, CT, ELE, ILE, MPPS, MR, PRIVATE, STUDY_FIND, STUDY_GET, VERIFICATION
from lib.site import HERE, check, equal, free_port, test, until


def plain_archive(port, **more):
    return {"address": [f"127.0.0.1:{port}"], "transport": "plain", **more}


def loaded_qr(bench, hosts=()):
    """dcmqrscp with CT_small and MR_small in it."""
    port, folder = peers.dcmqrscp(bench, hosts=hosts)
    for source in (peers.CT_SMALL, peers.MR_SMALL):
        bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(port), source, wants=0)
    return port, folder


def study_of_ct():
    """The Study Instance UID of CT_small, from its bytes."""
    data = dicom.Part10(peers.CT_SMALL).data
    at = data.index(b"\x20\x00\x0d\x00UI")
    length = int.from_bytes(data[at + 6: at + 8], "little")
    return data[at + 8: at + 8 + length].decode().rstrip("\0 ")


@test
def find_in_dcmqrscp(bench):
    port, _ = loaded_qr(bench)
    g = bench.gateway(archive=plain_archive(port), flow={"services": ["find"]})
    where = ["-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain)]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID", "-k", "StudyInstanceUID"]
    ran = bench.run("findscu", "-S", *keys, *where, wants=0)
    check("1CT1" in ran.text and "4MR1" in ran.text, "the answers did not come:", ran.text[-1500:])
    tls = ["-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls)]
    ran = bench.run("findscu", "-S", *bench.keys.dcmtk(), *keys, *tls, wants=0)
    check("1CT1" in ran.text, "the answers did not come over TLS:", ran.text[-1500:])
    scu = g.scu()
    scu.associate(contexts=[(STUDY_FIND, [ILE])])
    answers = scu.find([(0x00080052, "STUDY"), (0x00100020, "1CT1"), (0x0020000D, "")])
    equal([a["status"] for a, _ in answers], [0xFF00, 0], "statuses")
    scu.release()


@test
def odil_find(bench):
    port, _ = loaded_qr(bench)
    g = bench.gateway(archive=plain_archive(port), flow={"services": ["find", "echo"]})
    ran = bench.run("odil", "find", "127.0.0.1", str(g.plain), "CT1", "ARCHIVE", "study",
                    "QueryRetrieveLevel=STUDY", "PatientID=*", "StudyInstanceUID=", wants=0)
    check("1CT1" in ran.text and "4MR1" in ran.text, "the answers did not come:", ran.text[-1500:])


@test
def move_from_dcmqrscp(bench):
    """The scanner asks the archive to send to a workstation; sub-operations come back through the gateway."""
    sink, folder = peers.storescp(bench, title="WS1")
    back = free_port()
    port, _ = loaded_qr(bench, hosts=[("ws", "WS1", "127.0.0.1", back), ("usb", "USB", "127.0.0.1", back)])
    g = bench.gateway(
        archive=plain_archive(port, **{"from": ["127.0.0.1"]}), flow={"services": ["move", "find"], "destinations": ["ws1"]},
        nodes={"ws1": {"ae": ["WS1"], "address": [f"127.0.0.1:{sink}"], "transport": "plain"}},
        flows=[{"name": "to-ws", "from": ["archive"], "to": "ws1", "services": ["store", "echo"]}])
    # The archive knows the workstation at the gateway's address.
    g.config["listeners"].append({"name": "from-archive", "address": "127.0.0.1", "port": back, "transport": "plain"})
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    where = ["-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain)]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_of_ct()}"]
    bench.run("movescu", "-S", "-aem", "WS1", *keys, *where, wants=0)
    peers.same_bytes(peers.received(folder)[dicom.Part10(peers.CT_SMALL).instance], peers.normal(bench, peers.CT_SMALL))
    g.wait_log(event="association.accepted", node="archive", target="ws1")
    ran = bench.run("movescu", "-v", "-S", "-aem", "USB", *keys, *where)
    check(ran.code != 0, "a destination that is not allowed was served")
    check("0x124" in ran.text, "movescu does not tell the status:", ran.text[-800:])
    g.decision("destination", destination="USB")
    equal(len(peers.received(folder)), 1, "objects at the workstation")


@test
def get_from_dcmqrscp(bench):
    """C-GET: the sub-operations run the other way on the same association, by role selection."""
    port, _ = loaded_qr(bench)
    g = bench.gateway(archive=plain_archive(port), flow={"services": ["get"]})
    folder = bench.new_folder("got")
    where = ["-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain)]
    bench.run("getscu", "-S", "+B", "-od", folder, "-k", "QueryRetrieveLevel=STUDY", "-k",
              f"StudyInstanceUID={study_of_ct()}", *where, wants=0)
    files = glob.glob(os.path.join(folder, "*"))
    equal(len(files), 1, "files")
    peers.same_bytes(dicom.Part10(files[0]), peers.normal(bench, peers.CT_SMALL))


@test
def odil_get(bench):
    port, _ = loaded_qr(bench)
    g = bench.gateway(archive=plain_archive(port), flow={"services": ["get"]})
    ran = bench.run("/usr/bin/python3", os.path.join(HERE, "lib/odil_get.py"), str(g.plain), "CT1", "ARCHIVE",
                    study_of_ct(), wants=0)
    equal(ran.text.split(), [dicom.Part10(peers.CT_SMALL).instance, "32768"], "what odil got")


@test
def get_denied_without_its_store(bench):
    """The archive's C-STORE sub-operations are judged as C-GET's: without the service nothing is negotiated."""
    port, _ = loaded_qr(bench)
    g = bench.gateway(archive=plain_archive(port), flow={"services": ["store", "find"]})
    scu = g.scu()
    scu.associate(contexts=[(STUDY_GET, [ILE]), (CT, [ILE])], roles=[(CT, 1, 1)])
    equal(scu.ac.results(), {1: 3, 3: 0}, "context results")
    scu.release()


@test
def get_over_its_size(bench):
    """An object of a C-GET that is over the limit does not come whole: what has begun cannot be taken back but by an abort."""
    def sends(scp, wire, context, fields, data):
        if fields["field"] != dicom.C_GET:
            return False
        for n, size in ((1, 1000), (2, 300000)):
            wire.send_message(3, dicom.simple_object(instance=f"1.2.{n}", size=size), field=dicom.C_STORE, id=n, priority=0,
                              affected_class=CT, affected_instance=f"1.2.{n}")
            if n == 1:
                scp.back = wire.recv_message()[1]["status"]
        return True

    scp = bench.scp(answer=sends, roles=True)
    g = bench.gateway(archive=plain_archive(scp.port),
                      flow={"services": ["get"], "limits": {"object-size": {"most": 100000, "over": "refuse"}}})
    scu = g.scu()
    scu.associate(contexts=[(STUDY_GET, [ILE]), (CT, [ILE])], roles=[(CT, 0, 1)])
    scu.request(1, dicom.identifier((0x00080052, "STUDY")), field=dicom.C_GET, priority=0, affected_class=STUDY_GET)
    context, fields, _ = scu.recv_message()
    scu.send_message(context, field=dicom.C_STORE | dicom.RSP, answers=fields["id"], status=0, affected_class=CT,
                     affected_instance="1.2.1")
    try:
        scu.recv_message()
        raise AssertionError("an object over its size came whole")
    except (dicom.Aborted, dicom.Closed):
        pass
    equal(scp.back, 0, "status of the one within the limit")
    g.decision("object-size", decision="refuse")


@test
def role_selection(bench):
    """The requestor asks to be SCP of storage: the archive's answer comes back, and it may send then."""
    def sends(scp, wire, context, fields, data):
        if fields["field"] != dicom.C_GET:
            return False
        store = dict(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, affected_instance="1.2.3")
        wire.send_message(3, dicom.simple_object(), **store)
        back = wire.recv_message()
        scp.back = back[1]["status"]
        scp.respond(wire, context, fields, 0)
        return True

    scp = bench.scp(answer=sends, roles=True)
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["get"]})
    scu = g.scu()
    scu.associate(contexts=[(STUDY_GET, [ILE]), (CT, [ILE])], roles=[(CT, 0, 1)])
    equal(scp.requests[0].roles, {CT: (0, 1)}, "role proposed to the archive")
    equal(scu.ac.roles.get(CT), (0, 1), "role answered")
    scu.request(1, dicom.identifier((0x00080052, "STUDY")), field=dicom.C_GET, priority=0, affected_class=STUDY_GET)
    context, fields, data = scu.recv_message()
    equal((context, fields["field"], fields["affected_instance"]), (3, dicom.C_STORE, "1.2.3"), "sub-operation")
    check(data == dicom.simple_object(), "its bytes")
    scu.send_message(context, field=dicom.C_STORE | dicom.RSP, answers=fields["id"], status=0xA700, affected_class=CT,
                     affected_instance="1.2.3")
    equal(scu.answer()["field"], dicom.C_GET | dicom.RSP, "the last answer")
    equal(scp.back, 0xA700, "the status that went back")
    scu.release()


@test
def worklist(bench):
    port = peers.wlmscpfs(bench)
    g = bench.gateway(nodes={"ris": {"ae": ["WORKLIST"], "address": [f"127.0.0.1:{port}"], "transport": "plain"}},
                      flows=[{"name": "worklist", "from": ["ct1"], "to": "ris", "services": ["worklist"]}])
    ran = bench.run("findscu", "-W", "-aet", "CT1", "-aec", "WORKLIST", "-k", "PatientID=W1", "-k", "PatientName", "-k",
                    "AccessionNumber", "127.0.0.1", str(g.plain), wants=0)
    check("Test^Worklist" in ran.text, "the entry did not come:", ran.text[-1500:])
    ran = bench.run("findscu", "-S", "-aet", "CT1", "-aec", "WORKLIST", "-k", "QueryRetrieveLevel=STUDY", "127.0.0.1",
                    str(g.plain))
    check(ran.code != 0, "study queries went to the worklist")
    g.decision("sop-class", sop_class=STUDY_FIND)
    rows = peers.dcmjs_run(bench, g.plain, [{"do": "worklist", "keys": {"PatientID": "W1"}}], called="WORKLIST")
    # When the last match and the final response come in one segment dcmjs-dimse asks for release twice, and complains.
    statuses = [row["status"] for row in rows if "status" in row]
    equal(statuses, [0xFF01, 0], f"statuses of dcmjs-dimse's query ({rows})")


@test
def mpps_and_commitment_by_dcmjs(bench):
    port, process = peers.dcmjs_scp(bench)
    g = bench.gateway(archive=plain_archive(port), flow={"services": ["mpps", "commit", "store"]})
    rows = peers.dcmjs_run(bench, g.plain, [{"do": "mpps-create", "instance": "1.2.77.1"},
                                            {"do": "mpps-set", "instance": "1.2.77.1"},
                                            {"do": "commit", "transaction": "1.2.88.1", "instance": "1.2.3"}])
    equal([(r.get("do"), r.get("status")) for r in rows], [("mpps-create", 0), ("mpps-set", 0), ("commit", 0)], "answers")
    did = [json.loads(line) for line in process.text().splitlines() if line.startswith("{")]
    equal([d["did"] for d in did], ["create", "set", "action"], "what the archive did")
    equal(did[2]["data"]["TransactionUID"], "1.2.88.1", "Transaction UID")
    for service in ("mpps", "commit"):
        g.wait_log(event="decision", decision="allow", service=service)


@test
def commitment_on_the_same_association(bench):
    """N-EVENT-REPORT from the archive while the association is open."""
    arrived = threading.Event()

    def reports(scp, wire, context, fields, data):
        if fields["field"] != dicom.N_ACTION:
            return False
        wire.send_message(context, field=dicom.N_ACTION | dicom.RSP, answers=fields["id"], status=0,
                          affected_class=COMMIT, affected_instance=COMMIT_INSTANCE, action=1)
        wire.send_message(context, dicom.identifier((0x00081195, "1.2.88.1")), field=dicom.N_EVENT_REPORT, id=9,
                          affected_class=COMMIT, affected_instance=COMMIT_INSTANCE, event=1)
        scp.back = wire.recv_message()[1]
        arrived.set()
        return True

    scp = bench.scp(answer=reports)
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["commit"]})
    scu = g.scu()
    scu.associate(contexts=[(COMMIT, [ILE])])
    scu.request(1, dicom.identifier((0x00081195, "1.2.88.1")), field=dicom.N_ACTION, requested_class=COMMIT,
                requested_instance=COMMIT_INSTANCE, action=1)
    equal(scu.answer()["status"], 0, "status of N-ACTION")
    _, fields, data = scu.recv_message()
    equal((fields["field"], fields["event"]), (dicom.N_EVENT_REPORT, 1), "event")
    scu.send_message(1, field=dicom.N_EVENT_REPORT | dicom.RSP, answers=fields["id"], status=0, affected_class=COMMIT,
                     affected_instance=COMMIT_INSTANCE, event=1)
    check(arrived.wait(20), "the archive had no answer to its report")
    equal(scp.back["status"], 0, "status that went back")
    scu.release()


@test
def commitment_on_a_new_association(bench):
    """The archive calls the scanner, through the gateway: a flow of the other direction, with its own roles."""
    scanner = bench.scp(roles=True)
    g = bench.gateway(node={"address": [f"127.0.0.1:{scanner.port}"]}, archive={"transport": "plain", "from": ["127.0.0.1"]},
                      flows=[{"name": "results", "from": ["archive"], "to": "ct1", "services": ["commit"]}])
    scu = g.scu()
    scu.associate(calling="ARCHIVE", called="CT1", contexts=[(COMMIT, [ILE])], roles=[(COMMIT, 0, 1)])
    equal(scu.ac.results(), {1: 0}, "context results")
    equal(scu.ac.roles.get(COMMIT), (0, 1), "roles")
    scu.request(1, dicom.identifier((0x00081195, "1.2.88.1")), field=dicom.N_EVENT_REPORT, affected_class=COMMIT,
                affected_instance=COMMIT_INSTANCE, event=1)
    equal(scu.answer()["status"], 0, "status")
    scu.release()
    equal([f["field"] for _, f, _ in scanner.messages], [dicom.N_EVENT_REPORT], "what reached the scanner")
    equal((scanner.requests[0].calling, scanner.requests[0].called), ("ARCHIVE", "CT1"), "titles at the scanner")


@test
def private_sop_class(bench):
    """By UID, and only then."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["echo", "store"], "sop-classes": [PRIVATE]})
    scu = g.scu()
    scu.associate(contexts=[(PRIVATE, [ILE]), (PRIVATE + ".1", [ILE])])
    equal(scu.ac.results(), {1: 0, 3: 3}, "context results")
    equal(scu.store(1, "1.2.3", PRIVATE)["status"], 0, "status")
    scu.release()
    check("1.2.3" in scp.stored(), "the object did not arrive")


@test
def all_contexts(bench):
    """128 contexts, many of one SOP class, each with its own transfer syntax."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port))
    contexts = [(CT if i % 2 else MR, [[ILE], [ELE], [ELE, ILE], [ILE, ELE]][i % 4]) for i in range(128)]
    scu = g.scu()
    scu.associate(contexts=contexts)
    equal(scu.ac.results(), {2 * i + 1: 0 for i in range(128)}, "context results")
    equal({n: (a, s) for n, (_, a, s) in scp.requests[0].contexts.items()},
          {2 * i + 1: c for i, c in enumerate(contexts)}, "what the archive was asked")
    equal(scu.store(255, "1.2.3")["status"], 0, "status on the last")
    equal(scp.messages[0][0], 255, "its context at the archive")
    scu.release()


@test
def the_archives_choice(bench):
    """Results and transfer syntaxes are the archive's; the SCU's titles, contexts and implementation reach it."""
    scp = bench.scp(negotiate=lambda s, rq: {1: ELE, 3: 4, 5: 3, 7: 1})
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE, ELE]), (MR, [ILE]), (dicom.SC, [ILE]), (VERIFICATION, [ILE])],
                  implementation="1.2.3.77", version="SCANNER_7")
    equal(scu.ac.contexts[1][2], [ELE], "transfer syntax")
    results = scu.ac.results()
    check(results[1] == 0 and all(results[n] != 0 for n in (3, 5, 7)), "context results:", results)
    equal((results[3], results[5]), (4, 3), "results that the archive gave")
    rq = scp.requests[0]
    equal((rq.calling, rq.called), ("CT1", "ARCHIVE"), "titles")
    equal((rq.implementation, rq.version), ("1.2.3.77", "SCANNER_7"), "implementation")
    equal(scu.store(1)["status"], 0, "status")
    scu.release()


@test
def titles_and_implementation_mapped(bench):
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port, ae=["PACS"]),
                      flow={"called": ["OLDPACS"], "titles": {"calling": "GANTRY", "called": "PACS"},
                            "implementation": "gateway", "services": ["echo", "store", "move"],
                            "destinations": ["ws"], "move-titles": {"OLDWS": "WS"}},
                      implementation={"class": "1.2.826.0.1.99", "version": "SITE_1"},
                      nodes={"ws": {"ae": ["WS"], "address": ["127.0.0.1:104"]}})
    scu = g.scu()
    scu.associate(called="OLDPACS", contexts=[(CT, [ILE]), (dicom.STUDY_MOVE, [ILE])], implementation="1.2.3.77")
    rq = scp.requests[0]
    equal((rq.calling, rq.called), ("GANTRY", "PACS"), "titles at the archive")
    equal((rq.implementation, rq.version), ("1.2.826.0.1.99", "SITE_1"), "implementation at the archive")
    equal(scu.store(1)["status"], 0, "status")
    equal(scu.move("OLDWS", [(0x00080052, "STUDY")], context=3)["status"], 0, "status of C-MOVE")
    equal(scp.messages[-1][1]["destination"], "WS", "destination at the archive")
    scu.release()


@test
def move_originator_passes(bench):
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate()
    scu.request(3, dicom.simple_object(), field=dicom.C_STORE, priority=2, affected_class=CT, affected_instance="1.2.3.4",
                originator="WS7", originator_id=77)
    equal(scu.answer()["status"], 0, "status")
    _, fields, _ = scp.messages[0]
    equal((fields["originator"], fields["originator_id"], fields["priority"]), ("WS7", 77, 2), "fields at the archive")
    scu.release()


@test
def unknown_items_stay_behind(bench):
    """Items and elements that nobody knows are neither refused nor passed on."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate(more_items=dicom.item(0x77, b"what"), more=dicom.item(0x5F, b"is this"))
    equal(sorted(k for k in scp.requests[0].user if k not in (0x51, 0x52, 0x53, 0x54, 0x55)), [], "unknown sub-items")
    body = dicom.command_bytes(field=dicom.C_ECHO, id=1, affected_class=VERIFICATION)[12:] + dicom.element(0, 0x5010, b"X ")
    scu.send_pdvs(1, dicom.element(0, 0, len(body).to_bytes(4, "little")) + body, True)
    equal(scu.answer()["status"], 0, "status")
    scu.release()


@test
def max_pdu_both_ways(bench):
    """A peer that takes 4096 bytes and one that takes 1 MiB, on either side: fragments fit, bytes are the same."""
    for ours, theirs in ((4096, 1 << 20), (1 << 20, 4096)):
        back = dicom.identifier((0x00100020, "P" * 60000))

        def answers(scp, wire, context, fields, data, back=back):
            if fields["field"] != dicom.C_FIND:
                return False
            scp.respond(wire, context, fields, 0xFF00, back)
            scp.respond(wire, context, fields, 0)
            return True

        scp = bench.scp(answer=answers, max_pdu=theirs)
        g = bench.gateway(archive=plain_archive(scp.port, **{"max-pdu": 1048576}), flow={"services": ["store", "find"]},
                          listener={"max-pdu": 1048576})
        scu = g.scu()
        scu.associate(contexts=[(STUDY_FIND, [ILE]), (CT, [ILE])], max_pdu=ours)
        data = dicom.simple_object(size=3 << 20)
        equal(scu.store(3, data=data)["status"], 0, "status")
        check(scp.stored()["1.2.3.4"][1] == data, "the archive has other bytes")
        got = scu.find([(0x00080052, "STUDY")])
        check(got[0][1] == back, "the query's answer has other bytes")
        check(scp.wires[0].largest <= theirs and scu.largest <= ours, "PDUs of", scp.wires[0].largest, scu.largest)
        scu.release()
        g.stop()


@test
def unlimited_max_pdu(bench):
    """A maximum of 0 means none."""
    scp = bench.scp(max_pdu=0)
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate(max_pdu=0)
    data = dicom.simple_object(size=1 << 20)
    equal(scu.store(data=data)["status"], 0, "status")
    check(scp.stored()["1.2.3.4"][1] == data, "the archive has other bytes")
    scu.release()


@test
def asynchronous_window(bench):
    """Requests overlap as far as the archive agreed, and answers find their requests."""
    waiting = []

    def late(scp, wire, context, fields, data):
        waiting.append((context, fields))
        if len(waiting) == 3:
            for old_context, old in reversed(waiting):
                scp.respond(wire, old_context, old)
        return True

    scp = bench.scp(answer=late, window=True)
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate(window=(3, 1))
    equal(scu.ac.user.get(0x53), b"\0\3\0\1", "window answered")
    for number in (11, 12, 13):
        scu.request(3, dicom.simple_object(instance=f"1.2.{number}"), field=dicom.C_STORE, priority=0, affected_class=CT,
                    affected_instance=f"1.2.{number}", id=number)
    equal([scu.answer()["answers"] for _ in range(3)], [13, 12, 11], "order of the answers")
    scu.release()


@test
def cancel(bench):
    """C-CANCEL reaches the archive, and its FE00H comes back."""

    def answers(scp, wire, context, fields, data):
        if fields["field"] != dicom.C_FIND:
            return True
        for number in range(3):
            scp.respond(wire, context, fields, 0xFF00, dicom.identifier((0x00100020, f"P{number}")))
        got = wire.recv_message()
        scp.cancelled = got[1]
        scp.respond(wire, context, fields, 0xFE00)
        return True

    scp = bench.scp(answer=answers)
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["find"]})
    scu = g.scu()
    scu.associate(contexts=[(STUDY_FIND, [ILE])])
    scu.request(1, dicom.identifier((0x00080052, "STUDY")), field=dicom.C_FIND, priority=0, affected_class=STUDY_FIND,
                id=21)
    equal(scu.answer()["status"], 0xFF00, "first status")
    scu.send_message(1, field=dicom.C_CANCEL, answers=21)
    statuses = [scu.answer()["status"] for _ in range(3)]
    equal(statuses, [0xFF00, 0xFF00, 0xFE00], "statuses")
    equal((scp.cancelled["field"], scp.cancelled["answers"]), (dicom.C_CANCEL, 21), "what the archive had")
    scu.release()


@test
def statuses_pass_unchanged(bench):
    """Whatever the archive says, warnings and comments included."""
    statuses = [0xB000, 0xA700, 0xA900, 0xC123, 0x0111, 0x0122]

    def answers(scp, wire, context, fields, data):
        status = statuses[len(scp.messages) - 1]
        scp.respond(wire, context, fields, status, comment=f"archive says {status:04X}")
        return True

    scp = bench.scp(answer=answers)
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate()
    for status in statuses:
        answer = scu.store()
        equal((answer["status"], answer.get("comment")), (status, f"archive says {status:04X}"), "answer")
    scu.release()


@test
def extended_negotiation(bench):
    """SOP class extended negotiation, common extended negotiation and user identity sub-items."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["find"]})
    uid = STUDY_FIND.encode()
    extended = dicom.item(0x56, len(uid).to_bytes(2, "big") + uid + b"\1\0\1")
    scu = g.scu()
    scu.associate(contexts=[(STUDY_FIND, [ILE])], more=extended)
    equal(scp.requests[0].user.get(0x56), extended[4:], "extended negotiation at the archive")
    scu.release()


@test
def mpps_by_hand(bench):
    """N-CREATE and N-SET with their instance UIDs, and N-GET refused where only MPPS's own class is allowed."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["mpps"]})
    scu = g.scu()
    scu.associate(contexts=[(MPPS, [ILE]), (CT, [ILE])])
    equal(scu.ac.results(), {1: 0, 3: 3}, "context results")
    scu.request(1, dicom.identifier((0x00400252, "IN PROGRESS")), field=dicom.N_CREATE, affected_class=MPPS,
                affected_instance="1.2.77")
    equal(scu.answer()["status"], 0, "status of N-CREATE")
    scu.request(1, dicom.identifier((0x00400252, "COMPLETED")), field=dicom.N_SET, requested_class=MPPS,
                requested_instance="1.2.77")
    equal(scu.answer()["status"], 0, "status of N-SET")
    equal([f.get("affected_instance") or f.get("requested_instance") for _, f, _ in scp.messages], ["1.2.77"] * 2,
          "instances at the archive")
    scu.release()
    until(lambda: scp.ends == ["released"], "a release at the archive")


@test
def pdvs_in_any_arrangement(bench):
    """A command and its data set in one PDU, and both in fragments of few bytes: what arrives is the same."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate()
    data = dicom.simple_object(size=500)

    def pdv(control, part):
        return (len(part) + 2).to_bytes(4, "big") + bytes([3, control]) + part

    def request(number):
        return dicom.command_bytes(field=dicom.C_STORE, id=number, priority=0, affected_class=CT, data=1,
                                   affected_instance=f"1.2.{number}")

    scu.send(dicom.pdu(dicom.DATA, pdv(3, request(1)) + pdv(0, data[:100]) + pdv(0, b"") + pdv(2, data[100:])))
    equal(scu.answer()["status"], 0, "status of all in one PDU")
    command = request(2)
    scu.send(b"".join(dicom.pdu(dicom.DATA, pdv(1, command[i: i + 2])) for i in range(0, len(command), 2)))
    scu.send(dicom.pdu(dicom.DATA, pdv(3, b"")))
    scu.send(b"".join(dicom.pdu(dicom.DATA, pdv(0, data[i: i + 2])) for i in range(0, len(data), 2)))
    scu.send(dicom.pdu(dicom.DATA, pdv(2, b"")))
    equal(scu.answer()["status"], 0, "status of small fragments")
    equal({uid: got for uid, (_, got) in scp.stored().items()}, {"1.2.1": data, "1.2.2": data}, "what arrived")
    scu.release()


@test
def n_services_by_class(bench):
    """Any other DIMSE-N service by its SOP class: UPS push, with N-ACTION, N-GET and N-DELETE passing unchanged."""
    ups = "1.2.840.10008.5.1.4.34.6.1"
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["n-services"], "sop-classes": [ups]})
    scu = g.scu()
    scu.associate(contexts=[(ups, [ILE])])
    for field, more in ((dicom.N_ACTION, {"action": 1}), (dicom.N_GET, {}), (dicom.N_DELETE, {})):
        scu.request(1, field=field, requested_class=ups, requested_instance="1.2.3", **more)
        equal(scu.answer()["status"], 0, f"status of {field:04X}H")
    equal([f["field"] for _, f, _ in scp.messages], [dicom.N_ACTION, dicom.N_GET, dicom.N_DELETE], "what arrived")
    scu.release()
