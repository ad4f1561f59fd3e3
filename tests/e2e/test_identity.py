# SPDX-License-Identifier: Apache-2.0
"""TLS profiles of PS3.15 Annex B, on the wire and in the configuration."""
import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import re
import shutil
import ssl
import struct
import subprocess
import time

from lib import dicom
from lib.site import DATA, check, equal, free_port, put, test, until
from lib.token import token
from test_keys import seen
from test_refusals import accepted, explained, rejected

# PS3.15 2026c B.13, "Servers shall support all of the following cipher suites".
B13_TLS13 = """TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256 TLS_AES_128_CCM_SHA256
    TLS_AES_128_CCM_8_SHA256""".split()
B13_TLS12 = """TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_ECDSA_WITH_AES_256_CCM
    TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_CCM
    TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8""".split()
# RFC 9325 4.2; TLS 1.3 as OpenSSL has it.
B12_TLS13 = B13_TLS13[:3]
B12_TLS12 = """TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256""".split()
# RFC 7525 4.2, which B.10 stood on, and the same with ECDSA.
B10_TLS12 = B12_TLS12 + ["TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"]
PROFILES = {
    "bcp195-rfc9325": (B12_TLS12, B12_TLS13),
    "bcp195-rfc9325-modified": (B13_TLS12, B13_TLS13),
    "legacy-bcp195-non-downgrading": (B10_TLS12, B12_TLS13),
}


def all_suites(bench):
    """(the standard's name, OpenSSL's name, is TLS 1.3) of every suite that OpenSSL can offer at all."""
    text = bench.run("openssl", "ciphers", "-stdname", "-s", "-v", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", wants=0).text
    text += bench.run("openssl", "ciphers", "-stdname", "-v", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", wants=0).text
    found = {}
    for line in text.splitlines():
        match = re.match(r"(\S+)\s+- (\S+)\s+(\S+)", line)
        if match and match.group(2) not in found:
            found[match.group(2)] = (match.group(1), match.group(2), match.group(3) == "TLSv1.3")
    # Some stand in no list of OpenSSL's, though it has them.
    for name in ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"):
        found.setdefault(name, (name, name, True))
    return list(found.values())


def shakes_hands(g, suite, name="scanner", more=()):
    standard, openssl, tls13 = suite
    pick = ["-tls1_3", "-ciphersuites", openssl] if tls13 else ["-tls1_2", "-cipher", openssl + ":@SECLEVEL=0"]
    ran = g.bench.run("openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", *pick, "-cert", g.keys.path(f"{name}.pem"),
                      "-key", g.keys.path(f"{name}.key"), "-CAfile", g.keys.path("ca.pem"), *more)
    match = re.search(r"Cipher is (\S+)", ran.text)
    return bool(match) and match.group(1) == openssl


def with_profile(bench, profile, **options):
    g = bench.gateway(start=False, **options)
    g.config["listeners"][1]["profile"] = profile
    g.config["nodes"]["ct-tls"]["profile"] = profile
    g.write()
    g.start()
    return g


@test
def tls_profiles_suite_by_suite(bench):
    """Each suite that OpenSSL has is offered alone: exactly the profile's are taken."""
    suites = all_suites(bench)
    check(len(suites) > 40, "too few suites to try:", suites)
    for profile, (tls12, tls13) in PROFILES.items():
        g = with_profile(bench, profile)
        wanted = set(tls12 + tls13)
        missing = wanted - {s[0] for s in suites}
        equal(missing, set(), "suites that this OpenSSL cannot try")
        taken = {s[0] for s in suites if shakes_hands(g, s)}
        equal(sorted(taken), sorted(wanted), f"suites of {profile}")
        g.stop()


@test
def tls_profiles_by_sslscan(bench):
    """What another program finds: versions, no renegotiation, no compression, groups."""
    for profile, groups in (("bcp195-rfc9325", {"x25519", "secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)"}),
                            ("bcp195-rfc9325-modified", {"secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)",
                                                         "secp521r1 (NIST P-521)"})):
        g = with_profile(bench, profile)
        text = bench.run("sslscan", "--no-colour", "--show-certificate", f"127.0.0.1:{g.tls}").text
        for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
            check(re.search(rf"{re.escape(version)}\s+disabled", text), f"{version} is not disabled:", text)
        for version in ("TLSv1.2", "TLSv1.3"):
            check(re.search(rf"{re.escape(version)}\s+enabled", text), f"{version} is not enabled:", text)
        check("Compression enabled" not in text, "compression:", text)
        check("renegotiation not supported" in text, "renegotiation:", text)
        check("Insecure" not in text, "insecure:", text)
        found = set(re.findall(r"^TLSv1\.3\s+\d+ bits\s+(\S+(?: \(NIST \S+\))?)", text, re.M))
        if found:
            equal(found, groups, f"groups of {profile}")
        g.stop()


@test
def modified_profile_needs_both_keys(bench):
    """B.13's suites are of two kinds of certificate."""
    g = bench.gateway(start=False)
    g.config["listeners"][1]["profile"] = "bcp195-rfc9325-modified"
    del g.config["tls"]["identities"][1]
    g.write()
    for verb in ("check", "run"):
        ran = bench.run(bench.program, verb, "-c", g.yaml)
        equal(ran.code, 1, f"exit code of {verb}")
        check("B.13" in ran.text and "RSA" in ran.text, f"{verb}:", ran.text)


@test
def retired_profiles_are_refused_with_the_reason(bench):
    g = bench.gateway(start=False)
    for name, word in (("basic-tls", "B.1,"), ("iscl", "B.2,"), ("aes-tls", "B.3,"), ("bcp195", "B.9,"),
                       ("extended-bcp195", "B.11,"), ("non-downgrading-bcp195", "legacy-bcp195-non-downgrading"),
                       ("bcp195-rfc9352", "did you mean")):
        g.config["listeners"][1]["profile"] = name
        g.write()
        ran = bench.run(bench.program, "check", g.yaml)
        equal(ran.code, 1, f"exit code with {name}")
        check(word in ran.text, f"profile {name}:", ran.text)


@test
def a_node_is_held_to_its_profile(bench):
    """A listener for old devices is no way down for the others."""
    g = bench.gateway(start=False)
    g.config["listeners"][1]["profile"] = "legacy-bcp195-non-downgrading"
    g.write()
    g.start()
    old = bench.keys.client("scanner-rsa", ssl.TLSVersion.TLSv1_2)
    old.set_ciphers("DHE-RSA-AES256-GCM-SHA384")
    rejected(g, (1, 1, 3), tls=old, calling="CT_TLS")
    line = g.decision("caller-transport")
    check("DHE-RSA-AES256-GCM-SHA384" in line["message"], "the sentence:", line)
    accepted(g, tls=bench.keys.client("scanner"), calling="CT_TLS")
    g.config["nodes"]["ct-tls"]["profile"] = "legacy-bcp195-non-downgrading"
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    accepted(g, tls=old, calling="CT_TLS")
    debts = json.loads(g.cli("status", "--json"))["debts"]
    check(any("ct-tls" in d and "legacy" in d for d in debts), "debts:", debts)


@test
def old_transports_end(bench):
    """Plain DICOM with an end date: it alarms after it, and refuses where told to; the status counts it as a debt."""
    yesterday = (datetime.date.today() - datetime.timedelta(days=1)).isoformat()
    later = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
    g = bench.gateway(node={"transport-until": later})
    accepted(g)
    check(any(later in d for d in json.loads(g.cli("status", "--json"))["debts"]), "debts", g.cli("status"))
    g.config["nodes"]["ct1"]["transport-until"] = yesterday
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    accepted(g)
    g.decision("transport-until", decision="alarm")
    g.config["nodes"]["ct1"]["transport-until"] = {"date": yesterday, "over": "refuse"}
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    rejected(g, (1, 1, 1))
    line = g.decision("transport-until", decision="refuse")
    check(any("has passed" in d for d in json.loads(g.cli("status", "--json"))["debts"]), "debts", g.cli("status"))
    explained(g, line, lambda: accepted(g))
    g.config["nodes"]["ct1"].pop("transport-until")
    g.config["nodes"]["ct-tls"]["transport-until"] = later
    g.write()
    check("nothing to end" in bench.run(bench.program, "check", g.yaml).text, "an end of a live profile")


@test
def weak_certificates_are_refused(bench):
    """SHA-224 is below PS3.15 B.13's strength; the sentence says so."""
    g = bench.gateway()
    keys = bench.keys
    keys.openssl("x509", "-req", "-in", keys.path("scanner.csr"), "-CA", keys.path("ca.pem"), "-CAkey", keys.path("ca.key"),
                 "-CAcreateserial", "-days", "5", "-sha224", "-out", keys.path("sha224.pem"))
    shutil.copy(keys.path("scanner.key"), keys.path("sha224.key"))
    check(shakes_hands(g, ("", "ECDHE-ECDSA-AES256-GCM-SHA384", False)), "a good certificate")
    mark = g.mark()
    shakes_hands(g, ("", "ECDHE-ECDSA-AES256-GCM-SHA384", False), "sha224")
    check("weaker than SHA-256" in g.decision("tls", mark)["message"], "the sentence", g.lines())


@test
def dcmtk_profiles(bench):
    """DCMTK's own idea of the profiles: Non-Downgrading and plain BCP 195 with the legacy one, Extended with B.13."""
    legacy = with_profile(bench, "legacy-bcp195-non-downgrading")
    modified = with_profile(bench, "bcp195-rfc9325-modified")
    for g, flag, works in ((legacy, "+py", True), (legacy, "+px", True), (modified, "+pz", True), (modified, "+py", True),
                           (legacy, "+pn", False), (modified, "+pa", False)):
        ran = bench.run("echoscu", *bench.keys.dcmtk(), flag, "-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls))
        equal(ran.code == 0, works, f"echoscu {flag} ({ran.text[-500:]})")


# ---- Revocation lists ----


def authority(keys, name, entries, days=5):
    """A revocation list by the test's CA, signed with openssl ca."""
    folder = keys.path(f"crl-{name}")
    os.makedirs(folder)
    with open(os.path.join(folder, "index.txt"), "w", encoding="ascii") as file:
        for leaf in entries:
            serial = subprocess.run(["openssl", "x509", "-in", keys.path(leaf + ".pem"), "-noout", "-serial"], check=True,
                                    stdout=subprocess.PIPE, text=True).stdout.strip().split("=")[1]
            file.write(f"R\t361231000000Z\t261120000000Z,keyCompromise\t{serial}\tunknown\t/CN={leaf}\n")
    with open(os.path.join(folder, "ca.cnf"), "w", encoding="ascii") as file:
        file.write(f"[ca]\ndefault_ca=c\n[c]\ndatabase={folder}/index.txt\ncrlnumber={folder}/number\ndefault_md=sha256\n")
    with open(os.path.join(folder, "number"), "w", encoding="ascii") as file:
        file.write("01\n")
    path = keys.path(f"{name}.crl")
    times = ["-crldays", str(days)] if days > 0 else ["-crl_lastupdate", "20260101000000Z", "-crl_nextupdate", "20260102000000Z"]
    keys.openssl("ca", "-config", os.path.join(folder, "ca.cnf"), "-gencrl", *times, "-cert", keys.path("ca.pem"), "-keyfile",
                 keys.path("ca.key"), "-out", path)
    return path


def refused_by_tls(g, word, name="scanner", **options):
    mark = g.mark()
    try:
        accepted(g, tls=g.keys.client(name), calling="CT_TLS", **options)
    except (ssl.SSLError, dicom.Closed, ConnectionError, OSError) as error:
        alert = str(error)
    else:
        raise AssertionError("the handshake went through")
    line = g.decision("tls", mark)
    check(word in line["message"], f"the sentence lacks `{word}`:", line)
    return alert


@test
def revoked_certificate(bench):
    """Refused in the handshake, with the alert that TLS has for it; others pass."""
    keys = bench.keys
    keys.leaf("revoked", "scanner", "DNS:scanner")
    g = bench.gateway(start=False)
    g.config["tls"]["crl"] = [authority(keys, "one", ["revoked"])]
    g.write()
    g.start()
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    refused_by_tls(g, "was revoked on 2026-11-20 (key compromise)", "revoked")
    pick = ["-connect", f"127.0.0.1:{g.tls}", "-cert", keys.path("revoked.pem"), "-key", keys.path("revoked.key"), "-tls1_2"]
    check("certificate revoked" in bench.run("openssl", "s_client", *pick).text, "the alert")
    crl = [c for c in json.loads(g.cli("status", "--json"))["certificates"] if c["use"] == "crl"]
    check(crl and crl[0]["days_left"] in (4, 5), "the list in the status:", crl)


@test
def revocation_reaches_what_is_open(bench):
    """A list that comes with a reload ends an association at its next message, and a session that could be resumed."""
    keys = bench.keys
    keys.leaf("revoked-later", "scanner", "DNS:scanner")
    g = bench.gateway(start=False)
    g.config["tls"]["resumption"] = True
    g.write()
    g.start()
    scu = bench.scu(g.tls, tls=keys.client("revoked-later"))
    scu.associate(calling="CT_TLS")
    equal(scu.store(instance="1.2.1")["status"], 0, "status before")
    session = keys.path("session.pem")
    pick = ["-connect", f"127.0.0.1:{g.tls}", "-cert", keys.path("revoked-later.pem"), "-key", keys.path("revoked-later.key"),
            "-tls1_2"]
    bench.run("openssl", "s_client", *pick, "-sess_out", session)
    check("Reused" in bench.run("openssl", "s_client", *pick, "-sess_in", session).text, "sessions are not resumed")
    g.config["tls"]["crl"] = [authority(keys, "later", ["revoked-later"])]
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    answer = scu.store(instance="1.2.2")
    check(answer["status"] != 0, "an object by a revoked certificate was stored")
    line = g.decision("revoked")
    check("was revoked on" in line["message"], "the sentence:", line)
    equal(list(g.stored()), ["1.2.1"], "objects")
    text = bench.run("openssl", "s_client", *pick, "-sess_in", session).text
    check("Reused" not in text and "certificate revoked" in text, "the session was resumed:", text[-1500:])


@test
def revocation_that_is_not_known(bench):
    """An overdue list: `open` alarms, `closed` refuses."""
    keys = bench.keys
    g = bench.gateway(start=False)
    g.config["tls"]["crl"] = [authority(keys, "overdue", [], days=0)]
    g.write()
    check("to be renewed" in bench.run(bench.program, "check", g.yaml).text, "gantry check of an overdue list")
    g.start()
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    g.decision("revoked", decision="alarm")
    g.config["nodes"]["ct-tls"]["revocation"] = "closed"
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    rejected(g, (1, 1, 3), tls=keys.client("scanner"), calling="CT_TLS")
    check("revocation: closed" in g.decision("revoked", decision="refuse")["message"], "the sentence", g.lines())


@test
def foreign_revocation_list(bench):
    """One that nobody trusted has signed is a mistake, as is one that cannot be read."""
    g = bench.gateway(start=False)
    g.config["tls"]["crl"] = [authority(bench.keys, "foreign", [])]
    g.config["tls"]["trust"] = [bench.keys.path("other-ca.pem")]
    g.write()
    ran = bench.run(bench.program, "check", g.yaml)
    check(ran.code == 1 and "signed by no authority" in ran.text, "a foreign list:", ran.text)
    g.config["tls"]["crl"] = [bench.keys.path("ca.pem")]
    g.write()
    ran = bench.run(bench.program, "check", g.yaml)
    check(ran.code == 1 and "no revocation list" in ran.text, "a certificate in place of a list:", ran.text)


@test
def revoked_archive(bench):
    """No object goes to an archive whose certificate is revoked."""
    keys = bench.keys
    keys.leaf("bad-archive", "archive", "DNS:archive,IP:127.0.0.1")
    scp = bench.scp(tls=keys.server("bad-archive"))
    g = bench.gateway(start=False, archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "tls"})
    g.config["tls"]["crl"] = [authority(keys, "archive", ["bad-archive"])]
    g.write()
    g.start()
    rejected(g, (2, 3, 1))
    check("was revoked on" in g.decision("upstream-tls")["message"], "the sentence", g.lines())
    equal(scp.requests, [], "associations at the archive")


# ---- gantry ca ----


@test
def authority_of_the_site(bench):
    """From a device's request to its revocation, with openssl as the device, and a gateway that trusts it."""
    folder, gantry = bench.path("ca"), bench.program

    def ca(*arguments, wants=0, **options):
        return bench.run(gantry, "ca", *arguments, wants=wants, **options).text

    def device(name, kind="ec", option="ec_paramgen_curve:P-256",
               extension="subjectAltName=DNS:ct7.hospital.example,IP:127.0.0.1"):
        bench.run("openssl", "req", "-newkey", kind, "-pkeyopt", option, "-nodes", "-subj", f"/CN={name}",
                  "-addext", extension, "-keyout", bench.path(name + ".key"), "-out", bench.path(name + ".csr"), wants=0)
        return bench.path(name + ".csr")

    ca("make", folder, "--name", "Test hospital")
    check("already" in ca("make", folder, wants=1), "a second authority in the same folder")
    equal(os.stat(os.path.join(folder, "ca.key")).st_mode & 0o777, 0o600, "mode of the key")
    request = device("ct7")
    ca("sign", folder, request, "--yes", wants=2)
    check("not approved" in ca("sign", folder, request, "--by", "Ann Smith", wants=1), "signed without an approval")
    equal(json.loads(ca("list", folder, "--json")), [], "issued before an approval")
    text = ca("sign", folder, request, "--by", "Ann Smith", "--yes")
    check("ct7.hospital.example" in text and "127.0.0.1" in text, "what was signed:", text)
    path = re.search(r"(\S+\.pem), valid", text).group(1)
    verify = bench.run("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", os.path.join(folder, "ca.pem"), path)
    check(verify.text.strip().endswith("OK"), "openssl verify:", verify.text)
    # Requests that must not be signed.
    broken = bench.path("broken.csr")
    with open(request, encoding="ascii") as file:
        lines = file.read().splitlines()
    middle = lines[3]
    lines[3] = middle[:-8] + ("A" if middle[-8] != "A" else "B") + middle[-7:]
    with open(broken, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    for bad, word in ((broken, ""), (bench.path("ct7.key"), "request"), (device("odd", extension="subjectAltName=email:a@b.c"), "name 1"),
                      (device("weak", "rsa", "rsa_keygen_bits:1024"), "2048")):
        check(word in ca("sign", folder, bad, "--by", "Ann Smith", "--yes", wants=1), f"{bad} was signed")
    equal(len(json.loads(ca("list", folder, "--json"))), 1, "certificates issued")
    # A gateway that trusts it.
    keys = bench.keys
    shutil.copy(path, keys.path("ct7.pem"))
    shutil.copy(bench.path("ct7.key"), keys.path("ct7.key"))
    g = bench.gateway(start=False, tls_node={"certificate": {"san": ["ct7.hospital.example"]}})
    g.config["tls"]["trust"].append(os.path.join(folder, "ca.pem"))
    g.config["tls"]["crl"] = [os.path.join(folder, "crl.pem"), authority(keys, "beside", [])]
    g.write()
    g.start()
    accepted(g, tls=keys.client("ct7"), calling="CT_TLS")
    # Renewed for the same key; the older one is revoked; the newer one still serves.
    renewed = re.search(r"(\S+\.pem), valid", ca("renew", folder, path, "--by", "Bob Jones", "--yes")).group(1)
    ca("revoke", folder, path, "--by", "Bob Jones", "--reason", "nonsense", "--yes", wants=2)
    text = ca("revoke", folder, path, "--by", "Bob Jones", "--reason", "superseded", "--yes")
    check("1 revoked" in text, "revoke:", text)
    check("before" in ca("revoke", folder, path, "--by", "Bob Jones", "--yes", wants=1), "revoked twice")
    check("new key" in ca("renew", folder, path, "--by", "Bob Jones", "--yes", wants=1), "a revoked one was renewed")
    g.wait_log(g.reload(), event="gateway.reloaded")
    refused_by_tls(g, "(superseded)", "ct7")
    shutil.copy(renewed, keys.path("ct7.pem"))
    accepted(g, tls=keys.client("ct7"), calling="CT_TLS")
    rows = json.loads(ca("list", folder, "--json"))
    equal([(r["revoked"], r["by"], r["revoked_by"], r["reason"]) for r in rows],
          [(True, "Ann Smith", "Bob Jones", "superseded"), (False, "Bob Jones", "", "")], "the list")
    check("Test hospital" in bench.run("openssl", "crl", "-in", os.path.join(folder, "crl.pem"), "-noout", "-text", "-CAfile",
                                       os.path.join(folder, "ca.pem")).text, "openssl crl")
    # An index that was cut off is not taken for whole.
    with open(os.path.join(folder, "index.jsonl"), "a", encoding="ascii") as file:
        file.write('{"event":"iss')
    check("cut off" in ca("list", folder, wants=1), "a cut index")


@test
def gateway_at_each_end(bench):
    """docs/tls-for-a-scanner.md: a scanner without TLS, two gateways, and nothing to read between them."""
    keys = bench.keys
    keys.leaf("edge", "edge-ct7", "DNS:edge-ct7.hospital.example")
    scp = bench.scp()
    core = bench.gateway(nodes={"ct7": {"ae": ["CT7"], "certificate": {"san": ["edge-ct7.hospital.example"]}, "transport": "tls"}},
                         archive={"ae": ["PACS"], "address": [f"127.0.0.1:{scp.port}"], "transport": "plain"},
                         flow={"from": ["ct7"]})
    edge = bench.gateway(start=False, node={"ae": ["CT7"]},
                         archive={"ae": ["PACS"], "address": [f"localhost:{core.tls}"], "transport": "tls"})
    edge.config["tls"]["identities"] = [{"certificate": keys.path("edge.pem"), "key": keys.path("edge.key")}]
    edge.write()
    edge.start()
    scu = edge.scu()
    scu.associate(calling="CT7", called="PACS")
    equal(scu.store()["status"], 0, "status")
    live = json.loads(core.cli("status", "--json"))["associations"]
    equal([(a["calling"], a["tls_version"], a["from"]) for a in live], [("CT7", "TLSv1.3", "ct7")], "what the core sees")
    scu.release()
    equal([(r.calling, r.called) for r in scp.requests], [("CT7", "PACS")], "titles at the archive")
    # The title alone, by another certificate, is nobody.
    rejected(core, (1, 1, 3), tls=keys.client("workstation"), calling="CT7", called="PACS")


# ---- User identity negotiation, PS3.7 D.3.3.7 ----


def user_item(kind=1, name=b"ann", passcode=b"", response=True):
    body = struct.pack(">BBH", kind, response, len(name)) + name + struct.pack(">H", len(passcode)) + passcode
    return dicom.item(0x58, body)


@test
def user_identity_is_required(bench):
    """Rejected as PS3.7 D.3.3.7.3 says; explained; any of the five types will do, as none is verified."""
    g = bench.gateway(flow={"user-identity": {"caller": "require"}})
    rejected(g, (1, 2, 1))
    line = g.decision("user-identity")
    for kind in (1, 2, 3, 4, 5):
        accepted(g, more=user_item(kind, passcode=b"secret" if kind == 2 else b""))
    ran = bench.run("storescu", "--user", "ann", "--pos-response", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain),
                    os.path.join(DATA, "CT_small.dcm"))
    equal(ran.code, 0, f"storescu with a user name ({ran.text[-800:]})")
    check("secret" not in g.log_text(), "a passcode is in the log")
    explained(g, line, lambda: accepted(g))


@test
def user_identity_is_forwarded_or_stripped(bench):
    """The archive sees it, or does not; a response that was asked for comes in both cases."""
    for called in ("forward", "strip"):
        scp = bench.scp()
        g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"},
                          flow={"user-identity": {"called": called}})
        scu = g.scu()
        scu.associate(more=user_item(2, b"ann", b"passcode"))
        equal(0x58 in scp.requests[0].user, called == "forward", f"the item at the archive ({called})")
        if called == "strip":
            equal(scu.ac.user.get(0x59), b"\0\0", "the response")
        scu.release()
        scu = g.scu()
        scu.associate(more=user_item(1, response=False))
        check(0x59 not in scu.ac.user, "a response that nobody asked for")
        scu.release()
        g.stop()


# ---- Users that are proved ----


def proving(bench, users, identity, **more):
    """A gateway whose flow `images` proves users so."""
    g = bench.gateway(start=False, flow={"user-identity": {"caller": "verify", **identity}}, **more)
    g.config["users"] = users
    g.write()
    bench.run(bench.program, "check", g.yaml, wants=0)
    g.start()
    return g


def denied(g, word, **options):
    """Identical refusals are logged once: what is looked for may stand there already."""
    rejected(g, (1, 2, 1), **options)
    until(lambda: any(word in row["message"] for row in g.find(event="decision", rule="user-identity")),
          lambda: f"a sentence with `{word}`: {[row['message'] for row in g.find(event='decision', rule='user-identity')]}")


def password_file(bench, **users):
    path = bench.path("users.txt")
    for name, (passcode, groups) in users.items():
        ran = subprocess.run([bench.program, "user", "set", path, name, *(["--groups", groups] if groups else [])], check=True,
                             input=passcode + "\n", text=True, stdout=subprocess.PIPE)
        check("Reload" in ran.stdout, "what is said", ran.stdout)
    return path


@test
def passcodes_are_proved(bench):
    """By Argon2id, with storescu too; a wrong one is refused each time, also right after a right one; nothing is in the log."""
    path = password_file(bench, ann=("correct horse", "readers,staff"), bob=("battery staple", ""))
    equal(os.stat(path).st_mode & 0o777, 0o600, "the file's mode")
    check("$argon2id$v=19$m=65536,t=3,p=1$" in open(path, encoding="utf-8").read(), "the hashes")
    g = proving(bench, {"passwords": path}, {})
    for _ in range(2):
        scu = g.scu()
        scu.associate(more=user_item(2, b"ann", b"correct horse"))
        equal(scu.ac.user.get(0x59), b"\0\0", "the positive response")
        equal(scu.store(instance="1.2.1")["status"], 0, "status")
        scu.release()
        denied(g, "not right", more=user_item(2, b"ann", b"correct horsE"))
        denied(g, "not right", more=user_item(2, b"ann", b""))
        denied(g, "not right", more=user_item(2, b"ann", b"battery staple"))
    denied(g, "not right", more=user_item(2, b"eve", b"correct horse"))
    denied(g, "not right", more=user_item(2, b"", b""))
    denied(g, "a user name alone proves nothing", more=user_item(1, b"ann"))
    denied(g, "nothing is configured", more=user_item(4, b"<Assertion/>"))
    denied(g, "sent none")
    for password, works in (("battery staple", True), ("Battery staple", False)):
        ran = bench.run("storescu", "--user", "bob", "--password", password, "--pos-response", "-aet", "CT1", "-aec", "ARCHIVE",
                        "127.0.0.1", str(g.plain), os.path.join(DATA, "CT_small.dcm"))
        equal(ran.code == 0, works, f"storescu with `{password}` ({ran.text[-600:]})")
    check(any(row.get("user") == "bob" for row in g.find(event="association.accepted")), "the user in the log")
    for secret in ("correct horse", "battery staple", "argon2id"):
        check(secret not in g.log_text(), "a secret is in the log")
        for pid in [*g.roles(), g.process.pid] if os.getuid() == 0 else []:
            role = g.roles().get(pid, ["", "", "run"])[2:3]
            if role != ["lookup"] and secret != "argon2id":
                with contextlib.suppress(OSError):
                    equal(seen(pid, {"it": secret.encode()}), set(), f"a passcode in the memory of {role}")
    # A new passcode counts from the next reload on.
    password_file(bench, ann=("another", ""))
    g.wait_log(g.reload(), event="gateway.reloaded")
    denied(g, "not right", more=user_item(2, b"ann", b"correct horse"))
    accepted(g, more=user_item(2, b"ann", b"another"))
    bench.run(bench.program, "user", "remove", path, "ann", wants=0)
    equal(bench.run(bench.program, "user", "list", path, wants=0).text, "bob\n", "who is left")
    g.wait_log(g.reload(), event="gateway.reloaded")
    denied(g, "not right", more=user_item(2, b"ann", b"another"))


@test
def users_and_groups_in_flows(bench):
    """Who may what is a flow's affair: a name, a group of the file, a group of the site; the rest of the flows is left."""
    path = password_file(bench, ann=("a", "readers"), bob=("b", ""), eve=("e", ""))
    g = bench.gateway(start=False, flow={"services": ["echo", "store"],
                                         "user-identity": {"caller": "verify", "users": ["@readers", "@night"]}},
                      flows=[{"name": "echoes", "from": ["ct1"], "to": "archive", "services": ["echo"],
                              "user-identity": {"caller": "verify", "users": ["eve"]}}])
    g.config["users"] = {"passwords": path, "groups": {"night": ["bob"]}}
    g.write()
    bench.run(bench.program, "check", g.yaml, wants=0)
    g.start()
    for name, passcode in ((b"ann", b"a"), (b"bob", b"b")):
        scu = g.scu()
        scu.associate(more=user_item(2, name, passcode))
        equal(scu.store(instance="1.2.3")["status"], 0, f"status of {name}")
        scu.release()
    scu = g.scu()
    scu.associate(more=user_item(2, b"eve", b"e"))
    equal(scu.echo(), 0, "an echo of eve's")
    check(scu.ac.results()[3] != 0, "eve may store")
    # A reload that takes a group away reaches who is there.
    open_one = g.scu()
    open_one.associate(more=user_item(2, b"bob", b"b"))
    equal(open_one.store(instance="1.2.4")["status"], 0, "status of bob")
    g.config["users"]["groups"]["night"] = ["nobody"]
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    check(open_one.store(instance="1.2.5")["status"] != 0, "bob still stores")
    denied(g, "bob is not among the `users`", more=user_item(2, b"bob", b"b"))


@test
def user_identity_is_replaced(bench):
    """The archive is told the gateway's own user, and the caller is answered by the gateway."""
    secret = bench.write("passcode", "gateway's own\n")
    os.chmod(secret, 0o600)
    for passcode in (None, secret):
        scp = bench.scp()
        identity = {"called": "replace", "as": "gantry", **({"as-passcode": passcode} if passcode else {})}
        g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"}, flow={"user-identity": identity})
        scu = g.scu()
        scu.associate(more=user_item(2, b"ann", b"hers"))
        kind = b"\2" if passcode else b"\1"
        want = kind + b"\0" + b"\0\6gantry" + (b"\0\x0dgateway's own" if passcode else b"\0\0")
        equal(scp.requests[0].user[0x58], want, "the item at the archive")
        equal(scu.ac.user.get(0x59), b"\0\0", "the response")
        scu.release()
        g.stop()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Keys and tokens, by openssl."""

    def __init__(self, bench):
        self.bench = bench
        for kind, options in {"RS256": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ES256": ["EC", "-pkeyopt",
                              "ec_paramgen_curve:P-256"], "EdDSA": ["ED25519"], "other": ["ED25519"]}.items():
            bench.run("openssl", "genpkey", "-algorithm", *options, "-out", self.key(kind), wants=0)

    def key(self, kind):
        return self.bench.path(f"jwt-{kind}.key")

    def public(self, kind):
        return subprocess.run(["openssl", "pkey", "-in", self.key(kind), "-pubout", "-outform", "DER"], check=True,
                              stdout=subprocess.PIPE).stdout

    def jwk(self, kind, kid):
        der = self.public(kind)
        if kind == "RS256":
            modulus = subprocess.run(["openssl", "rsa", "-in", self.key(kind), "-noout", "-modulus"], check=True,
                                     stdout=subprocess.PIPE, text=True).stdout.strip().split("=")[1]
            return {"kty": "RSA", "kid": kid, "use": "sig", "alg": kind, "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}
        if kind == "ES256":
            return {"kty": "EC", "kid": kid, "crv": "P-256", "x": b64(der[-64:-32]), "y": b64(der[-32:])}
        return {"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": b64(der[-32:])}

    def sign(self, kind, content):
        path = self.bench.write("to-sign", content.decode())
        raw = ["-rawin"] if kind in ("EdDSA", "other") else ["-rawin", "-digest", "sha256"]
        sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", self.key(kind), "-in", path, *raw], check=True,
                             stdout=subprocess.PIPE).stdout
        if kind != "ES256":
            return sig
        parts, at = [], 2
        for _ in range(2):
            parts.append(int.from_bytes(sig[at + 2: at + 2 + sig[at + 1]], "big").to_bytes(32, "big"))
            at += 2 + sig[at + 1]
        return b"".join(parts)

    def token(self, kind, head=None, signature=None, **claims):
        now = int(time.time())
        body = {"iss": "https://id.hospital.example", "aud": ["pacs", "gantry"], "sub": "ann", "exp": now + 300,
                "groups": ["readers"], **claims}
        head = {"alg": kind if kind != "other" else "EdDSA", "typ": "JWT", **(head or {})}
        content = b".".join(b64(json.dumps({k: v for k, v in part.items() if v is not None}).encode()).encode()
                            for part in (head, body))
        return content + b"." + b64(self.sign(kind, content) if signature is None else signature).encode()


@test
def tokens_are_proved(bench):
    """RS256, ES256 and EdDSA; keys that rotate; every way of being wrong has its sentence; storescu has one too."""
    issuer = Issuer(bench)
    jwks = bench.write("keys.json", json.dumps({"keys": [issuer.jwk("RS256", "1"), issuer.jwk("ES256", "2")]}))
    g = proving(bench, {"jwt": {"keys": jwks, "issuer": "https://id.hospital.example", "audience": "gantry"}},
                {"users": ["@readers"]})
    good = issuer.token("RS256", {"kid": "1"})
    accepted(g, more=user_item(5, good))
    accepted(g, more=user_item(5, issuer.token("ES256", {"kid": "2"})))
    accepted(g, more=user_item(5, issuer.token("ES256", aud="gantry")))
    denied(g, "not signed by a key", more=user_item(5, issuer.token("EdDSA")))
    g.wait_log(event="association.accepted", user="ann")
    # The issuer's keys have changed.
    with open(jwks, "w", encoding="ascii") as file:
        json.dump({"keys": [issuer.jwk("EdDSA", "3"), {"kty": "oct", "k": "AAAA"}, issuer.jwk("ES256", "2")]}, file)
    g.wait_log(g.reload(), event="gateway.reloaded")
    accepted(g, more=user_item(5, issuer.token("EdDSA")))
    denied(g, "not signed by a key", more=user_item(5, good))
    now = int(time.time())
    es = issuer.token("ES256")
    public = b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(issuer.public("ES256")) + b"-----END PUBLIC KEY-----\n"
    hs_content = b".".join((b64(b'{"alg":"HS256"}').encode(), es.split(b".")[1]))
    hmac_signed = hs_content + b"." + b64(hmac.new(public, hs_content, hashlib.sha256).digest()).encode()
    for word, token in (
            ("not signed by a key", issuer.token("ES256", {"alg": "none"}, b"")),
            ("not signed by a key", issuer.token("ES256", {"alg": "none"})),
            ("not signed by a key", hmac_signed),
            ("not signed by a key", issuer.token("ES256", {"alg": "EdDSA"})),
            ("not signed by a key", issuer.token("other", {"kid": "3"})),
            ("not signed by a key", issuer.token("other", {"jwk": issuer.jwk("other", "9")})),
            ("not signed by a key", issuer.token("ES256", {"kid": "3"})),
            ("not signed by a key", es.split(b".")[0] + b"." + issuer.token("ES256", sub="bob").split(b".")[1] + b"." +
             es.split(b".")[2]),
            ("cannot be read", issuer.token("ES256", {"crit": ["x"]})),
            ("another issuer", issuer.token("ES256", iss="https://evil.example")),
            ("another audience", issuer.token("ES256", aud=["pacs"])),
            ("another audience", issuer.token("ES256", aud=None)),
            ("has expired", issuer.token("ES256", exp=now - 120)),
            ("says no end", issuer.token("ES256", exp=None)),
            ("says no end", issuer.token("ES256", exp="never")),
            ("not valid yet", issuer.token("ES256", nbf=now + 600)),
            ("names no user", issuer.token("ES256", sub=None)),
            ("empty, too long", issuer.token("ES256", sub="a,b")),
            ("is not among the `users`", issuer.token("ES256", groups=["others"])),
            ("no JSON Web Token", b"abc"), ("cannot be read", b"a.b.c"), ("no JSON Web Token", es + b".x"),
            ("no JSON Web Token", b"")):
        denied(g, word, more=user_item(5, token))
    for number, works in ((0, True), (1, False)):
        path = bench.write("token.jwt", (es if works else es[:-4] + b"AAAA").decode())
        ran = bench.run("storescu", "--jwt", path, "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain),
                        os.path.join(DATA, "CT_small.dcm"))
        equal(ran.code == 0, works, f"storescu with token {number} ({ran.text[-600:]})")
    check(es.split(b".")[2].decode() not in g.log_text(), "a token is in the log")


@test
def cards_are_users(bench):
    """A workstation whose key is on a card (SoftHSM2) reaches the archive as its certificate's user, and as no other."""
    keys = bench.keys
    for name in ("ann", "eve"):
        keys.leaf("card-" + name, name, f"DNS:ws1,email:{name}@hospital.example")
    uri, words, _, _ = token(bench, {name: bench.keys.path(name + ".key") for name in ("card-ann", "card-eve")})
    core = proving(bench, {"certificate": "common-name"}, {"users": ["ann"]}, tls_node={"certificate": {"san": ["ws1"]}})

    def workstation(name):
        """A gateway at the desk that speaks TLS for a plain viewer, with the card's key."""
        edge = bench.gateway(start=False, archive={"address": [f"127.0.0.1:{core.tls}"], "transport": "tls", "server-name": "localhost"})
        edge.config["tls"].update({"identities": [{"certificate": keys.path(f"card-{name}.pem"), "key": uri.format("card-" + name)}],
                                   **words})
        edge.config["flows"][0]["titles"] = {"calling": "CT_TLS"}
        edge.write()
        edge.start()
        return edge

    edge = workstation("ann")
    scu = edge.scu()
    scu.associate()
    equal(scu.store(instance="1.2.9")["status"], 0, "status")
    scu.release()
    core.wait_log(event="association.accepted", user="ann")
    accepted(edge, more=user_item(1, b"ann"))
    mark = core.mark()
    rejected(edge, (1, 2, 1), more=user_item(1, b"eve"))
    check("another's than its certificate's" in core.decision("user-identity", mark)["message"], "the sentence", core.lines(mark))
    edge.stop()
    edge = workstation("eve")
    mark = core.mark()
    rejected(edge, (1, 2, 1))
    check("eve is not among" in core.decision("user-identity", mark)["message"], "the sentence", core.lines(mark))
    # By the mail address.
    core.config["users"]["certificate"] = "email"
    core.config["flows"][0]["user-identity"]["users"] = ["eve@hospital.example"]
    core.write()
    core.wait_log(core.reload(), event="gateway.reloaded")
    accepted(edge)


# ---- Asking the authorities ----


class Responder:
    """`openssl ocsp` for the test's CA; what it says of a certificate is changed by writing its index anew."""

    def __init__(self, bench, signer="ca", nmin=None):
        self.bench, self.keys, self.port, self.signer = bench, bench.keys, free_port(), signer
        self.index = bench.path(f"index-{self.port}.txt")
        self.nmin = nmin
        self.process = None
        self.says({})

    def says(self, standing):
        """name -> "V", "R"."""
        rows = []
        for name, letter in standing.items():
            serial = subprocess.run(["openssl", "x509", "-in", self.keys.path(name + ".pem"), "-noout", "-serial"], check=True,
                                    stdout=subprocess.PIPE, text=True).stdout.strip().split("=")[1]
            gone = "261120000000Z,keyCompromise" if letter == "R" else ""
            rows.append(f"{letter}\t361231000000Z\t{gone}\t{serial}\tunknown\t/CN={name}\n")
        with open(self.index, "w", encoding="ascii") as file:
            file.write("".join(rows))
        self.stop()
        times = ["-nmin", str(self.nmin)] if self.nmin else []
        self.process = self.bench.serve(self.port, "openssl", "ocsp", "-index", self.index, "-port", str(self.port), "-rsigner",
                                        self.keys.path(self.signer + ".pem"), "-rkey", self.keys.path(self.signer + ".key"),
                                        "-CA", self.keys.path("ca.pem"), "-ignore_err", *times)

    def stop(self):
        if self.process:
            self.process.end()
            self.process = None

    url = property(lambda self: f"http://127.0.0.1:{self.port}/")


def asking(bench, responder, start=True, **tls):
    g = bench.gateway(start=False)
    g.config["tls"].update({"ocsp": {"ask": True, "responder": responder.url}, "revocation-again": 1, **tls})
    g.write()
    bench.run(bench.program, "check", g.yaml, wants=0)
    if start:
        g.start()
    return g


@test
def ocsp_is_asked(bench):
    """Good passes, revoked is refused by TLS's own alert, unknown and silent are the node's choice."""
    keys = bench.keys
    keys.leaf("asked-of", "scanner", "DNS:scanner")
    responder = Responder(bench, nmin=5)
    responder.says({"scanner": "V", "asked-of": "R"})
    g = asking(bench, responder)
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    equal(g.find(event="decision", rule="revoked"), [], "alarms")
    refused_by_tls(g, "was revoked on 2026-11-20 (key compromise)", "asked-of")
    pick = ["-connect", f"127.0.0.1:{g.tls}", "-cert", keys.path("asked-of.pem"), "-key", keys.path("asked-of.key"), "-tls1_2"]
    check("certificate revoked" in bench.run("openssl", "s_client", *pick).text, "the alert")
    # Nobody answers: what was said holds until its end, and of others nothing is known.
    responder.stop()
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    equal(g.find(event="decision", rule="revoked", decision="alarm"), [], "alarms")
    keys.leaf("asked-late", "scanner", "DNS:scanner")
    mark = g.mark()
    accepted(g, tls=keys.client("asked-late"), calling="CT_TLS")
    check("no answer from the OCSP responder http://127.0.0.1" in g.decision("revoked", mark, decision="alarm")["message"],
          "the sentence", g.lines(mark))
    g.config["nodes"]["ct-tls"]["revocation"] = "closed"
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    mark = g.mark()
    rejected(g, (1, 1, 3), tls=keys.client("asked-late"), calling="CT_TLS")
    check("revocation: closed" in g.decision("revoked", mark, decision="refuse")["message"], "the sentence", g.lines(mark))
    # It is back, and knows the one but not the other.
    responder.says({"asked-late": "V"})
    until(lambda: not refused(g, keys.client("asked-late")), "the answer to be asked for again")
    mark = g.mark()
    rejected(g, (1, 1, 3), tls=keys.client("scanner"), calling="CT_TLS")
    check("does not know it" in g.decision("revoked", mark)["message"], "the sentence", g.lines(mark))


def refused(g, tls):
    try:
        accepted(g, tls=tls, calling="CT_TLS")
        return False
    except (dicom.Rejected, ssl.SSLError, dicom.Closed, OSError):
        return True


@test
def ocsp_answers_must_be_the_authoritys(bench):
    """Signed by another, about another, or by a certificate that is no responder's: none of it counts."""
    keys = bench.keys
    responder = Responder(bench, signer="other-ca")
    responder.says({"scanner": "V"})
    g = asking(bench, responder)
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    check("not signed by its authority" in g.decision("revoked", decision="alarm")["message"], "the sentence", g.lines())
    other = Responder(bench, signer="archive")
    other.says({"scanner": "V"})
    g = asking(bench, other)
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    check("not signed by its authority" in g.decision("revoked", decision="alarm")["message"], "the sentence", g.lines())


@test
def ocsp_reaches_what_is_open(bench):
    """A certificate that is revoked while its association is open ends it at its next message, and no session is resumed."""
    keys = bench.keys
    keys.leaf("asked-again", "scanner", "DNS:scanner")
    responder = Responder(bench)
    responder.says({"asked-again": "V"})
    g = asking(bench, responder, resumption=True)
    session = keys.path("ocsp-session.pem")
    pick = ["-connect", f"127.0.0.1:{g.tls}", "-cert", keys.path("asked-again.pem"), "-key", keys.path("asked-again.key"),
            "-tls1_2"]
    bench.run("openssl", "s_client", *pick, "-sess_out", session)
    check("Reused" in bench.run("openssl", "s_client", *pick, "-sess_in", session).text, "sessions are not resumed")
    scu = bench.scu(g.tls, tls=keys.client("asked-again"))
    scu.associate(calling="CT_TLS")
    equal(scu.store(instance="1.2.1")["status"], 0, "status before")
    responder.says({"asked-again": "R"})
    number = iter(range(2, 200))
    until(lambda: scu.store(instance=f"1.2.{next(number)}")["status"] != 0, "a refusal of what is open")
    check("was revoked on" in g.decision("revoked")["message"], "the sentence:", g.lines())
    text = bench.run("openssl", "s_client", *pick, "-sess_in", session).text
    check("Reused" not in text and "certificate revoked" in text, "the session was resumed:", text[-1500:])


@test
def revocation_lists_are_fetched(bench):
    """From a URL, by the lookup; anew when they change; said when they cannot be had."""
    keys = bench.keys
    keys.leaf("listed", "scanner", "DNS:scanner")
    folder = bench.new_folder("www")
    port = free_port()
    shutil.copy(authority(keys, "fetched", []), os.path.join(folder, "site.crl"))
    bench.serve(port, "python3", "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", folder)
    g = bench.gateway(start=False)
    g.config["tls"].update({"crl": [f"http://127.0.0.1:{port}/site.crl", f"http://127.0.0.1:{port}/none.crl"],
                            "revocation-again": 1})
    g.config["nodes"]["ct-tls"]["revocation"] = "closed"
    g.write()
    bench.run(bench.program, "check", g.yaml, wants=0)
    g.start()
    accepted(g, tls=keys.client("listed"), calling="CT_TLS")
    g.wait_log(event="revocation.silent", name=f"http://127.0.0.1:{port}/none.crl")
    scu = bench.scu(g.tls, tls=keys.client("listed"))
    scu.associate(calling="CT_TLS")
    equal(scu.store(instance="1.2.1")["status"], 0, "status before")
    put(authority(keys, "fetched-later", ["listed"]), os.path.join(folder, "site.crl"))
    number = iter(range(2, 200))
    until(lambda: scu.store(instance=f"1.2.{next(number)}")["status"] != 0, "a refusal of what is open")
    refused_by_tls(g, "was revoked on 2026-11-20 (key compromise)", "listed")
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")


@test
def own_answers_are_stapled(bench):
    """Who asks for it in the handshake is shown what the authority says of the gateway's certificate."""
    keys = bench.keys
    responder = Responder(bench, nmin=5)
    responder.says({"gateway": "V", "gateway-rsa": "V", "scanner": "V"})
    g = asking(bench, responder, start=False)
    g.config["tls"]["ocsp"]["staple"] = True
    g.write()
    g.start()
    for pick in (["-tls1_2", "-sigalgs", "ECDSA+SHA256"], ["-tls1_3", "-sigalgs", "ECDSA+SHA256"],
                 ["-tls1_2", "-sigalgs", "RSA-PSS+SHA256"]):
        def stapled():
            return bench.run("openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", *pick, "-status", "-cert",
                             keys.path("scanner.pem"), "-key", keys.path("scanner.key"), "-CAfile", keys.path("ca.pem")).text

        text = until(lambda: (lambda t: t if "OCSP Response Status: successful" in t else None)(stapled()), "a staple")
        check("Cert Status: good" in text, "the staple:", text[-3000:])
    text = bench.run("openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", "-cert", keys.path("scanner.pem"), "-key",
                     keys.path("scanner.key")).text
    check("OCSP Response" not in text, "a staple that nobody asked for", text)


@test
def lookup_is_killed(bench):
    """Who asks meanwhile is told; the new one answers again."""
    keys = bench.keys
    responder = Responder(bench, nmin=5)
    responder.says({"scanner": "V"})
    g = asking(bench, responder)
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    for _ in range(2):
        mark = g.mark()
        os.kill(next(pid for pid, argv in g.roles().items() if argv[2:3] == ["lookup"]), 9)
        accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
        g.wait_log(mark, event="role.ended", role="lookup")
        until(lambda: [a for a in g.roles().values() if a[2:3] == ["lookup"]], "a new lookup")
    mark = g.mark()
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    equal(g.find(mark, event="decision", rule="revoked"), [], "alarms")
