# SPDX-License-Identifier: Apache-2.0
"""`gantry antivirus`: definitions are staged, tried beside those in use, put to use, and taken back."""
import contextlib
import glob
import hashlib
import os
import shutil
import signal
import socket
import struct
import threading

from lib import clamd, dicom, peers
from lib.site import check, equal, test, until
from lib.trail import Trail
from test_antivirus import document, file_of, pdf

GOOD = (b"evil body",)


class Site:
    """A gateway that signs records, a corpus, and a clamd whose DatabaseDirectory is `current`."""

    def __init__(self, bench, **antivirus):
        self.bench = bench
        self.store = bench.path("store")
        self.trail = Trail(bench)
        os.makedirs(os.path.join(self.store, "corpus/good/ct"))
        os.makedirs(os.path.join(self.store, "corpus/bad"))
        shutil.copy(peers.CT_SMALL, os.path.join(self.store, "corpus/good/ct/small.dcm"))
        self.sample("good/document.dcm", pdf(b"good"))
        self.sample("bad/document.dcm", pdf(b"an evil body"))
        self.touched = bench.path("touched")
        config = bench.write("site-clamd.conf", f"Example\nUser nobody\nLogFile /nowhere\nVirusEvent /bin/touch {self.touched}\n"
                             f"MaxFileSize 4M\nTCPSocket 3310\nDatabaseDirectory /nowhere\n")
        self.socket = bench.path("clamd.ctl")
        self.g = self.trail.gateway(antivirus={"socket": self.socket, "timeout": 5, "max-size": "2M", "definitions": self.store,
                                               "clamd-config": config, "load-timeout": 20, **antivirus}, start=False)
        bench.run(bench.program, "record", "init", "-c", self.g.yaml, bench.path("trail"), wants=0)
        self.g.config["audit"]["record-key"] = self.trail.path("record.key")
        self.g.write()
        self.g.start()
        self.scanner = None

    def sample(self, name, content):
        with open(os.path.join(self.store, "corpus", name), "wb") as file:
            file.write(file_of(document("1.2.3.4", content)))

    def stage(self, name, *lines, **options):
        folder = clamd.definitions(self.bench.path(name), *lines, **options)
        said = self.run("stage", folder)
        return said.split("staged ")[1].split(":")[0]

    def run(self, *words, wants=0):
        return self.bench.run(self.bench.program, "antivirus", words[0], "-c", self.g.yaml, *words[1:], wants=wants).text

    def link(self, name):
        path = os.path.join(self.store, name)
        return os.path.basename(os.readlink(path)) if os.path.lexists(path) else None

    def first(self):
        """The first set is in use."""
        first = self.stage("first", *(clamd.ndb("Test.Body", text) for text in GOOD))
        self.run("validate")
        check("DatabaseDirectory" in self.run("promote"), "it is not said what to do")
        self.scanner = clamd.Clamd(self.bench, os.path.join(self.store, "current"))
        check("clamd has loaded it" in self.run("status"), "the status")
        return first


def left_behind(site):
    """Folders of trials with this site's definitions; other tests have theirs."""
    found = []
    for config in glob.glob("/tmp/gantry-antivirus-*/clamd.conf"):
        with contextlib.suppress(OSError), open(config, encoding="utf-8") as file:
            found += [config] if site.store in file.read() else []
    return found


def body(name="Test.Body", text=GOOD[0]):
    return clamd.ndb(name, text)


@test
def antivirus_definitions_promoted_and_rolled_back(bench):
    """Only what was validated, unchanged, is put to use, and clamd is seen to have it; one command goes back."""
    site = Site(bench)
    first = site.first()
    second = site.stage("second", body(), clamd.ndb("Test.New", b"wicked body"))
    check("not validated" in site.run("promote", wants=1), "it was promoted unvalidated")
    said = site.run("validate")
    check("4 files: 2 clean, 2 found, 0 not as they should be, 0 other than before" in said, said)
    check("in use: " in said and "MiB of memory" in said, said)
    record = os.path.join(site.store, "records", second)
    bench.run(bench.program, "record", "verify", "--vkey", site.trail.path("record.vkey"), record, wants=0)
    with open(record, encoding="utf-8") as file:
        note = file.read()
    for line in (f"definitions {second}", f"definitions-before {first}", "failed 0", "note passed", "what antivirus-definitions"):
        check(line + "\n" in note, line, note)
    # What is promoted is what was validated: its files, and the record.
    target = os.path.join(site.store, "sets", second, "test.ndb")
    with open(target, "rb") as file:
        kept = file.read()
    with open(target, "ab") as file:
        file.write(b"Test.Late:0:*:4c617465\n")
    check("not those that were validated" in site.run("promote", wants=1), "changed files were promoted")
    with open(target, "wb") as file:
        file.write(kept)
    with open(record, "w", encoding="utf-8") as file:
        file.write(note.replace("failed 0", "failed 1").replace("\nfound 2", "\nfound 1"))
    check("not signed by the gateway" in site.run("promote", wants=1), "a changed record was taken")
    with open(record, "w", encoding="utf-8") as file:
        file.write(note)
    equal(site.link("current"), first, "in use before")
    check(f"in use: {second}" in site.run("promote"), "it is not in use")
    equal((site.link("current"), site.link("previous"), site.link("staged")), (second, first, None), "the links")
    ran = bench.run(bench.program, "inspect", "--antivirus", site.socket, bench.write("new.dcm", "a wicked body"))
    check("Test.New" in ran.text, "clamd does not know the new one", ran.text)
    check(f"in use: {first}" in site.run("rollback"), "the rollback")
    equal((site.link("current"), site.link("previous")), (first, second), "the links after it")
    ran = bench.run(bench.program, "inspect", "--antivirus", site.socket, bench.path("new.dcm"))
    check("Test.New" not in ran.text, "clamd knows the new one still", ran.text)
    told = [r["event"]["text"] for r in site.trail.wait("alert", 8) if "Definitions of" in r["event"]["text"]]
    for words in ("staged", "held against", "put to use.", "put to use again"):
        check(any(words in text for text in told), words, told)
    check(not os.path.exists(site.touched), "what the configuration would have started was started")


@test
def antivirus_definitions_that_do_not_pass(bench):
    """A false alarm, a miss, a file that clamd does not load, no test string, and what is too slow: none is put to use."""
    site = Site(bench, **{"larger-most": 0})
    first = site.first()
    ct = dicom.Part10(peers.CT_SMALL).data
    large = [clamd.hsb(f"Test.Many.{i}", str(i).encode()) for i in range(200000)]
    for name, lines, options, words in (
            ("false", (body(), clamd.ndb("Test.False", ct[200:230])), {}, "good/ct/small.dcm: found in a good file: Test.False"),
            ("missing", (), {}, "bad/document.dcm: not found"),
            ("broken", (body(), "Test.Broken:0:*:zz\n"), {}, "does not start with these definitions"),
            ("stringless", (body(),), {"eicar": False}, "EICAR"),
            ("large", (body(), *large), {}, "larger in memory by more than 0 %")):
        staged = site.stage(name, *lines, **options)
        said = site.run("validate", wants=1)
        check(words in said and "refused: " in said, name, said)
        said = site.run("promote", wants=1)
        check("they did not pass" in said, name, said)
        check("refused: " in site.run("status"), "the status")
        equal((site.link("staged"), site.link("current")), (staged, first), "the links")
    check(not os.path.exists(site.touched), "what the configuration would have started was started")
    equal(left_behind(site), [], "what the trials left")


@test
def antivirus_definitions_cut_off(bench):
    """Who is killed while they are tried leaves nothing, and while they are put to use a way back; what could not be compared is not said to have been."""
    site = Site(bench)
    first = site.first()
    second = site.stage("second", body(), clamd.ndb("Test.New", b"wicked body"))
    tried = bench.start(bench.program, "antivirus", "validate", "-c", site.g.yaml)
    until(lambda: len(left_behind(site)) == 2, "both trials")
    tried.signal(signal.SIGKILL)
    until(lambda: not left_behind(site), "what the trials left to go")
    site.run("validate")
    promoted = bench.start(bench.program, "antivirus", "promote", "-c", site.g.yaml)
    while site.link("current") == first and promoted.running():
        pass
    promoted.signal(signal.SIGKILL)
    equal((promoted.wait(), site.link("current"), site.link("previous")), (-signal.SIGKILL, second, None), "where it was cut off")
    check("was cut off" in site.run("rollback"), "it is not said that it was cut off")
    equal((site.link("current"), site.link("previous"), site.link("replaced")), (first, None, None), "the links")
    check("clamd has loaded it" in site.run("status"), "the status")
    with open(os.path.join(site.store, "sets", first, "test.ndb"), "a", encoding="ascii") as file:
        file.write("Test.Broken:0:*:zz\n")
    said = site.run("validate")
    check("those in use cannot be compared" in said and "compared with none before" in said, said)
    check("passed, not compared with those in use: clamd does not start" in site.run("status"), "the record")
    check("in use: " in site.run("promote"), "it is not put to use")
    check("cannot be compared" not in site.run("validate", wants=3), "nothing is staged any more")


# What clamd is to validate: as much work for each thing that it is shown as its definitions say, however quick the machine is.
WORKER = r"""#!/usr/bin/python3
import glob, re, socket, struct, sys, threading, time
config = dict(line.split(None, 1) for line in open(sys.argv[2]).read().splitlines())
texts = [open(path).read() for path in glob.glob(config["DatabaseDirectory"] + "/*.ndb")]
cost = int(re.search("Test[.]Cost[.]([0-9]+)", "".join(texts)).group(1)) / 1000
names = {b"evil body": "Test.Body", bytes.fromhex("%s"): "Test.Eicar"}
def serve(s):
    with s, s.makefile("rb") as file:
        command, data = b"", b""
        while not command.endswith(b"\0"):
            byte = file.read(1)
            if not byte:
                return
            command += byte
        if command != b"zINSTREAM\0":
            s.sendall({b"zPING\0": b"PONG\0"}.get(command, b"ClamAV 1\0"))
            return
        while n := struct.unpack(">L", file.read(4))[0]:
            data += file.read(n)
        until = time.thread_time() + cost * (len(data) > 100 and len(data) < 1 << 20)  # not for what clamd is tried with
        while time.thread_time() < until:
            pass
        found = [name for text, name in names.items() if text in data]
        s.sendall(("stream: " + (found[0] + " FOUND" if found else "OK")).encode() + b"\0")
listener = socket.socket(socket.AF_UNIX)
listener.bind(config["LocalSocket"])
listener.listen(16)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
""" % clamd.EICAR.hex()


@test
def antivirus_definitions_too_slow(bench):
    """What takes more processor time than `slower-most` says is not put to use; what takes a little more is."""
    program = bench.write("clamd", WORKER)
    os.chmod(program, 0o755)
    site = Site(bench, clamd=program, **{"slower-most": 50})
    first = site.stage("first", body(), clamd.ndb("Test.Cost.50", b"cost"))
    site.run("validate")
    site.run("promote")
    slower = "slower by more than 50 %"
    for cost, wants in ((60, 0), (150, 1)):
        staged = site.stage(f"cost-{cost}", body(), clamd.ndb(f"Test.Cost.{cost}", b"cost"))
        said = site.run("validate", wants=wants)
        check(said.count("ms of processor time") == 2, "the two are not compared", said)
        equal((slower in said, "refused: " in said), (wants == 1, wants == 1), f"what is said of {cost} ms: {said}")
        if wants == 1:
            check("they did not pass" in site.run("promote", wants=1), "what is too slow was promoted")
            check(f"refused: {slower}" in site.run("status", wants=1), "the status")
            equal((site.link("staged"), site.link("current")), (staged, first), "the links")


class Stubborn(threading.Thread):
    """A clamd that says that it loads its definitions, and does not."""

    def __init__(self, path, loaded):
        super().__init__(daemon=True)
        self.mark = hashlib.sha256(f"gantry set {loaded}".encode()).digest()
        self.name_of = f"Gantry.Set.{loaded[:12]}.UNOFFICIAL"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        self.start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), s, s.makefile("rb") as file:  # who asks does not wait for ever
                self.serve(s, file)

    def serve(self, s, file):
        command = b""
        while not command.endswith(b"\0"):
            byte = file.read(1)
            if not byte:
                return
            command += byte
        if command == b"zINSTREAM\0":
            data = b""
            while n := struct.unpack(">L", file.read(4))[0]:
                data += file.read(n)
            name = self.name_of if data == self.mark else "Test.Eicar" if data.startswith(clamd.EICAR) else None
            s.sendall((f"stream: {name} FOUND" if name else "stream: OK").encode() + b"\0")
        else:
            s.sendall({b"zPING\0": b"PONG", b"zRELOAD\0": b"RELOADING"}.get(command, b"ClamAV 1") + b"\0")


@test
def antivirus_definitions_not_loaded(bench):
    """What clamd is not seen to load goes back by itself; a clamd that is away, or looks elsewhere, changes nothing."""
    site = Site(bench, **{"load-timeout": 5})
    first = site.first()
    second = site.stage("second", body(), clamd.ndb("Test.New", b"wicked body"))
    site.run("validate")
    site.scanner.stop()
    check("nothing was changed" in site.run("promote", wants=3), "without a clamd")
    site.scanner.folder = bench.path("first")
    site.scanner.start()
    check("DatabaseDirectory" in site.run("promote", wants=3), "with one that looks elsewhere")
    site.scanner.stop()
    stubborn = Stubborn(site.socket, first)
    bench.later(stubborn.listener.close)
    said = site.run("promote", wants=1)
    check("has not loaded them within 5 s" in said and "those before again" in said, said)
    equal((site.link("current"), site.link("staged"), site.link("previous")), (first, second, None), "the links")
    # Another set has come into use since: it is not what this one was held against.
    os.unlink(os.path.join(site.store, "current"))
    os.symlink(f"sets/{'0' * 64}", os.path.join(site.store, "current"))
    check("validate them again" in site.run("promote", wants=1), "beside others")
    check("nothing to go back to" in site.run("rollback", wants=3), "a rollback to nothing")


@test
def antivirus_definitions_command_line(bench):
    """Wrong command lines are 2; no gateway that signs, no corpus, an empty folder are 3, and nothing is staged by halves."""
    site = Site(bench)
    for words in ((), ("stage",), ("stage", "a", "b"), ("validate", "x"), ("fly",)):
        equal(bench.run(bench.program, "antivirus", "-c", site.g.yaml, *words).code, 2, f"exit code of {words}")
    equal(bench.run(bench.program, "antivirus", "--help").code, 0, "help")
    check("nothing is staged" in site.run("validate", wants=3), "validate")
    check("no definitions" in site.run("stage", bench.new_folder("empty"), wants=3), "an empty folder")
    linked = bench.new_folder("linked")
    os.symlink("/etc/hostname", os.path.join(linked, "x.ndb"))
    check("x.ndb" in site.run("stage", linked, wants=3), "a link")
    two = bench.new_folder("two")
    shutil.copy("/etc/hostname", os.path.join(two, f"a.ndb\n{'0' * 64}  b.ndb"))
    check("control characters" in site.run("stage", two, wants=3), "a name that looks like two in the list")
    equal(os.listdir(os.path.join(site.store, "sets")), [], "what is left of it")
    # What root writes and removes there nobody else can lead elsewhere, as clamd's user could who owns the folder.
    os.rename(site.store, bench.path("real"))
    os.symlink(bench.path("real"), site.store)
    check("it is a link" in site.run("validate", wants=3), "a link in its place")
    os.unlink(site.store)
    os.rename(bench.path("real"), site.store)
    if os.getuid() == 0:
        shutil.chown(site.store, "nobody")
        check("can be changed by another user" in site.run("validate", wants=3), "another user's folder")
        shutil.chown(site.store, "root")
    site.stage("first", body())
    site.g.stop()
    check("could not be signed" in site.run("validate", wants=3), "without a gateway")
    check("not validated" in site.run("status", wants=1), "the status")
    shutil.rmtree(os.path.join(site.store, "corpus/bad"))
    check("corpus/bad" in site.run("validate", wants=3), "without bad samples")
