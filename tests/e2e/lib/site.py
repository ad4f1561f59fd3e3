# SPDX-License-Identifier: Apache-2.0
"""What a test stands on: a folder, ports, processes that end with it, keys, and a gateway with its gantry.yaml."""
import contextlib
import glob
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from . import dicom

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(HERE))
DATA = os.path.join(ROOT, "tests/data/dicom")
PATIENCE = 20  # seconds until what must happen has not
TESTS = []


def test(function):
    """A test: called with a Bench."""
    TESTS.append(function)
    return function


class Failure(AssertionError):
    pass


def check(condition, text, *more):
    if not condition:
        raise Failure(" ".join([text, *map(str, more)]))


def equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: {got!r}, not {wanted!r}")


def until(probe, what, patience=PATIENCE):
    """Poll until probe() is true, and return what it gave. Less often later: a probe may read a whole log or journal."""
    deadline, pause = time.monotonic() + patience, 0.01
    while True:
        got = probe()
        if got:
            return got
        if time.monotonic() > deadline:
            raise Failure(f"waited {patience} s for {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.06)


def put(source, path):
    """A copy in one step, for what somebody reads meanwhile."""
    os.replace(shutil.copy(source, path + ".new"), path)


# ---- Ports: below the range from which the kernel takes source ports, each handed out once. ----

PORTS = iter(random.sample(range(12000, 32000), 15000))
PORTS_LOCK = threading.Lock()


def free_port():
    with PORTS_LOCK:
        for port in PORTS:
            with socket.socket() as probe:
                try:
                    probe.bind(("", port))
                    return port
                except OSError:
                    continue
    raise Failure("no free port")


def listeners_of_kernel(family, port):
    """How many listen there; None: it does not say (sock_diag(7))."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as asked:  # NETLINK_SOCK_DIAG
        asked.settimeout(5)
        # An inet_diag_req_v2 for listeners with this port, all of them (SOCK_DIAG_BY_FAMILY; NLM_F_REQUEST, NLM_F_DUMP).
        asked.send(struct.pack("=IHHII BBBBI", 72, 20, 0x301, 1, 0, family, socket.IPPROTO_TCP, 0, 0, 1 << 10) +
                   struct.pack("!H46x", port))
        found = 0
        while True:
            answer = asked.recv(1 << 16)
            while answer:
                length, kind = struct.unpack_from("=IH", answer)
                if kind == 3:  # NLMSG_DONE
                    return found
                if kind != 20:
                    return None
                found += 1
                answer = answer[(length + 3) & ~3:]
    return None


def listening(port, pid="self"):
    """Is a TCP socket listening there? Asked of the kernel: a connection would be an association."""
    # The tables are slow to read: the kernel walks through all that could be connected.
    with contextlib.suppress(OSError):
        if os.readlink("/proc/self/ns/net") == os.readlink(f"/proc/{pid}/ns/net"):
            counts = [listeners_of_kernel(family, port) for family in (socket.AF_INET, socket.AF_INET6)]
            if None not in counts:
                return any(counts)
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/net/{table}", encoding="ascii") as rows:
            for row in rows.readlines()[1:]:
                cells = row.split()
                if cells[3] == "0A" and int(cells[1].split(":")[1], 16) == port:
                    return True
    return False


# ---- Keys: made once a run, with the openssl command. ----


class Keys:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.authority("ca")
        self.authority("other-ca")
        self.leaf("gateway", "gateway", "DNS:gateway,DNS:localhost,IP:127.0.0.1")
        self.leaf("gateway-rsa", "gateway", "DNS:gateway,DNS:localhost,IP:127.0.0.1", kind="rsa")
        self.leaf("scanner", "scanner", "DNS:scanner")
        self.leaf("scanner-rsa", "scanner", "DNS:scanner", kind="rsa")
        self.leaf("workstation", "workstation", "DNS:workstation")
        self.leaf("archive", "archive", "DNS:archive,IP:127.0.0.1")
        self.leaf("stranger", "scanner", "DNS:scanner", authority="other-ca")

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       cwd=self.folder)

    def key(self, name, kind):
        options = {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ec": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                   "ed25519": ["ED25519"]}[kind]
        self.openssl("genpkey", "-algorithm", *options, "-out", name + ".key")

    def authority(self, name):
        self.key(name, "ec")
        self.openssl("req", "-x509", "-new", "-key", name + ".key", "-subj", f"/CN=Test {name}", "-days", "30",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", name + ".pem")

    def leaf(self, name, common, san, kind="ec", authority="ca", days=20):
        self.key(name, kind)
        self.openssl("req", "-new", "-key", name + ".key", "-subj", f"/CN={common}", "-out", name + ".csr")
        with open(self.path(name + ".ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={san}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
                       "extendedKeyUsage=serverAuth,clientAuth\n")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", authority + ".pem", "-CAkey", authority + ".key",
                     "-set_serial", str(random.getrandbits(120)), "-days", str(days), "-extfile", name + ".ext", "-out", name + ".pem")

    def spki(self, name):
        public = subprocess.run(["openssl", "x509", "-in", self.path(name + ".pem"), "-pubkey", "-noout"], check=True,
                                stdout=subprocess.PIPE).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], check=True, input=public,
                             stdout=subprocess.PIPE).stdout
        import hashlib
        return hashlib.sha256(der).hexdigest()

    def client(self, name="scanner", version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.path("ca.pem"))
        if name:
            context.load_cert_chain(self.path(name + ".pem"), self.path(name + ".key"))
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def server(self, name="archive"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_verify_locations(self.path("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.path(name + ".pem"), self.path(name + ".key"))
        return context

    def dcmtk(self, name="scanner"):
        """Arguments of a DCMTK tool that speaks TLS."""
        return ["+tls", self.path(name + ".key"), self.path(name + ".pem"), "+cf", self.path("ca.pem")]


# ---- YAML: nested Python to block style, so that line numbers mean something. ----


def scalar(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)) or re.fullmatch(r"[A-Za-z0-9/][\w./:-]*", value):
        return str(value)
    return json.dumps(value)


def flow_style(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k}: {flow_style(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[ " + ", ".join(map(flow_style, value)) + " ]"
    return scalar(value)


def to_yaml(config):
    lines = []
    for key, value in config.items():
        if key in ("listeners", "flows"):
            lines.append(f"{key}:")
            for entry in value:
                for i, (k, v) in enumerate(entry.items()):
                    lines.append(("  - " if i == 0 else "    ") + f"{k}: {flow_style(v)}")
        elif key == "nodes":
            lines.append("nodes:")
            for name, node in value.items():
                lines.append(f"  {name}:")
                lines += [f"    {k}: {flow_style(v)}" for k, v in node.items()]
        else:
            lines.append(f"{key}: {flow_style(value)}")
    return "\n".join(lines) + "\n"


# ---- The bench ----


class Process:
    def __init__(self, command, popen, output, group):
        self.command, self.popen, self.output, self.group = command, popen, output, group
        self.pid = popen.pid

    def running(self):
        return self.popen.poll() is None

    def text(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def wait(self, patience=PATIENCE):
        try:
            return self.popen.wait(patience)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{self.command[0]} did not end in {patience} s") from error

    def end(self):
        for number, patience in ((signal.SIGTERM, 4), (signal.SIGKILL, 5)):
            if self.running():
                with contextlib.suppress(ProcessLookupError):
                    if self.group or number == signal.SIGTERM:
                        self.popen.send_signal(number)
                    if number == signal.SIGKILL:
                        os.killpg(self.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.popen.wait(patience)


class Ran:
    def __init__(self, command, code, text):
        self.command, self.code, self.text = command, code, text


class Bench:
    """One test's own place. Everything started here ends here."""

    def __init__(self, name, gantry, keys, keep=False):
        self.name, self.program, self.keys, self.keep = name, gantry, keys, keep
        self.folder = tempfile.mkdtemp(prefix=f"gantry-e2e-{name[:24]}-")
        os.chmod(self.folder, 0o755)
        self.processes, self.closers, self.scps, self.counter = [], [], [], 0

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def tool(self, name):
        """A program of the tests' own, of the same build: gantry is in its src/cli, and this in its tests."""
        return os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(self.program))), "tests", name)

    def new_folder(self, name, owner=None):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        if owner and os.getuid() == 0:
            shutil.chown(path, *owner)
        return path

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, *command, cwd=None, env=None):
        self.counter += 1
        output = self.path(f"{self.counter:02}-{os.path.basename(command[0])}.out")
        with open(output, "wb") as sink:
            popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=cwd or self.folder,
                                     env=dict(os.environ, **(env or {})), start_new_session=True)
        process = Process(command, popen, output, False)
        self.processes.append(process)
        return process

    def serve(self, port, *command, **options):
        """Start what listens on port, and wait until it does."""
        process = self.start(*command, **options)
        until(lambda: not process.running() or listening(port, process.pid), f"{command[0]} to listen")
        check(process.running(), f"{command[0]} ended:", process.text()[-2000:])
        return process

    def run(self, *command, patience=60, cwd=None, env=None, wants=None):
        """Run to its end. wants: the exit code that it must have."""
        process = self.start(*command, cwd=cwd, env=env)
        process.wait(patience)
        ran = Ran(command, process.popen.returncode, process.text())
        if wants is not None:
            check(ran.code == wants, f"{' '.join(command)} exited with {ran.code}, not {wants}:", ran.text[-2000:])
        return ran

    def later(self, close):
        self.closers.append(close)

    def scp(self, **options):
        scp = dicom.Scp(**options)
        self.later(scp.close)
        self.scps.append(scp)
        return scp

    def failures(self):
        """What the threads of fake peers have raised, which a test does not see else."""
        return [error for scp in self.scps for error in list(scp.failures)]

    def scu(self, port, **options):
        scu = dicom.Scu(port, **options)
        self.later(scu.close)
        return scu

    def gateway(self, config=None, wait=True, **options):
        return Gateway(self, config, wait, **options)

    def close(self):
        for close in reversed(self.closers):
            with contextlib.suppress(Exception):
                close()
        for process in reversed(self.processes):
            process.end()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def role_user(*names):
    """What the gateway's roles become when it is started as root."""
    for name in names or ("gantry", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return name, entry.pw_uid, entry.pw_gid
    raise Failure("there is no user for the roles")


class Gateway:
    """`gantry run` on a gantry.yaml of the test's own.

    The usual site: a plain and a TLS listener, the node `ct1` (CT1, from 127.0.0.0/8, plain), `ct-tls` (CT_TLS, certificate
    with SAN scanner), the archive `archive` (ARCHIVE) in a folder or where `archive` says, and one flow, for echo and
    store. Keyword arguments replace or extend parts of it.
    """

    def __init__(self, bench, config=None, wait=True, archive=None, flow=None, node=None, tls_node=None, nodes=None,
                 flows=None, listener=None, prefix=(), level="info", start=True, **top):
        self.bench, self.keys, self.prefix = bench, bench.keys, list(prefix)
        self.user, uid, gid = role_user()
        self.owner = (uid, gid)
        self.plain, self.tls = free_port(), free_port()
        self.folder = bench.path(f"site{len(bench.processes)}")
        os.makedirs(self.folder)
        for name in ("state", "run", "archive"):
            os.makedirs(os.path.join(self.folder, name))
            if os.getuid() == 0:
                os.chown(os.path.join(self.folder, name), uid, gid)
        self.archive_folder = os.path.join(self.folder, "archive")
        self.log_path = os.path.join(self.folder, "gantry.log")
        self.yaml = os.path.join(self.folder, "gantry.yaml")
        self.config = config or self.usual(archive, flow, node, tls_node, nodes, flows, listener, level, top)
        self.process = None
        self.log_offset = 0
        self.write()
        if start:
            self.start(wait)

    def usual(self, archive, flow, node, tls_node, nodes, flows, listener, level, top):
        path = self.keys.path
        config = {
            "site": "Test", "state": "state", "run": "run", "user": self.user,
            "key-user": role_user("gantry-keys", "nobody")[0],
            "log": {"file": self.log_path, "format": "json", "level": level},
            "tls": {"identities": [{"certificate": path("gateway.pem"), "key": path("gateway.key")},
                                   {"certificate": path("gateway-rsa.pem"), "key": path("gateway-rsa.key")}],
                    "trust": [path("ca.pem")]},
        }
        config.update(top)
        config["listeners"] = [
            {"name": "plain", "address": "127.0.0.1", "port": self.plain, "transport": "plain", **(listener or {})},
            {"name": "tls", "address": "127.0.0.1", "port": self.tls, "transport": "tls"},
        ]
        config["nodes"] = {
            "ct1": {"ae": ["CT1"], "from": ["127.0.0.0/8"], "transport": "plain", **(node or {})},
            "ct-tls": {"ae": ["CT_TLS"], "certificate": {"san": ["scanner"]}, "transport": "tls", **(tls_node or {})},
            "archive": {"ae": ["ARCHIVE"], "address": ["folder:" + self.archive_folder], **(archive or {})},
            **(nodes or {}),
        }
        config["flows"] = [
            {"name": "images", "from": ["ct1", "ct-tls"], "to": "archive", "services": ["echo", "store"], **(flow or {})},
            *(flows or ()),
        ]
        return config

    def write(self, text=None):
        with open(self.yaml, "w", encoding="utf-8") as file:
            file.write(text or to_yaml(self.config))

    def start(self, wait=True):
        mark = self.mark()
        self.process = self.bench.start(*self.prefix, self.bench.program, "run", "-c", self.yaml, cwd=self.folder)
        if wait:
            ports = [entry["port"] for entry in self.config["listeners"]]
            until(lambda: not self.process.running() or all(listening(p, self.process.pid) for p in ports),
                  "the gateway to listen")
            check(self.process.running(), "the gateway ended:", self.process.text()[-3000:], self.log_text()[-3000:])
            if self.config["log"] == {"file": self.log_path, "format": "json", "level": self.config["log"].get("level")}:
                self.wait_log(mark, event="gateway.serving")

    def stop(self, patience=PATIENCE):
        self.process.signal(signal.SIGTERM)
        return self.process.wait(patience)

    def reload(self):
        """Ask for a reload; returns where the log ended before."""
        mark = self.mark()
        self.process.signal(signal.SIGHUP)
        return mark

    # The log

    def log_text(self):
        """Of whole lines: the last may be one that is just being written."""
        try:
            with open(self.log_path, "rb") as file:
                data = file.read()
                return data[:data.rfind(b"\n") + 1].decode()
        except FileNotFoundError:
            return ""

    def mark(self):
        return len(self.log_text())

    def lines(self, since=0):
        return [json.loads(line) for line in self.log_text()[since:].splitlines() if line.endswith("}")]

    def find(self, since=0, **wanted):
        return [row for row in self.lines(since) if all(row.get(k) == v for k, v in wanted.items())]

    def wait_log(self, since=0, **wanted):
        """The first line that has these fields, once it is there."""
        return until(lambda: self.find(since, **wanted), lambda: f"a log line with {wanted}; there is\n" +
                     "\n".join(map(str, self.lines(since)[-12:])))[0]

    def decision(self, rule, since=0, **more):
        """The line of a decision by this rule; every one has a sentence."""
        line = self.wait_log(since, event="decision", rule=rule, **more)
        check(len(line.get("message", "")) > 20, "a decision without a sentence:", line)
        return line

    def cli(self, *arguments, wants=0):
        return self.bench.run(self.bench.program, *arguments, "-c", self.yaml, cwd=self.folder, wants=wants).text

    # The folder archive

    def stored(self):
        """SOP instance UID -> file, for all files with a final name."""
        found = {}
        for path in glob.glob(os.path.join(self.archive_folder, "??", "*.dcm")):
            found[os.path.basename(path)[:-4]] = dicom.Part10(path)
        return found

    # Shapes of associations

    def scu(self, tls=False, **options):
        if tls:
            options.setdefault("tls", self.keys.client("scanner"))
        return self.bench.scu(self.tls if tls else self.plain, **options)

    def kill_all(self):
        """Every process at once, before any can tell of another's end."""
        everybody = [self.process.pid, *self.roles()]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in everybody:
                with contextlib.suppress(ProcessLookupError):  # with its parent goes who has not been told yet
                    os.kill(pid, number)
        self.process.wait()

    def roles(self):
        """pid -> role, of the gateway's processes. Any may have ended since; one that is just ending has no words."""
        found = {}

        def below(pid):
            with contextlib.suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                        for child in map(int, file.read().split()):
                            with contextlib.suppress(OSError):
                                with open(f"/proc/{child}/cmdline", "rb") as line:
                                    found[child] = line.read().decode(errors="replace").split("\0")
                            below(child)

        below(self.process.pid)
        return found
