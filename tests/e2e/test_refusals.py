# SPDX-License-Identifier: Apache-2.0
"""Each refusal: provoked, its answer and its log line checked, explained, and lifted by the lines that `explain` gives."""
import json
import re
import socket
import ssl
import threading
import time

from lib import dicom, peers, yaml
from lib.dicom import CT, ELE, ILE, MR, STUDY_FIND, STUDY_MOVE, VERIFICATION, Rejected
from lib.site import check, equal, test, to_yaml, until


def rejected(g, why, port=None, **options):
    """An association that must be rejected like that."""
    tls = options.pop("tls", None)
    source = options.pop("source", None)
    scu = g.bench.scu(port or (g.tls if tls else g.plain), tls=tls, source=source)
    try:
        scu.associate(**options)
    except Rejected as answer:
        equal(answer.why, why, "A-ASSOCIATE-RJ")
    else:
        raise AssertionError("the association was accepted")
    finally:
        scu.close()


def accepted(g, port=None, **options):
    tls = options.pop("tls", None)
    source = options.pop("source", None)
    scu = g.bench.scu(port or (g.tls if tls else g.plain), tls=tls, source=source)
    scu.associate(**options)
    scu.release()


def comment_of(answer, line):
    """The Error Comment of a refusal carries its number and is within the standard's bounds."""
    comment = answer.get("comment", "")
    check(re.search(rf"\b{line['number']}\b", comment), "the Error Comment lacks the number:", comment, line)
    check(len(comment) <= 64 and all(0x20 <= ord(c) < 0x7F for c in comment), "Error Comment:", repr(comment))


def explained(g, line, passes):
    """`explain` prints it; with the lines that it gives the same thing passes."""
    text = g.cli("explain", str(line["number"]))
    for word in (line["rule"], line.get("calling", ""), line["message"][:40]):
        check(word in text, "explain does not say", word, "but", text)
    answer = json.loads(g.cli("explain", "--json", str(line["number"])))
    check(answer["suggestion"].strip(), "explain gives no lines:", text)
    config = yaml.overlay(g.config, yaml.load(answer["suggestion"]))
    g.write(to_yaml(config))
    check_config(g)
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    passes()


def check_config(g):
    ran = g.bench.run(g.bench.program, "check", g.yaml)
    equal(ran.code, 0, f"gantry check of the file with explain's lines ({ran.text[-1500:]})")


@test
def refuse_unknown_calling(bench):
    g = bench.gateway()
    rejected(g, (1, 1, 3), calling="CT9")
    line = g.decision("caller-unknown", calling="CT9", decision="refuse")
    equal(line["from"], "127.0.0.1", "address")
    explained(g, line, lambda: accepted(g, calling="CT9"))


@test
def refuse_near_miss(bench):
    """The likely title is named; case counts."""
    g = bench.gateway()
    rejected(g, (1, 1, 3), calling="ct1")
    check("CT1" in g.decision("caller-unknown", calling="ct1")["message"], "the likely title is not named")
    rejected(g, (1, 1, 7), called="ARCHIV")
    check("ARCHIVE" in g.decision("called-unknown", called="ARCHIV")["message"], "the likely title is not named")


@test
def refuse_wrong_address(bench):
    g = bench.gateway(node={"from": ["127.0.0.3"]})
    rejected(g, (1, 1, 3))
    line = g.decision("caller-address", calling="CT1")
    accepted(g, source="127.0.0.3")
    explained(g, line, lambda: accepted(g))


@test
def refuse_empty_from(bench):
    """An empty list admits no one."""
    g = bench.gateway(node={"from": []})
    rejected(g, (1, 1, 3))
    g.decision("caller-address", calling="CT1")


@test
def refuse_wrong_certificate(bench):
    g = bench.gateway()
    rejected(g, (1, 1, 3), tls=bench.keys.client("workstation"), calling="CT_TLS")
    line = g.decision("caller-certificate", calling="CT_TLS")
    accepted(g, tls=bench.keys.client("scanner"), calling="CT_TLS")
    explained(g, line, lambda: accepted(g, tls=bench.keys.client("workstation"), calling="CT_TLS"))


@test
def refuse_wrong_pin(bench):
    """With a name and a pin both must match."""
    g = bench.gateway(tls_node={"certificate": {"san": ["scanner"], "spki": ["sha256:" + bench.keys.spki("scanner")]}})
    accepted(g, tls=bench.keys.client("scanner"), calling="CT_TLS")
    rejected(g, (1, 1, 3), tls=bench.keys.client("scanner-rsa"), calling="CT_TLS")
    g.decision("caller-certificate", calling="CT_TLS")


@test
def refuse_foreign_certificate(bench):
    """No certificate, or another authority's: the handshake fails, and the log says so."""
    g = bench.gateway()
    for name in (None, "stranger"):
        mark = g.mark()
        try:
            accepted(g, tls=bench.keys.client(name), calling="CT_TLS")
        except (ssl.SSLError, dicom.Closed, ConnectionError, OSError):
            pass
        else:
            raise AssertionError(f"a handshake with certificate {name} went through")
        line = g.decision("tls", mark)
        check("certificate" in line["message"], "the sentence:", line)
        check(line["message"][:40] in g.cli("explain", str(line["number"])), "explain")
    recent = json.loads(g.cli("status", "--json"))["refusals"]["recent"]
    equal([r["rule"] for r in recent], ["tls", "tls"], "recent refusals")
    accepted(g, tls=bench.keys.client("scanner"), calling="CT_TLS")


@test
def refuse_plain_for_tls(bench):
    g = bench.gateway()
    rejected(g, (1, 1, 3), calling="CT_TLS")
    g.decision("caller-transport", calling="CT_TLS", transport="plain")
    rejected(g, (1, 1, 3), tls=bench.keys.client("scanner"), calling="CT1")
    g.decision("caller-transport", calling="CT1", transport="tls")
    explained(g, g.decision("caller-transport", calling="CT_TLS"), lambda: accepted(g, calling="CT_TLS"))


@test
def tls_versions(bench):
    g = bench.gateway()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        accepted(g, tls=bench.keys.client("scanner", version), calling="CT_TLS")
        g.wait_log(event="association.accepted", tls={"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name])


@test
def refuse_unknown_called(bench):
    g = bench.gateway()
    rejected(g, (1, 1, 7), called="PACS9")
    line = g.decision("called-unknown", called="PACS9")
    explained(g, line, lambda: accepted(g, called="PACS9"))


@test
def refuse_without_flow(bench):
    scp = bench.scp()
    g = bench.gateway(nodes={"peer": {"ae": ["PEER"], "address": [f"127.0.0.1:{scp.port}"], "transport": "plain"}})
    rejected(g, (1, 1, 7), called="PEER")
    line = g.decision("no-flow", called="PEER", node="ct1", target="peer")
    equal(scp.peers, [], "connections to the target")
    explained(g, line, lambda: accepted(g, called="PEER"))


@test
def refuse_sop_class(bench):
    g = bench.gateway(flow={"sop-classes": ["Verification", "CTImageStorage"]})
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE]), (MR, [ILE])])
    equal(scu.ac.results(), {1: 0, 3: 3}, "context results")
    scu.release()
    line = g.decision("sop-class", sop_class=MR)

    def passes():
        again = g.scu()
        again.associate(contexts=[(MR, [ILE])])
        equal(again.ac.results(), {1: 0}, "context results")
        equal(again.store(1, "1.2.3", MR)["status"], 0, "status")
        again.release()

    explained(g, line, passes)


@test
def refuse_transfer_syntax(bench):
    g = bench.gateway(flow={"transfer-syntaxes": ["ExplicitVRLittleEndian"]})
    scu = g.scu()
    scu.associate(contexts=[(CT, [ILE]), (CT, [ILE, ELE])])
    equal(scu.ac.results(), {1: 4, 3: 0}, "context results")
    equal(scu.ac.contexts[3][2], [ELE], "transfer syntax of the second")
    scu.release()
    line = g.decision("transfer-syntax", sop_class=CT)

    def passes():
        again = g.scu()
        again.associate(contexts=[(CT, [ILE])])
        equal(again.ac.results(), {1: 0}, "context results")
        again.release()

    explained(g, line, passes)


@test
def refuse_service(bench):
    """A SOP class of a service that is not allowed, though the flow names the class."""
    scp = bench.scp()
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"},
                      flow={"services": ["store"], "sop-classes": ["Verification", "CTImageStorage"]})
    scu = g.scu()
    scu.associate()
    equal(scu.ac.results(), {1: 3, 3: 0}, "context results")
    equal(scu.store()["status"], 0, "status of C-STORE")
    scu.release()
    line = g.decision("sop-class", sop_class=VERIFICATION)

    def passes():
        again = g.scu()
        again.associate()
        equal(again.echo(), 0, "status of C-ECHO")
        again.release()

    explained(g, line, passes)


@test
def refuse_service_after_a_reload(bench):
    """A service that is taken away while the association lives: answered with the service's own failure."""
    g = bench.gateway()
    scu = g.scu()
    scu.associate()
    equal((scu.echo(), scu.store()["status"]), (0, 0), "statuses")
    before = dict(g.config)
    for services, refused, status in ((["store"], "echo", 0x0122), (["echo"], "store", 0x0124)):
        g.config = {**before, "flows": [{**before["flows"][0], "services": services}]}
        g.write()
        mark = g.reload()
        g.wait_log(mark, event="gateway.reloaded")

        def ask(refused=refused):
            if refused == "store":
                return scu.store(instance="1.2.9")
            scu.request(1, field=dicom.C_ECHO, affected_class=VERIFICATION)
            return scu.answer()

        answer = until(lambda: next((a for a in [ask()] if a["status"]), None), "a refusal")
        equal(answer["status"], status, f"status of {refused}")
        line = g.decision("service", mark, service=refused)
        comment_of(answer, line)
        explained(g, line, lambda: equal((scu.echo(), scu.store(instance="1.2.8")["status"]), (0, 0), "statuses"))
    scu.release()


@test
def refuse_destination(bench):
    scp = bench.scp(answer=lambda s, w, c, f, d: False)
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"},
                      flow={"services": ["move"], "destinations": ["ws"]},
                      nodes={"ws": {"ae": ["WS"], "address": ["127.0.0.1:104"]},
                             "usb": {"ae": ["USB"], "address": ["127.0.0.1:105"]}})
    scu = g.scu()
    scu.associate(contexts=[(STUDY_MOVE, [ILE])])
    keys = [(0x00080052, "STUDY"), (0x0020000D, "1.2.3")]
    equal(scu.move("WS", keys)["status"], 0, "status of the allowed one")
    answer = scu.move("USB", keys)
    check(answer["status"] in (0x0124, 0xA801), f"status {answer['status']:04X}H")
    line = g.decision("destination", destination="USB")
    comment_of(answer, line)
    answer = scu.move("NOWHERE", keys)
    check(answer["status"] in (0x0124, 0xA801), f"status {answer['status']:04X}H")
    equal([f["destination"] for _, f, _ in scp.messages], ["WS"], "destinations that reached the target")

    def passes():
        equal(scu.move("USB", keys)["status"], 0, "status after the reload, on the same association")
        scu.release()

    explained(g, line, passes)


@test
def refuse_object_size(bench):
    g = bench.gateway(flow={"limits": {"object-size": {"most": 100000, "over": "refuse"}}})
    scu = g.scu()
    scu.associate()
    answer = scu.store(instance="1.2.5", data=dicom.simple_object(instance="1.2.5", size=300000))
    check(answer["status"] not in (0, 0xB000), "status", answer["status"])
    line = g.decision("object-size")
    comment_of(answer, line)
    equal(scu.store(instance="1.2.6")["status"], 0, "status of a small one after it, on the same association")
    equal(sorted(g.stored()), ["1.2.6"], "objects")
    scu.release()

    def passes():
        again = g.scu()
        again.associate()
        data = dicom.simple_object(instance="1.2.5", size=300000)
        equal(again.store(instance="1.2.5", data=data)["status"], 0, "status")
        again.release()

    explained(g, line, passes)


@test
def refuse_object_size_never_false(bench):
    """The target that had begun to receive a too large object keeps nothing of it and its success is not passed on."""
    scp = bench.scp()
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"},
                      flow={"limits": {"object-size": {"most": 100000, "over": "refuse"}}})
    scu = g.scu()
    scu.associate()
    check(scu.store(instance="1.2.5", data=dicom.simple_object(instance="1.2.5", size=300000))["status"] != 0, "success")
    equal(scu.store(instance="1.2.6")["status"], 0, "status of a small one after it")
    scu.release()
    equal(sorted(scp.stored()), ["1.2.6"], "objects at the target")


@test
def alarm_is_the_default(bench):
    """A limit without `over: refuse` lets pass and says so."""
    g = bench.gateway(flow={"limits": {"object-size": {"most": 100000}, "objects-per-hour": {"most": 1}},
                            "until": "2020-01-01"})
    scu = g.scu()
    scu.associate()
    equal(scu.store(instance="1.2.5", data=dicom.simple_object(instance="1.2.5", size=300000))["status"], 0, "status")
    equal(scu.store(instance="1.2.6")["status"], 0, "status")
    scu.release()
    for rule in ("object-size", "object-rate", "until"):
        equal(g.decision(rule)["decision"], "alarm", f"decision of {rule}")


@test
def refuse_object_rate(bench):
    g = bench.gateway(flow={"limits": {"objects-per-hour": {"most": 2, "over": "refuse"}}})
    scu = g.scu()
    scu.associate()
    for instance in ("1.2.1", "1.2.2"):
        equal(scu.store(instance=instance)["status"], 0, "status")
    answer = scu.store(instance="1.2.3")
    check(answer["status"] != 0, "the third object passed")
    line = g.decision("object-rate")
    comment_of(answer, line)
    explained(g, line, lambda: equal(scu.store(instance="1.2.3")["status"], 0, "status"))


@test
def refuse_byte_rate(bench):
    g = bench.gateway(flow={"limits": {"bytes-per-hour": {"most": 1000, "over": "refuse"}}})
    scu = g.scu()
    scu.associate()
    equal(scu.store(instance="1.2.1", data=dicom.simple_object(instance="1.2.1", size=900))["status"], 0, "status")
    answer = until(lambda: next((a for a in [scu.store(instance="1.2.2", data=dicom.simple_object(
        instance="1.2.2", size=900))] if a["status"]), None), "a refusal")
    line = g.decision("byte-rate")
    comment_of(answer, line)
    explained(g, line, lambda: equal(scu.store(instance="1.2.3")["status"], 0, "status"))


@test
def refuse_association_limits(bench):
    g = bench.gateway(flow={"limits": {"associations": {"at-once": 2, "over": "refuse"}}})
    held = [g.scu(), g.scu()]
    for scu in held:
        scu.associate()
    rejected(g, (2, 3, 2))
    line = g.decision("associations")
    held[0].release()
    until(lambda: len(g.find(event="association.ended")) >= 1, "the end of an association")
    accepted(g)
    held[0] = g.scu()
    held[0].associate()
    explained(g, line, lambda: accepted(g))


@test
def one_after_the_other(bench):
    """A scanner that opens the next association as soon as the last is released has one at once, not two."""
    g = bench.gateway(flow={"limits": {"associations": {"at-once": 1, "over": "refuse"}}})
    for number in range(60):
        scu = g.scu()
        scu.associate()
        if number % 2:
            equal(scu.echo(), 0, "status")
        scu.release()
    equal(g.find(event="decision", rule="associations"), [], "refusals")


@test
def refuse_association_rate(bench):
    g = bench.gateway(flow={"limits": {"associations": {"per-minute": 3, "over": "refuse"}}})
    for _ in range(3):
        accepted(g)
    rejected(g, (2, 3, 1))
    explained(g, g.decision("association-rate"), lambda: accepted(g))


@test
def refuse_hours(bench):
    """A window that has passed today or is to come."""
    now = time.localtime()
    hour = (now.tm_hour + 12) % 23
    g = bench.gateway(flow={"hours": [f"mon-sun {hour:02}:00-{hour + 1:02}:00"], "limits": {"hours": {"over": "refuse"}}})
    scu = g.scu()
    scu.associate()
    answer = scu.store()
    check(answer["status"] != 0, "it passed")
    line = g.decision("hours")
    comment_of(answer, line)
    explained(g, line, lambda: equal(scu.store()["status"], 0, "status"))


@test
def refuse_after_end(bench):
    g = bench.gateway(flow={"until": "2020-06-30", "limits": {"until": {"over": "refuse"}}})
    scu = g.scu()
    scu.associate()
    answer = scu.store()
    check(answer["status"] != 0, "it passed")
    line = g.decision("until")
    comment_of(answer, line)
    explained(g, line, lambda: equal(scu.store()["status"], 0, "status"))


def archive_of(matches, waits_for_cancel=False):
    """A fake archive that answers any C-FIND with that many matches, or with all but the end until it is told to cancel."""

    def answer(scp, wire, context, fields, data):
        if fields["field"] != dicom.C_FIND:
            return False
        for number in range(matches):
            scp.respond(wire, context, fields, 0xFF00, dicom.identifier((0x00100020, f"P{number}")))
        if waits_for_cancel and not scp.cancelled:
            _, cancel, _ = wire.recv_message()
            scp.cancelled = (cancel["field"], cancel["answers"]) == (dicom.C_CANCEL, fields["id"])
            scp.respond(wire, context, fields, 0xFE00)
        else:
            scp.respond(wire, context, fields, 0)
        return True

    return answer


@test
def refuse_query_keys(bench):
    scp = bench.scp(answer=archive_of(1))
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"},
                      flow={"services": ["find"], "query": {"require-any": ["PatientID", "AccessionNumber"]}})
    scu = g.scu()
    scu.associate(contexts=[(STUDY_FIND, [ILE])])
    level = (0x00080052, "STUDY")
    for keys in ([], [(0x00100020, "")], [(0x00100020, "*")], [(0x00100020, "??")], [(0x00100010, "A^B")]):
        (answer, data), = scu.find([level, *keys])
        equal(answer["status"], 0xC000, f"status of {keys}")
        comment_of(answer, g.wait_log(event="decision", rule="query-keys"))
    line = g.decision("query-keys")
    equal(len(scp.messages), 0, "queries that reached the archive")
    answers = scu.find([level, (0x00100020, "P1*")])
    equal([a["status"] for a, _ in answers], [0xFF00, 0], "statuses of a good one")
    explained(g, line, lambda: equal(len(scu.find([level])), 2, "answers"))


@test
def refuse_query_matches(bench):
    """More matches than allowed: a failure at the end, never a success; and the archive is told to cancel."""
    scp = bench.scp(answer=archive_of(40, waits_for_cancel=True))
    scp.cancelled = False
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"},
                      flow={"services": ["find"], "query": {"matches": 10}})
    scu = g.scu()
    scu.associate(contexts=[(STUDY_FIND, [ILE])])
    answers = scu.find([(0x00080052, "STUDY"), (0x00100020, "P*")])
    last = answers[-1][0]
    check(len(answers) <= 11, "answers that passed:", len(answers))
    equal(last["status"], 0xC000, "last status")
    line = g.decision("query-matches")
    comment_of(last, line)
    until(lambda: scp.cancelled, "a C-CANCEL at the archive")

    def passes():
        again = g.scu()
        again.associate(contexts=[(STUDY_FIND, [ILE])])
        check(len(again.find([(0x00080052, "STUDY"), (0x00100020, "P*")])) > 11, "answers")
        again.release()

    equal(scu.find([(0x00080052, "STUDY"), (0x00100020, "")])[-1][0]["status"], 0xC000, "status of the next query")
    explained(g, line, passes)


@test
def refuse_query_matches_after_a_reload(bench):
    """A reload in the midst of the answers takes no limit from them."""
    go = threading.Event()

    def answer(scp, wire, context, fields, data):
        for number in range(20):
            scp.respond(wire, context, fields, status=0xFF00, data=dicom.identifier((0x00100020, f"P{number}")))
            if number == 1:
                go.wait(20)
        scp.respond(wire, context, fields)
        return True

    scp = bench.scp(answer=answer)
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"},
                      flow={"services": ["find"], "query": {"matches": 10}})
    with g.scu() as scu:
        scu.associate(contexts=[(STUDY_FIND, [ILE])])
        scu.request(1, dicom.identifier((0x00080052, "STUDY"), (0x00100020, "P*")), field=dicom.C_FIND, priority=0,
                    affected_class=STUDY_FIND)
        equal([scu.answer()["status"] for _ in range(2)], [0xFF00] * 2, "the first answers")
        mark = g.reload()
        g.wait_log(mark, event="gateway.reloaded")
        go.set()
        statuses = [scu.answer()["status"] for _ in range(9)]
        equal(statuses, [0xFF00] * 8 + [0xC000], "those after it")


@test
def refuse_with_the_flows_status(bench):
    g = bench.gateway(flow={"refusal-status": "0xA700", "limits": {"object-size": {"most": 1000, "over": "refuse"}}})
    scu = g.scu()
    scu.associate()
    answer = scu.store(data=dicom.simple_object(size=5000))
    equal(answer["status"], 0xA700, "status")
    comment_of(answer, g.decision("object-size"))
    scu.release()


@test
def refuse_application_context_and_version(bench):
    g = bench.gateway()
    rejected(g, (1, 1, 2), application="1.2.3.4")
    g.decision("application-context")
    rejected(g, (1, 2, 2), protocol=2)
    g.decision("protocol-version")


@test
def repeated_refusals_are_counted(bench):
    """The same again has the same number; it is logged once, with a count later."""
    g = bench.gateway()
    for _ in range(5):
        rejected(g, (1, 1, 3), calling="CT9")
    rejected(g, (1, 1, 3), calling="CT8")
    g.decision("caller-unknown", calling="CT8")
    lines = g.find(event="decision", rule="caller-unknown", calling="CT9")
    equal(len(lines), 1, "lines")
    equal(g.stop(), 0, "exit status")
    g.wait_log(event="decision.repeated", number=lines[0]["number"], count=5)
    check("5 times" in g.cli("explain", str(lines[0]["number"])), "explain does not say the count")


@test
def observe_and_learn(bench):
    """Observe mode lets pass and records; what `learn` writes of it makes the same pass in enforce mode."""
    g = bench.gateway(mode="observe", flow={"services": ["echo"]})
    accepted(g, calling="CT9")
    scu = g.scu()
    scu.associate(calling="CT9", contexts=[(CT, [ILE])])
    equal(scu.store(1)["status"], 0, "status")
    scu.release()
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.MR_SMALL, wants=0)
    equal(len(g.stored()), 2, "objects")
    lines = g.find(event="decision", decision="observe")
    check(lines and not g.find(event="decision", decision="refuse"), "decisions:", lines)
    rejected(g, (1, 1, 7), called="PACS9")  # bound for nowhere
    text = g.cli("learn", g.log_path)
    config = yaml.overlay(g.config, yaml.load(text))
    config["mode"] = "enforce"
    g.write(to_yaml(config))
    check_config(g)
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded", mode="enforce")
    scu = g.scu()
    scu.associate(calling="CT9", contexts=[(CT, [ILE])])
    equal(scu.store(1, "1.2.99")["status"], 0, f"status with what learn wrote:\n{text}")
    scu.release()
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL)
    rejected(g, (1, 1, 3), calling="CT7")


@test
def observe_a_node_or_a_flow(bench):
    g = bench.gateway(flow={"services": ["echo"], "mode": "observe"}, node={"from": ["127.0.0.1"]})
    scu = g.scu()
    scu.associate()
    equal(scu.store()["status"], 0, "status")
    scu.release()
    equal(g.wait_log(event="decision", decision="observe")["flow"], "images", "flow")
    rejected(g, (1, 1, 3), calling="CT9")


@test
def text_log(bench):
    """The other format: one line a decision."""
    g = bench.gateway(log={"file": "text.log", "format": "text"})
    rejected(g, (1, 1, 3), calling="CT9")
    path = f"{g.folder}/text.log"
    until(lambda: re.search(r"decision .*rule=caller-unknown .*calling=CT9", open(path, encoding="utf-8").read()),
          "the line")


@test
def plain_text_to_the_tls_port(bench):
    """DICOM or rubbish where TLS is spoken: closed, said, and nothing else suffers."""
    g = bench.gateway()
    for data in (dicom.associate_rq("CT_TLS", "ARCHIVE", [(CT, [ILE])]), b"GET / HTTP/1.0\r\n\r\n"):
        mark = g.mark()
        with socket.create_connection(("127.0.0.1", g.tls), timeout=20) as sock:
            sock.sendall(data)
            while sock.recv(4096):
                pass
        g.decision("tls", mark)
    accepted(g, tls=bench.keys.client("scanner"), calling="CT_TLS")


@test
def refuse_a_command_of_another_service(bench):
    """C-FIND on a context of storage: answered, its identifier drained, and the association lives on."""
    scp = bench.scp()
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"})
    scu = g.scu()
    scu.associate()
    (answer, _), = scu.find([(0x00100020, "P" * 40000)], context=3, sop_class=CT)
    check(answer["status"] not in (0, 0xFF00), "status", answer["status"])
    comment_of(answer, g.wait_log(event="decision", decision="refuse"))
    equal(scu.store()["status"], 0, "status of a C-STORE after it")
    scu.release()
    equal([f["field"] for _, f, _ in scp.messages], [dicom.C_STORE], "what reached the target")


@test
def numbers_go_on(bench):
    """The ledger outlives the gateway: old refusals are explained, and new ones have new numbers."""
    g = bench.gateway()
    rejected(g, (1, 1, 3), calling="CT9")
    first = g.decision("caller-unknown", calling="CT9")["number"]
    g.stop()
    g.start()
    mark = g.mark()
    rejected(g, (1, 1, 3), calling="CT8")
    second = g.decision("caller-unknown", mark, calling="CT8")["number"]
    check(second > first, f"number {second} after {first}")
    check("CT9" in g.cli("explain", str(first)) and "CT8" in g.cli("explain", str(second)), "explain")


@test
def learn_reads_either_format(bench):
    """What `learn` writes of a log does not depend on the log's format."""
    wrote = []
    for form in ("text", "json"):
        g = bench.gateway(mode="observe", log={"file": "seen.log", "format": form}, flow={"services": ["echo"]})
        for calling in ("CT8", "CT9"):
            scu = g.scu()
            scu.associate(calling=calling, contexts=[(CT, [ILE]), (MR, [ELE])])
            equal((scu.store(1)["status"], scu.store(3, "1.2.5", MR)["status"]), (0, 0), "statuses")
            scu.release()
        g.stop()
        wrote.append(yaml.load(g.cli("learn", f"{g.folder}/seen.log")))
    check(wrote[0] and wrote[0] == wrote[1], "what was learnt:", wrote)


@test
def tls_to_the_plain_port(bench):
    """The device calls the wrong port: said in those words. Towards an archive that speaks plain, too."""
    g = bench.gateway()
    try:
        accepted(g, port=g.plain, tls=bench.keys.client("scanner"), calling="CT_TLS")
    except (ssl.SSLError, dicom.Closed, ConnectionError, OSError):
        pass
    else:
        raise AssertionError("a handshake on the plain port went through")
    check("the bytes are TLS" in g.decision("malformed")["message"], "the sentence", g.lines())
    g.stop()
    scp = bench.scp()
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "tls"}, timeouts={"negotiate": 2})
    rejected(g, (2, 3, 1))
    line = g.decision("upstream-tls")
    check("transport: plain" in line["message"], "the sentence:", line)


@test
def another_cause_has_another_number(bench):
    """What was refused for the archive's sake is not hidden under the number of an earlier fault."""
    g = bench.gateway(archive={"address": ["127.0.0.1:1"]})
    rejected(g, (2, 3, 1))
    first = g.decision("upstream-down")
    rejected(g, (2, 3, 1))
    g.config["nodes"]["archive"]["address"] = ["127.0.0.2:1"]
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    mark = g.mark()
    rejected(g, (2, 3, 1))
    second = g.decision("upstream-down", mark)
    check(second["number"] != first["number"], "the same number:", first, second)
    check("127.0.0.2" in second["message"], "the sentence:", second)
    check("127.0.0.1:1" in g.cli("explain", str(first["number"])), "explain of the first")


@test
def many_contexts_are_one_matter(bench):
    """A device proposes a class once for each transfer syntax, and many classes: one record a class, told together."""
    g = bench.gateway(flow={"sop-classes": ["Verification", "CTImageStorage"]})
    classes = [f"1.2.840.10008.5.1.4.1.1.{n}" for n in (1, 1.1, 4, 6.1, 7, 12.1, 20)]
    mark = g.mark()
    accepted(g, contexts=[(CT, [ILE])] + [(c, [s]) for c in classes for s in (ILE, ELE)])
    g.wait_log(mark, event="association.ended")
    lines = g.find(mark, event="decision", rule="sop-class")
    equal(sorted(x["sop_class"] for x in lines), sorted(classes), "SOP classes recorded")
    equal({x["level"] for x in lines}, {"notice"}, "levels: one context was accepted")
    recent = json.loads(g.cli("status", "--json"))["refusals"]["recent"]
    equal([(r["rule"], r["alike"]) for r in recent], [("sop-class", len(classes) - 1)], "recent refusals")
    check(f"and {len(classes) - 1} like it" in g.cli("status"), "status", g.cli("status"))
    mark = g.mark()
    accepted(g, contexts=[("1.2.840.10008.5.1.4.1.1.128", [ILE])])
    equal(g.wait_log(mark, event="association.accepted")["level"], "warning", "level where no context is left")
    equal(g.find(mark, event="decision", rule="sop-class")[0]["level"], "warning", "level where no context is left")


@test
def explain_agrees_with_its_sentence(bench):
    """Wrong case: tolerate. TLS where the entry says plain: the entry is changed. The lines do what the sentence says."""
    g = bench.gateway()
    rejected(g, (1, 1, 3), calling="ct1")
    line = g.decision("caller-unknown")
    check("tolerate: [ ae-case ]" in g.cli("explain", str(line["number"])), "explain", g.cli("explain", str(line["number"])))
    explained(g, line, lambda: accepted(g, calling="ct1"))
    g.stop()
    g = bench.gateway()
    rejected(g, (1, 1, 3), tls=bench.keys.client("scanner"), calling="CT1")
    line = g.decision("caller-transport")
    text = g.cli("explain", str(line["number"]))
    check("transport: tls" in text and "rather set the device to TLS" not in text, "explain", text)
    explained(g, line, lambda: accepted(g, tls=bench.keys.client("scanner"), calling="CT1"))


@test
def explain_while_the_file_has_a_mistake(bench):
    """That is when it is asked for: the refusal is shown, the lines are left out."""
    g = bench.gateway()
    rejected(g, (1, 1, 3), calling="CT9")
    number = str(g.decision("caller-unknown")["number"])
    g.write(to_yaml(g.config).replace("transport:", "transprot:"))
    text = g.cli("explain", number)
    check("CT9" in text and "no mistakes" in text, "explain:", text)
    equal(json.loads(g.cli("explain", "--json", number))["calling"], "CT9", "explain --json")


@test
def observe_records_every_limit(bench):
    """A limit that is broken does not hide the next one: whoever mends one would meet the other when it is enforced."""
    refuse = {"over": "refuse"}
    g = bench.gateway(mode="observe", flow={"until": "2020-01-01", "hours": ["daily 03:00-03:01", "daily 04:00-04:01"], "limits": {
        "until": refuse, "hours": refuse, "object-size": {"most": 100, **refuse}, "objects-per-hour": {"most": 1, **refuse},
        "bytes-per-hour": {"most": 100, **refuse}}})
    scu = g.scu()
    scu.associate()
    for n in range(3):
        equal(scu.store(instance=f"1.2.{n}", data=dicom.simple_object(instance=f"1.2.{n}", size=5000))["status"], 0, "status")
    scu.release()
    g.wait_log(event="association.ended")
    rules = {line["rule"] for line in g.find(event="decision", decision="observe")}
    missing = {"until", "hours", "object-size", "object-rate", "byte-rate"} - rules
    equal(missing, set(), f"limits that were not recorded (there is {rules})")


@test
def learn_options(bench):
    """--whole takes no configuration, and says so; --transfer-syntaxes writes them."""
    g = bench.gateway(mode="observe")
    accepted(g, calling="MR9", contexts=[(MR, [ELE])])
    scu = g.scu()
    scu.associate(calling="MR9", contexts=[(MR, [ELE])])
    equal(scu.store(1, "1.2.3", MR)["status"], 0, "status")
    scu.release()
    g.wait_log(event="decision", decision="observe", service="store")
    text = bench.run(bench.program, "learn", "--whole", "--transfer-syntaxes", g.log_path, wants=0).text
    check("ExplicitVRLittleEndian" in text and "MR9" in text and "archive" in text, "learn:", text)
    ran = bench.run(bench.program, "learn", "--whole", "-c", g.yaml, g.log_path)
    equal(ran.code, 2, "exit code of --whole with -c")
    check("leave out -c" in ran.text, "learn:", ran.text)


@test
def limits_of_every_flow(bench):
    """Two flows join the same nodes: an association counts in both, and the second one's limit holds too."""
    g = bench.gateway(flows=[{"name": "queries", "from": ["ct1"], "to": "archive", "services": ["echo"],
                              "limits": {"associations": {"at-once": 1, "over": "refuse"}}}])
    scu = g.scu()
    scu.associate()
    rejected(g, (2, 3, 2))
    equal(g.decision("associations")["flow"], "queries", "the flow")
    until(lambda: {f["name"]: f["at_once"] for f in json.loads(g.cli("status", "--json"))["flows"]} == {"images": 1, "queries": 1},
          "one association at once in both flows")
    scu.release()
    accepted(g)
