# SPDX-License-Identifier: Apache-2.0
"""What a flow has de-identified is known by other names: reports and answers that come later are put back from the book of names."""
import contextlib
import glob
import json
import os
import re
import secrets
import signal
import urllib.request

from lib import dicom, peers
from lib.site import check, equal, free_port, test, until
from test_deidentify_flow import COMMIT, COMMIT_INSTANCE, commits, finds, references
from test_hold import good, plain

RESULTS = {"name": "results", "from": ["archive"], "to": "ct1", "services": ["commit"]}
MANY = [f"1.2.840.99999.1.20261126.{i}" for i in range(10000)]


def gateway(bench, port, scanner, **top):
    key = bench.write("pseudonyms.key", "")
    with open(key, "wb") as file:
        file.write(secrets.token_bytes(32))
    os.chmod(key, 0o600)
    archive = {**plain(port), "from": ["127.0.0.1"]}
    return bench.gateway(archive=archive, node={"address": [f"127.0.0.1:{scanner}"]},
                         flow={"deidentify": "yes", "services": ["echo", "store", "commit", "find"]},
                         flows=[dict(RESULTS)], deidentify={"key": key, **top})


def report(g, data):
    """The archive's, on an association of its own."""
    scu = g.scu()
    scu.associate(calling="ARCHIVE", called="CT1", contexts=[(COMMIT, [dicom.ILE])], roles=[(COMMIT, 0, 1)])
    scu.request(1, data, field=dicom.N_EVENT_REPORT, affected_class=COMMIT, affected_instance=COMMIT_INSTANCE, event=1)
    status = scu.answer()["status"]
    scu.release()
    return status


def volumes(g):
    return sorted(glob.glob(os.path.join(g.folder, "state", "names", "names-*")))


def book(g):
    data = b""
    for path in volumes(g):
        with open(path, "rb") as file:
            data += file.read()
    return data


def keeper(g):
    """The process that has the book."""
    for pid in g.roles():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as file:  # it may have ended
            if file.read().strip() == "gantry: names":
                return pid
    return None


@test
def names_in_a_later_report(bench):
    """Stored, asked for, the gateway restarted: the archive's report of 10,000 instances names what the scanner has stored."""
    asked = []
    scp, scanner = bench.scp(answer=commits(asked)), bench.scp(roles=True)
    g = gateway(bench, scp.port, scanner.port)
    scu = g.scu()
    scu.associate(contexts=[(COMMIT, [dicom.ILE]), (dicom.CT, [dicom.ELE])])
    equal(scu.store(context=3, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "the object")
    new = next(iter(scp.stored()))
    scu.request(1, references("1.2.3.1", *MANY), field=dicom.N_ACTION, requested_class=COMMIT,
                requested_instance=COMMIT_INSTANCE, action=1)
    equal(scu.answer()["status"], 0, "status of N-ACTION")
    scu.release()
    check(new.encode() in asked[0] and b"1.2.840.99999" not in asked[0] and b"1.2.88.1" not in asked[0], "what was asked")
    data = book(g)
    check(len(data) > 10000 * 128 and b"1.2.840.99999" not in data and b"2.25." not in data and b"1CT1" not in data, "the book", len(data))
    g.stop()
    g.start()
    equal(report(g, asked[0]), 0, "status of the report")
    (_, fields, data), = scanner.messages
    equal(fields["field"], dicom.N_EVENT_REPORT, "what came")
    check(all(uid.encode() in data for uid in ("1.2.88.1", "1.2.3.1", *MANY)) and b"2.25." not in data, "what was reported")
    # What the book does not know stays as it is; a name of nobody's.
    equal(report(g, references("2.25.1", "1.2.3.5")), 0, "status of the report")
    check(b"2.25.1" in scanner.messages[1][2] and b"1.2.3.5" in scanner.messages[1][2], "unknown")
    # Entered once: the same objects again make the book no longer.
    before = len(book(g))
    scu = g.scu()
    scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
    equal(scu.store(context=1, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "again")
    scu.release()
    equal(len(book(g)), before, "the book")


@test
def names_by_orthanc(bench):
    """Orthanc commits on an association of its own, and answers queries: in the scanner's words, whether or not it has named them."""
    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=10) as answer:
            return json.load(answer)

    scanner, front = bench.scp(roles=True), free_port()
    port, http = peers.orthanc(bench, modalities={"ct1": ["CT1", "127.0.0.1", front]})
    g = gateway(bench, port, scanner.port)
    g.config["listeners"][0]["port"] = g.plain = front
    g.stop()
    g.write()
    g.start()
    original = dicom.Part10(peers.CT_SMALL)
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    scu = g.scu()
    scu.associate(contexts=[(COMMIT, [dicom.ILE])])
    scu.request(1, references(original.instance), field=dicom.N_ACTION, requested_class=COMMIT,
                requested_instance=COMMIT_INSTANCE, action=1)
    equal(scu.answer()["status"], 0, "status of N-ACTION")
    scu.release()
    _, fields, data = until(lambda: scanner.messages, "the report")[0]
    equal((fields["field"], fields["event"]), (dicom.N_EVENT_REPORT, 1), "the report: all are there")
    check(original.instance.encode() in data and b"1.2.88.1" in data and b"2.25." not in data, "whose names", data)
    study = bench.run("dcmdump", "+P", "StudyInstanceUID", peers.CT_SMALL, wants=0).text.split("[")[1].split("]")[0]
    for keys in (["PatientID="], ["PatientID=1CT1"], [f"StudyInstanceUID={study}", "PatientID="]):
        out = bench.run("findscu", "-v", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=",
                        *[w for k in keys for w in ("-k", k)], *([] if "StudyInstance" in keys[0] else ["-k", "StudyInstanceUID="]),
                        "127.0.0.1", str(g.plain), wants=0).text
        answer = out[out.index("Find Response"):]
        check(study in answer and "[1CT1" in answer and "2.25." not in answer, "the answer", keys, out)
    tags = get(f"/instances/{get('/instances')[0]}/simplified-tags")
    check("1CT1" not in json.dumps(tags) and tags["StudyInstanceUID"].startswith("2.25."), "what Orthanc has", tags)


@test
def names_for_the_identified_side_alone(bench):
    """Who has de-identified objects is told no old name: neither by a report that it makes to a third, nor by what it asks."""
    asked = []
    scp, scanner = bench.scp(), bench.scp(answer=finds(asked), roles=True)
    g = gateway(bench, scp.port, scanner.port)
    g.config["flows"].append({"name": "asks", "from": ["archive"], "to": "ct1", "services": ["find"]})
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    scu = g.scu()
    scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
    equal(scu.store(context=1, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "the object")
    scu.release()
    new = next(iter(scp.stored()))
    scu = g.scu()
    scu.associate(calling="ARCHIVE", called="CT1", contexts=[(dicom.STUDY_FIND, [dicom.ILE])])
    got = scu.find(((0x00080018, new), (0x00080052, "IMAGE")))
    check(new.encode() in asked[0] and new.encode() in got[0][1] and b"1.2.3.1\0" not in got[0][1], "what it is told", got)
    scu.release()


@test
def names_without_their_keeper(bench):
    """Killed, it is started again; where the book cannot be written objects are refused, and sent again they pass."""
    scp, scanner = bench.scp(), bench.scp(roles=True)
    g = gateway(bench, scp.port, scanner.port)
    scu = g.scu()
    scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
    equal(scu.store(context=1, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "before")
    os.kill(until(lambda: keeper(g), "the keeper"), signal.SIGKILL)
    g.wait_log(event="names.crashed")
    equal(scu.store(context=1, instance="1.2.3.2", data=good("1.2.3.2"))["status"], 0, "a new one")
    scu.release()
    first, second = scp.stored()
    equal(report(g, references(first, second)), 0, "status of the report")
    data = scanner.messages[0][2]
    check(b"1.2.3.1" in data and b"1.2.3.2" in data and b"2.25." not in data, "what was reported", data)


@test
def names_not_kept(bench):
    """`names-keep: 0`: there is no book, and reports stay in the archive's words."""
    scp, scanner = bench.scp(), bench.scp(roles=True)
    g = gateway(bench, scp.port, scanner.port, **{"names-keep": "0"})
    scu = g.scu()
    scu.associate(contexts=[(dicom.CT, [dicom.ELE])])
    equal(scu.store(context=1, instance="1.2.3.1", data=good("1.2.3.1"))["status"], 0, "the object")
    scu.release()
    new = next(iter(scp.stored()))
    equal(report(g, references(new)), 0, "status of the report")
    check(new.encode() in scanner.messages[0][2], "what was reported")
    check(not os.path.exists(os.path.join(g.folder, "state", "names")), "a folder")


@test
def names_of_other_devices(bench):
    """What another device has stored through another flow is put back for nobody but it; for those of one flow it is."""
    scp, scanner = bench.scp(), bench.scp(roles=True)
    g = gateway(bench, scp.port, scanner.port)
    g.config["nodes"]["ct2"] = {"ae": ["CT2"], "from": ["127.0.0.0/8"], "transport": "plain"}
    others = {**g.config["flows"][0], "name": "others", "from": ["ct2"]}
    g.config["flows"].append(others)
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    for title, instance in (("CT1", "1.2.3.1"), ("CT2", "1.2.3.2")):
        scu = g.scu()
        scu.associate(calling=title, contexts=[(dicom.CT, [dicom.ELE])])
        equal(scu.store(context=1, instance=instance, data=good(instance))["status"], 0, "the object")
        scu.release()
    own, foreign = scp.stored()
    equal(report(g, references(own, foreign)), 0, "status of the report")
    data = scanner.messages[0][2]
    check(b"1.2.3.1" in data and b"1.2.3.2" not in data and foreign.encode() in data, "what another has stored", data)
    g.config["flows"].remove(others)
    g.config["flows"][0]["from"] = ["ct1", "ct2"]
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    equal(report(g, references(own, foreign)), 0, "status of the report")
    data = scanner.messages[1][2]
    check(b"1.2.3.1" in data and b"1.2.3.2" in data and b"2.25." not in data, "what one of the same flow has stored", data)


@test
def names_of_what_comes_back(bench):
    """C-GET and C-MOVE ask the archive in its words; the objects that come are those that it has, and not made anew once more."""
    sink, folder = peers.storescp(bench, "+xa", title="CT1")
    back = free_port()
    port, stored = peers.dcmqrscp(bench, hosts=[("ct1", "CT1", "127.0.0.1", back)])
    g = gateway(bench, port, sink)
    g.config["flows"][0].update(services=["echo", "store", "find", "get", "move"], destinations=["ct1"])
    g.config["flows"][1]["services"] = ["store"]
    g.config["listeners"].append({"name": "back", "address": "127.0.0.1", "port": back, "transport": "plain"})
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    where = ["-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain)]
    bench.run("storescu", *where, peers.CT_SMALL, wants=0)
    original = dicom.Part10(peers.CT_SMALL)
    study, series = (bench.run("dcmdump", "+P", key, peers.CT_SMALL, wants=0).text.split("[")[1].split("]")[0]
                     for key in ("StudyInstanceUID", "SeriesInstanceUID"))
    has, = (dicom.Part10(path) for path in glob.glob(os.path.join(stored, "*")) if not path.endswith(".dat"))
    check(has.instance.startswith("2.25.") and has.instance != original.instance, "what the archive has", has.instance)
    keys = ["-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={study}", "-k", f"SeriesInstanceUID={series}",
            "-k", f"SOPInstanceUID={original.instance}"]
    got = bench.new_folder("got")
    bench.run("getscu", "-S", "+B", "-od", got, *keys, *where, wants=0)
    bench.run("movescu", "-S", "-aem", "CT1", *keys, *where, wants=0)
    for name in (got, folder):
        objects = peers.received(name)
        equal(list(objects), [has.instance], f"what came back to {name}")
        check(objects[has.instance].data == has.data, f"{name}: it is another one than the archive has")


@test
def names_of_what_failed(bench):
    """What an archive could not send, by C-MOVE and C-GET, is named as it was asked for."""
    asked = []

    def fails(scp, wire, context, fields, data):
        if fields["field"] not in (dicom.C_MOVE, dicom.C_GET):
            return False
        asked.append(data)
        scp.respond(wire, context, fields, 0xA702, dicom.identifier((0x00080058, "\\".join(re.findall(r"2\.25\.\d+", data.decode("latin-1"))))),
                    remaining=0, completed=0, failed=2, warning=0)
        return True

    scp = bench.scp(answer=fails)
    g = gateway(bench, scp.port, free_port())
    g.config["flows"][0].update(services=["echo", "store", "get", "move"], destinations=["ct1"])
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    for field, model in ((dicom.C_MOVE, dicom.STUDY_MOVE), (dicom.C_GET, "1.2.840.10008.5.1.4.1.2.2.3")):
        scu = g.scu()
        scu.associate(contexts=[(model, [dicom.ILE])])
        more = {"destination": "CT1"} if field == dicom.C_MOVE else {}
        scu.request(1, dicom.identifier((0x00080018, "1.2.3.1\\1.2.3.2"), (0x00080052, "IMAGE"), (0x0020000D, "1.2.3")), field=field, priority=0,
                    affected_class=model, **more)
        _, fields, data = scu.recv_message()
        equal((fields["status"], fields["failed"]), (0xA702, 2), "the answer")
        check(b"1.2.3.1\\1.2.3.2\\1.2.3" in data and b"2.25." not in data, "what failed", data)
        check(b"1.2.3" not in asked[-1], "what was asked", asked)
        scu.release()
