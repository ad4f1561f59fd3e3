# SPDX-License-Identifier: Apache-2.0
"""Certificates that are not good, one row each: the sentence, and the alert that goes out on the wire."""
import concurrent.futures
import os
import re
import shutil
import socket
import ssl
import threading
import time

from lib import dicom
from lib.site import check, equal, free_port, put, test, until
from lib.trail import Trail
from test_identity import Responder, asking, authority, refused, refused_by_tls
from test_refusals import accepted, rejected

VERSIONS = {"12": ssl.TLSVersion.TLSv1_2, "13": ssl.TLSVersion.TLSv1_3}

# Alerts of RFC 8446 6.2 and RFC 5246 7.2, as OpenSSL names them where they come in.
REVOKED = "SSLV3_ALERT_CERTIFICATE_REVOKED"
EXPIRED = "SSLV3_ALERT_CERTIFICATE_EXPIRED"
UNKNOWN_CA = "TLSV1_ALERT_UNKNOWN_CA"
BAD = "SSLV3_ALERT_BAD_CERTIFICATE"
UNSUPPORTED = "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"
REQUIRED = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
HANDSHAKE = "SSLV3_ALERT_HANDSHAKE_FAILURE"

BOTH = "serverAuth,clientAuth"
CALLER, CALLED = "caller", "called"


def stamp(moment):
    """As openssl ca takes it."""
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(moment))


class Maker:
    """Certificates with a fault, beside the good ones of the run."""

    def __init__(self, bench):
        self.keys, self.bench = bench.keys, bench
        self.prefix = f"{bench.name}-"
        self.authority("twin", "/CN=Test ca")
        self.authority("strange", "/CN=Strange ca")
        self.authority("vendor", "/CN=Vendor ca", "nameConstraints=critical,permitted;DNS:vendor.example,excluded;IP:0.0.0.0/0.0.0.0")
        self.authority("middle", "/CN=Middle ca", by="ca")
        # Devices' own certificates that a site trusts, which only a lax reading takes for authorities.
        self.authority("device", "/CN=Device", "subjectAltName=DNS:device.example", base=[])

    def path(self, name):
        return self.keys.path(self.prefix + name)

    def authority(self, name, subject, *more, base=("basicConstraints=critical,CA:TRUE",), by=None):
        conf = self.bench.write("req.cnf", "[req]\ndistinguished_name=d\n[d]\n")
        self.keys.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path(name + ".key"))
        extensions = [x for e in [*base, "keyUsage=critical,keyCertSign,cRLSign,digitalSignature", *more] for x in ("-addext", e)]
        signer = ["-CA", self.keys.path(by + ".pem"), "-CAkey", self.keys.path(by + ".key")] if by else []
        self.keys.openssl("req", "-config", conf, "-x509", *signer, "-new", "-key", self.path(name + ".key"), "-subj", subject, "-days", "30",
                          *extensions, "-out", self.path(name + ".pem"))

    def issue(self, name, common, san, eku=BOTH, usage="digitalSignature", kind="ec", by=None, digest="sha256",
              begin=None, end=None):
        """By openssl ca, which can set the days. by: a path without its end; "self"."""
        keys, by = self.keys, by or self.keys.path("ca")
        options = {"ec": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa1024": ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
                   "p224": ["EC", "-pkeyopt", "ec_paramgen_curve:P-224"], "ed25519": ["ED25519"]}[kind]
        keys.openssl("genpkey", "-algorithm", *options, "-out", self.path(name + ".key"))
        folder = self.bench.new_folder(f"ca-{name}")
        with open(os.path.join(folder, "index"), "w", encoding="ascii"):
            pass
        conf = self.bench.write(f"ca-{name}/cnf", f"""[req]
distinguished_name=d
[d]
[ca]
default_ca=c
[c]
database={folder}/index
rand_serial=yes
new_certs_dir={folder}
policy=p
unique_subject=no
[p]
commonName=supplied
[x]
basicConstraints=CA:FALSE
authorityKeyIdentifier=none
subjectAltName={san}
keyUsage={usage}
{'extendedKeyUsage=' + eku if eku else ''}
""")
        keys.openssl("req", "-config", conf, "-new", "-key", self.path(name + ".key"), "-subj", f"/CN={common}", "-out",
                     self.path(name + ".csr"))
        signer = ["-selfsign", "-keyfile", self.path(name + ".key")] if by == "self" else \
            ["-cert", by + ".pem", "-keyfile", by + ".key"]
        keys.openssl("ca", "-batch", "-notext", "-config", conf, "-extensions", "x", "-md", "null" if kind == "ed25519" and by == "self"
                     else digest, "-startdate", begin or "20260101000000Z", "-enddate", end or "20490101000000Z", *signer, "-in",
                     self.path(name + ".csr"), "-out", self.path(name + ".pem"))

    def chain(self, name, *more):
        """Show these certificates after it."""
        with open(self.path(name + ".pem"), "a", encoding="ascii") as file:
            for path in more:
                with open(path, encoding="ascii") as other:
                    file.write(other.read())

    def context(self, protocol, name, version):
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_verify_locations(self.keys.path("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        if name:
            context.load_cert_chain(self.path(name + ".pem"), self.path(name + ".key"))
        context.minimum_version = context.maximum_version = version
        return context


# What is made, the end of the sentence, and the alert: for a caller, and for a node that is called.
TABLE = [
    ("revoked", {}, "was revoked on 2026-11-20 (key compromise)", REVOKED),
    ("expired", {"end": "20260102000000Z"}, "expired on 2026-01-02: renew it", EXPIRED),
    ("early", {"begin": "20480101000000Z"}, "is valid only from 2048-01-01: check the clocks", EXPIRED),
    ("stranger", {"by": "strange"}, "is by no authority that we trust", UNKNOWN_CA),
    ("twins", {"by": "twin"}, "is not by the authority that it names", BAD),
    ("self", {"by": "self"}, "is self-signed and not trusted", UNKNOWN_CA),
    ("by-device", {"by": "device"}, "has issued another without being an authority", UNKNOWN_CA),
    ("out-of-bounds", {"by": "vendor"}, "holds a name that its authority may not give", "SSLV3_ALERT_CERTIFICATE_UNKNOWN"),
    ("other-use", {"eku": {CALLER: "serverAuth", CALLED: "clientAuth"}}, "its extended key usage lacks", UNSUPPORTED),
    ("no-signing", {"usage": "keyEncipherment"}, "its key usage lacks digitalSignature", UNSUPPORTED),
    ("rsa1024", {"kind": "rsa1024"}, "has a key that is too short: RSA needs 2048 bits or more, ECC 256", BAD),
    ("sha1", {"digest": "sha1"}, "is signed with a hash weaker than SHA-256", BAD),
    ("sha224", {"digest": "sha224"}, "is signed with a hash weaker than SHA-256", BAD),
]


def make_all(bench, side, san):
    """Every row's certificate for both versions, told apart by their subjects; and a list that revokes the first."""
    maker = Maker(bench)
    for name, how, _, _ in TABLE:
        for number in VERSIONS:
            options = dict(how)
            if isinstance(options.get("eku"), dict):
                options["eku"] = options["eku"][side]
            if options.get("by") not in (None, "self"):
                options["by"] = maker.path(options["by"])
            maker.issue(name + number, f"{name} {number}", san, **options)
    lists = [authority(bench.keys, f"{bench.name}-list", [f"{bench.name}-revoked{n}" for n in VERSIONS]),
             *(own_list(bench, maker, name) for name in ("vendor", "device"))]
    return maker, lists


def own_list(bench, maker, name):
    """An empty list of an authority, so that nothing of it is unknown."""
    conf = bench.write(f"list-{name}.cnf", f"[ca]\ndefault_ca=c\n[c]\ndatabase={bench.write('list-index', '')}\ndefault_md=sha256\n")
    maker.keys.openssl("ca", "-config", conf, "-gencrl", "-crldays", "5", "-cert", maker.path(name + ".pem"), "-keyfile",
                       maker.path(name + ".key"), "-out", maker.path(name + ".crl"))
    return maker.path(name + ".crl")


def trusting(bench, maker, lists, **options):
    """Several anchors: the site's authority, a vendor's within its names, and a device's own certificate."""
    g = bench.gateway(start=False, **options)
    g.config["tls"]["trust"] += [maker.path("vendor.pem"), maker.path("device.pem")]
    g.config["tls"]["crl"] = lists
    g.write()
    bench.run(bench.program, "check", g.yaml, wants=0)
    g.start()
    return g


def said(g, rule, words):
    """The line of a decision in whose sentence all these words are; `explain` says it too."""
    def lines():
        return [row for row in g.find(event="decision", rule=rule) if all(w in row["message"] for w in words)]

    line = until(lines, lambda: f"a sentence with {words}; there is\n" + "\n".join(
        row["message"] for row in g.find(event="decision", rule=rule)))[0]
    check(line["message"][:60] in g.cli("explain", str(line["number"])), "explain has another sentence")
    return line


def alert_to_caller(g, context):
    """What comes in as a caller that sends its request at once, as devices do."""
    with socket.create_connection(("127.0.0.1", g.tls), 10) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                tls.sendall(dicom.associate_rq("CT_TLS", "ARCHIVE", [(dicom.VERIFICATION, [dicom.ILE])]) + bytes(20000))
                tls.recv(1)
        except ssl.SSLError as error:
            return error.reason
    return "no alert"


@test
def bad_certificates_of_callers(bench):
    """Each is refused with its own sentence and the alert of RFC 8446 6.2, in TLS 1.2 and 1.3."""
    maker, lists = make_all(bench, CALLER, "DNS:scanner")
    maker.issue("good", "good", "DNS:scanner")
    maker.issue("of-vendor", "vendor's", "DNS:ct.vendor.example", by=maker.path("vendor"))
    g = trusting(bench, maker, lists, nodes={
        "ct-vendor": {"ae": ["CT_V"], "certificate": {"san": ["ct.vendor.example"]}, "transport": "tls"},
        "ct-device": {"ae": ["CT_D"], "certificate": {"san": ["device.example"]}, "transport": "tls"},
    }, flow={"from": ["ct1", "ct-tls", "ct-vendor", "ct-device"]})
    sentences = {}
    for number, version in VERSIONS.items():
        accepted(g, tls=maker.context(ssl.PROTOCOL_TLS_CLIENT, "good", version), calling="CT_TLS")
        accepted(g, tls=maker.context(ssl.PROTOCOL_TLS_CLIENT, "of-vendor", version), calling="CT_V")
        accepted(g, tls=maker.context(ssl.PROTOCOL_TLS_CLIENT, "device", version), calling="CT_D")
        for name, _, words, alert in TABLE:
            context = maker.context(ssl.PROTOCOL_TLS_CLIENT, name + number, version)
            equal(alert_to_caller(g, context), alert, f"alert for {name}, TLS 1.{number[1]}")
            # The fault of a chain may be its authority's.
            whose = {"by-device": "Device"}.get(name, f"{name} {number}")
            sentences[name] = said(g, "tls", [words, f'"CN={whose}"'])["message"]
        alert = alert_to_caller(g, maker.context(ssl.PROTOCOL_TLS_CLIENT, None, version))
        equal(alert, REQUIRED if number == "13" else HANDSHAKE, f"alert for no certificate, TLS 1.{number[1]}")
    said(g, "tls", ["showed no certificate: install one on it"])
    check("lacks clientAuth" in sentences["other-use"], "the use that is missing:", sentences["other-use"])
    equal(len(set(re.sub(r'"CN=[^"]*"', "", s) for s in sentences.values())), len(TABLE) - 1, "sentences (both weak hashes share one)")
    # A good certificate of the wrong device is refused in DICOM's words: TLS has nothing against it.
    maker.issue("other-name", "other", "DNS:mr9.hospital.example")
    rejected(g, (1, 1, 3), tls=maker.context(ssl.PROTOCOL_TLS_CLIENT, "other-name", VERSIONS["13"]), calling="CT_TLS")
    check("mr9.hospital.example" in g.decision("caller-certificate")["message"], "the sentence", g.lines()[-3:])


class Archive:
    """A TLS server that notes how each handshake ends; who gets through is released by a close."""

    def __init__(self, bench):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context, self.ends, self.requests = None, [], 0
        bench.later(self.listener.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            plain.settimeout(10)
            try:
                with self.context.wrap_socket(plain, server_side=True) as tls:
                    got = tls.recv(1)
                    self.requests += len(got)
                    self.ends.append("a request" if got else "closed")
            except ssl.SSLError as error:
                self.ends.append(error.reason)
            except OSError as error:
                self.ends.append(str(error))

    def end_of(self, context, call):
        """How the handshake of what call() brings ends."""
        self.context, before = context, len(self.ends)
        call()
        return until(lambda: self.ends[before:], "a handshake at the archive")[0]


@test
def bad_certificates_of_called_nodes(bench):
    """The same for a node that is called: nothing is sent to it, and the caller is refused."""
    maker, lists = make_all(bench, CALLED, "DNS:archive,IP:127.0.0.1")
    archive = Archive(bench)
    g = trusting(bench, maker, lists, archive={"address": [f"127.0.0.1:{archive.port}"], "transport": "tls",
                                               "server-name": "archive"})

    def call():
        rejected(g, (2, 3, 1))

    # OpenSSL as a server shows no certificate whose key usage lacks digitalSignature.
    rows = [*(row for row in TABLE if row[0] != "no-signing"), ("other-name", {}, "does not hold the name that we called", BAD)]
    sentences = {}
    for number, version in VERSIONS.items():
        maker.issue("other-name" + number, f"other-name {number}", "DNS:archive2,IP:127.0.0.2")
        for name, _, words, alert in rows:
            context = maker.context(ssl.PROTOCOL_TLS_SERVER, name + number, version)
            equal(archive.end_of(context, call), alert, f"alert for {name}, TLS 1.{number[1]}")
            whose = {"by-device": "Device"}.get(name, f"{name} {number}")
            sentences[name] = said(g, "upstream-tls", [words, f'"CN={whose}"'])["message"]
    check("lacks serverAuth" in sentences["other-use"], "the use that is missing:", sentences["other-use"])
    equal(archive.requests, 0, "bytes that a node with a bad certificate was sent")
    equal(len(set(re.sub(r'"CN=[^"]*"', "", s) for s in sentences.values())), len(rows) - 1, "sentences")


@test
def pinned_keys_of_both_sides(bench):
    """`spki` of a caller and of a called node: the right name under another key is not it."""
    keys = bench.keys
    maker = Maker(bench)
    for name, san in (("scanner2", "DNS:scanner"), ("archive2", "DNS:archive,IP:127.0.0.1")):
        maker.issue(name, name, san)
    good, bad = keys.server("archive"), maker.context(ssl.PROTOCOL_TLS_SERVER, "archive2", VERSIONS["13"])
    archive = Archive(bench)
    pin = {"spki": ["sha256:" + "0" * 64, "sha256:" + keys.spki("archive")]}
    g = bench.gateway(archive={"address": [f"127.0.0.1:{archive.port}"], "transport": "tls", "certificate": pin},
                      tls_node={"certificate": {"spki": ["sha256:" + keys.spki("scanner")]}})

    def call():
        rejected(g, (2, 3, 1), tls=keys.client("scanner"), calling="CT_TLS")

    # The archive of this test ends the association there; the other is closed before a byte is sent.
    equal(archive.end_of(good, call), "a request", "what the right archive got")
    equal(archive.end_of(bad, call), "closed", "what the wrong archive got")
    check("CN=archive2" in g.decision("upstream-tls")["message"], "the sentence", g.lines()[-3:])
    rejected(g, (1, 1, 3), tls=maker.context(ssl.PROTOCOL_TLS_CLIENT, "scanner2", VERSIONS["13"]), calling="CT_TLS")
    g.decision("caller-certificate")


@test
def sessions_are_verified_again(bench):
    """With certificates between, too; a certificate that has expired since is refused as in a full handshake."""
    maker = Maker(bench)
    maker.issue("below", "below", "DNS:scanner", by=maker.path("middle"))
    maker.chain("below", maker.path("middle.pem"))
    g = bench.gateway(start=False)
    g.config["tls"]["resumption"] = True
    g.write()
    g.start()

    def shake(name, version, *more):
        return bench.run("openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", "-cert", maker.path(name + ".pem"), "-cert_chain",
                         maker.path(name + ".pem"), "-key", maker.path(name + ".key"), version, *more).text

    session = bench.path("session.pem")
    for name in ("below", "short"):
        if name == "short":  # its time runs from here on
            maker.issue("short", "short", "DNS:scanner", end=stamp(time.time() + 8))
        shake(name, "-tls1_2", "-sess_out", session)
        check("Reused, TLS" in shake(name, "-tls1_2", "-sess_in", session), f"{name} is not resumed")
    # What is left is the session of "short".
    text = until(lambda: (lambda t: None if "Reused, TLS" in t else t)(shake("short", "-tls1_2", "-sess_in", session)), "its end")
    check("certificate expired" in text, "the alert:", text[-1500:])
    said(g, "tls", ['"CN=short"', "expired on"])


@test
def revoked_when_resumed(bench):
    """A session of a certificate that has been revoked since is refused by TLS's own alert, in both versions, each time."""
    keys = bench.keys
    keys.leaf("resumes", "resumes", "DNS:scanner")
    responder = Responder(bench)
    responder.says({"resumes": "V"})
    g = asking(bench, responder, resumption=True)
    kept = {}

    def call(context, session=None):
        with socket.create_connection(("127.0.0.1", g.tls), 10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
                tls.sendall(dicom.associate_rq("CT_TLS", "ARCHIVE", [(dicom.VERIFICATION, [dicom.ILE])]))
                equal(tls.recv(1), b"\2", "the PDU that came")
                return tls.session_reused, tls.session

    for version in VERSIONS.values():
        context = keys.client("resumes", version)
        reused, session = call(context)
        check(not reused, "resumed without a session")
        for _ in range(3):  # TLS 1.3 gives a new session each time, which serves once
            reused, session = call(context, session)
            check(reused, "not resumed")
        kept[version] = context, session
    responder.says({"resumes": "R"})
    for context, session in kept.values():
        def alert():
            try:
                call(context, session)
                return None
            except ssl.SSLError as error:
                return error.reason

        equal(until(alert, "a refusal"), REVOKED, f"the alert, {context.minimum_version}")
        equal(alert(), REVOKED, "the alert at the next try")
    said(g, "tls", ['"CN=resumes"', "was revoked on"])


# ---- Revocation of called nodes ----


def storing(number):
    """Whether an object passes, on an association that is open."""
    return lambda scu: scu.store(instance=f"1.2.{next(number)}")["status"] == 0


def calling_archive(bench, responder, name, **tls):
    """A gateway that calls an archive of our own with TLS, and one association through it that is open."""
    scp = bench.scp(tls=bench.keys.server(name))
    g = asking(bench, responder, start=False, **tls)
    g.config["nodes"]["archive"] = {"ae": ["ARCHIVE"], "address": [f"127.0.0.1:{scp.port}"], "transport": "tls"}
    g.write()
    g.start()
    scu = g.scu()
    scu.associate()
    equal(scu.store(instance="1.2.1")["status"], 0, "status before")
    return g, scp, scu


@test
def revocation_reaches_open_nodes_by_ocsp(bench):
    """What a called node's authority says is asked again while it is open: nothing more goes to it."""
    keys = bench.keys
    keys.leaf("open-archive", "archive", "DNS:archive,IP:127.0.0.1")
    responder = Responder(bench)
    responder.says({"open-archive": "V"})
    g, scp, scu = calling_archive(bench, responder, "open-archive")
    responder.says({"open-archive": "R"})
    number = iter(range(2, 400))
    passes = storing(number)
    until(lambda: not passes(scu), "a refusal")
    check("was revoked on" in g.wait_log(event="upstream.revoked", target="archive")["message"], "the sentence", g.lines()[-5:])
    sent = len(scp.stored())
    for _ in range(3):
        check(not passes(scu), "an object was stored after the revocation")
    check("was revoked on 2026-11-20 (key compromise)" in g.decision("upstream-tls")["message"], "the sentence", g.lines()[-5:])
    equal(len(scp.stored()), sent, "objects at the archive")
    # It is good again (another certificate would do as well): the same association goes on.
    responder.says({"open-archive": "V"})
    until(lambda: passes(scu), "the archive to be called again")
    # Nobody knows any more: `closed` ends it where nothing is in hand, `open` goes on.
    responder.stop()
    for choice in ("open", "closed"):
        g.config["nodes"]["archive"]["revocation"] = choice
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        if choice == "open":
            check(passes(scu), "refused though it is `open`")
        else:
            until(lambda: not passes(scu), "a refusal")
    check("revocation: closed" in until(lambda: [r for r in g.find(event="decision", rule="upstream-tls") if "closed" in r["message"]],
                                        "the sentence")[0]["message"], "the sentence")


@test
def reloads_reach_open_nodes(bench):
    """A list that comes with a reload, and another certificate that the configuration names."""
    keys = bench.keys
    keys.leaf("listed-archive", "archive", "DNS:archive,IP:127.0.0.1")
    scp = bench.scp(tls=keys.server("listed-archive"))
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "tls"})
    scu = g.scu()
    scu.associate()
    passes = storing(iter(range(1, 400)))
    check(passes(scu), "before")
    g.config["nodes"]["archive"]["certificate"] = {"san": ["archive9"]}
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    check(not passes(scu), "stored at a node with another certificate")
    check("which is not the one that node archive names" in g.decision("upstream-tls")["message"], "the sentence", g.lines()[-5:])
    del g.config["nodes"]["archive"]["certificate"]
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    check(passes(scu), "the node is right again")
    g.config["tls"]["crl"] = [authority(keys, f"{bench.name}-list", ["listed-archive"])]
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    sent = len(scp.stored())
    check(not passes(scu), "stored at a node that was revoked")
    check("was revoked on" in g.wait_log(event="upstream.revoked", target="archive")["message"], "the sentence", g.lines()[-5:])
    equal(len(scp.stored()), sent, "objects at the archive")


@test
def stapled_answers_of_called_nodes(bench):
    """Shown by openssl s_server in TLS 1.3; the authority's own, young ones count, and nobody need be asked then."""
    keys = bench.keys
    responder = Responder(bench)

    def staple(name, letter, signer="ca"):
        responder.says({"archive": letter})
        responder.stop()
        path = bench.path(name)
        bench.run("openssl", "ocsp", "-index", responder.index, "-rsigner", keys.path(signer + ".pem"), "-rkey",
                  keys.path(signer + ".key"), "-CA", keys.path("ca.pem"), "-issuer", keys.path("ca.pem"), "-cert",
                  keys.path("archive.pem"), "-nmin", "60", "-respout", path, "-noverify", wants=0)
        return path

    def called(path, rule, word, version="-tls1_3", **tls):
        port = free_port()
        server = bench.serve(port, "openssl", "s_server", "-accept", str(port), version, "-cert", keys.path("archive.pem"), "-key",
                             keys.path("archive.key"), "-status_file", path, "-naccept", "1", "-quiet")
        g = asking(bench, responder, start=False, **tls)
        g.config["nodes"]["archive"] = {"ae": ["ARCHIVE"], "address": [f"127.0.0.1:{port}"], "transport": "tls",
                                        "revocation": "closed"}
        g.write()
        g.start()
        rejected(g, (2, 3, 1))
        check(word in g.decision(rule)["message"], f"`{word}` is not said:", g.lines()[-3:])
        g.stop()
        server.wait()
        return server.text()

    good = staple("good", "V")
    # It lets us in, and knows no DICOM.
    called(good, "upstream-down", "no answer to the association request", **{"revocation-again": 600})
    text = called(staple("revoked", "R"), "upstream-tls", "was revoked on 2026-11-20 (key compromise)", **{"revocation-again": 600})
    check("alert certificate revoked" in text, "the alert:", text)
    # Another's word, an old one, and TLS 1.2's, which comes too late: the authority is asked, who is not there.
    silent = "no answer from the OCSP responder"
    called(staple("forged", "V", signer="other-ca"), "upstream-tls", silent, **{"revocation-again": 600})
    called(good, "upstream-tls", silent, "-tls1_2", **{"revocation-again": 600})
    path = staple("old", "V")
    old = time.time() + 2.1
    until(lambda: time.time() > old, "the staple to age")
    called(path, "upstream-tls", silent)


@test
def a_responder_that_hangs(bench):
    """More certificates than can be asked about at once: who waits in vain is let in with an alarm, and asks again later."""
    keys, many = bench.keys, 16
    for number in range(many):
        keys.leaf(f"hung{number}", f"hung{number}", "DNS:scanner")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        g = bench.gateway(start=False)
        g.config["tls"].update({"ocsp": {"ask": True, "responder": f"http://127.0.0.1:{silent.getsockname()[1]}/"},
                                "revocation-again": 1})
        g.write()
        g.start()

        def scanner(number):
            scu = bench.scu(g.tls, tls=keys.client(f"hung{number}"), timeout=40)
            scu.associate(calling="CT_TLS")
            began, echoes = time.monotonic(), []
            while time.monotonic() - began < 14:
                echoes.append(scu.echo())
                time.sleep(0.1)  # sixteen without a pause take a processor each
            scu.release()
            return set(echoes)

        with concurrent.futures.ThreadPoolExecutor(many) as pool:
            equal(list(pool.map(scanner, range(many))), [{0}] * many, "answers")
        equal(g.find(event="association.killed"), [], "associations that were killed")
        check(any("lookup did not answer" in r["message"] for r in g.find(event="decision", rule="revoked")),
              "nobody waited in vain: the test shows nothing")


@test
def lists_do_not_go_back(bench):
    """Who stands between us and the authority shows the list from before the revocation: the younger one is kept."""
    keys, folder, port = bench.keys, bench.new_folder("www"), free_port()
    keys.leaf("rolled-back", "scanner", "DNS:scanner")
    older = authority(keys, f"{bench.name}-older", [])
    second = int(time.time())
    until(lambda: int(time.time()) > second, "the next second")
    shutil.copy(authority(keys, f"{bench.name}-younger", ["rolled-back"]), os.path.join(folder, "site.crl"))
    bench.serve(port, "python3", "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", folder)
    g = bench.gateway(start=False)
    g.config["tls"].update({"crl": [f"http://127.0.0.1:{port}/site.crl"], "revocation-again": 1})
    g.write()
    g.start()
    refused_by_tls(g, "was revoked on", "rolled-back")
    put(older, os.path.join(folder, "site.crl"))
    check("older than the one that is here" in g.wait_log(event="revocation.silent")["message"], "the sentence", g.lines()[-3:])
    g.reload()  # it is kept then, too
    g.wait_log(event="gateway.reloaded")
    check(refused(g, keys.client("rolled-back")), "a revoked certificate came in by an older list")


def ends_idle(scu, what):
    """Nothing is sent: the provider's A-ABORT comes by itself."""
    kind, body = scu.recv_pdu()
    equal((kind, body[2:4]), (7, b"\x02\x00"), what)


@test
def certificates_that_expire_while_idle(bench):
    """Nobody says anything: the alarm comes when the time is over, once; with `refuse` the association ends then, and so does the called one."""
    maker = Maker(bench)
    for name, san in (("short", "DNS:scanner"), ("short-archive", "IP:127.0.0.1")):
        maker.issue(name, name, san)
    server = maker.context(ssl.PROTOCOL_TLS_SERVER, "short-archive", ssl.TLSVersion.TLSv1_3)
    archive = bench.scp(tls=server)
    trail = Trail(bench)
    g = trail.gateway(archive={"address": [f"127.0.0.1:{archive.port}"], "transport": "tls"})
    g.config["nodes"]["archive"]["expired"] = "refuse"
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    # Last of all: what is before the end has to happen in a short time.
    end = int(time.time() + 8)
    last = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(end))
    for name, san in (("short", "DNS:scanner"), ("short-archive", "IP:127.0.0.1")):
        maker.issue(name, name, san, end=last)
    server.load_cert_chain(maker.path("short-archive.pem"), maker.path("short-archive.key"))

    def open_idle():
        scu = bench.scu(g.tls, tls=maker.context(ssl.PROTOCOL_TLS_CLIENT, "short", ssl.TLSVersion.TLSv1_3))
        scu.associate(calling="CT_TLS")
        equal(scu.echo(), 0, "while it is good")
        return scu
    goes_on = open_idle()
    until(lambda: g.find(event="upstream.expired", target="archive"), "the called node is ended", patience=20)
    check(time.time() < end + 4, "told late:", time.time() - end)
    until(lambda: len(g.find(rule="expired", decision="alarm")) == 2, "an alarm for each of the two")
    time.sleep(1.5)
    equal(len(g.find(rule="expired")), 2, "once for each, and no refusal")
    g.config["nodes"]["ct-tls"]["expired"] = "refuse"
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    ends_idle(goes_on, "ended by the reload")
    maker.issue("short-archive", "short-archive", "IP:127.0.0.1")
    end = int(time.time() + 8)
    last = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(end))
    maker.issue("short", "short", "DNS:scanner", end=last)
    server.load_cert_chain(maker.path("short-archive.pem"), maker.path("short-archive.key"))
    mark = g.mark()
    idle = open_idle()
    ends_idle(idle, "ended in time, though nothing was said")
    check(end <= time.time() < end + 4, "when:", time.time() - end)
    refused = g.wait_log(mark, event="decision", rule="expired", decision="refuse")
    equal(refused["answered"], "A-ABORT", "how it was told")
    over = g.wait_log(mark, event="association.ended")
    check("the caller's certificate expired on 20" in over["message"], "the reason:", over)
    until(lambda: any(r["event"].get("refusal") == refused["number"] for r in trail.records("alert")), "the record")


@test
def certificates_that_expire_while_open(bench):
    """Of the caller and of the archive: an alarm with a number, in the trail too, and all goes on; refused where the node says so."""
    maker = Maker(bench)
    names = (("short", "DNS:scanner"), ("short-archive", "IP:127.0.0.1"))
    for name, san in names:
        maker.issue(name, name, san)
    server = maker.context(ssl.PROTOCOL_TLS_SERVER, "short-archive", ssl.TLSVersion.TLSv1_3)
    archive = bench.scp(tls=server)
    trail = Trail(bench)
    g = trail.gateway(archive={"address": [f"127.0.0.1:{archive.port}"], "transport": "tls"})
    # Last of all: their time is short, and all that is before the end has to happen in it.
    end = time.time() + 8
    for name, san in names:
        maker.issue(name, name, san, end=stamp(end))
    server.load_cert_chain(maker.path("short-archive.pem"), maker.path("short-archive.key"))
    tls = bench.scu(g.tls, tls=maker.context(ssl.PROTOCOL_TLS_CLIENT, "short", ssl.TLSVersion.TLSv1_3))
    tls.associate(calling="CT_TLS")
    plain = g.scu()
    plain.associate()
    count = iter(range(1, 99))

    def store(scu):
        uid = f"1.2.3.{next(count)}"
        return scu.store(instance=uid, data=dicom.simple_object(instance=uid))["status"]
    equal((store(tls), store(plain)), (0, 0), "before")
    equal(g.find(rule="expired"), [], "nothing has expired yet")
    until(lambda: time.time() > int(end) + 1, "the end of their time", patience=20)
    for _ in range(2):
        equal((store(tls), store(plain)), (0, 0), "statuses afterwards")
    caller = g.decision("expired", decision="alarm", node="ct-tls")
    check("node ct-tls expired on 20" in caller["message"], "the caller's:", caller["message"], caller["line"])
    called = [line for line in g.find(rule="expired", decision="alarm") if "the called node archive expired on 20" in line["message"]]
    equal(sorted(line["node"] for line in called), ["ct-tls", "ct1"], "the archive's, for each association once")
    (alert,) = [r["event"] for r in trail.wait("alert", 3, object="expired") if r["event"]["refusal"] == caller["number"]]
    equal((alert["alert"], alert["from"]["subject"]), (110126, "CN=short"), "in the trail")
    for node in ("ct-tls", "archive"):
        g.config["nodes"][node]["expired"] = "refuse"
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    ends_idle(tls, "the caller is ended, as nothing is in hand")
    refused = g.decision("expired", decision="refuse")
    equal(refused["answered"], "A-ABORT", "how it was told")
    check("expired: alarm" in g.cli("explain", str(refused["number"])), "explain")
    check(store(plain) != 0, "it was stored in an archive whose certificate has expired")
    g.wait_log(event="upstream.expired", target="archive")
    check("expired" in g.decision("upstream-tls")["message"], "how the archive was called again")
    # Renewed meanwhile, it is called again within the same association.
    maker.issue("short-archive", "short-archive", "IP:127.0.0.1")
    server.load_cert_chain(maker.path("short-archive.pem"), maker.path("short-archive.key"))
    equal(store(plain), 0, "with another certificate")
