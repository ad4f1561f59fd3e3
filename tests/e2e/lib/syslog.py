# SPDX-License-Identifier: Apache-2.0
"""Syslog receivers that are not ours, with configuration files and ports of their own, and a gateway that sends to them."""
import contextlib
import json
import os
import re
import signal
import subprocess

from .site import ROOT, check, free_port, until

PEERS = os.path.join(ROOT, "build-peers/syslog-ng-core/usr")
ID = re.compile(rb'id="(\d{7})"')


def ids(path):
    """Numbers of the messages that a receiver wrote."""
    try:
        with open(path, "rb") as file:
            return [int(n) for n in ID.findall(file.read())]
    except FileNotFoundError:
        return []


class Receiver:
    """What it wrote is in self.output: the messages as they came, one a line."""

    def __init__(self, bench, name, port, command, env=None, tcp=True):
        self.bench, self.name, self.port, self.command, self.env, self.tcp = bench, name, port, command, env, tcp
        self.output = bench.path(f"{name}.received")
        self.process = None

    def start(self):
        if self.tcp:
            self.process = self.bench.serve(self.port, *self.command, env=self.env)
        else:
            self.process = self.bench.start(*self.command, env=self.env)
            until(lambda: bound(self.port, self.process.pid), f"{self.name} to be bound")
        return self

    def stop(self):
        self.process.signal(signal.SIGTERM)
        self.process.wait()

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def signal(self, number):
        self.process.signal(number)

    def ids(self):
        return ids(self.output)

    def text(self):
        try:
            with open(self.output, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def wait_for(self, wanted, patience=60):
        """Every number of wanted is there at least once."""
        wanted = set(wanted)
        until(lambda: wanted <= set(self.ids()),
              lambda: f"{len(wanted - set(self.ids()))} messages at {self.name}, the first is {min(wanted - set(self.ids()))}",
              patience)


def bound(port, pid):
    with open(f"/proc/{pid}/net/udp", encoding="ascii") as rows:
        return any(int(row.split()[1].split(":")[1], 16) == port for row in rows.readlines()[1:])


def rsyslog(bench, name="rsyslog", port=None, driver="gtls", certificate="archive", udp=False, peer="gateway"):
    """rsyslogd with mutual TLS (GnuTLS or OpenSSL: gtls, ossl), or UDP."""
    port = port or free_port()
    path, folder = bench.keys.path, bench.new_folder(f"{name}-work")
    output = bench.path(f"{name}.received")
    source = f'module(load="imudp")\ninput(type="imudp" port="{port}" address="127.0.0.1")' if udp else f"""
module(load="imtcp" MaxFrameSize="262144" StreamDriver.Name="{driver}" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/name"
       PermittedPeer=["{peer}"])
input(type="imtcp" port="{port}" address="127.0.0.1")"""
    config = bench.write(f"{name}.conf", f"""
global(workDirectory="{folder}" maxMessageSize="256k" defaultNetstreamDriver="{driver}"
       defaultNetstreamDriverCAFile="{path('ca.pem')}" defaultNetstreamDriverCertFile="{path(certificate + '.pem')}"
       defaultNetstreamDriverKeyFile="{path(certificate + '.key')}")
{source}
template(name="raw" type="string" string="%rawmsg%\\n")
action(type="omfile" file="{output}" template="raw")
""")
    return Receiver(bench, name, port, ["rsyslogd", "-n", "-f", config, "-i", bench.path(f"{name}.pid")], tcp=not udp).start()


def syslog_ng(bench, name="syslog-ng", port=None, certificate="archive", udp=False):
    """syslog-ng with mutual TLS, or UDP: syslog(transport(…)), which is octet-counted RFC 5425."""
    port = port or free_port()
    path, folder = bench.keys.path, bench.new_folder(f"{name}-work")
    output = bench.path(f"{name}.received")
    transport = 'transport("udp")' if udp else f"""transport("tls") tls(key-file("{path(certificate + '.key')}")
        cert-file("{path(certificate + '.pem')}") ca-file("{path('ca.pem')}") peer-verify(required-trusted))"""
    config = bench.write(f"{name}.conf", f"""@version: 3.35
options {{ log-msg-size(262144); flush-lines(0); stats-freq(0); }};
source s {{ syslog(ip("127.0.0.1") port({port}) {transport} flags(store-raw-message)); }};
destination d {{ file("{output}" template("${{RAWMSG}}\\n")); }};
log {{ source(s); destination(d); }};
""")
    command = [f"{PEERS}/sbin/syslog-ng", "-F", "--no-caps", "-f", config, "-R", f"{folder}/persist", "-c", f"{folder}/ctl",
               "-p", f"{folder}/pid", "--module-path", f"{PEERS}/lib/syslog-ng/3.38"]
    env = {"LD_LIBRARY_PATH": f"{PEERS}/lib/syslog-ng"}
    return Receiver(bench, name, port, command, env, tcp=not udp).start()


def audit_keys(bench):
    """What `audit:` asks for beside repositories."""
    folder = bench.new_folder("audit-keys")
    run = lambda *command: subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run("openssl", "genpkey", "-algorithm", "X25519", "-out", "auditor.key")
    run("openssl", "pkey", "-in", "auditor.key", "-pubout", "-out", "auditor.pem")
    run("openssl", "genpkey", "-algorithm", "ED25519", "-out", "checkpoint.key")
    with open(os.path.join(folder, "index.key"), "w", encoding="ascii") as file:
        file.write(os.urandom(32).hex() + "\n")
    for name in ("checkpoint.key", "index.key"):
        os.chmod(os.path.join(folder, name), 0o600)
    return folder


class Sender:
    """A gateway whose audit trail goes to repositories, and a writer into its spool beside its own."""

    def __init__(self, bench, repositories, witnesses=(), start=True, **more):
        self.bench = bench
        keys = audit_keys(bench)
        audit = {"origin": "test.example/gantry", "auditors": [f"{keys}/auditor.pem"],
                 "checkpoint-key": f"{keys}/checkpoint.key", "index-key": f"{keys}/index.key",
                 "repositories": list(repositories), **more}
        if witnesses:
            audit["witnesses"] = list(witnesses)
        self.gateway = bench.gateway(audit=audit, start=start)
        self.journal = os.path.join(self.gateway.folder, "state", "audit")
        self.key = os.path.join(self.gateway.folder, "state", "spool.key")
        self.feeder = bench.tool("spool_feed")
        self.count, self.most = 0, 1 << 30
        if start:
            # Its own writer has begun, and knows its numbers: one that opens the spool after the feeder takes the feeder's.
            until(lambda: self.files(), "the first file of the gateway's own in the spool")

    def spool_feed(self, *arguments):
        """How many entries were lost."""
        return int(self.bench.run(self.feeder, f"{self.journal}/spool", self.key, str(self.most),
                                  *map(str, arguments), wants=0).text)

    def feed(self, count, size=500):
        """Messages with the next numbers; returns their numbers."""
        numbers = range(self.count, self.count + count)
        self.count += count
        check(self.spool_feed("message", numbers.start, count, size) == 0, "the spool took not all messages")
        return numbers

    def status(self, name):
        """Of a repository or witness; {} while it is not known."""
        rows = json.loads(self.gateway.cli("status", "--json"))["audit_repositories"]
        return next((row for row in rows if row["name"] == name), {})

    def wait_status(self, name, probe, what, patience=60):
        return until(lambda: (lambda row: row and probe(row) and row)(self.status(name)),
                     lambda: f"{what}; status says {self.status(name)}", patience)

    def files(self):
        """Of the spool; none before there is one."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(n for n in os.listdir(f"{self.journal}/spool") if n.startswith("spool-"))
        return []

    def spooled(self):
        """Files of the feeder's, which have higher numbers than the gateway's own."""
        return [n for n in self.files() if int(n[6:]) >= 1000000]
