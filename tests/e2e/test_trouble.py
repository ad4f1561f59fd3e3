# SPDX-License-Identifier: Apache-2.0
"""Peers and processes that fail: never a false success, and nobody else suffers."""
import contextlib
import glob
import json
import os
import signal
import socket
import struct
import threading
import time

from lib import dicom, peers
from lib.dicom import CT, ELE, ILE, MR, VERIFICATION, Aborted, Closed, Rejected
from lib.site import check, equal, free_port, listening, test, to_yaml, until

QUICK = {"artim": 2, "negotiate": 2, "connect": 2, "idle": 2, "message": 2, "response": 2}


def plain_archive(port, **more):
    return {"address": [f"127.0.0.1:{port}"], "transport": "plain", **more}


def fails(scu, **options):
    """An object that must not be acknowledged: the failure's status, or how the association ended."""
    try:
        answer = scu.store(**options)
    except (Aborted, Closed) as error:
        return str(error)
    check(answer["status"] != 0 and answer["status"] >> 12 != 0xB, f"a false success: {answer}")
    return answer["status"]


# ---- The archive ----


@test
def upstream_down(bench):
    port = free_port()
    g = bench.gateway(archive=plain_archive(port), timeouts=QUICK)
    scu = g.scu()
    try:
        scu.associate()
        raise AssertionError("accepted")
    except Rejected as error:
        equal(error.why, (2, 3, 1), "A-ASSOCIATE-RJ")
    g.decision("upstream-down", target="archive")
    scp = bench.scp(port=port)
    scu = g.scu()
    scu.associate()
    equal(scu.store()["status"], 0, "status when it is back")
    equal(len(scp.stored()), 1, "objects")


@test
def upstream_rejects(bench):
    """Its A-ASSOCIATE-RJ is passed on as it is."""
    for why in ((1, 1, 7), (2, 3, 2), (1, 2, 1)):
        scp = bench.scp(reject=why)
        g = bench.gateway(archive=plain_archive(scp.port))
        scu = g.scu()
        try:
            scu.associate()
            raise AssertionError("accepted")
        except Rejected as error:
            equal(error.why, why, "A-ASSOCIATE-RJ")
        scu.close()
        g.decision("upstream-rejected")
        g.stop()


@test
def upstream_silent_while_connecting(bench):
    """It takes the connection and says nothing."""
    done = threading.Event()
    bench.later(done.set)
    scp = bench.scp(before=lambda s, w: done.wait(60) or True)
    g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
    scu = g.scu()
    try:
        scu.associate()
        raise AssertionError("accepted")
    except (Rejected, Aborted, Closed) as error:
        check(not isinstance(error, Closed), "closed without a word")


@test
def upstream_silent_in_a_request(bench):
    """No response within the time: a failure, and the archive's late one is nobody's."""
    done = threading.Event()
    bench.later(done.set)
    scp = bench.scp(answer=lambda s, w, c, f, d: done.wait(60) or True)
    g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
    scu = g.scu()
    scu.associate()
    fails(scu)
    g.decision("upstream-lost")


def resets(when):
    """An archive that resets the connection: before it has the object whole, or after it without an answer."""

    def answer(scp, wire, context, fields, data):
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
        raise Closed("reset by the test")

    def before(scp, wire):
        rq = dicom.Associate(wire.expect(dicom.RQ))
        body = struct.pack(">HH", 1, 0) + dicom.title(rq.called) + dicom.title(rq.calling) + bytes(32)
        body += dicom.item(0x10, dicom.APPLICATION.encode())
        for number in rq.contexts:
            body += dicom.item(0x21, bytes([number, 0, 0, 0]) + dicom.item(0x40, ILE.encode()))
        wire.send(dicom.pdu(dicom.AC, body + dicom.user_items()))
        for _ in range(3):
            wire.recv_pdu()
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
        return True

    return {"before": before} if when == "midway" else {"answer": answer}


@test
def upstream_resets(bench):
    for when in ("midway", "after"):
        scp = bench.scp(**resets(when))
        g = bench.gateway(archive=plain_archive(scp.port))
        scu = g.scu()
        scu.associate()
        fails(scu, data=dicom.simple_object(size=2 << 20))
        scu.close()
        g.decision("upstream-lost")
        g.stop()


@test
def upstream_aborts(bench):
    def answer(scp, wire, context, fields, data):
        wire.send(dicom.pdu(dicom.ABORT, bytes([0, 0, 0, 0])))
        wire.close()
        raise Closed("aborted by the test")

    scp = bench.scp(answer=answer)
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate()
    fails(scu)


@test
def upstream_speaks_rubbish(bench):
    """Malformed PDUs of the archive never reach the scanner."""
    for data in (b"HTTP/1.0 200 OK\r\n\r\n", dicom.pdu(dicom.AC, b"short"), b"\x04\0\xff\xff\xff\xff", b""):
        def before(scp, wire, data=data):
            wire.expect(dicom.RQ)
            wire.send(data)
            return True

        scp = bench.scp(before=before)
        g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
        scu = g.scu()
        try:
            scu.associate()
            raise AssertionError("accepted")
        except (Rejected, Aborted):
            pass
        scu.close()
        g.stop()


@test
def slow_upstream(bench):
    """One that takes its time, but within the limits, is waited for."""
    def answer(scp, wire, context, fields, data):
        threading.Event().wait(1.5)
        return False

    scp = bench.scp(answer=answer)
    g = bench.gateway(archive=plain_archive(scp.port), timeouts={**QUICK, "response": 20})
    scu = g.scu()
    scu.associate()
    equal(scu.store()["status"], 0, "status")


@test
def failover(bench):
    """The addresses are tried in order: one that refuses, one that does not answer, one that does."""
    full = bench.scp(listen=False)  # bound, not listening: refused
    scp = bench.scp()
    g = bench.gateway(archive={"address": [f"127.0.0.1:{full.port}", f"127.0.0.1:{scp.port}"], "transport": "plain"},
                      timeouts=QUICK)
    for _ in range(2):
        scu = g.scu()
        scu.associate()
        equal(scu.store()["status"], 0, "status")
        scu.release()
    equal(len(scp.requests), 2, "associations at the second address")


@test
def upstream_closes_idle(bench):
    """The archive gives up an idle association: the next object goes there on a new one, or fails."""
    def answer(scp, wire, context, fields, data):
        scp.respond(wire, context, fields)
        wire.close()
        raise Closed("closed by the test")

    scp = bench.scp(answer=answer)
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate()
    equal(scu.store(instance="1.2.1")["status"], 0, "status")
    try:
        answer = scu.store(instance="1.2.2")
        check(answer["status"] != 0 or "1.2.2" in scp.stored(), "a false success")
    except (Aborted, Closed):
        pass
    if len(scp.requests) > 1:
        first, second = scp.requests[:2]
        equal((second.contexts, second.calling, second.called, second.implementation),
              (first.contexts, first.calling, first.called, first.implementation), "what it was asked the second time")


@test
def upstream_changes_its_mind(bench):
    """Opened again, the archive chooses another transfer syntax or refuses: what the scanner was told cannot be kept."""
    for choice in (ELE, 3, None):
        def answer(scp, wire, context, fields, data):
            scp.respond(wire, context, fields)
            wire.close()
            raise Closed("closed by the test")

        def negotiate(scp, rq, choice=choice):
            if len(scp.requests) == 1:
                return {}
            if choice is None:
                raise Closed("no second association")
            return {3: choice}

        scp = bench.scp(answer=answer, negotiate=negotiate)
        g = bench.gateway(archive=plain_archive(scp.port), timeouts=QUICK)
        scu = g.scu()
        scu.associate()
        equal(scu.ac.contexts[3][2], [ILE], "transfer syntax")
        equal(scu.store(instance="1.2.1")["status"], 0, "status")
        fails(scu, instance="1.2.2")
        check("1.2.2" not in scp.stored(), "bytes went out under another transfer syntax")
        scu.close()
        g.stop()


# ---- The gateway's own life ----


@test
def reload_good_and_bad(bench):
    g = bench.gateway()
    scu = g.scu()
    scu.associate()
    equal(scu.store(instance="1.2.1")["status"], 0, "status")
    good = dict(g.config)
    g.write("listeners: nonsense\n" + to_yaml(good))
    mark = g.reload()
    g.wait_log(mark, event="site.kept")
    check(g.find(mark, event="site.mistake"), "the mistake is not named")
    equal(scu.store(instance="1.2.2")["status"], 0, "status after a bad reload")
    # A rule that is tightened reaches the association that lives, at its next message.
    g.config = {**good, "flows": [{**good["flows"][0], "services": ["echo"]}]}
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    answer = until(lambda: next((a for a in [scu.store(instance="1.2.3")] if a["status"]), None), "a refusal")
    check(str(g.decision("service", mark)["number"]) in answer["comment"], "comment", answer)
    equal(scu.echo(), 0, "status of an echo")
    # A new listener, and one that goes.
    port = free_port()
    g.config = {**good, "listeners": [{"name": "new", "address": "127.0.0.1", "port": port, "transport": "plain"}]}
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    until(lambda: listening(port) and not listening(g.plain), "the new listener instead of the old ones")
    again = bench.scu(port)
    again.associate()
    equal(again.store(instance="1.2.4")["status"], 0, "status at the new port")
    scu.release()


@test
def many_reloads(bench):
    """An association that lives through twenty of them works, and old configurations are not kept."""
    g = bench.gateway()
    scu = g.scu()
    scu.associate()

    def held():
        found = []
        for pid, argv in g.roles().items():
            with contextlib.suppress(OSError, IndexError):  # one that is just ending
                found.append((argv[2], len(os.listdir(f"/proc/{pid}/fd"))))
        return sorted(found)

    def reload():
        mark = g.reload()
        g.wait_log(mark, event="gateway.reloaded")
        equal(scu.echo(), 0, "status")

    def names(roles):
        return [role for role, _ in roles]

    roles = sorted(names(held()) + ["keys"])  # and the key holder that the association began with
    for _ in range(3):
        reload()
    # On a busy machine another key holder may be ending yet: that is nothing to compare with.
    before = until(lambda: next((now for now in [held()] if names(now) == roles), None), lambda: f"roles {roles}, now {held()}")
    for number in range(20):
        g.config["site"] = f"Test {number}"
        g.write()
        reload()
    # The gate keeps what an association may still speak of; it hears from it once a second, and clears up at a reload.
    until(lambda: (reload(), held())[1] == before, lambda: f"descriptors as before: {before}, now {held()}")
    scu.release()


@test
def stop_lets_finish(bench):
    """SIGTERM in the middle of an object: it is finished, then the association ends."""
    g = bench.gateway()
    scu, idle = g.scu(), g.scu()
    scu.associate()
    idle.associate()
    data = dicom.simple_object(instance="1.2.9", size=200000)
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, data=1,
                                         affected_instance="1.2.9"), True)
    scu.send_pdvs(3, data[:100000], False, last=False)
    mark = g.mark()
    g.process.signal(signal.SIGTERM)
    g.wait_log(mark, event="gateway.stopping")
    late = None
    try:
        late = bench.scu(g.plain, timeout=15)
        late.associate()
        raise AssertionError("a new association was accepted")
    except Rejected as error:
        equal(error.why, (2, 3, 1), "A-ASSOCIATE-RJ of a new one")
        late.close()
    except (Closed, ConnectionError):
        pass
    scu.send_pdvs(3, data[100000:], False)
    equal(scu.answer()["status"], 0, "status of the object in hand")
    equal(g.process.wait(), 0, "exit status")
    check(g.stored()["1.2.9"].data == data, "other bytes are in the archive")


@test
def stop_cuts_at_the_end(bench):
    """An association that does not finish is cut when the time is over."""
    g = bench.gateway(timeouts={"stop": 1})
    scu = g.scu()
    scu.associate()
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, data=1,
                                         affected_instance="1.2.9"), True)
    scu.send_pdvs(3, bytes(1000), False, last=False)
    began = time.monotonic()
    equal(g.stop(), 0, "exit status")
    check(time.monotonic() - began < 15, "it took", time.monotonic() - began)
    try:
        scu.recv_message()
        raise AssertionError("a message came")
    except (Closed, Aborted):
        pass
    equal(g.stored(), {}, "objects")


@test
def stop_told_twice(bench):
    """A second SIGTERM does not wait, and the log names who was cut."""
    g = bench.gateway(timeouts={"stop": 60})
    scu = g.scu()
    scu.associate()
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, data=1,
                                         affected_instance="1.2.9"), True)
    scu.send_pdvs(3, bytes(1000), False, last=False)
    g.process.signal(signal.SIGTERM)
    g.wait_log(event="gate.stopping")
    began = time.monotonic()
    equal(g.stop(), 0, "exit status")
    check(time.monotonic() - began < 15, "it took", time.monotonic() - began)
    line = g.wait_log(event="association.killed")
    check("twice" in line["message"] and line["calling"] == "CT1", "who was cut, and why:", line)
    equal(g.wait_log(event="gateway.stopped")["cut"], 1, "associations that were cut")


def association_pids(g):
    """Processes of associations: the gate's children."""
    gate = [pid for pid, line in g.roles().items() if "--role" in line and "gate" in line]
    children = set()
    for pid in g.roles():
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent in gate:
            children.add(pid)
    return children


@test
def crash_of_one(bench):
    """An association process that dies takes its own association down, and is reported."""
    g = bench.gateway()
    victim = g.scu()
    victim.associate()
    first = until(lambda: association_pids(g), "the first association's process")
    other = g.scu()
    other.associate()
    equal(len(first), 1, "processes")
    os.kill(first.pop(), signal.SIGSEGV)
    try:
        victim.echo()
        raise AssertionError("an answer came")
    except (Closed, Aborted):
        pass
    g.wait_log(event="association.crashed")
    equal(other.store()["status"], 0, "status of the other")
    third = g.scu()
    third.associate()
    equal(third.echo(), 0, "status of a third")


@test
def crashes_hold_off(bench):
    """A peer whose associations crash again and again is held off; another is not."""
    g = bench.gateway()
    for _ in range(3):
        mark = g.mark()
        scu = g.scu(source="127.0.0.2")
        scu.associate()
        pids = until(lambda: association_pids(g), "the process")
        for pid in pids:
            os.kill(pid, signal.SIGSEGV)
        g.wait_log(mark, event="association.crashed")
        until(lambda: not association_pids(g), "its end")
        scu.close()
    g.wait_log(event="address.held-off")
    try:
        scu = g.scu(source="127.0.0.2")
        scu.associate()
        raise AssertionError("it is not held off")
    except (Rejected, Closed, Aborted, ConnectionError):
        pass
    scu = g.scu(source="127.0.0.3")
    scu.associate()
    equal(scu.echo(), 0, "status from another address")


def role_pid(g, role):
    return until(lambda: [p for p, line in g.roles().items() if "--role" in line and role in line], f"the {role}")[0]


@test
def kill_the_store_role(bench):
    """SIGKILL in the middle of an object: no false success, no partial file, and a new one serves."""
    g = bench.gateway()
    scu = g.scu()
    scu.associate()
    data = dicom.simple_object(instance="1.2.9", size=400000)
    scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, data=1,
                                         affected_instance="1.2.9"), True)
    scu.send_pdvs(3, data[:200000], False, last=False)
    incoming = os.path.join(g.archive_folder, ".incoming")
    until(lambda: os.path.isdir(incoming) and os.listdir(incoming), "the object to begin")
    mark = g.mark()
    store = role_pid(g, "store")
    sessions = [p for p, line in g.roles().items() if "--role" in line and "store" in line and p != store]
    for pid in [store, *sessions]:
        os.kill(pid, signal.SIGKILL)
    try:
        scu.send_pdvs(3, data[200000:], False)
        check(scu.answer()["status"] != 0, "a false success")
    except (Closed, Aborted, OSError):
        pass
    equal(g.stored(), {}, "objects with a final name")
    g.wait_log(mark, event="role.ended")
    def again():
        retry = g.scu()
        try:
            retry.associate()
            return retry.store(instance="1.2.9", data=data)["status"] == 0
        except (Rejected, Aborted, Closed):
            return False
        finally:
            retry.close()

    until(again, "the new store role to serve")
    equal(list(g.stored()), ["1.2.9"], "objects")
    equal(os.listdir(incoming), [], "what is left in .incoming")


@test
def kill_the_gate(bench):
    """What is in hand is finished and answered; then the caller must call again, and meets the rules as they are."""
    g = bench.gateway()
    quiet, busy = g.scu(), g.scu()
    quiet.associate()
    busy.associate()
    busy.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, data=1,
                                          affected_instance="1.2.9"), True)
    data = dicom.simple_object(instance="1.2.9")
    busy.send_pdvs(3, data[:100], False, last=False)
    until(lambda: any(a["messages"] or a["bytes_in"] for a in json.loads(g.cli("status", "--json"))["associations"]),
          "the message to be under way")
    gate = role_pid(g, "gate")
    mark = g.mark()
    os.kill(gate, signal.SIGKILL)
    g.wait_log(mark, event="gateway.serving")
    busy.send_pdvs(3, data[100:], False)
    equal(busy.recv_message()[1]["status"], 0, "status of the object in hand")
    for scu in (quiet, busy):
        try:
            scu.echo()
            raise AssertionError("an association without a gate goes on")
        except (Aborted, Closed):
            pass
    equal(list(g.stored()), ["1.2.9"], "objects")
    g.config["flows"][0]["services"] = ["echo"]
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    scu = g.scu()
    scu.associate()
    equal(scu.echo(), 0, "status")


@test
def archive_disk_full(bench):
    """A file system without room: a failure with a reason, no file, and the association goes on."""
    g = bench.gateway(prefix=["prlimit", "--fsize=262144"])
    scu = g.scu()
    scu.associate()
    answer = scu.store(instance="1.2.9", data=dicom.simple_object(instance="1.2.9", size=600000))
    equal(answer["status"], 0xA700, "status")
    check(answer.get("comment"), "there is no Error Comment")
    equal(scu.store(instance="1.2.10")["status"], 0, "status of a small one")
    equal(list(g.stored()), ["1.2.10"], "objects")
    equal(os.listdir(os.path.join(g.archive_folder, ".incoming")), [], "what is left in .incoming")


# ---- Callers ----


@test
def a_thousand_connections(bench):
    """From one address; another is served all the same."""
    g = bench.gateway(associations={"at-once": 300, "per-address": 50})
    held = []
    for _ in range(1000):
        sock = socket.socket()
        sock.settimeout(20)
        sock.bind(("127.0.0.2", 0))
        held.append(sock)
        try:
            sock.connect(("127.0.0.1", g.plain))
        except OSError:
            pass
    try:
        scu = g.scu(source="127.0.0.3")
        scu.associate()
        equal(scu.store()["status"], 0, "status from another address")
        scu.release()
        check(g.find(event="decision", rule="associations", **{"from": "127.0.0.2"}), "no line about it")
    finally:
        for sock in held:
            sock.close()


def ends_within(sock, seconds):
    """What the gateway sends until it closes, and how long that took."""
    sock.settimeout(seconds)
    began, data = time.monotonic(), b""
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                break
            data += part
    except socket.timeout as error:
        raise AssertionError(f"still open after {seconds} s") from error
    except ConnectionError:
        pass
    return data, time.monotonic() - began


@test
def silent_callers_time_out(bench):
    """Nothing, half a request, an idle association, an object that stops, TLS that stops: each has its limit."""
    g = bench.gateway(timeouts=QUICK)
    rq = dicom.associate_rq("CT1", "ARCHIVE", [(CT, [ILE])])

    def connect(port, *parts):
        sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        for part in parts:
            sock.sendall(part)
        return sock

    silent = {"nothing": connect(g.plain), "half a request": connect(g.plain, rq[:50]),
              "no TLS": connect(g.tls), "half a hello": connect(g.tls, b"\x16\x03\x01\x02\x00\x01")}
    idle, stuck = g.scu(), g.scu()
    idle.associate()
    stuck.associate()
    stuck.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, data=1,
                                           affected_instance="1.2.9"), True)
    stuck.send_pdvs(3, bytes(1000), False, last=False)
    silent.update({"idle": idle.sock, "in an object": stuck.sock})
    for name, sock in silent.items():
        data, _ = ends_within(sock, 15)
        if name in ("idle", "in an object"):
            check(data[:1] == b"\x07", f"no A-ABORT for {name}: {data!r}")
    equal(g.stored(), {}, "objects")
    scu = g.scu()
    scu.associate()
    equal(scu.echo(), 0, "status afterwards")


@test
def dripping_caller_times_out(bench):
    """A request that comes byte by byte does not live longer than the time for negotiating."""
    g = bench.gateway(timeouts=QUICK)
    rq = dicom.associate_rq("CT1", "ARCHIVE", [(CT, [ILE])])
    sock = socket.create_connection(("127.0.0.1", g.plain), timeout=20)
    stop = threading.Event()

    def drip():
        try:
            for byte in rq:
                sock.sendall(bytes([byte]))
                if stop.wait(0.3):
                    return
        except OSError:
            pass

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        ends_within(sock, 15)
    finally:
        stop.set()
        thread.join(5)
        sock.close()


@test
def a_caller_that_does_not_read(bench):
    """Answers that nobody takes: the gateway gives up and does not fill memory."""
    def answer(scp, wire, context, fields, data):
        scp.sent = 0
        match = dicom.identifier((0x00100020, "P" * 16000))
        try:
            for _ in range(20000):
                scp.respond(wire, context, fields, 0xFF00, match)
                scp.sent += 1
        except OSError:
            pass
        raise Closed("the gateway gave up")

    scp = bench.scp(answer=answer)
    g = bench.gateway(archive=plain_archive(scp.port), flow={"services": ["find"]}, timeouts=QUICK)
    scu = g.scu()
    scu.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    scu.associate(contexts=[(dicom.STUDY_FIND, [ILE])])
    scu.request(1, dicom.identifier((0x00080052, "STUDY")), field=dicom.C_FIND, priority=0,
                affected_class=dicom.STUDY_FIND)
    g.wait_log(event="association.ended")
    until(lambda: scp.ends, "the end at the archive")
    check(scp.sent < 20000, "all was taken from the archive")


def answer_to(g, *parts, associate=True, calling="CT1"):
    """The PDUs that the gateway sends for these bytes, until it closes."""
    scu = g.scu(timeout=15)
    if associate:
        scu.associate(calling=calling)
    for part in parts:
        try:
            scu.send(part)
        except OSError:
            break
    got = []
    try:
        while True:
            got.append(scu.recv_pdu())
    except Closed:
        pass
    finally:
        scu.close()
    return got


def aborted_with(got, reasons, name):
    kinds = [kind for kind, _ in got]
    check(kinds and kinds[-1] == dicom.ABORT, f"{name}: no A-ABORT but {got}")
    source, reason = got[-1][1][2], got[-1][1][3]
    check(source == 2 and reason in reasons, f"{name}: A-ABORT source {source} reason {reason}, not 2 and {reasons}")


@test
def malformed_pdus(bench):
    """PS3.8 9.3.8: 1 unrecognized PDU, 2 unexpected PDU, 4 and 5 parameters, 6 invalid parameter value."""
    g = bench.gateway()
    good = dicom.associate_rq("CT1", "ARCHIVE", [(CT, [ILE])])
    release = dicom.pdu(dicom.RELEASE_RQ, bytes(4))
    for name, data, reasons in (
        ("unknown PDU", dicom.pdu(0x09, b"1234"), (1,)),
        ("P-DATA first", dicom.pdu(dicom.DATA, struct.pack(">LBB", 2, 1, 3)), (2,)),
        ("release first", release, (2,)),
        ("AC from a requestor", dicom.pdu(dicom.AC, good[6:]), (2,)),
        ("giant request", b"\x01\0\xff\xff\xff\xff", (0, 6)),
        ("empty request", dicom.pdu(dicom.RQ, b""), (0, 6)),
        ("request cut in its items", dicom.pdu(dicom.RQ, good[6:-7]), (0, 4, 5, 6)),
        ("item longer than the PDU", good[:74] + b"\x10\0\xff\xff" + good[78:], (0, 4, 5, 6)),
        ("context item twice the same number", dicom.associate_rq("CT1", "ARCHIVE", [(CT, [ILE])],
                                                              more_items=dicom.context_item(1, MR, [ILE])), (5, 6)),
        ("even context", dicom.associate_rq("CT1", "ARCHIVE", [], more_items=dicom.context_item(2, CT, [ILE])), (6,)),
        ("UID with letters", dicom.associate_rq("CT1", "ARCHIVE", [("1.2.x", [ILE])]), (6,)),
        ("UID over 64 characters", dicom.associate_rq("CT1", "ARCHIVE", [("1." * 40 + "1", [ILE])]), (6,)),
        ("no application context", dicom.pdu(dicom.RQ, good[6:74] + dicom.context_item(1, CT, [ILE]) +
                                             dicom.user_items()), (0, 4, 5, 6)),
    ):
        aborted_with(answer_to(g, data, associate=False), reasons, name)
    command = dicom.command_bytes(field=dicom.C_ECHO, id=1, affected_class=VERIFICATION)
    pdv = lambda context, control, data=b"": struct.pack(">LBB", len(data) + 2, context, control) + data  # noqa: E731
    for name, data, reasons in (
        ("unknown PDU", dicom.pdu(0xFF, b""), (1,)),
        ("second request", good, (2,)),
        ("release answer", dicom.pdu(dicom.RELEASE_RP, bytes(4)), (2,)),
        ("PDU over the maximum", b"\x04\0\xff\xff\xff\xff", (6,)),
        ("PDV longer than its PDU", dicom.pdu(dicom.DATA, struct.pack(">LBB", 99, 1, 3)), (0, 6)),
        ("PDV of length 1", dicom.pdu(dicom.DATA, struct.pack(">LB", 1, 1)), (0, 6)),
        ("context that was not proposed", dicom.pdu(dicom.DATA, pdv(99, 3, command)), (0, 6)),
        ("data set without a command", dicom.pdu(dicom.DATA, pdv(3, 2, b"1234")), (0, 2, 6)),
        ("empty command set", dicom.pdu(dicom.DATA, pdv(1, 3)), (0, 6)),
        ("command set that is none", dicom.pdu(dicom.DATA, pdv(1, 3, b"\xff" * 40)), (0, 6)),
        ("endless command set", dicom.pdu(dicom.DATA, pdv(1, 1, bytes(10000))) * 4, (0, 6)),
    ):
        aborted_with(answer_to(g, data), reasons, name)
    scu = g.scu()
    scu.associate()
    equal(scu.echo(), 0, "status afterwards")


@test
def malformed_titles(bench):
    """Titles with control characters or nothing in them: rejected, not aborted, and never logged raw."""
    g = bench.gateway()
    for calling, called, why in ((b"CT1\n\x1b[31m", "ARCHIVE", (1, 1, 3)), (b"", "ARCHIVE", (1, 1, 3)),
                                 ("CT1", b"ARCH\\IVE", (1, 1, 7)), ("CT1", b"\0" * 16, (1, 1, 7))):
        scu = g.scu()
        try:
            scu.associate(calling=calling, called=called)
            raise AssertionError("accepted")
        except Rejected as error:
            equal(error.why, why, f"A-ASSOCIATE-RJ of {calling!r} to {called!r}")
    check("\x1b" not in g.log_text(), "an escape sequence stands in the log")


@test
def malformed_never_reaches_the_archive(bench):
    scp = bench.scp()
    g = bench.gateway(archive=plain_archive(scp.port))
    for number in range(6, 60, 7):
        rq = bytearray(dicom.associate_rq("CT1", "ARCHIVE", [(CT, [ILE])]))
        rq[70 + number] ^= 0xFF
        answer_to(g, bytes(rq), associate=False) if not accepted_quietly(g, bytes(rq)) else None
    for rq in scp.requests:
        check(rq.application == dicom.APPLICATION and rq.calling == "CT1", "a malformed request passed:", rq.body)


def accepted_quietly(g, data):
    """Bytes that happen to be a good request are answered with AC and would wait: abort those."""
    scu = g.scu(timeout=15)
    try:
        scu.send(data)
        kind, _ = scu.recv_pdu()
        if kind == dicom.AC:
            scu.abort()
        return True
    except Closed:
        return True
    finally:
        scu.close()


@test
def release_collision_and_abort(bench):
    """Both sides ask for a release at once; and an abort passes through."""
    gate = threading.Event()

    def answer(scp, wire, context, fields, data):
        scp.respond(wire, context, fields)
        if fields["affected_instance"] == "1.2.1":
            wire.send(dicom.pdu(dicom.RELEASE_RQ, bytes(4)))
            kind, _ = wire.recv_pdu()
            if kind == dicom.RELEASE_RQ:
                # A collision: the acceptor is answered first (PS3.8 9.2, Sta10).
                kind, _ = wire.recv_pdu()
                wire.send(dicom.pdu(dicom.RELEASE_RP, bytes(4)))
            scp.last = kind
            gate.set()
            raise Closed("released")
        return True

    scp = bench.scp(answer=answer)
    g = bench.gateway(archive=plain_archive(scp.port))
    scu = g.scu()
    scu.associate()
    equal(scu.store(instance="1.2.1")["status"], 0, "status")
    scu.send(dicom.pdu(dicom.RELEASE_RQ, bytes(4)))
    kinds = []
    try:
        while dicom.RELEASE_RP not in kinds and dicom.ABORT not in kinds:
            kind, _ = scu.recv_pdu()
            kinds.append(kind)
            if kind == dicom.RELEASE_RQ:
                scu.send(dicom.pdu(dicom.RELEASE_RP, bytes(4)))
    except Closed:
        pass
    check(dicom.RELEASE_RP in kinds, "PDUs that came:", kinds)
    check(gate.wait(15) and scp.last == dicom.RELEASE_RP, "the archive had no answer to its release")
    second = g.scu()
    second.associate()
    equal(second.store(instance="1.2.2")["status"], 0, "status")
    second.abort()
    until(lambda: any("A-ABORT" in e for e in scp.ends), lambda: f"the abort at the archive: {scp.ends}")


@test
def hostile_files_pass_as_bytes(bench):
    """A data set is nobody's business here: rubbish in one passes byte for byte, and harms nothing."""
    g = bench.gateway()
    scu = g.scu()
    scu.associate()
    for number, data in enumerate((b"\xff" * 999, b"\x08\0\x16\0\xff\xff\xff\xff", bytes(70000), b"x")):
        equal(scu.store(instance=f"1.2.{number}", data=data)["status"], 0, "status")
        check(g.stored()[f"1.2.{number}"].data == data, "other bytes are in the archive")
    scu.release()


# ---- Tolerated misbehaviour ----


@test
def tolerate_what_is_named(bench):
    nul = dicom.associate_rq(b"CT1\0\0\0\0\0\0\0\0\0\0\0\0\0", "ARCHIVE", [(CT, [ILE])])
    lower = dicom.associate_rq("ct1", "archive", [(CT, [ILE])])
    for data, why, word in ((nul, (b"\1\1\3", b"\1\2\1"), "nul-padding"), (lower, (b"\1\1\3",), "CT1")):
        g = bench.gateway()
        scu = g.scu()
        scu.send(data)
        kind, body = scu.recv_pdu()
        check(kind == dicom.RJ and body[1:4] in why, "answer to one that is not tolerated:", kind, body)
        check(word in g.wait_log(event="decision", decision="refuse")["message"], "the sentence does not say what helps")
        scu.close()
        g.stop()
        g = bench.gateway(node={"tolerate": ["nul-padding", "ae-case", "pdu-overrun"]},
                          archive={"tolerate": ["ae-case"]})
        scu = g.scu()
        scu.send(data)
        kind, body = scu.recv_pdu()
        equal(kind, dicom.AC, f"PDU for {data[6:40]!r}")
        scu.max_pdu = 16384
        equal(scu.store(1)["status"], 0, "status")
        scu.release()
        check(g.wait_log(event="association.ended")["tolerated"] > 0, "it is not counted")
        g.stop()


@test
def tolerated_titles_are_put_right(bench):
    """The archive compares with case too: it sees both titles as their nodes write them."""
    scp = bench.scp()
    g = bench.gateway(node={"tolerate": ["ae-case"]},
                      archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain", "tolerate": ["ae-case"]})
    scu = g.scu()
    scu.associate(calling="ct1", called="archive")
    scu.release()
    equal([(r.calling, r.called) for r in scp.requests], [("CT1", "ARCHIVE")], "titles at the archive")


@test
def tolerate_overrun(bench):
    """A PDU a few bytes over the maximum."""
    for tolerate, passes in ((["pdu-overrun"], True), ([], False)):
        g = bench.gateway(node={"tolerate": tolerate}, listener={"max-pdu": 16384})
        scu = g.scu()
        scu.associate()
        equal(scu.ac.max_pdu, 16384, "announced")
        data = dicom.simple_object(size=16384 + 20 - 6 - len(dicom.simple_object()) - 8)
        scu.send_pdvs(3, dicom.command_bytes(field=dicom.C_STORE, id=1, priority=0, affected_class=CT, data=1,
                                             affected_instance="1.2.3.4"), True)
        scu.send_pdvs(3, data, False, size=1 << 20)
        try:
            answer = scu.answer()
            check(passes and answer["status"] == 0, "answer", answer)
        except (Aborted, Closed):
            check(not passes, "a tolerated overrun was aborted")
        scu.close()
        g.stop()


@test
def tolerate_odd_fragments(bench):
    """Fragments of an odd number of bytes (PS3.8 E.1): refused with the section's name, or let pass as they came, and counted."""
    data = dicom.simple_object(size=5000)
    for tolerate, passes in ((["odd-fragments"], True), ([], False)):
        scp = bench.scp()
        g = bench.gateway(node={"tolerate": tolerate}, archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "plain"})
        with g.scu() as scu:
            scu.associate()
            try:
                answer = scu.store(context=3, data=data, size=999)
                check(passes and answer["status"] == 0, "answer", answer)
                scu.release()
                equal(scp.stored()["1.2.3.4"][1], data, "what the archive has")
                check(g.wait_log(event="association.ended")["tolerated"] >= 5, "it is not counted")
            except (Aborted, Closed):
                check(not passes, "what is tolerated was aborted")
                line = g.decision("malformed")
                check("PS3.8 Annex E.1" in line["message"] and "odd-fragments" in line["message"], "what is said", line)
                check(g.cli("explain", str(line["number"])), "explain")
                check("1.2.3.4" not in scp.stored(), "the object is in the archive")
        g.stop()


@test
def archive_file_system_full(bench):
    """The same with a file system that is full: the reason stands in the comment, and room made helps. Needs root."""
    g = bench.gateway(start=False)
    bench.run("mount", "-t", "tmpfs", "-o", f"size=400k,uid={g.owner[0]},gid={g.owner[1]},mode=750", "tmpfs",
              g.archive_folder, wants=0)
    bench.later(lambda: bench.run("umount", "-l", g.archive_folder))
    g.start()
    scu = g.scu()
    scu.associate()
    equal(scu.store(instance="1.2.8", data=dicom.simple_object(instance="1.2.8", size=200000))["status"], 0, "status")
    for _ in range(2):
        answer = scu.store(instance="1.2.9", data=dicom.simple_object(instance="1.2.9", size=400000))
        equal(answer["status"], 0xA700, "status")
        check("No space left" in answer.get("comment", ""), "comment", answer)
    equal(list(g.stored()), ["1.2.8"], "objects")
    os.unlink(glob.glob(os.path.join(g.archive_folder, "??", "1.2.8.dcm"))[0])
    equal(scu.store(instance="1.2.9", data=dicom.simple_object(instance="1.2.9", size=200000))["status"], 0, "status")
    scu.release()


@test
def archive_folder_out_of_reach(bench):
    """A folder that cannot be opened: the association is rejected, and the log says why."""
    g = bench.gateway(archive={"address": ["folder:/nonexistent/archive"]}, timeouts=QUICK)
    checked = bench.run(bench.program, "check", g.yaml, wants=0).text
    check("/nonexistent/archive is not there, and the gateway" in checked, "gantry check:", checked)
    scu = g.scu()
    try:
        scu.associate()
        raise AssertionError("accepted")
    except (Rejected, Aborted) as error:
        if isinstance(error, Rejected):
            equal(error.why[:2], (2, 3), "result and source of A-ASSOCIATE-RJ")
    g.wait_log(event="archive.failed", folder="/nonexistent/archive")
    line = g.wait_log(event="decision", target="archive")
    check("folder:/nonexistent/archive cannot be opened" in line["message"], "why", line)
