# SPDX-License-Identifier: Apache-2.0
"""Audit messages to repositories: rsyslog and syslog-ng as receivers, stopped, killed, slow, with a wrong certificate."""
import contextlib
import base64
import hashlib
import http.server
import os
import re
import signal
import subprocess
import threading

from lib import dicom, syslog
from lib.site import check, equal, test, until


def tls(receiver, *more):
    return {"name": receiver.name, "addresses": [f"tls://localhost:{r.port}" for r in (receiver, *more)], "server-name": "archive"}


def delivers(bench, receiver):
    sender = syslog.Sender(bench, [tls(receiver)])
    # What the gateway itself has to tell, and a checkpoint of its journal.
    until(lambda: b"Application Start" in receiver.text(), "word of the start of the gateway")
    until(lambda: b" gantry-checkpoint - " in receiver.text(), "a checkpoint")
    # Those of a long query and longer: what comes after them is not taken for a part of them.
    wanted = [number for count, size in ((996, 500), (1, 9000), (1, 70000), (1, 240000), (1, 500))
              for number in sender.feed(count, size)]
    receiver.wait_for(wanted)
    equal(receiver.ids(), list(wanted), "the messages, each once and in their order")
    check(sum(len(each) > 240000 for each in receiver.text().splitlines()) == 1, "the longest is not as long as it was")
    line = receiver.text().splitlines()[0].decode()
    check(re.match(r"<85>1 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ gantry \d+ IHE\+RFC-3881 - \ufeff<", line), "RFC 5424:", line)
    sender.wait_status(receiver.name, lambda s: s["delivered"] >= 1000 and s["waiting"] == 0, "all to be known as delivered")
    until(lambda: not sender.spooled(), "the spool to be erased")
    equal(sender.gateway.find(event="audit.repository-mute"), [], "lines of a receiver that answers no closings")
    shown = sender.gateway.cli("status")
    check("audit repositories" in shown and receiver.name in shown, "gantry status:", shown)


@test
def forward_to_rsyslog_gnutls(bench):
    delivers(bench, syslog.rsyslog(bench, driver="gtls"))


@test
def forward_to_rsyslog_openssl(bench):
    delivers(bench, syslog.rsyslog(bench, driver="ossl"))


@test
def forward_to_syslog_ng(bench):
    delivers(bench, syslog.syslog_ng(bench))


@test
def forward_over_udp(bench):
    receivers = [syslog.rsyslog(bench, udp=True), syslog.syslog_ng(bench, udp=True)]
    sender = syslog.Sender(bench, [{"name": r.name, "addresses": [f"udp://127.0.0.1:{r.port}"]} for r in receivers])
    wanted = sender.feed(250)
    for receiver in receivers:
        receiver.wait_for(wanted)
        equal(receiver.ids(), list(wanted), "the messages, each once and in their order")
    # Longer than a datagram: cut, at the end of a character, and said so.
    sender.feed(1, 100000)
    sender.wait_status("rsyslog", lambda s: s["cut"] == 1 and s["delivered"] >= 251, "one message to be cut")
    sender.gateway.wait_log(event="audit.message-cut", repository="rsyslog")
    until(lambda: not sender.spooled(), "the spool to be erased")
    # Nobody there: nothing is sent into the void while the system says so.
    receivers[0].stop()
    wanted = sender.feed(20)
    sender.wait_status("rsyslog", lambda s: s["state"] == "away" and s["waiting"] >= 20, "messages to wait")
    receivers[0].start()
    receivers[0].wait_for(wanted)
    receivers[1].wait_for(wanted)


def stopped_and_killed(bench, receiver):
    """Ended in any way, at any time: nothing is lost, and the log has one line when it goes and one when it is back."""
    sender = syslog.Sender(bench, [tls(receiver)])
    receiver.wait_for(sender.feed(200))
    sender.wait_status(receiver.name, lambda s: s["delivered"] >= 200, "all to be delivered")
    receiver.stop()
    wanted = list(sender.feed(300))
    sender.wait_status(receiver.name, lambda s: s["state"] == "away" and s["waiting"] >= 300, "messages to wait")
    line = sender.gateway.wait_log(event="audit.repository-away")
    check("is it running" in line["message"] and line["repository"] == receiver.name, "what to do:", line)
    receiver.start()
    receiver.wait_for(wanted)
    sender.gateway.wait_log(event="audit.repository-back")
    equal(len(sender.gateway.find(event="audit.repository-away")), 1, "lines about it")
    # Killed in the middle of a stream, again and again: what it has written since it started is all that counts.
    for _ in range(4):
        wanted += sender.feed(4000, 2000)
        had = len(set(receiver.ids()))
        until(lambda: len(set(receiver.ids())) > had + 300, "messages to flow")
        receiver.kill()
        receiver.start()
    receiver.wait_for(wanted)
    sender.wait_status(receiver.name, lambda s: s["waiting"] == 0, "all to be delivered")
    check(sender.status(receiver.name)["sent_again"] > 0, "nothing was sent again")
    until(lambda: not sender.spooled(), "the spool to be erased")


@test
def forward_nothing_lost_rsyslog(bench):
    stopped_and_killed(bench, syslog.rsyslog(bench))


@test
def forward_nothing_lost_syslog_ng(bench):
    stopped_and_killed(bench, syslog.syslog_ng(bench))


def hangs(bench, receiver):
    """Its system takes megabytes that it never reads; then it is killed with them."""
    sender = syslog.Sender(bench, [tls(receiver)])
    wanted = list(sender.feed(100))
    receiver.wait_for(wanted)
    receiver.signal(signal.SIGSTOP)
    wanted += sender.feed(1000, 1000)
    sender.wait_status(receiver.name, lambda s: s["state"] == "away", "the receiver to be found hanging", 90)
    check("does it hang" in sender.status(receiver.name)["error"], "why:", sender.status(receiver.name))
    receiver.kill()
    check(not set(wanted) <= set(receiver.ids()), "the receiver had read all before it hung: nothing was tested")
    receiver.start()
    receiver.wait_for(wanted)


@test
def forward_to_one_that_hangs_rsyslog(bench):
    hangs(bench, syslog.rsyslog(bench))


@test
def forward_to_one_that_hangs_syslog_ng(bench):
    hangs(bench, syslog.syslog_ng(bench))


@test
def forward_slow_one_keeps_nobody_waiting(bench):
    slow, quick = syslog.rsyslog(bench, "slow"), syslog.syslog_ng(bench, "quick")
    sender = syslog.Sender(bench, [tls(slow), tls(quick)])
    slow.signal(signal.SIGSTOP)
    wanted = sender.feed(8000, 1000)
    quick.wait_for(wanted, 30)
    sender.wait_status("quick", lambda s: s["delivered"] >= 8000 and s["waiting"] == 0, "all to be delivered to the quick one")
    check(sender.spooled(), "what the slow one has not had was erased")
    # An association is as quick as ever.
    with sender.gateway.scu() as scu:
        scu.associate()
        equal(scu.echo(), 0, "C-ECHO")
        scu.release()
    slow.signal(signal.SIGCONT)
    slow.wait_for(wanted, 90)


@test
def forward_wrong_certificate(bench):
    """A certificate of another authority, of another name, or one that has expired: refused with a sentence, and the spool is kept."""
    bench.keys.leaf("other-archive", "archive", "DNS:archive,IP:127.0.0.1", authority="other-ca")
    bench.keys.leaf("named-otherwise", "archive", "DNS:elsewhere")
    bench.keys.leaf("out-of-date", "archive", "DNS:archive,IP:127.0.0.1", days=-1)
    for certificate, sentence in (("other-archive", "by no authority that we trust"), ("named-otherwise", "does not hold the name"),
                                  ("out-of-date", "expired on 20")):
        receiver = syslog.rsyslog(bench, f"rsyslog-{certificate}", certificate=certificate)
        sender = syslog.Sender(bench, [tls(receiver)])
        wanted = sender.feed(10)
        line = sender.gateway.wait_log(event="audit.repository-away")
        check(sentence in line["message"], "why:", line)
        sender.wait_status(receiver.name, lambda s: s["waiting"] >= 10, "messages to wait")
        equal(receiver.ids(), [], "messages at a repository that is not the right one")
        receiver.stop()
        receiver = syslog.rsyslog(bench, f"rsyslog-right-{certificate}", port=receiver.port)
        receiver.wait_for(wanted)


@test
def forward_certificate_that_is_not_taken(bench):
    """The repository trusts somebody else: what it says is in the log, and nothing is lost."""
    receiver = syslog.syslog_ng(bench)
    picky = syslog.rsyslog(bench, "picky", peer="another-gateway")
    sender = syslog.Sender(bench, [tls(receiver), tls(picky)])
    wanted = sender.feed(50)
    receiver.wait_for(wanted)
    sender.wait_status("picky", lambda s: s["state"] == "away" and s["waiting"] >= 50 and s["delivered"] == 0, "it to be away")
    picky.stop()
    picky = syslog.rsyslog(bench, "picky-no-more", port=picky.port)
    picky.wait_for(wanted)


@test
def forward_failover(bench):
    """The second address when the first is away, and the first again later."""
    first, second = syslog.rsyslog(bench, "first"), syslog.syslog_ng(bench, "second")
    sender = syslog.Sender(bench, [tls(first, second)])
    first.wait_for(sender.feed(100))
    sender.wait_status("first", lambda s: s["delivered"] >= 100, "all to be delivered")
    first.kill()
    wanted = sender.feed(100)
    second.wait_for(wanted)
    equal(set(first.ids()) & set(wanted), set(), "messages at the first, which is away")
    until(lambda: str(second.port) in sender.status("first").get("address", ""), "status to show the second address")
    first.start()

    def back():
        numbers = sender.feed(5)
        until(lambda: set(numbers) <= set(first.ids()) | set(second.ids()), "messages at one of the two")
        return set(numbers) <= set(first.ids())
    until(back, "the first to be used again", 90)


@test
def forward_survives_the_gateway(bench):
    """A gateway that is killed, or stopped, with messages in its spool sends them when it is back."""
    receiver = syslog.rsyslog(bench)
    sender = syslog.Sender(bench, [tls(receiver)])
    receiver.stop()
    wanted = list(sender.feed(500))
    sender.wait_status(receiver.name, lambda s: s["state"] == "away", "it to be away")
    sender.gateway.process.signal(signal.SIGKILL)
    sender.gateway.process.wait()
    wanted += sender.feed(500)
    receiver.start()
    until(lambda: not sender.gateway.roles(), "its roles to end")
    sender.gateway.start()
    receiver.wait_for(wanted)
    # A courier or the forwarder that dies is started again.
    for pid, line in sender.gateway.roles().items():
        if "forward" in line:
            with contextlib.suppress(ProcessLookupError):  # a courier ends with its parent
                os.kill(pid, signal.SIGKILL)
    receiver.wait_for(sender.feed(50))
    # What is there when it is told to stop is still sent.
    wanted = sender.feed(50)
    equal(sender.gateway.stop(), 0, "the gateway's exit")
    receiver.wait_for(wanted)


@test
def forward_reload(bench):
    """Repositories come and go with a reload; a wrong one is refused as a whole."""
    one, two = syslog.rsyslog(bench, "one"), syslog.syslog_ng(bench, "two")
    sender = syslog.Sender(bench, [tls(one)])
    gateway = sender.gateway
    one.wait_for(sender.feed(100))
    gateway.config["audit"]["repositories"] = [tls(one), tls(two)]
    gateway.write()
    mark = gateway.reload()
    gateway.wait_log(mark, event="gateway.reloaded")
    wanted = sender.feed(100)
    one.wait_for(wanted)
    two.wait_for(wanted)
    gateway.config["audit"]["repositories"][1]["trust"] = [bench.keys.path("scanner.key")]
    gateway.write()
    mark = gateway.reload()
    gateway.wait_log(mark, event="site.kept")
    wanted = sender.feed(10)
    two.wait_for(wanted)
    gateway.config["audit"]["repositories"] = [tls(two)]
    gateway.write()
    mark = gateway.reload()
    gateway.wait_log(mark, event="gateway.reloaded")
    until(lambda: not sender.status("one"), "status to forget the first")
    wanted = sender.feed(10)
    two.wait_for(wanted)
    equal(set(one.ids()) & set(wanted), set(), "messages at the one that was taken out")


@test
def forward_full_spool(bench):
    """One that is away for ever takes the room of none that keeps up; if nobody is there, what is missing is told."""
    here, away = syslog.rsyslog(bench, "here"), syslog.rsyslog(bench, "away")
    sender = syslog.Sender(bench, [tls(here), tls(away)], **{"spool-most": "1M"})
    sender.most = 1 << 20
    away.wait_for(sender.feed(10))
    sender.wait_status("away", lambda s: s["delivered"] >= 10, "all to be delivered")
    away.stop()
    for counts in ((190, 190, 190, 190), (100,), (100,), (190,), (190,)):
        for count in counts:
            wanted = sender.feed(count, 1000)
        here.wait_for(wanted)
        sender.wait_status("here", lambda s: s["waiting"] == 0, "all to be delivered")
        size = lambda: sum(os.path.getsize(f"{sender.journal}/spool/{n}") for n in sender.spooled())
        until(lambda: size() <= sender.most / 8 * 7, "room in the spool")
    away.start()
    away.wait_for(wanted)
    lost = sender.wait_status("away", lambda s: s["waiting"] == 0 and s["lost"] > 0, "all that is left to be delivered")["lost"]
    # About, as the gateway's own entries are counted too.
    check(abs(len(set(away.ids())) + lost - sender.count) <= 60, "what it has, and what is said to be lost:",
          len(set(away.ids())), lost, sender.count)
    sender.gateway.wait_log(event="audit.repository-lost", repository="away")
    # Both are away: the writer loses, counts, and tells it when there is room again.
    here.stop()
    away.stop()
    equal(sender.spool_feed("message", sender.count, 3000, 1000) > 500, True, "entries that had no room")
    here.start()
    sender.wait_status("here", lambda s: s["waiting"] == 0, "all to be delivered")


class Witness:
    """A witness of tlog-witness, as small as can be: it answers add-checkpoint with a cosignature/v1, made by openssl."""

    def __init__(self, bench, name="witness.example/w1"):
        self.bench, self.name, self.size, self.requests, self.accepted, self.mode = bench, name, 0, [], [], "sign"
        folder = bench.new_folder("witness")
        self.key = f"{folder}/key.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", self.key], check=True)
        der = subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-outform", "DER"], check=True,
                             stdout=subprocess.PIPE).stdout
        public = b"\x04" + der[-32:]
        self.id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(public).decode()}"
        witness = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = witness.answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        bench.later(self.server.shutdown)
        self.port = self.server.server_address[1]

    def answer(self, path, body):
        self.requests.append((path, body))
        head, note = body.split(b"\n\n", 1)
        old, size = int(head.split(b"\n")[0][4:]), int(note.split(b"\n")[1])
        if self.mode == "busy":
            return 503, b"later\n"
        if old != self.size:
            return 409, b"%d\n" % self.size
        self.accepted.append((body, self.size))
        self.size = size
        if self.mode == "lose":
            self.mode = "sign"
            return 502, b"lost on the way\n"
        text = note.split(b"\n\n")[0] + b"\n"
        seconds = 1795000000
        signed = self.bench.write("signed", f"cosignature/v1\ntime {seconds}\n{text.decode()}")
        signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", signed], check=True,
                                   stdout=subprocess.PIPE).stdout
        if self.mode == "forge":
            signature = bytes([signature[0] ^ 1]) + signature[1:]
        line = base64.b64encode(self.id + seconds.to_bytes(8, "big") + signature).decode()
        return 200, f"\u2014 {self.name} {line}\n".encode()


@test
def forward_to_a_witness(bench):
    witness = Witness(bench)
    sender = syslog.Sender(bench, [], [{"url": f"http://127.0.0.1:{witness.port}/log", "key": witness.vkey}],
                           **{"checkpoint-every": 1})
    kept = f"{sender.journal}/spool/checkpoint.cosigned"

    def kept_size():
        try:
            with open(kept, encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return 0
        check(f"\u2014 {witness.name} " in text and "\u2014 test.example/gantry " in text, "a cosigned checkpoint:", text)
        return int(text.split("\n")[1])

    def record():
        """Something that is recorded: a stranger is refused."""
        with sender.gateway.scu() as scu:
            try:
                scu.associate(calling=f"NOBODY{next(numbers)}")
            except dicom.Rejected:
                return
        raise AssertionError("a stranger was let in")

    def go_on(what):
        had = kept_size()
        record()
        until(lambda: kept_size() > had, what)

    numbers = iter(range(1000))
    until(kept_size, "the first checkpoint to be cosigned")
    equal(witness.requests[0][0], "/log/add-checkpoint", "the path")
    go_on("the next one to be cosigned")
    # It is away for some: it gets them in order, each with its proof.
    witness.mode = "busy"
    record()
    line = sender.gateway.wait_log(event="audit.witness-away")
    check("503" in line["message"], "why:", line)
    had = sender.status(witness.name)["waiting"]
    record()
    until(lambda: sender.status(witness.name)["waiting"] > had, "another checkpoint to wait")
    witness.mode = "sign"
    sender.gateway.wait_log(event="audit.witness-back")
    go_on("checkpoints to be cosigned again")
    check(all(int(a.split(b"\n")[0][4:]) == n for a, n in witness.accepted), "a checkpoint out of order")
    # The gateway starts anew: what it signs next continues what the witness holds.
    held, mark = witness.size, sender.gateway.mark()
    sender.gateway.stop()
    sender.gateway.start()
    go_on("a checkpoint to be cosigned after a restart")
    check(all(int(a.split(b"\n")[0][4:]) >= held for a, n in witness.accepted if n >= held), "no proof after a restart")
    equal(sender.gateway.find(mark, event="audit.witness-away"), [], "complaints of the witness")
    # It has forgotten us: the next that it gets is taken as it is. It has signed, and the answer was lost: it signs again.
    witness.size, before = 0, len(witness.accepted)
    go_on("a checkpoint without a proof to be cosigned")
    equal(witness.accepted[before][0].split(b"\n\n")[0], b"old 0", "its head")
    witness.mode = "lose"
    go_on("a checkpoint whose answer was lost to be cosigned")
    # What is not signed with its key is no cosignature.
    had, mark, witness.mode = kept_size(), sender.gateway.mark(), "forge"
    record()
    line = sender.gateway.wait_log(mark, event="audit.witness-away")
    check("not signed with the key" in line["message"], "why:", line)
    equal(kept_size(), had, "the checkpoint that is kept")
    # One that holds more than we have: our journal was cut short.
    witness.mode, witness.size = "sign", 100000
    sender.wait_status(witness.name, lambda s: "it holds a checkpoint of 100000 records" in s["error"], "the contradiction")
    equal(kept_size(), had, "the checkpoint that is kept")
