# SPDX-License-Identifier: Apache-2.0
"""Certificates that are not good, one row each: the sentence, and the alert that goes out on the wire."""
import datetime
import os
import re
import socket
import ssl
import threading

from lib import dicom
from lib.site import check, equal, test, until
from test_identity import authority
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
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)).strftime("%Y%m%d%H%M%SZ")
    maker.issue("below", "below", "DNS:scanner", by=maker.path("middle"))
    maker.chain("below", maker.path("middle.pem"))
    maker.issue("short", "short", "DNS:scanner", end=soon)
    g = bench.gateway(start=False)
    g.config["tls"]["resumption"] = True
    g.write()
    g.start()

    def shake(name, version, *more):
        return bench.run("openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", "-cert", maker.path(name + ".pem"), "-cert_chain",
                         maker.path(name + ".pem"), "-key", maker.path(name + ".key"), version, *more).text

    session = bench.path("session.pem")
    for name in ("below", "short"):
        shake(name, "-tls1_2", "-sess_out", session)
        check("Reused, TLS" in shake(name, "-tls1_2", "-sess_in", session), f"{name} is not resumed")
    # What is left is the session of "short".
    text = until(lambda: (lambda t: None if "Reused, TLS" in t else t)(shake("short", "-tls1_2", "-sess_in", session)), "its end")
    check("certificate expired" in text, "the alert:", text[-1500:])
    said(g, "tls", ['"CN=short"', "expired on"])
