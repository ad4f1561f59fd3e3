# SPDX-License-Identifier: Apache-2.0
"""Peers that keep the grammar and break the rules: wrong answers, wrong turns, wrong roles."""
import os
import struct
import threading

from lib import dicom
from lib.dicom import CT, ILE, RSP, STUDY_FIND, STUDY_GET, VERIFICATION, Aborted, Closed
from lib.site import check, equal, test, until

QUICK = {"artim": 2, "negotiate": 2, "connect": 2, "idle": 3, "message": 2, "response": 3}
DEFLATED = "1.2.840.10008.1.2.1.99"


def plain_archive(port, **more):
    return {"address": [f"127.0.0.1:{port}"], "transport": "plain", **more}


def no_success(scu, **options):
    try:
        answer = scu.store(**options)
    except (Aborted, Closed):
        return
    check(answer["status"] != 0, "a false success:", answer)


@test
def upstream_answers_what_was_not_asked(bench):
    """A response to another message, of another kind, or with a request of its own in it: never the scanner's success."""
    store = {"field": dicom.C_STORE | RSP, "status": 0, "affected_class": CT, "affected_instance": "1.2.3.4"}
    for name, fields in (("another message", {**store, "answers": 999}),
                         ("another kind", {"field": dicom.C_ECHO | RSP, "status": 0, "answers": 1,
                                           "affected_class": VERIFICATION}),
                         ("a response that has no status", {"field": dicom.C_STORE | RSP, "answers": 1}),
                         ("an unknown command", {"field": 0x8FFF, "answers": 1, "status": 0})):
        def answer(scp, wire, context, fields_in, data, fields=fields):
            wire.send_message(context, **fields)
            return True

        scp = bench.scp(answer=answer)
        g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
        scu = g.scu()
        scu.associate()
        try:
            no_success(scu)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
        scu.close()
        g.stop()


@test
def upstream_answers_too_early(bench):
    """Success before the object is whole is not success: the archive cannot have it."""
    early = threading.Event()

    def before(scp, wire):
        rq = dicom.Associate(wire.expect(dicom.RQ))
        body = struct.pack(">HH", 1, 0) + dicom.title(rq.called) + dicom.title(rq.calling) + bytes(32)
        body += dicom.item(0x10, dicom.APPLICATION.encode())
        for number in rq.contexts:
            body += dicom.item(0x21, bytes([number, 0, 0, 0]) + dicom.item(0x40, ILE.encode()))
        wire.send(dicom.pdu(dicom.AC, body + dicom.user_items()))
        wire.recv_pdu()
        wire.send_message(3, field=dicom.C_STORE | RSP, answers=1, status=0, affected_class=CT, affected_instance="1.2.3.4")
        early.set()
        wire.recv_pdu()
        wire.close()
        return True

    scp = bench.scp(before=before)
    g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
    scu = g.scu()
    scu.associate()
    data = dicom.simple_object(size=600000)
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, data=1,
                                         affected_instance="1.2.3.4"), True)
    scu.send_pdvs(3, data[:1000], False, last=False)
    check(early.wait(15), "the archive had no request")
    try:
        scu.send_pdvs(3, data[1000:], False)
        check(scu.answer()["status"] != 0, "a false success")
    except (Aborted, Closed, OSError):
        pass


@test
def upstream_answers_twice(bench):
    """One request has one final response: a second is not the next request's."""
    def answer(scp, wire, context, fields, data):
        scp.respond(wire, context, fields)
        if len(scp.messages) == 1:
            scp.respond(wire, context, fields)
            return True
        scp.respond(wire, context, fields, 0xA700)
        return True

    scp = bench.scp(answer=answer)
    g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
    scu = g.scu()
    scu.associate()
    equal(scu.store(instance="1.2.1")["status"], 0, "status of the first")
    try:
        answer = scu.store(instance="1.2.2")
        check(answer["answers"] == 2, "the second had the first's answer:", answer)
    except (Aborted, Closed):
        pass


@test
def upstream_turns_the_roles(bench):
    """Without role selection the archive may not send requests: none reaches the scanner."""
    def answer(scp, wire, context, fields, data):
        wire.send_message(3, dicom.simple_object(), field=dicom.C_STORE, id=77, priority=0, affected_class=CT,
                          affected_instance="1.2.9")
        scp.respond(wire, context, fields)
        return True

    scp = bench.scp(answer=answer)
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["echo", "store", "get"]}, timeouts=QUICK)
    scu = g.scu()
    scu.associate(contexts=[(VERIFICATION, [ILE]), (CT, [ILE]), (STUDY_GET, [ILE])])
    scu.request(1, field=dicom.C_ECHO, affected_class=VERIFICATION)
    try:
        got = scu.recv_message()
        check(got[1]["field"] & RSP, "a request of the archive's came:", got[1])
    except (Aborted, Closed):
        pass


@test
def caller_answers_unasked(bench):
    """A response to nothing: an abort, and nothing of it at the archive."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
    scu = g.scu()
    scu.associate()
    scu.send_message(3, field=dicom.C_STORE | RSP, answers=5, status=0, affected_class=CT, affected_instance="1.2.3")
    try:
        scu.recv_message()
        raise AssertionError("a message came")
    except Aborted as error:
        equal(error.why[0], 2, "source of A-ABORT")
    equal(scp.messages, [], "messages at the archive")


@test
def caller_mixes_messages(bench):
    """The fragments of a message are not interleaved with another's (PS3.8 E.2 and PS3.7 6.3.1)."""
    for control in (1, 3):
        scp = bench.scp()
        g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
        scu = g.scu()
        scu.associate()
        scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, data=1,
                                             affected_instance="1.2.3"), True)
        scu.send_pdvs(3, bytes(100), False, last=False)
        command = dicom.command_bytes(field=dicom.C_ECHO, id=2, affected_class=VERIFICATION)
        scu.send(dicom.pdu(dicom.DATA, struct.pack(">LBB", len(command) + 2, 1, control) + command))
        try:
            scu.recv_message()
            raise AssertionError("a message came")
        except Aborted as error:
            equal(error.why[0], 2, "source of A-ABORT")
        equal(scp.messages, [], "messages at the archive")
        scu.close()
        g.stop()


@test
def caller_uses_a_number_twice(bench):
    """Two requests with one message ID at once: the second is no other's success."""
    held = []

    def answer(scp, wire, context, fields, data):
        held.append(fields)
        if len(held) == 2:
            for old in held:
                scp.respond(wire, context, old)
        return True

    scp = bench.scp(answer=answer, window=True)
    g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
    scu = g.scu()
    scu.associate(window=(4, 1))
    for instance in ("1.2.1", "1.2.2"):
        scu.request(3, dicom.simple_object(instance=instance), field=dicom.C_STORE, priority=0, affected_class=CT,
                    affected_instance=instance, id=7)
    try:
        answers = [scu.answer() for _ in range(2)]
        good = {a.get("affected_instance") for a in answers if a["status"] == 0}
        check(good <= set(scp.stored()), "answers", answers)
        check(any(a["status"] == 0x0210 for a in answers), "no duplicate invocation:", answers)
    except (Aborted, Closed):
        pass


@test
def caller_ignores_the_window(bench):
    """Requests before the answer to the last, though nothing was agreed: each has its own answer, or an abort ends all."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
    scu = g.scu()
    scu.associate()
    for number in range(1, 6):
        scu.request(3, dicom.simple_object(instance=f"1.2.{number}"), field=dicom.C_STORE, priority=0, affected_class=CT,
                    affected_instance=f"1.2.{number}", id=number)
    got = {}
    try:
        for _ in range(5):
            answer = scu.answer()
            got[answer["answers"]] = answer
    except (Aborted, Closed):
        pass
    for number, answer in got.items():
        check(answer["status"] != 0 or f"1.2.{number}" in scp.stored(), "a false success:", answer)
        equal(answer.get("affected_instance", f"1.2.{number}"), f"1.2.{number}", "instance")


@test
def fake_peer_that_fails(bench):
    """Of these tests themselves: what a fake peer raises fails its test, and a C-CANCEL, which may come late, is not answered."""
    def answer(scp, wire, context, fields, data):
        raise KeyError(f"asked about {fields['field']:04X}H")

    scp = bench.scp(answer=answer)
    with bench.scu(scp.port) as scu:
        scu.associate(contexts=[(VERIFICATION, [ILE])])
        scu.send_message(1, field=dicom.C_CANCEL, answers=1)
        try:
            scu.echo()
            raise AssertionError("an answer came")
        except Closed:
            pass
    failed = until(bench.failures, "word of it")
    equal([str(error) for error in failed], ["'asked about 0030H'"], "what has failed")
    scp.failures.clear()


@test
def cancel_of_nothing(bench):
    """A C-CANCEL that comes too late is no reason for anything (PS3.7 9.3.2.3)."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["find", "store"]})
    scu = g.scu()
    scu.associate(contexts=[(STUDY_FIND, [ILE]), (CT, [ILE])])
    equal(len(scu.find([(0x00080052, "STUDY")])), 1, "answers")
    scu.send_message(1, field=dicom.C_CANCEL, answers=1)
    equal(scu.store(3)["status"], 0, "status after it")
    scu.release()


@test
def query_that_cannot_be_read(bench):
    """A guard that cannot read the identifier does not let it pass: cut, deflated or not, malformed, or too large."""
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK,
                      flow={"services": ["find"], "query": {"require-any": ["PatientID"]}})
    good = dicom.identifier((0x00080052, "STUDY"), (0x00100020, "P1"))
    for name, syntax, data in (("deflated and cut", DEFLATED, b"\x4b\x04\x00"), ("cut", ILE, good[:-1]),
                               ("unordered", ILE, dicom.identifier((0x00100020, "P1"), (0x00080052, "STUDY"))),
                               ("over 64 KiB", ILE, good + dicom.element(0x4000, 0x4000, bytes(70000)))):
        scu = g.scu()
        scu.associate(contexts=[(STUDY_FIND, [syntax])])
        if scu.ac.results()[1] == 0:
            scu.request(1, data, field=dicom.C_FIND, priority=0, affected_class=STUDY_FIND)
            try:
                check(scu.answer()["status"] not in (0, 0xFF00, 0xFF01), f"{name}: a success")
            except (Aborted, Closed):
                pass
        scu.close()
    equal(scp.messages, [], "queries that reached the archive")


@test
def nothing_leaks(bench):
    """After hundreds of associations of every kind the processes hold what they held before."""
    g = bench.gateway()

    def round_of(n):
        for number in range(n):
            scu = g.scu(tls=number % 3 == 0)
            if number % 5 == 4:
                scu.close()
                continue
            try:
                scu.associate(calling=("CT_TLS" if number % 3 == 0 else "CT1") if number % 7 else "CT9")
            except dicom.Rejected:
                scu.close()
                continue
            if number % 2:
                scu.echo()
                scu.release()
            else:
                scu.abort()

    def held():
        """Descriptors and processes, once all associations are over."""
        roles = until(lambda: (lambda r: r if len(r) == 3 else None)(g.roles()), lambda: f"their end: {g.roles()}")
        return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in [*roles, g.process.pid]}

    round_of(30)
    before = held()
    round_of(200)
    until(lambda: held() == before, lambda: f"descriptors of the processes to be {before}, now {held()}")
