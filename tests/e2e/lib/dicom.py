# SPDX-License-Identifier: Apache-2.0
"""As much of DICOM's upper layer and DIMSE as the tests need: an SCU that can misbehave, and an SCP that can too."""
import contextlib
import socket
import struct
import threading

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
SC = "1.2.840.10008.5.1.4.1.1.7"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
WORKLIST = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
COMMIT = "1.2.840.10008.1.20.1"
COMMIT_INSTANCE = "1.2.840.10008.1.20.1.1"
PRIVATE = "1.3.12.2.1107.5.9.1"
ILE = "1.2.840.10008.1.2"
ELE = "1.2.840.10008.1.2.1"
EBE = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"
APPLICATION = "1.2.840.10008.3.1.1.1"

RQ, AC, RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO = 0x01, 0x10, 0x20, 0x21, 0x30
N_EVENT_REPORT, N_GET, N_SET, N_ACTION, N_CREATE, N_DELETE = 0x100, 0x110, 0x120, 0x130, 0x140, 0x150
C_CANCEL = 0xFFF
RSP = 0x8000

# Elements of group 0000: name, element, VR.
COMMAND = {
    "affected_class": (0x0002, "UI"), "requested_class": (0x0003, "UI"), "field": (0x0100, "US"),
    "id": (0x0110, "US"), "answers": (0x0120, "US"), "destination": (0x0600, "AE"), "priority": (0x0700, "US"),
    "data": (0x0800, "US"), "status": (0x0900, "US"), "comment": (0x0902, "LO"), "error_id": (0x0903, "US"),
    "affected_instance": (0x1000, "UI"), "requested_instance": (0x1001, "UI"), "event": (0x1002, "US"),
    "action": (0x1008, "US"), "remaining": (0x1020, "US"), "completed": (0x1021, "US"), "failed": (0x1022, "US"),
    "warning": (0x1023, "US"), "originator": (0x1030, "AE"), "originator_id": (0x1031, "US"),
}
COMMAND_NAMES = {element: (name, vr) for name, (element, vr) in COMMAND.items()}


def even(data, pad):
    return data + pad if len(data) % 2 else data


def element(group, number, value):
    """Implicit VR little endian."""
    return struct.pack("<HHL", group, number, len(value)) + value


def command_bytes(**fields):
    body = b""
    fields.setdefault("data", 0x0101)
    for name, (number, vr) in COMMAND.items():
        if name in fields:
            value = fields[name]
            if vr == "US":
                value = struct.pack("<H", value)
            elif vr == "UI":
                value = even(value.encode(), b"\0")
            else:
                value = even(value.encode(), b" ")
            body += element(0, number, value)
    return element(0, 0, struct.pack("<L", len(body))) + body


def parse_command(data):
    fields, at = {}, 0
    while at < len(data):
        group, number, length = struct.unpack_from("<HHL", data, at)
        value = data[at + 8: at + 8 + length]
        at += 8 + length
        if group == 0 and number in COMMAND_NAMES:
            name, vr = COMMAND_NAMES[number]
            fields[name] = struct.unpack("<H", value)[0] if vr == "US" else value.decode("latin-1").rstrip("\0 ")
    return fields


def identifier(*elements):
    """A data set in implicit VR little endian of (tag, text)."""
    return b"".join(element(tag >> 16, tag & 0xFFFF, even(value.encode(), b" ")) for tag, value in elements)


def simple_object(sop_class=CT, instance="1.2.3.4", size=0):
    """A small object in implicit VR little endian, with size bytes of pixel data."""
    uid = lambda text: even(text.encode(), b"\0")
    data = element(8, 0x16, uid(sop_class)) + element(8, 0x18, uid(instance)) + element(0x10, 0x20, b"TEST")
    if size:
        data += element(0x7FE0, 0x10, bytes(i * 7 % 251 for i in range(251)) * (size // 251) + b"\0" * (size % 251))
    return data


class Part10:
    """A file's meta group and the bytes of its data set."""

    def __init__(self, path):
        with open(path, "rb") as file:
            raw = file.read()
        assert raw[128:132] == b"DICM", path
        at, self.meta = 132, {}
        while at + 8 <= len(raw) and raw[at: at + 2] == b"\x02\0":
            number, vr = struct.unpack_from("<H2s", raw, at + 2)
            if vr in (b"OB", b"UN", b"OW", b"SQ", b"UT"):
                length, at = struct.unpack_from("<L", raw, at + 8)[0], at + 12
            else:
                length, at = struct.unpack_from("<H", raw, at + 6)[0], at + 8
            self.meta[number] = raw[at: at + length]
            at += length
        self.data = raw[at:]

    def text(self, number):
        return self.meta.get(number, b"").decode("latin-1").rstrip("\0 ")

    sop_class = property(lambda self: self.text(0x02))
    instance = property(lambda self: self.text(0x03))
    syntax = property(lambda self: self.text(0x10))
    source = property(lambda self: self.text(0x16))


# ---- PDUs ----


def pdu(kind, body):
    return struct.pack(">BBL", kind, 0, len(body)) + body


def item(kind, body):
    return struct.pack(">BBH", kind, 0, len(body)) + body


def title(text):
    return (text if isinstance(text, bytes) else text.encode()).ljust(16)[:16]


def context_item(number, abstract, syntaxes):
    body = struct.pack(">BBBB", number, 0, 0, 0) + item(0x30, abstract.encode())
    return item(0x20, body + b"".join(item(0x40, s.encode()) for s in syntaxes))


def role_item(sop_class, scu, scp):
    return item(0x54, struct.pack(">H", len(sop_class)) + sop_class.encode() + bytes([scu, scp]))


def user_items(max_pdu=16384, implementation="1.2.3.4", version="E2E", window=None, roles=(), more=b""):
    body = b""
    if max_pdu is not None:
        body += item(0x51, struct.pack(">L", max_pdu))
    if implementation:
        body += item(0x52, implementation.encode())
    if window:
        body += item(0x53, struct.pack(">HH", *window))
    body += b"".join(role_item(*r) for r in roles)
    if version:
        body += item(0x55, version.encode())
    return item(0x50, body + more)


def associate_rq(calling, called, contexts, protocol=1, application=APPLICATION, more_items=b"", **user):
    """contexts: (abstract, [transfer syntax…]), numbered 1, 3, 5 …"""
    body = struct.pack(">HH", protocol, 0) + title(called) + title(calling) + bytes(32)
    body += item(0x10, application.encode())
    for i, (abstract, syntaxes) in enumerate(contexts):
        body += context_item(2 * i + 1, abstract, syntaxes)
    return pdu(RQ, body + user_items(**user) + more_items)


class Associate:
    """A-ASSOCIATE-RQ or -AC, read."""

    def __init__(self, body):
        self.body = body
        self.protocol = struct.unpack_from(">H", body)[0]
        self.called, self.calling = (body[a: a + 16].decode("latin-1").strip() for a in (4, 20))
        self.contexts, self.user, self.roles = {}, {}, {}
        self.application = None
        for kind, data in self.items(body[68:]):
            if kind == 0x10:
                self.application = data.decode()
            elif kind in (0x20, 0x21):
                subs = list(self.items(data[4:]))
                abstract = next((d.decode() for k, d in subs if k == 0x30), None)
                syntaxes = [d.decode() for k, d in subs if k == 0x40]
                self.contexts[data[0]] = (data[2], abstract, syntaxes)
            elif kind == 0x50:
                for sub, value in self.items(data):
                    self.user[sub] = value
                    if sub == 0x54:
                        n = struct.unpack_from(">H", value)[0]
                        self.roles[value[2: 2 + n].decode()] = tuple(value[2 + n: 4 + n])

    @staticmethod
    def items(data):
        at = 0
        while at + 4 <= len(data):
            kind, _, length = struct.unpack_from(">BBH", data, at)
            yield kind, data[at + 4: at + 4 + length]
            at += 4 + length

    max_pdu = property(lambda self: struct.unpack(">L", self.user[0x51])[0] if 0x51 in self.user else 0)
    implementation = property(lambda self: self.user.get(0x52, b"").decode())
    version = property(lambda self: self.user.get(0x55, b"").decode())

    def results(self):
        return {number: result for number, (result, _, _) in self.contexts.items()}


class Closed(ConnectionError):
    """The peer closed the connection."""


class Rejected(Exception):
    def __init__(self, body):
        self.why = (body[1], body[2], body[3])
        super().__init__(f"A-ASSOCIATE-RJ {'/'.join(map(str, self.why))}")


class Aborted(Exception):
    def __init__(self, body):
        self.why = (body[2], body[3])
        super().__init__(f"A-ABORT source {body[2]} reason {body[3]}")


class Wire:
    """PDUs and messages over a connected socket, either side's."""

    def __init__(self, sock):
        self.sock = sock
        self.max_pdu = 16384  # what the peer takes
        self.largest = 0  # PDU received
        self.pdus = 0

    def read(self, n):
        data = bytearray()
        while len(data) < n:
            try:
                part = self.sock.recv(min(n - len(data), 1 << 20))
            except (ConnectionResetError, BrokenPipeError) as error:
                raise Closed(str(error)) from error
            if not part:
                raise Closed(f"after {len(data)} of {n} bytes")
            data += part
        return bytes(data)

    def recv_pdu(self):
        kind, _, length = struct.unpack(">BBL", self.read(6))
        self.largest = max(self.largest, length)
        self.pdus += 1
        return kind, self.read(length)

    def expect(self, wanted):
        kind, body = self.recv_pdu()
        if kind == ABORT and wanted != ABORT:
            raise Aborted(body)
        if kind == RJ and wanted != RJ:
            raise Rejected(body)
        assert kind == wanted, f"PDU {kind} came, not {wanted}"
        return body

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Closed(str(error)) from error

    def send_pdvs(self, context, data, command, size=None, last=True):
        most = size or (self.max_pdu or 65536) - 6
        at = 0
        while True:
            part = data[at: at + most]
            at += len(part)
            ends = at >= len(data)
            head = struct.pack(">LBB", len(part) + 2, context, (1 if command else 0) | (2 if ends and last else 0))
            self.send(pdu(DATA, head + part))
            if ends:
                return

    def send_message(self, context, data=None, size=None, **fields):
        fields["data"] = 0x0101 if data is None else 0x0001
        self.send_pdvs(context, command_bytes(**fields), True)
        if data is not None:
            self.send_pdvs(context, data, False, size)

    def recv_message(self):
        """context, command, data set or None. None when a release is asked for."""
        parts = {True: bytearray(), False: bytearray()}
        context, fields = None, None
        while True:
            kind, body = self.recv_pdu()
            if kind == ABORT:
                raise Aborted(body)
            if kind == RELEASE_RQ:
                return None
            assert kind == DATA, f"PDU {kind} in the middle of a message"
            at = 0
            while at < len(body):
                length, context, control = struct.unpack_from(">LBB", body, at)
                parts[bool(control & 1)] += body[at + 6: at + 4 + length]
                at += 4 + length
                if control & 2 and control & 1:
                    fields = parse_command(parts[True])
                    if fields.get("data", 0x0101) == 0x0101:
                        return context, fields, None
                elif control & 2:
                    return context, fields, bytes(parts[False])

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()


class Scu(Wire):
    """One association as its requestor."""

    def __init__(self, port, host="127.0.0.1", tls=None, source=None, timeout=20, first=b""):
        sock = socket.create_connection((host, port), timeout=timeout, source_address=source and (source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:
            sock.sendall(first)
        if tls:
            sock = tls.wrap_socket(sock, server_hostname=host)
        super().__init__(sock)
        self.message_id = 0
        self.ac = None

    def associate(self, calling="CT1", called="ARCHIVE", contexts=((VERIFICATION, [ILE]), (CT, [ILE, ELE])), **user):
        self.send(associate_rq(calling, called, contexts, **user))
        self.ac = Associate(self.expect(AC))
        self.max_pdu = self.ac.max_pdu
        return self.ac

    def request(self, context, data=None, size=None, **fields):
        self.message_id += 1
        fields.setdefault("id", self.message_id)
        self.send_message(context, data, size, **fields)

    def answer(self):
        got = self.recv_message()
        assert got, "the peer asks for a release"
        return got[1]

    def echo(self, context=1):
        self.request(context, field=C_ECHO, affected_class=VERIFICATION)
        return self.answer()["status"]

    def store(self, context=3, instance="1.2.3.4", sop_class=CT, data=None, size=None):
        """The whole response."""
        if data is None:
            data = simple_object(sop_class, instance)
        self.request(context, data, size, field=C_STORE, priority=0, affected_class=sop_class,
                     affected_instance=instance)
        return self.answer()

    def find(self, keys, context=1, sop_class=STUDY_FIND):
        """All responses, the last included, as (command, data)."""
        self.request(context, identifier(*keys), field=C_FIND, priority=0, affected_class=sop_class)
        answers = []
        while True:
            _, fields, data = self.recv_message()
            answers.append((fields, data))
            if fields["status"] not in (0xFF00, 0xFF01):
                return answers

    def move(self, destination, keys, context=1, sop_class=STUDY_MOVE):
        self.request(context, identifier(*keys), field=C_MOVE, priority=0, affected_class=sop_class,
                     destination=destination)
        while True:
            fields = self.answer()
            if fields["status"] != 0xFF00:
                return fields

    def release(self):
        self.send(pdu(RELEASE_RQ, bytes(4)))
        self.expect(RELEASE_RP)
        self.close()

    def abort(self):
        self.send(pdu(ABORT, bytes(4)))
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Scp:
    """A listening acceptor. Subclasses or the functions passed in say how it misbehaves; what came is kept.

    answer(scp, wire, context, command, data) -> True when it has answered itself; otherwise success is sent. It is not asked
    about a C-CANCEL, which has no answer and may come when all is answered: who waits for one reads it (recv_message).
    negotiate(scp, rq) -> {context: result or transfer syntax}; otherwise the first transfer syntax of each.
    before(scp, wire) -> True when the connection is done with. Called right after accept.
    """

    def __init__(self, port=0, host="127.0.0.1", answer=None, negotiate=None, before=None, reject=None, tls=None,
                 max_pdu=16384, proxy=False, listen=True, roles=False, window=False, family=socket.AF_INET):
        self.answer, self.negotiate, self.before, self.reject = answer, negotiate, before, reject
        self.tls, self.max_pdu, self.proxy, self.roles, self.window = tls, max_pdu, proxy, roles, window
        self.requests, self.messages, self.wires, self.peers, self.headers, self.ends = [], [], [], [], [], []
        self.failures = []  # what a thread of this has raised and no peer is the cause of
        self.lock = threading.Lock()
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.port = self.listener.getsockname()[1]
        if listen:
            self.listener.listen(64)
            threading.Thread(target=self.accept_all, daemon=True).start()

    def accept_all(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock, peer), daemon=True).start()

    def serve(self, sock, peer):
        end = "closed"
        wire = Wire(sock)
        try:
            with self.lock:
                self.peers.append(peer)
                self.wires.append(wire)
            if self.proxy:
                self.headers.append(self.read_proxy(wire))
            if self.tls:
                wire.sock = self.tls.wrap_socket(sock, server_side=True)
            if self.before and self.before(self, wire):
                return
            end = self.converse(wire)
        except (Closed, Aborted, OSError) as error:
            end = str(error)
        except Exception as error:  # pylint: disable=broad-except
            end = f"{type(error).__name__}: {error}"
            with self.lock:
                self.failures.append(error)
        finally:
            wire.close()
            with self.lock:
                self.ends.append(end)

    @staticmethod
    def read_proxy(wire):
        head = wire.read(16)
        assert head[:12] == b"\r\n\r\n\0\r\nQUIT\n", head
        body = wire.read(struct.unpack(">H", head[14:16])[0])
        assert head[13] == 0x11, head
        source, port = socket.inet_ntoa(body[:4]), struct.unpack(">H", body[8:10])[0]
        return source, port

    def converse(self, wire):
        rq = Associate(wire.expect(RQ))
        with self.lock:
            self.requests.append(rq)
        if self.reject:
            wire.send(pdu(RJ, bytes([0]) + bytes(self.reject)))
            return "rejected"
        wire.max_pdu = rq.max_pdu
        chosen = self.negotiate(self, rq) if self.negotiate else {}
        body = struct.pack(">HH", 1, 0) + title(rq.called) + title(rq.calling) + bytes(32) + item(0x10, APPLICATION.encode())
        for number, (_, _, syntaxes) in rq.contexts.items():
            choice = chosen.get(number, syntaxes[0])
            result, syntax = (0, choice) if isinstance(choice, str) else (choice, syntaxes[0])
            body += item(0x21, struct.pack(">BBBB", number, 0, result, 0) + item(0x40, syntax.encode()))
        roles = [(uid, scu, scp) for uid, (scu, scp) in rq.roles.items()] if self.roles else []
        window = struct.unpack(">HH", rq.user[0x53]) if self.window and 0x53 in rq.user else None
        body += user_items(self.max_pdu, "1.2.3.9", "FAKE", window=window, roles=roles)
        wire.rq = rq
        wire.send(pdu(AC, body))
        while True:
            got = wire.recv_message()
            if got is None:
                wire.send(pdu(RELEASE_RP, bytes(4)))
                return "released"
            with self.lock:
                self.messages.append(got)
            context, fields, data = got
            if fields["field"] & RSP or fields["field"] == C_CANCEL:
                continue
            if not (self.answer and self.answer(self, wire, context, fields, data)):
                self.respond(wire, context, fields)

    @staticmethod
    def respond(wire, context, fields, status=0, data=None, **more):
        reply = {"field": fields["field"] | RSP, "answers": fields["id"], "status": status, **more}
        for old in ("affected_class", "affected_instance"):
            if old in fields:
                reply[old] = fields[old]
        wire.send_message(context, data, **reply)

    def stored(self):
        """instance -> (command, data)"""
        with self.lock:
            return {f["affected_instance"]: (f, d) for _, f, d in self.messages if f["field"] == C_STORE}

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for wire in self.wires:
            with contextlib.suppress(OSError):
                wire.sock.shutdown(socket.SHUT_RDWR)
            wire.close()
