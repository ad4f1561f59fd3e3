# SPDX-License-Identifier: Apache-2.0
"""Echo and store by implementations that are not ours, and every transfer syntax byte for byte.

CTN, odil's command and PixelMed's speak plain DICOM alone; DCMTK and dcmjs-dimse speak TLS as well.
"""
import concurrent.futures
import json
import os
import urllib.request

from lib import dicom, peers
from lib.site import check, equal, test, until


@test
def dcmtk_echo(bench):
    g = bench.gateway()
    bench.run("echoscu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), wants=0)
    bench.run("echoscu", *bench.keys.dcmtk(), "-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls), wants=0)
    g.wait_log(event="decision", decision="allow", service="echo", transport="plain", node="ct1")
    g.wait_log(event="decision", decision="allow", service="echo", transport="tls", node="ct-tls")


@test
def dcmtk_store(bench):
    g = bench.gateway()
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    bench.run("storescu", *bench.keys.dcmtk(), "-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls),
              peers.MR_SMALL, wants=0)
    stored = g.stored()
    equal(len(stored), 2, "objects in the archive")
    for part10 in stored.values():
        equal(part10.source, "CT_TLS" if part10.sop_class == dicom.MR else "CT1", "Source Application Entity Title")


@test
def dcmtk_store_rsa(bench):
    """A device whose certificate has an RSA key."""
    g = bench.gateway()
    bench.run("storescu", *bench.keys.dcmtk("scanner-rsa"), "-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls),
              peers.CT_SMALL, wants=0)
    equal(len(g.stored()), 1, "objects in the archive")


@test
def odil_echo_and_store(bench):
    """It encodes data sets anew: what comes through the gateway is what comes without it."""
    port, folder = peers.storescp(bench)
    g = bench.gateway()
    where = ["127.0.0.1", str(g.plain), "CT1", "ARCHIVE"]
    bench.run("odil", "echo", *where, wants=0)
    bench.run("odil", "store", *where, peers.CT_SMALL, wants=0)
    bench.run("odil", "store", "127.0.0.1", str(port), "CT1", "STORESCP", peers.CT_SMALL, wants=0)
    (through,), (direct,) = g.stored().values(), peers.received(folder).values()
    check(through.data == direct.data, "other bytes came through the gateway")


@test
def ctn_echo_and_store(bench):
    g = bench.gateway()
    ran = bench.run("dicom_echo", "-a", "CT1", "-c", "ARCHIVE", "127.0.0.1", str(g.plain))
    equal(ran.code, 0, f"dicom_echo's exit code ({ran.text[-500:]})")
    g.wait_log(event="decision", decision="allow", service="echo")
    ran = bench.run("send_image", "-a", "CT1", "-c", "ARCHIVE", "-t", "127.0.0.1", str(g.plain), peers.MR_SMALL)
    until(g.stored, f"an object of send_image ({ran.text[-800:]})")
    equal(list(g.stored().values())[0].sop_class, dicom.MR, "SOP class")


@test
def pixelmed_echo_and_store(bench):
    g = bench.gateway()
    where = ["127.0.0.1", str(g.plain), "ARCHIVE", "CT1"]
    bench.run(*peers.pixelmed("VerificationSOPClassSCU"), *where, "NONSECURE", wants=0)
    g.wait_log(event="decision", decision="allow", service="echo")
    ran = bench.run(*peers.pixelmed("StorageSOPClassSCU"), *where, peers.CT_SMALL, "0")
    until(g.stored, f"an object of PixelMed ({ran.text[-800:]})")
    equal(list(g.stored().values())[0].instance, dicom.Part10(peers.CT_SMALL).instance, "SOP instance")


@test
def dcmjs_echo_and_store(bench):
    g = bench.gateway()
    requests = [{"do": "echo"}, {"do": "store", "file": peers.MR_SMALL}]
    rows = peers.dcmjs_run(bench, g.plain, requests)
    equal([(r.get("do"), r.get("status")) for r in rows], [("echo", 0), ("store", 0)], "answers")
    sent, (stored,) = dicom.Part10(peers.MR_SMALL), g.stored().values()
    # It encodes the data set anew: the pixels are what must be the same.
    pixels = sent.data[sent.data.index(b"\xe0\x7f\x10\x00") + 8:]
    check(pixels[:8192] in stored.data, "the pixel data is not that of the file")
    rows = peers.dcmjs_run(bench, g.tls, [{"do": "echo"}, {"do": "store", "file": peers.CT_SMALL}], calling="CT_TLS",
                           tls="scanner")
    equal([(r.get("do"), r.get("status")) for r in rows], [("echo", 0), ("store", 0)], "answers over TLS")
    equal(len(g.stored()), 2, "objects in the archive")


@test
def orthanc_behind(bench):
    """Store into Orthanc and find there, through the gateway."""
    port, http = peers.orthanc(bench)
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"},
                      flow={"services": ["echo", "store", "find"]})
    ct, mr = dicom.Part10(peers.normal(bench, peers.CT_SMALL)), dicom.Part10(peers.normal(bench, peers.MR_SMALL))
    bench.run("echoscu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), wants=0)
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    bench.run("storescu", *bench.keys.dcmtk(), "-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls),
              peers.MR_SMALL, wants=0)
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances", timeout=10) as answer:
        instances = json.load(answer)
    equal(len(instances), 2, "instances in Orthanc")
    kept = {}
    for instance in instances:
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances/{instance}/file", timeout=10) as answer:
            path = bench.path(f"{instance}.dcm")
            with open(path, "wb") as file:
                file.write(answer.read())
        part10 = dicom.Part10(path)
        kept[part10.instance] = part10
    check(kept[ct.instance].data == ct.data and kept[mr.instance].data == mr.data, "Orthanc has other bytes")
    ran = bench.run("findscu", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "-k", "QueryRetrieveLevel=STUDY", "-k",
                    "PatientID=1CT1", "-k", "StudyInstanceUID", "127.0.0.1", str(g.plain), wants=0)
    check("1CT1" in ran.text, "Orthanc's answer did not come:", ran.text[-800:])


def post(http, path, body=b""):
    """Orthanc's answer to a request of its REST interface."""
    request = urllib.request.Request(f"http://127.0.0.1:{http}{path}", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@test
def orthanc_behind_with_tls(bench):
    """Orthanc as the archive, with DICOM TLS and nothing else; it must know our authority, and we its."""
    port, http = peers.orthanc(bench, tls="archive")
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "tls", "server-name": "archive"},
                      flow={"services": ["echo", "store", "find"]})
    bench.run("storescu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain), peers.CT_SMALL, wants=0)
    bench.run("storescu", *bench.keys.dcmtk(), "-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls),
              peers.MR_SMALL, wants=0)
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/instances", timeout=10) as answer:
        equal(len(json.load(answer)), 2, "instances in Orthanc")
    ran = bench.run("findscu", "-S", "-aet", "CT1", "-aec", "ARCHIVE", "-k", "QueryRetrieveLevel=STUDY", "-k",
                    "PatientID=1CT1", "-k", "StudyInstanceUID", "127.0.0.1", str(g.plain), wants=0)
    check("1CT1" in ran.text, "Orthanc's answer did not come:", ran.text[-800:])
    # Another's certificate, and a name that is not its own.
    g.config["nodes"]["archive"]["server-name"] = "pacs.hospital.example"
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    ran = bench.run("echoscu", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain))
    check(ran.code != 0, "an archive of another name was called")
    check("does not hold the name that we called" in g.decision("upstream-tls")["message"], "the sentence", g.lines()[-3:])


@test
def orthanc_calls_with_tls(bench):
    """Orthanc as a caller: echo and store over DICOM TLS, known by its certificate."""
    g = bench.gateway(tls_node={"ae": ["ORTHANC"]})
    where = {"AET": "ARCHIVE", "Host": "localhost", "Port": g.tls, "UseDicomTls": True}
    _, http = peers.orthanc(bench, title="ORTHANC", tls="scanner", modalities={"gantry": where})
    with open(peers.normal(bench, peers.CT_SMALL), "rb") as file:
        instance = post(http, "/instances", file.read())["ID"]
    post(http, "/modalities/gantry/echo", b"{}")
    g.wait_log(event="decision", decision="allow", service="echo", transport="tls", node="ct-tls")
    post(http, "/modalities/gantry/store", instance.encode())
    (stored,) = g.stored().values()
    peers.same_bytes(stored, peers.normal(bench, peers.CT_SMALL))
    equal(stored.source, "ORTHANC", "Source Application Entity Title")


@test
def dcmjs_behind_with_tls(bench):
    """dcmjs-dimse as the archive over TLS, and as the caller at the other end."""
    port, process = peers.dcmjs_scp(bench, tls="archive")
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "tls", "server-name": "archive"})
    rows = peers.dcmjs_run(bench, g.tls, [{"do": "echo"}, {"do": "store", "file": peers.CT_SMALL}], calling="CT_TLS",
                           tls="scanner")
    equal([(r.get("do"), r.get("status")) for r in rows], [("echo", 0), ("store", 0)], "answers over TLS")
    did = [json.loads(line)["did"] for line in process.text().splitlines() if line.startswith("{")]
    equal(did, ["echo", "store"], "what came at the archive")


def proposals(source):
    """storescu's option that proposes the transfer syntax of a file."""
    return {
        "1.2.840.10008.1.2": "-xi", "1.2.840.10008.1.2.1": "-xe", "1.2.840.10008.1.2.2": "-xb",
        "1.2.840.10008.1.2.1.99": "-xd", "1.2.840.10008.1.2.4.50": "-xy", "1.2.840.10008.1.2.4.51": "-xx",
        "1.2.840.10008.1.2.4.70": "-xs", "1.2.840.10008.1.2.4.80": "-xt", "1.2.840.10008.1.2.4.81": "-xu",
        "1.2.840.10008.1.2.4.90": "-xv", "1.2.840.10008.1.2.4.91": "-xw", "1.2.840.10008.1.2.5": "-xr",
    }.get(dicom.Part10(source).syntax)


@test
def every_transfer_syntax_into_a_folder(bench):
    g = bench.gateway(flow={"sop-classes": "any"})
    syntaxes = set()
    for tls in (False, True):
        for source in peers.SAMPLES:
            part10 = dicom.Part10(source)
            syntaxes.add(part10.syntax)
            scu = g.scu(tls=tls)
            scu.associate(calling="CT_TLS" if tls else "CT1", contexts=[(part10.sop_class, [part10.syntax])])
            equal(scu.store(1, part10.instance, part10.sop_class, part10.data)["status"], 0, f"status of {source}")
            scu.release()
            kept = [p for p in g.stored().values() if p.instance == part10.instance]
            check(any(p.data == part10.data and p.syntax == part10.syntax for p in kept), f"{source} is not there as sent")
    check(len(syntaxes) >= 16, "too few transfer syntaxes in tests/data:", len(syntaxes))


@test
def every_transfer_syntax_into_storescp(bench):
    """From storescu, where it knows the transfer syntax, through both transports, into storescp."""
    port, folder = peers.storescp(bench)
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "plain"}, flow={"sop-classes": "any"})
    unknown = set()
    for number, source in enumerate(peers.SAMPLES):
        option = proposals(source)
        if option:
            source = peers.normal(bench, source)
        part10 = dicom.Part10(source)
        if option:
            to = ["-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain)] if number % 2 else \
                [*bench.keys.dcmtk(), "-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls)]
            bench.run("storescu", option, *to, source, wants=0)
        else:
            scu = g.scu()
            scu.associate(contexts=[(part10.sop_class, [part10.syntax])])
            if scu.ac.results()[1] != 0:
                unknown.add(part10.syntax)  # storescp does not know it
                scu.release()
                continue
            equal(scu.store(1, part10.instance, part10.sop_class, part10.data)["status"], 0, f"status of {source}")
            scu.release()
        kept = peers.received(folder)
        check(part10.instance in kept, f"{os.path.basename(source)} did not arrive")
        peers.same_bytes(kept[part10.instance], source)
    check(len(unknown) <= 4, "storescp refused", unknown)


@test
def tls_to_the_archive(bench):
    """TLS on both sides, with the client's certificate checked by storescp."""
    port, folder = peers.storescp(bench, *bench.keys.dcmtk("archive"))
    g = bench.gateway(archive={"address": [f"127.0.0.1:{port}"], "transport": "tls", "server-name": "archive"})
    bench.run("storescu", *bench.keys.dcmtk(), "-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls),
              peers.CT_SMALL, wants=0)
    peers.same_bytes(list(peers.received(folder).values())[0], peers.normal(bench, peers.CT_SMALL))


@test
def a_large_object(bench):
    """24 MiB, in PDUs of 16 KiB and in one of 128 KiB at a time, into a folder and into a peer."""
    scp = bench.scp(max_pdu=4096)
    g = bench.gateway(flows=[{"name": "peer", "from": ["ct1"], "to": "peer", "services": ["store"]}],
                      nodes={"peer": {"ae": ["PEER"], "address": [f"127.0.0.1:{scp.port}"], "transport": "plain"}})
    data = dicom.simple_object(instance="1.2.3.99", size=24 << 20)
    for called in ("ARCHIVE", "PEER"):
        scu = g.scu()
        scu.associate(called=called)
        check(scu.ac.max_pdu >= 16384, "announced", scu.ac.max_pdu)
        equal(scu.store(instance="1.2.3.99", data=data)["status"], 0, "status")
        equal(scu.store(instance="1.2.3.99", data=data, size=16000)["status"], 0, "status")
        scu.release()
    check(g.stored()["1.2.3.99"].data == data, "the folder has other bytes")
    equal(len(g.stored()), 1, "files")
    check(scp.stored()["1.2.3.99"][1] == data, "the peer has other bytes")
    check(scp.wires[0].largest <= 4096, "a PDU over the peer's maximum:", scp.wires[0].largest)


@test
def conflicting_instances(bench):
    """The same UID with other bytes: both are kept."""
    g = bench.gateway()
    scu = g.scu()
    scu.associate()
    for size in (10, 10, 20):
        equal(scu.store(instance="1.2.3", data=dicom.simple_object(instance="1.2.3", size=size))["status"], 0, "status")
    scu.release()
    equal(sorted(g.stored()), ["1.2.3", "1.2.3.conflict-1"], "files")
    g.wait_log(event="archive.conflict", instance="1.2.3")


@test
def many_at_once(bench):
    """Forty scanners, five objects each, into one folder."""
    g = bench.gateway()

    def scanner(number):
        scu = g.scu(tls=number % 2 == 1)
        scu.associate(calling="CT_TLS" if number % 2 else "CT1")
        for image in range(5):
            instance = f"1.2.{number}.{image}"
            equal(scu.store(instance=instance, data=dicom.simple_object(instance=instance, size=50000))["status"], 0, "status")
        scu.release()

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        list(pool.map(scanner, range(40)))
    equal(len(g.stored()), 200, "objects")
    equal(os.listdir(os.path.join(g.archive_folder, ".incoming")), [], "what is left in .incoming")
