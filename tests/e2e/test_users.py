# SPDX-License-Identifier: Apache-2.0
"""Users proved by others' servers and tickets: LDAP (slapd), Kerberos (an MIT KDC), SAML assertions (xmlsec1)."""
import base64
import contextlib
import os
import socket
import struct
import subprocess
import threading
import time
import xml.etree.ElementTree

from lib.site import DATA, check, equal, free_port, listening, test, until
from test_identity import denied, password_file, proving, user_item
from test_keys import seen
from test_refusals import accepted, rejected

# ---- LDAP ----


class Slapd:
    """slapd with a configuration folder of its own: ldap:// with StartTLS, ldaps:// and ldapi://."""

    def __init__(self, bench, certificate="archive"):
        self.bench, self.port, self.tls = bench, free_port(), free_port()
        keys, folder = bench.keys, bench.new_folder(f"slapd-{self.port}")
        self.folder = folder
        data = bench.new_folder(os.path.join(folder, "data"))
        tls = f"""TLSCACertificateFile {keys.path('ca.pem')}
TLSCertificateFile {keys.path(certificate + '.pem')}
TLSCertificateKeyFile {keys.path(certificate + '.key')}""" if certificate else ""
        config = bench.write(f"slapd-{self.port}/slapd.conf", f"""include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
{tls}
database mdb
suffix "dc=hospital,dc=example"
directory {data}
rootdn "cn=root,dc=hospital,dc=example"
rootpw root
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous none
""")
        ldif = "dn: dc=hospital,dc=example\nobjectClass: dcObject\nobjectClass: organization\no: hospital\ndc: hospital\n\n"
        for unit in ("people", "groups", "other", "far"):
            ldif += f"dn: ou={unit},dc=hospital,dc=example\nobjectClass: organizationalUnit\nou: {unit}\n\n"
        ldif += ("dn: ou=elsewhere,dc=hospital,dc=example\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\n"
                 "ref: ldap://127.0.0.1:1/ou=people,dc=hospital,dc=example\n\n")
        for name, passcode in (("ann", "correct horse"), ("bob", "battery staple"), ("eve", "e"), ("Jörg", "passwort"),
                               ("a+b", "plus"), ("x*", "star"), ("twin", "one")):
            rdn = name.replace("+", "\\+")
            dn = f"uid={rdn},ou=people,dc=hospital,dc=example"
            ldif += (f"dn:: {base64.b64encode(dn.encode()).decode()}\nobjectClass: inetOrgPerson\n"
                     f"uid:: {base64.b64encode(name.encode()).decode()}\ncn: {name if name.isascii() else 'x'}\n"
                     f"sn: x\nuserPassword: {passcode}\n\n")
        ldif += ("dn: uid=twin,ou=far,dc=hospital,dc=example\nobjectClass: inetOrgPerson\nuid: twin\ncn: twin\nsn: twin\n"
                 "userPassword: two\n\n")
        ldif += ("dn: cn=gantry,ou=other,dc=hospital,dc=example\nobjectClass: inetOrgPerson\ncn: gantry\nsn: gantry\n"
                 "userPassword: service secret\n\n")
        self.ldif(config, ldif)
        socket = os.path.join(folder, "socket").replace("/", "%2F")
        self.ldapi = f"ldapi://{socket}"
        also = f"ldaps://127.0.0.1:{self.tls}/ " if certificate else ""
        self.command = ["/usr/sbin/slapd", "-d", "0", "-f", config, "-h", f"ldap://127.0.0.1:{self.port}/ {also}{self.ldapi}"]
        self.process = None
        self.start()
        groups = ""
        for group, member, unit in (("readers", "ann", "groups"), ("staff", "ann", "groups"), ("admins", "eve", "far")):
            groups += (f"dn: cn={group},ou={unit},dc=hospital,dc=example\nobjectClass: groupOfNames\ncn: {group}\n"
                       f"member: uid={member},ou=people,dc=hospital,dc=example\n\n")
        path = bench.write("groups.ldif", groups)
        bench.run("ldapadd", "-x", "-H", self.ldapi, "-D", "cn=root,dc=hospital,dc=example", "-w", "root", "-f", path,
                  wants=0, env={"LDAPNOINIT": "1"})

    def ldif(self, config, text):
        path = self.bench.write("people.ldif", text)
        self.bench.run("/usr/sbin/slapadd", "-f", config, "-l", path, wants=0)

    def start(self):
        self.process = self.bench.serve(self.port, *self.command)
        until(lambda: "ldaps" not in self.command[-1] or listening(self.tls, self.process.pid), "slapd's TLS port")
        until(lambda: os.path.exists(os.path.join(self.folder, "socket")), "slapd's socket")
        os.chmod(os.path.join(self.folder, "socket"), 0o777)

    def stop(self):
        self.process.end()


PEOPLE = "uid={user},ou=people,dc=hospital,dc=example"


def signs_in(g, name, passcode, user=None):
    """And the log says as whom."""
    mark = g.mark()
    scu = g.scu()
    scu.associate(more=user_item(2, name, passcode))
    equal(scu.ac.user.get(0x59), b"\0\0", "the positive response")
    equal(scu.store(instance="1.2.1")["status"], 0, "status")
    scu.release()
    g.wait_log(mark, event="association.accepted", user=user or name.decode())


NOT_RIGHT = "its user name and passcode are not right"


@test
def ldap_binds_prove_users(bench):
    """By StartTLS, with a template: each wrong one is refused, each time; nothing is remembered; what is sent is a value."""
    slapd = Slapd(bench)
    g = proving(bench, {"ldap": {"url": f"ldap://127.0.0.1:{slapd.port}", "dn": PEOPLE,
                                 "groups": {"attribute": "memberOf", "base": "ou=groups,dc=hospital,dc=example"}}}, {})
    for _ in range(2):
        signs_in(g, b"ann", b"correct horse")
        denied(g, NOT_RIGHT, more=user_item(2, b"ann", b"correct horsE"))
        # RFC 4513 5.1.2: slapd says yes to that one.
        denied(g, NOT_RIGHT, more=user_item(2, b"ann", b""))
        denied(g, NOT_RIGHT, more=user_item(2, b"ann", b"battery staple"))
    signs_in(g, "Jörg".encode(), b"passwort")
    signs_in(g, b"a+b", b"plus")
    for name, passcode in ((b"nobody", b"x"), (b"", b"x"), (b"", b""), (b"ann,ou=people", b"correct horse"),
                           (b"ann+cn=ann", b"correct horse"), (b"*", b"correct horse"), (b"ann\0", b"correct horse"),
                           (b"a" * 300, b"x"), (b"ann", b"x" * 2000), (b"\xff\xfe", b"x")):
        denied(g, NOT_RIGHT, more=user_item(2, name, passcode))
    for secret in ("correct horse", "passwort"):
        check(secret not in g.log_text(), "a secret is in the log")
    slapd.stop()
    denied(g, "did not answer", more=user_item(2, b"ann", b"correct horse"))
    slapd.start()
    signs_in(g, b"ann", b"correct horse")


def searching(bench, slapd, **more):
    """`users: ldap:` with a search by an account of the gateway's own."""
    secret = bench.write("service-passcode", "service secret\n")
    os.chmod(secret, 0o600)
    return {"url": f"ldaps://127.0.0.1:{slapd.tls}",
            "search": {"base": "dc=hospital,dc=example", "as": "cn=gantry,ou=other,dc=hospital,dc=example", "passcode": secret},
            **more}


@test
def ldap_searches_find_users(bench):
    """By ldaps, a search with the gateway's own account, and groups; what it must not find it does not find."""
    slapd = Slapd(bench)
    ldap = searching(bench, slapd, user="uid", groups={"base": "ou=groups,dc=hospital,dc=example", "filter": "(member={dn})"})
    g = proving(bench, {"ldap": ldap}, {"users": ["@readers", "Jörg", "x*"]})
    for _ in range(2):
        signs_in(g, b"ann", b"correct horse")
        denied(g, NOT_RIGHT, more=user_item(2, b"ann", b"wrong"))
        denied(g, NOT_RIGHT, more=user_item(2, b"ann", b""))
    signs_in(g, b"ANN", b"correct horse", "ann")
    signs_in(g, "Jörg".encode(), b"passwort")
    signs_in(g, b"x*", b"star")
    denied(g, "bob is not among", more=user_item(2, b"bob", b"battery staple"))
    denied(g, "eve is not among", more=user_item(2, b"eve", b"e"))
    denied(g, "more than one entry", more=user_item(2, b"twin", b"one"))
    for name in (b"a*", b"*", b"ann)(uid=*", b"ann)(|(uid=*", b"\\61nn", b"nobody", b"gantry"):
        denied(g, NOT_RIGHT, more=user_item(2, name, b"correct horse"))
    for pid, argv in g.roles().items() if os.getuid() == 0 else []:
        if argv[2:3] != ["lookup"]:
            with contextlib.suppress(OSError):
                equal(seen(pid, {"it": b"service secret"}), set(), f"the gateway's passcode in the memory of {argv[2:3]}")
    # The gateway's own account, and searches that are answered otherwise.
    wrong = bench.write("wrong-passcode", "not it\n")
    os.chmod(wrong, 0o600)
    plain = {"url": slapd.ldapi, "transport": "plain"}
    for word, change in (("showed its own passcode: Invalid credentials", {"search": {**ldap["search"], "passcode": wrong}}),
                         ("refers to another one", {"search": {**ldap["search"], "base": "ou=elsewhere,dc=hospital,dc=example"}}),
                         (NOT_RIGHT, {"search": {**ldap["search"], "base": "ou=nowhere,dc=hospital,dc=example"}}),
                         ("looked for: Bad search filter", {"search": {**ldap["search"], "filter": "(&(uid={user})(cn=\\zz))"}}),
                         ("has not one name", {**plain, "user": "description"})):
        g.config["users"]["ldap"] = {**ldap, **change}
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        denied(g, word, more=user_item(2, b"ann", b"correct horse"))
    # Groups by the entry's own attribute: those below `base`, and no others of the same name.
    for base, word in (("ou=groups,dc=hospital,dc=example", None), ("ou=far,dc=hospital,dc=example", "ann is not among")):
        g.config["users"]["ldap"] = {**ldap, **plain, "groups": {"attribute": "memberOf", "base": base}}
        g.write()
        ran = bench.run(bench.program, "check", g.yaml, wants=0)
        check("readable by anyone" in ran.text, "the warning of plain transport", ran.text)
        g.wait_log(g.reload(), event="gateway.reloaded")
        if word:
            denied(g, word, more=user_item(2, b"ann", b"correct horse"))
        else:
            signs_in(g, b"ann", b"correct horse")
    # What storescu sends.
    for passcode, works in (("correct horse", True), ("correct Horse", False)):
        g.config["users"]["ldap"] = ldap
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        ran = bench.run("storescu", "--user", "ann", "--password", passcode, "--pos-response", "-aet", "CT1", "-aec", "ARCHIVE",
                        "127.0.0.1", str(g.plain), os.path.join(DATA, "CT_small.dcm"))
        equal(ran.code == 0, works, f"storescu with `{passcode}` ({ran.text[-600:]})")


@test
def ldap_servers_that_are_not_right(bench):
    """TLS with another's certificate, for another name, or none at all; silence. Each has its sentence, and no passcode leaves."""
    right = Slapd(bench)
    g = proving(bench, {"ldap": {"url": f"ldap://127.0.0.1:{right.port}", "dn": PEOPLE, "timeout": 2}}, {})
    signs_in(g, b"ann", b"correct horse")
    names, heard = [], []

    def use(**ldap):
        names.append(ldap)
        g.config["users"]["ldap"] = {"dn": PEOPLE, "timeout": 2, **ldap}
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")

    for certificate in ("stranger", "workstation", None):
        other = Slapd(bench, certificate)
        use(url=f"ldap://127.0.0.1:{other.port}")
        denied(g, f"TLS with the LDAP server (ldap://127.0.0.1:{other.port}) failed", more=user_item(2, b"ann", b"correct horse"))
        if certificate:
            use(url=f"ldaps://127.0.0.1:{other.tls}")
            denied(g, f"TLS with the LDAP server (ldaps://127.0.0.1:{other.tls}) failed",
                   more=user_item(2, b"ann", b"correct horse"))
            # Its own authority makes the first one right.
            if certificate == "stranger":
                use(url=f"ldaps://127.0.0.1:{other.tls}", trust=bench.keys.path("other-ca.pem"))
                denied(g, f"TLS with the LDAP server (ldaps://127.0.0.1:{other.tls}) failed",
                       more=user_item(2, b"ann", b"correct horse"))
        other.stop()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)

        def listen():
            with contextlib.suppress(OSError):
                while True:
                    wire, _ = silent.accept()
                    wire.settimeout(6)
                    with contextlib.suppress(OSError):
                        heard.append(wire.recv(1000))
                        heard.append(wire.recv(1000))

        threading.Thread(target=listen, daemon=True).start()
        port = silent.getsockname()[1]
        for url, transport in ((f"ldap://127.0.0.1:{port}", "tls"), (f"ldaps://127.0.0.1:{port}", "tls"),
                               (f"ldap://127.0.0.1:{port}", "plain")):
            if transport == "plain":
                check(all(b"correct horse" not in data for data in heard), "a passcode left before TLS")
            use(url=url, transport=transport)
            began = time.monotonic()
            rejected(g, (1, 2, 1), more=user_item(2, b"ann", b"correct horse"))
            check(time.monotonic() - began < 6, "it took", time.monotonic() - began)
        denied(g, f"(ldap://127.0.0.1:{port}) did not answer", more=user_item(2, b"ann", b"correct horse"))
        silent.shutdown(socket.SHUT_RDWR)
    use(url=f"ldap://127.0.0.1:{right.port}")
    signs_in(g, b"ann", b"correct horse")


@test
def ldap_beside_a_file(bench):
    """A name that the file has is the file's affair; all others are LDAP's."""
    slapd = Slapd(bench)
    path = password_file(bench, ann=("of the file", ""), local=("hero", ""))
    g = proving(bench, {"passwords": path, "ldap": {"url": f"ldap://127.0.0.1:{slapd.port}", "dn": PEOPLE}}, {})
    for _ in range(2):
        signs_in(g, b"local", b"hero")
        signs_in(g, b"ann", b"of the file")
        signs_in(g, b"bob", b"battery staple")
        denied(g, NOT_RIGHT, more=user_item(2, b"ann", b"correct horse"))
        denied(g, NOT_RIGHT, more=user_item(2, b"bob", b"of the file"))
        denied(g, NOT_RIGHT, more=user_item(2, b"bob", b""))
    slapd.stop()
    signs_in(g, b"local", b"hero")
    denied(g, "did not answer", more=user_item(2, b"bob", b"battery staple"))


@test
def mistakes_about_users(bench):
    """Each is found by `gantry check`, with what to do."""
    g = bench.gateway(start=False, flow={"user-identity": {"caller": "verify"}})
    secret, keytab = bench.write("secret", "\n"), bench.write("keytab", "no keytab")
    for path in (secret, keytab):
        os.chmod(path, 0o600)
    dn, url = {"dn": PEOPLE}, {"url": "ldap://ldap.example"}
    search = {"base": "dc=example"}
    saml = {"certificates": bench.keys.path("ca.pem"), "issuer": "i", "audience": "a"}
    for word, users in (
            ("`url` is missing", {"ldap": dn}),
            ("is none of ldaps://host", {"ldap": {"url": "http://ldap.example", **dn}}),
            ("is none of ldaps://host", {"ldap": {"url": "ldap://ldap.example/dc=x", **dn}}),
            ("is none of ldaps://host", {"ldap": {"url": "ldap://a:b@ldap.example", **dn}}),
            ("is none of ldaps://host", {"ldap": {"url": "ldap://", **dn}}),
            ("write one or the other", {"ldap": {"url": "ldaps://ldap.example", "transport": "plain", **dn}}),
            ("a socket that has no TLS", {"ldap": {"url": "ldapi://%2Frun%2Fldap", **dn}}),
            ("needs `dn` or `search`, to know", {"ldap": url}),
            ("`dn` or `search`, and has both", {"ldap": {**url, **dn, "search": search}}),
            ("with {user} in it", {"ldap": {**url, "dn": "uid=ann,dc=example"}}),
            ("with {user} in it", {"ldap": {**url, "dn": "uid={name},dc=example"}}),
            ("is no filter", {"ldap": {**url, "search": {**search, "filter": "uid={user}"}}}),
            ("is no filter", {"ldap": {**url, "search": {**search, "filter": "(&(uid={user})"}}}),
            ("says nothing of the user", {"ldap": {**url, "search": {**search, "filter": "(uid=ann)"}}}),
            ("says nothing of the user", {"ldap": {**url, "search": {**search, "filter": "(member={dn})"}}}),
            ("no `passcode` of it", {"ldap": {**url, "search": {**search, "as": "cn=x"}}}),
            ("and no `as`", {"ldap": {**url, "search": {**search, "passcode": secret}}}),
            ("must be a passcode", {"ldap": {**url, "search": {**search, "as": "cn=x", "passcode": secret}}}),
            ("neither an `attribute` nor a `filter`", {"ldap": {**url, **dn, "groups": {"name": "cn"}}}),
            ("no `base` to search below", {"ldap": {**url, **dn, "groups": {"filter": "(member={dn})"}}}),
            ("holds no certificate", {"ldap": {**url, **dn, "trust": keytab}}),
            ("did you mean `search`", {"ldap": {**url, "serach": search}}),
            ("is no keytab", {"kerberos": {"keytab": keytab, "principal": "dicom/gw@EXAMPLE"}}),
            ("is no principal with its realm", {"kerberos": {"keytab": keytab, "principal": "dicom/gw"}}),
            ("is no realm", {"kerberos": {"keytab": keytab, "principal": "dicom/gw@EXAMPLE", "realms": ["A B"]}}),
            ("cannot read", {"kerberos": {"keytab": bench.path("nowhere"), "principal": "dicom/gw@EXAMPLE"}}),
            ("`audience` is missing", {"saml": {k: v for k, v in saml.items() if k != "audience"}}),
            ("holds no certificate", {"saml": {**saml, "certificates": keytab}}),
            ("is out of range", {"saml": {**saml, "clock-skew": 3600}}),
            ("did you mean `kerberos`", {"kerberus": {}})):
        g.config["users"] = users
        g.write()
        ran = bench.run(bench.program, "check", g.yaml)
        check(ran.code == 1 and word in ran.text, f"no `{word}` of {users}:", ran.text)
    os.chmod(keytab, 0o644)
    g.config["users"] = {"kerberos": {"keytab": keytab, "principal": "dicom/gw@EXAMPLE"}}
    g.write()
    check("chmod o=" in bench.run(bench.program, "check", g.yaml).text, "a keytab that everybody may read")


def storescu(g, flag, credential, works):
    """DCMTK's own way to send it, with an answer asked for."""
    path = g.bench.path("credential")
    with open(path, "wb") as file:
        file.write(credential)
    ran = g.bench.run("storescu", flag, path, "--pos-response", "-aet", "CT1", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain),
                      os.path.join(DATA, "CT_small.dcm"))
    equal(ran.code == 0, works, f"storescu {flag} ({ran.text[-600:]})")


# ---- Kerberos ----

REALM, SERVICE = "HOSPITAL.EXAMPLE", "dicom/gw.hospital.example"


class Kdc:
    """An MIT KDC on loopback, with ann and bob, and the service."""

    def __init__(self, bench, realm=REALM):
        self.bench, self.realm, self.port = bench, realm, free_port()
        self.folder = bench.new_folder(f"kdc-{self.port}")
        conf = self.write("krb5.conf", f"""[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
[realms]
{realm} = {{
  kdc = 127.0.0.1:{self.port}
}}
""")
        kdc = self.write("kdc.conf", f"""[realms]
{realm} = {{
  database_name = {self.folder}/principal
  key_stash_file = {self.folder}/stash
  acl_file = {self.folder}/acl
  kdc_listen = 127.0.0.1:{self.port}
  kdc_tcp_listen = 127.0.0.1:{self.port}
  max_life = 1d
}}
""")
        self.env = {"KRB5_CONFIG": conf, "KRB5_KDC_PROFILE": kdc, "KRB5CCNAME": f"FILE:{self.folder}/cache"}
        bench.run("/usr/sbin/kdb5_util", "-r", realm, "create", "-s", "-P", "master", wants=0, env=self.env)
        self.keytab = os.path.join(self.folder, "keytab")
        for name in ("ann", "bob"):
            self.admin(f"addprinc -pw {name}s-passcode {name}")
        for name in (SERVICE, "dicom/other"):
            self.admin(f"addprinc -randkey {name}")
        self.admin(f"ktadd -k {self.keytab} {SERVICE}")
        os.chmod(self.keytab, 0o600)
        self.process = bench.serve(self.port, "/usr/sbin/krb5kdc", "-n", "-r", realm, "-P", os.path.join(self.folder, "pid"),
                                   env=self.env)

    def write(self, name, text):
        return self.bench.write(os.path.join(f"kdc-{self.port}", name), text)

    def admin(self, query):
        self.bench.run("/usr/sbin/kadmin.local", "-r", self.realm, "-q", query, wants=0, env=self.env)

    def kinit(self, name, *options):
        subprocess.run(["kinit", *options, name], input=f"{name}s-passcode\n", text=True, check=True, stdout=subprocess.PIPE,
                       env={**os.environ, **self.env})

    def caller(self, *options, service=None):
        return Caller(self, service or f"{SERVICE}@{self.realm}", *map(str, options))


class Caller:
    """An AP-REQ, and what becomes of the answer."""

    def __init__(self, kdc, service, *options):
        program = kdc.bench.tool("ap_peer")
        self.popen = subprocess.Popen([program, service, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env={**os.environ, **kdc.env})
        kdc.bench.later(self.popen.kill)
        self.request = bytes.fromhex(self.popen.stdout.readline())
        check(len(self.request) > 100, "no AP-REQ")

    def takes(self, item):
        """Item 59H: is that the server's AP-REP?"""
        length = struct.unpack(">H", item[:2])[0]
        equal(len(item), length + 2, "the response's length")
        out, _ = self.popen.communicate(item[2:].hex())
        equal((out, self.popen.returncode), ("the server's\n", 0), "what the caller says of the AP-REP")


def keytab(principal, realm, version, key, kind=18):
    """As ktutil writes it."""
    def counted(data):
        return struct.pack(">H", len(data)) + data
    parts = principal.split("/")
    entry = struct.pack(">H", len(parts)) + counted(realm.encode()) + b"".join(counted(p.encode()) for p in parts)
    entry += struct.pack(">IIBH", 1, int(time.time()), version, kind) + counted(key)
    return b"\5\2" + struct.pack(">i", -3) + b"\0\0\0" + struct.pack(">i", len(entry)) + entry


@test
def kerberos_tickets_are_proved(bench):
    """Tickets of a KDC, answered with the AP-REP; each is good once, also when the lookup was killed meanwhile."""
    kdc = Kdc(bench)
    config = {"keytab": kdc.keytab, "principal": f"{SERVICE}@{REALM}"}
    g = proving(bench, {"kerberos": config}, {"users": ["ann", f"ann@{REALM}"]})
    kdc.kinit("ann")
    for response in (True, False):
        caller = kdc.caller()
        scu = g.scu()
        scu.associate(more=user_item(3, caller.request, response=response))
        if response:
            caller.takes(scu.ac.user[0x59])
        else:
            check(0x59 not in scu.ac.user, "a response that nobody asked for")
        equal(scu.store(instance="1.2.1")["status"], 0, "status")
        scu.release()
        denied(g, "has been used before", more=user_item(3, caller.request))
    g.wait_log(event="association.accepted", user="ann")
    os.kill(next(pid for pid, argv in g.roles().items() if argv[2:3] == ["lookup"]), 9)
    g.wait_log(event="role.ended", role="lookup")
    until(lambda: [a for a in g.roles().values() if a[2:3] == ["lookup"]], "a new lookup")
    before = len(g.find(event="decision", rule="user-identity"))
    rejected(g, (1, 2, 1), more=user_item(3, caller.request))
    check(len(g.find(event="decision", rule="user-identity")) <= before + 1, "the decisions")
    accepted(g, more=user_item(3, kdc.caller().request))
    # Not ours, not whole, not now.
    good = kdc.caller().request
    for word, request in (
            ("no Kerberos service ticket", b""), ("no Kerberos service ticket", b"\x60" + good[1:]),
            ("Kerberos ticket", good[:40]), ("cannot be opened with the key", good[:-1] + bytes([good[-1] ^ 1])),
            ("for another service", kdc.caller(service=f"dicom/other@{REALM}").request),
            ("clock and the gateway's differ", kdc.caller(400).request),
            ("clock and the gateway's differ", kdc.caller(-400).request)):
        denied(g, word, more=user_item(3, request))
    storescu(g, "--kerberos", good, True)
    storescu(g, "--kerberos", good, False)
    kdc.kinit("bob")
    denied(g, "bob is not among", more=user_item(3, kdc.caller().request))
    kdc.kinit("ann")
    # Another realm's KDC, which has all the same names.
    far = Kdc(bench, "FAR.EXAMPLE")
    far.kinit("ann")
    denied(g, "for another service or realm", more=user_item(3, far.caller().request))
    # Realms and their names.
    for change, word in (({"realms": ["FAR.EXAMPLE"]}, "of a realm whose users are not taken"),
                         ({"realms": ["FAR.EXAMPLE", REALM], "keep-realm": True}, None)):
        g.config["users"]["kerberos"] = {**config, **change}
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        if word:
            denied(g, word, more=user_item(3, kdc.caller().request))
        else:
            accepted(g, more=user_item(3, kdc.caller().request))
            g.wait_log(event="association.accepted", user=f"ann@{REALM}")
    check(good.hex() not in g.log_text() and "passcode" not in g.log_text(), "a secret is in the log")


@test
def kerberos_keys_and_times(bench):
    """Keys that are another's or of another version, and tickets that have ended; the KDC itself is never asked."""
    kdc = Kdc(bench)
    config = {"keytab": kdc.keytab, "principal": f"{SERVICE}@{REALM}", "clock-skew": 2}
    g = proving(bench, {"kerberos": config}, {})
    kdc.kinit("ann", "-l", "4s")
    ended = time.time() + 4
    accepted(g, more=user_item(3, kdc.caller().request))
    until(lambda: time.time() > ended + 3.5, "the ticket to have ended")
    denied(g, "has expired", more=user_item(3, kdc.caller(0, 8).request))
    kdc.kinit("ann")
    wrong = bench.path("wrong.keytab")
    for word, data in (("cannot be opened with the key", keytab(SERVICE, REALM, 2, bytes(range(32)))),
                       ("another version of the key", keytab(SERVICE, REALM, 9, bytes(range(32))))):
        with open(wrong, "wb") as file:
            file.write(data)
        os.chmod(wrong, 0o600)
        g.config["users"]["kerberos"] = {**config, "keytab": wrong}
        g.write()
        bench.run(bench.program, "check", g.yaml, wants=0)
        g.wait_log(g.reload(), event="gateway.reloaded")
        denied(g, word, more=user_item(3, kdc.caller().request))
    for name, kind, word in ((SERVICE, 23, "not AES"), ("dicom/other", 18, f"no key for {SERVICE}@{REALM}")):
        with open(wrong, "wb") as file:
            file.write(keytab(name, REALM, 2, bytes(16 if kind == 23 else 32), kind))
        check(word in bench.run(bench.program, "check", g.yaml).text.replace("that is AES; others are not", "not AES"), f"`{word}`")
    g.config["users"]["kerberos"] = config
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    caller = kdc.caller()
    kdc.process.end()
    accepted(g, more=user_item(3, caller.request))


# ---- SAML ----

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"


class Idp:
    """An identity provider: assertions signed by xmlsec1."""

    def __init__(self, bench, name="idp", kind="rsa"):
        self.bench, self.n = bench, 0
        self.key, self.certificate = bench.path(name + ".key"), bench.path(name + ".pem")
        options = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        bench.run("openssl", "req", "-x509", "-newkey", *options, "-nodes", "-keyout", self.key, "-out", self.certificate,
                  "-subj", f"/CN={name}", "-days", "5", wants=0)
        self.method = "http://www.w3.org/2001/04/xmldsig-more#" + ("rsa-sha256" if kind == "rsa" else "ecdsa-sha256")

    @staticmethod
    def at(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))

    def template(self, name="ann", groups=("readers",), issuer="https://idp.hospital.example", audience="gantry", begin=-30,
                 end=300, confirmed=300, issued=0, conditions="", method="bearer", recipient="https://gw", more="",
                 digest="http://www.w3.org/2001/04/xmlenc#sha256", signed=None, transforms=None, uri=None, version="2.0"):
        self.n += 1
        number = f"_{os.urandom(8).hex()}{self.n}"
        transforms = transforms if transforms is not None else (
            '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
            '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>')
        times = (f' NotBefore="{self.at(begin)}"' if begin is not None else "") + (
            f' NotOnOrAfter="{self.at(end)}"' if end is not None else "")
        restriction = f"<saml:AudienceRestriction><saml:Audience>other</saml:Audience><saml:Audience>{audience}</saml:Audience>" \
                      "</saml:AudienceRestriction>" if audience else ""
        values = "".join(f"<saml:AttributeValue>{g}</saml:AttributeValue>" for g in groups)
        return f"""<?xml version="1.0"?>
<saml:Assertion xmlns:saml="{SAML}" ID="{number}" Version="{version}" IssueInstant="{self.at(issued)}">
  <saml:Issuer>{issuer}</saml:Issuer>
  <ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
    <ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
    <ds:SignatureMethod Algorithm="{signed or self.method}"/>
    <ds:Reference URI="{uri if uri is not None else '#' + number}"><ds:Transforms>{transforms}</ds:Transforms>
    <ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>
    <ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature>
  <saml:Subject><saml:NameID>{name}</saml:NameID>
    <saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:{method}">
      <saml:SubjectConfirmationData Recipient="{recipient}" NotOnOrAfter="{self.at(confirmed)}"/></saml:SubjectConfirmation>
  </saml:Subject>
  <saml:Conditions{times}>{restriction}{conditions}</saml:Conditions>
  <saml:AttributeStatement><saml:Attribute Name="groups">{values}</saml:Attribute></saml:AttributeStatement>{more}
</saml:Assertion>
"""

    def sign(self, text):
        source, target = self.bench.write(f"assertion{self.n}.xml", text), self.bench.path(f"signed{self.n}.xml")
        self.bench.run("xmlsec1", "--sign", "--privkey-pem", f"{self.key},{self.certificate}", "--id-attr:ID", SAML + ":Assertion",
                       "--output", target, source, wants=0)
        with open(target, "rb") as file:
            return file.read()

    def assertion(self, **changes):
        return self.sign(self.template(**changes))


@test
def saml_assertions_are_proved(bench):
    """Signed by the provider alone, whole, for us, now, once; every way of being wrong has its sentence."""
    idp, ecdsa, evil = Idp(bench), Idp(bench, "idp-ec", "ec"), Idp(bench, "evil")
    with open(bench.path("both.pem"), "wb") as file:
        for one in (ecdsa, idp):
            with open(one.certificate, "rb") as certificate:
                file.write(certificate.read())
    config = {"certificates": bench.path("both.pem"), "issuer": "https://idp.hospital.example", "audience": "gantry"}
    g = proving(bench, {"saml": config}, {"users": ["@readers"]})
    for one in (idp, ecdsa):
        good = one.assertion()
        scu = g.scu()
        scu.associate(more=user_item(4, good))
        response = scu.ac.user[0x59]
        root = xml.etree.ElementTree.fromstring(response[2:])
        equal(root.tag, "{urn:oasis:names:tc:SAML:2.0:protocol}Response", "the response")
        check(b"status:Success" in response and len(response) == 2 + struct.unpack(">H", response[:2])[0], "the response", response)
        equal(scu.store(instance="1.2.1")["status"], 0, "status")
        scu.release()
        denied(g, "has been used before", more=user_item(4, good))
    g.wait_log(event="association.accepted", user="ann")
    scu = g.scu()
    scu.associate(more=user_item(4, idp.assertion(digest="http://www.w3.org/2001/04/xmlenc#sha512"), response=False))
    check(0x59 not in scu.ac.user, "a response that nobody asked for")
    scu.release()
    once = idp.assertion()
    accepted(g, more=user_item(4, once))
    os.kill(next(pid for pid, argv in g.roles().items() if argv[2:3] == ["lookup"]), 9)
    g.wait_log(event="role.ended", role="lookup")
    until(lambda: [a for a in g.roles().values() if a[2:3] == ["lookup"]], "a new lookup")
    rejected(g, (1, 2, 1), more=user_item(4, once))
    # Nor by a provider whose clock runs ahead, after the whole gateway was started anew.
    ahead = idp.assertion(issued=50)
    accepted(g, more=user_item(4, ahead))
    g.stop()
    g.start()
    denied(g, "has been used before", more=user_item(4, ahead))
    denied(g, "has been used before", more=user_item(4, once))
    good = idp.assertion()
    xslt = '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'
    only_c14n = '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
    shape = "is not over all of it and nothing else"
    assertion = good[good.index(b"<saml:Assertion"):]
    for word, sent in (
            ("not signed by the identity provider", evil.assertion()),
            ("not signed by the identity provider", good.replace(b"readers", b"admins!")),
            ("not signed by the identity provider", good.replace(b">ann<", b">bob<")),
            ("names no user", good.replace(b">ann<", b">an<!-- -->n<")),
            ("holds another one", good.replace(b"</saml:Assertion>", assertion + b"</saml:Assertion>")),
            ("no SAML 2.0 assertion", b"<x>" + assertion + b"</x>"),
            ("has not one signature", idp.template().split("<ds:Signature")[0].encode() + idp.template().split("</ds:Signature>")[1].encode()),
            ("no SAML 2.0 assertion", good.replace(b"<saml:Assertion", b"<!DOCTYPE x [<!ENTITY e 'ann'>]><saml:Assertion", 1)),
            (shape, idp.assertion(transforms=only_c14n)),
            (shape, idp.assertion(uri="")),
            (shape, good.replace(b"xmldsig-more#rsa-sha256", b"xmldsig-more#hmac-sha256")),
            (shape, good.replace(b"<ds:Transforms>", b"<ds:Transforms>" + xslt.encode())),
            (shape, idp.assertion(digest="http://www.w3.org/2000/09/xmldsig#sha1")),
            (shape, idp.assertion(signed="http://www.w3.org/2000/09/xmldsig#rsa-sha1")),
            ("by another issuer", idp.assertion(issuer="https://evil.example")),
            ("for another audience", idp.assertion(audience="pacs")),
            ("names no audience", idp.assertion(audience=None)),
            ("not valid yet", idp.assertion(begin=200)),
            ("not valid yet", idp.assertion(issued=200)),
            ("has expired", idp.assertion(begin=-300, end=-100)),
            ("says no end", idp.assertion(end=None)),
            ("has expired", idp.assertion(confirmed=-100)),
            ("not for who bears it", idp.assertion(method="holder-of-key")),
            ("condition that is not known", idp.assertion(conditions="<saml:Condition/>")),
            ("older than the gateway's record", idp.assertion(issued=-3600)),
            ("has expired", idp.assertion(more=f'<saml:AuthnStatement AuthnInstant="{idp.at(-9)}" SessionNotOnOrAfter="{idp.at(-99)}"/>')),
            ("encrypted", b'<saml:EncryptedAssertion xmlns:saml="' + SAML.encode() + b'"/>'),
            ("encrypted in parts", idp.assertion(more="<saml:EncryptedAttribute/>")),
            ("names no user", idp.assertion(name="")), ("empty, too long", idp.assertion(name="a,b")),
            ("is not among the `users`", idp.assertion(groups=["others"])),
            ("no SAML 2.0 assertion", idp.assertion(version="1.1")),
            ("no SAML 2.0 assertion", b"ann"), ("no SAML 2.0 assertion", b""), ("no SAML 2.0 assertion", good[:-20])):
        denied(g, word, more=user_item(4, sent))
    storescu(g, "--saml", good, True)
    storescu(g, "--saml", good, False)
    # By an attribute, for a recipient; an assertion that may be used again, and one that says otherwise.
    g.config["users"]["saml"] = {**config, "recipient": "https://gw", "user": "mail", "reuse": True}
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    mail = "<saml:AttributeStatement><saml:Attribute Name=\"mail\">{}</saml:Attribute></saml:AttributeStatement>"
    value = "<saml:AttributeValue>ann@hospital.example</saml:AttributeValue>"
    again = idp.assertion(more=mail.format(value), issued=-3600)
    for _ in range(3):
        accepted(g, more=user_item(4, again))
    g.wait_log(event="association.accepted", user="ann@hospital.example")
    single = idp.assertion(more=mail.format(value), conditions="<saml:OneTimeUse/>")
    accepted(g, more=user_item(4, single))
    mark = g.mark()
    rejected(g, (1, 2, 1), more=user_item(4, single))
    denied(g, "names no user, or more", more=user_item(4, idp.assertion(more=mail.format(value + value))))
    denied(g, "for another recipient", more=user_item(4, idp.assertion(more=mail.format(value), recipient="https://pacs")))
    accepted(g, more=user_item(4, again))
    check(mark > 0 and "SignatureValue" not in g.log_text(), "an assertion is in the log")


@test
def modules_are_in_jobs_alone(bench):
    """No process that lives carries the libraries of LDAP, Kerberos or XML; without its module a proof is refused, and said why."""
    idp = Idp(bench)
    g = proving(bench, {"saml": {"certificates": idp.certificate, "issuer": "https://idp.hospital.example", "audience": "gantry"}}, {})
    scu = g.scu()
    scu.associate(more=user_item(4, idp.assertion()))
    equal(scu.echo(), 0, "an echo")
    if os.getuid() == 0:
        looked = 0
        for pid in [*g.roles(), g.process.pid]:
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
                    loaded = maps.read()
                for library in ("libldap", "libkrb5", "libxml2", "libxmlsec", "gantry-saml"):
                    check(library not in loaded, f"{library} is in {g.roles().get(pid)}")
                looked += 1
        check(looked >= 4, "processes looked at", looked)
    linked = bench.run("ldd", bench.program, wants=0).text
    for library in ("libldap", "libkrb5", "libxml2", "libxmlsec1", "libgnutls"):
        check(library not in linked, f"the program is linked to {library}")
    # A build tree without the module.
    tree = bench.new_folder("tree/src/cli")
    # Not by us: who is forked here meanwhile would have the copy open for writing, and then it cannot be run.
    bench.run("cp", bench.program, tree, wants=0)
    program, bench.program = bench.program, os.path.join(tree, "gantry")
    ran = bench.run(bench.program, "check", g.yaml)
    check(ran.code == 1 and "its module" in ran.text, "what check says of a missing module:", ran.text)
    other = bench.gateway(start=False, flow={"user-identity": {"caller": "verify"}})
    other.config["users"] = g.config["users"]
    other.write()
    other.start()
    bench.program = program
    denied(other, "module could not be loaded", more=user_item(4, idp.assertion()))
