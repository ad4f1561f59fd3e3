# SPDX-License-Identifier: Apache-2.0
"""The site's own revocation list: a stolen scanner's certificate is blocked at night, without the authority's key."""
import os
import re
import shutil
import socket
import ssl

from lib import dicom
from lib.site import check, equal, test, until
from lib.token import token
from lib.trail import Trail

REVOKED = "SSLV3_ALERT_CERTIFICATE_REVOKED"


class Site:
    """An authority in a folder of its own, a scanner, a delegation, and a gateway with `tls: revocation`."""

    def __init__(self, bench, kind=("ec", "ec_paramgen_curve:P-256")):
        self.bench, self.folder = bench, bench.path("ca")
        self.ca("make", self.folder, "--name", "Test hospital")
        self.scanner = self.device("old-scanner")
        self.request("lists", kind)
        self.ca("delegate", self.folder, bench.path("lists.csr"), "--by", "Ann Smith", "--yes")
        self.delegate = os.path.join(self.folder, "delegate.pem")
        self.list = bench.path("revoked.pem")
        self.gateway = bench.gateway(start=False)
        self.use(self.gateway)

    def use(self, g, **more):
        config = g.config["tls"]
        config["trust"].append(self.folder + "/ca.pem")
        config["revocation"] = {"key": self.bench.path("lists.key"), "certificate": self.delegate, "list": self.list}
        config.update(more)
        g.write()

    def ca(self, *arguments, wants=0):
        return self.bench.run(self.bench.program, "ca", *arguments, wants=wants).text

    def request(self, name, kind=("ec", "ec_paramgen_curve:P-256"), extension=()):
        self.bench.run("openssl", "req", "-newkey", kind[0], "-pkeyopt", kind[1], "-nodes", "-subj", f"/CN={name}", *extension,
                       "-keyout", self.bench.path(name + ".key"), "-out", self.bench.path(name + ".csr"), wants=0)

    def device(self, name):
        self.request(name, extension=("-addext", "subjectAltName=DNS:scanner"))
        text = self.ca("sign", self.folder, self.bench.path(name + ".csr"), "--by", "Ann Smith", "--yes")
        path = re.search(r"(\S+\.pem), valid", text).group(1)
        for source, kind in ((path, ".pem"), (self.bench.path(name + ".key"), ".key")):
            shutil.copy(source, self.bench.keys.path(f"{self.bench.name}-{name}{kind}"))
        return path

    def client(self, name, version=None):
        return self.bench.keys.client(f"{self.bench.name}-{name}", version)

    def revoke(self, *arguments, wants=0, g=None):
        return (g or self.gateway).cli("revoke", *arguments, wants=wants)


def call(g, context, session=None):
    with socket.create_connection(("127.0.0.1", g.tls), 10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
            tls.sendall(dicom.associate_rq("CT_TLS", "ARCHIVE", [(dicom.VERIFICATION, [dicom.ILE])]))
            equal(tls.recv(1), b"\2", "the PDU that came")
            return tls.session


def alert(g, context, session=None):
    try:
        call(g, context, session)
        return None
    except ssl.SSLError as error:
        return error.reason


@test
def revoke_blocks_at_once(bench):
    """New connections, resumed sessions, open associations; at another gateway with the same file; and nobody else."""
    site = Site(bench)
    site.device("new-scanner")
    g, keys = site.gateway, bench.keys
    site.use(g, resumption=True)
    bench.run(bench.program, "check", g.yaml, wants=0)
    g.start()
    contexts = [site.client("old-scanner", v) for v in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]
    sessions = [call(g, c) for c in contexts]
    scu = bench.scu(g.tls, tls=site.client("old-scanner"))
    scu.associate(calling="CT_TLS")
    equal(scu.echo(1), 0, "an echo before")
    said = site.revoke(site.scanner, "--reason", "keyCompromise", "--yes")
    check("list 1 is written" in said and "new configuration is in use" in said, "revoke:", said)
    for context, session in zip(contexts, sessions):
        equal(alert(g, context, session), REVOKED, f"resumed, {context.minimum_version}")
        equal(alert(g, context), REVOKED, f"a new connection, {context.minimum_version}")
    check("was revoked on" in g.decision("tls")["message"] and "(key compromise)" in g.decision("tls")["message"], "the sentence")
    try:
        answer = scu.echo(1)
    except (OSError, AssertionError, dicom.Closed, dicom.Aborted) as error:
        answer = str(error)
    check(answer != 0, "an open association goes on")
    equal(alert(g, site.client("new-scanner")), None, "another scanner of the authority")
    equal(alert(g, keys.client("scanner")), None, "a scanner of another authority")
    other = bench.gateway(start=False)
    other.config["tls"]["trust"].append(site.folder + "/ca.pem")
    other.config["tls"]["crl"] = [site.list]
    other.write()
    other.start()
    equal(alert(other, site.client("old-scanner")), REVOKED, "at another gateway")
    equal(alert(other, site.client("new-scanner")), None, "at another gateway, another scanner")
    # It is in the log who it was, and a new start changes nothing.
    row = g.wait_log(event="revocation.signed")
    equal([row["number"], row["entries"], row["uid"]], [1, 1, os.getuid()], "the line of the log")
    g.stop()
    g.start()
    equal(alert(g, contexts[0]), REVOKED, "after a new start")
    check("old-scanner" not in site.revoke("--list") and "keyCompromise" in site.revoke("--list"), "--list")


@test
def revoke_as_openssl_has_it(bench):
    """openssl reads the list, and verifies certificates by it that name who signs it; with each kind of key."""
    for kind in (("ec", "ec_paramgen_curve:P-256"), ("ec", "ec_paramgen_curve:P-384"), ("rsa", "rsa_keygen_bits:2048")):
        shutil.rmtree(bench.path("ca"), ignore_errors=True)
        if os.path.exists(bench.path("revoked.pem")):
            os.unlink(bench.path("revoked.pem"))
        site = Site(bench, kind)
        stolen, kept = site.device("stolen"), site.device("kept")
        site.gateway.start()
        site.revoke(stolen, "--reason", "keyCompromise", "--yes")
        text = bench.run("openssl", "crl", "-in", site.list, "-CAfile", site.delegate, "-noout", "-text", wants=0).text
        check("verify OK" in text, "openssl crl:", text)
        for words in ("Issuer: CN = lists", "Indirect CRL", "X509v3 Certificate Issuer: critical", "DirName:/CN=Test hospital",
                      "Key Compromise", "X509v3 CRL Number"):
            check(words in text, f"`{words}` is not in", text)

        def verify(path):
            return bench.run("openssl", "verify", "-crl_check", "-extended_crl", "-CAfile", site.folder + "/ca.pem", "-untrusted",
                             site.delegate, "-CRLfile", site.list, path).text
        check("certificate revoked" in verify(stolen), "openssl verify:", verify(stolen))
        check(verify(kept).strip().endswith("OK"), "openssl verify:", verify(kept))
        text = bench.run("openssl", "x509", "-in", site.delegate, "-noout", "-ext", "keyUsage,basicConstraints,extendedKeyUsage",
                         wants=0).text
        equal(re.findall(r"^ +(.+)$", text, re.M), ["CA:FALSE", "CRL Sign"], "what the delegate may")
        site.gateway.stop()


@test
def revoke_refused(bench):
    """Twice; of strangers; a list that goes back; a gateway that is away or has another key; a wrong delegation."""
    site = Site(bench)
    g = site.gateway
    check("does not run" in site.revoke(site.scanner, "--yes", wants=1), "without a gateway")
    check(not os.path.exists(site.list), "a list that nobody signed")
    g.start()
    check("not approved" in site.revoke(site.scanner, wants=1), "without an approval")
    site.revoke(site.scanner, "--reason", "nonsense", "--yes", wants=2)
    check("by no authority" in site.revoke(bench.keys.path("stranger.pem"), "--yes", wants=1), "a stranger")
    check("--issuer" in site.revoke("01:02:03", "--yes", wants=1), "a serial number with two authorities")
    site.revoke("01:02:03", "--issuer", site.folder + "/ca.pem", "--yes")
    shutil.copy(site.list, bench.path("first.pem"))
    site.revoke(site.scanner, "--yes")
    check("already" in site.revoke(site.scanner, "--yes", wants=1), "blocked twice")
    equal(len(site.revoke("--list").strip().splitlines()), 2, "who is blocked")
    with open(site.list, encoding="ascii") as file:
        second = file.read()
    # Whoever puts an old list back has no other signed in its place.
    shutil.copy(bench.path("first.pem"), site.list)
    check("put back" in site.revoke("04", "--issuer", site.folder + "/ca.pem", "--yes", wants=1), "a list that goes back")
    with open(site.list, "w", encoding="ascii") as file:
        file.write(second)
    said = site.revoke("--renew")
    check("list 3 is written" in said, "renewed:", said)
    equal(len(site.revoke("--list").strip().splitlines()), 2, "who is blocked then")
    # A certificate that is for something else, and one by a stranger.
    for name, words in (("gateway.pem", "must be cRLSign"), ("ca.pem", "must be cRLSign")):
        g.config["tls"]["revocation"]["certificate"] = bench.keys.path(name)
        g.write()
        check(words in bench.run(bench.program, "check", g.yaml, wants=1).text, name)
        mark = g.reload()
        g.wait_log(mark, event="site.kept")
    equal(alert(g, site.client("old-scanner")), REVOKED, "after refused reloads")
    # The authority takes the delegation back.
    g.config["tls"]["revocation"]["certificate"] = site.delegate
    site.ca("revoke", site.folder, site.delegate, "--by", "Ann Smith", "--yes")
    g.config["tls"]["crl"] = [site.folder + "/crl.pem"]
    g.write()
    said = bench.run(bench.program, "check", g.yaml, wants=1).text
    check("who signs a revocation list, was revoked" in said, "a delegate that was revoked:", said)


@test
def revoke_with_a_token(bench):
    """The key of the list is on a token: it signs in the key holder, and again after a reload."""
    site = Site(bench)
    g = site.gateway
    uri, words, _, _ = token(bench, {"lists": bench.path("lists.key")})
    g.config["tls"]["revocation"]["key"] = uri.format("lists")
    g.config["tls"].update(words)
    g.write()
    os.unlink(bench.path("lists.key"))
    bench.run(bench.program, "check", g.yaml, wants=0)
    g.start()
    scanner = site.client("old-scanner")
    call(g, scanner)
    g.wait_log(g.reload(), event="gateway.reloaded")
    site.revoke(site.scanner, "--reason", "keyCompromise", "--yes")
    equal(alert(g, scanner), REVOKED, "a revoked one")


@test
def revoke_is_recorded(bench):
    """The audit trail says that a list was signed, of how many, and by whom; and that one was not."""
    site, trail = Site(bench), Trail(bench, bench.new_folder("journal"))
    g = site.gateway
    g.config["audit"] = trail.config
    g.write()
    g.start()
    site.revoke(site.scanner, "--reason", "keyCompromise", "--yes")
    shutil.copy(site.list, bench.path("one"))
    site.revoke(site.device("second"), "--reason", "superseded", "--yes")
    shutil.copy(bench.path("one"), site.list)  # put back, against the rules
    site.revoke(site.device("third"), "--reason", "superseded", "--yes", wants=1)
    g.stop()
    rows = [r["event"] for r in trail.records("alert") if "revocation list" in r["event"]["text"]]
    words = ["list 1 was signed, which blocks 1 certificates", "list 2 was signed, which blocks 2 certificates", "was not signed"]
    equal([w in r["text"] for w, r in zip(words, rows)], [True] * 3, f"what is recorded: {rows}")
    for row in rows:
        check(f"By the Unix user {os.getuid()}" in row["text"] and row["object"] == site.list, "by whom, and which", row)
