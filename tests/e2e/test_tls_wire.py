# SPDX-License-Identifier: Apache-2.0
"""TLS byte by byte: what no toolkit of today can be made to offer any more is written by hand, to a listener and to a caller."""
import os
import socket
import ssl
import struct
import threading

from lib.site import check, equal, test, until
from test_identity import B12_TLS12, B12_TLS13, with_profile
from test_refusals import rejected

TLS10, TLS11, TLS12, TLS13 = 0x0301, 0x0302, 0x0303, 0x0304

# Alerts, RFC 8446 6 and RFC 5246 7.2.
ALERTS = {10: "unexpected_message", 20: "bad_record_mac", 40: "handshake_failure", 42: "bad_certificate", 47: "illegal_parameter",
          50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
          86: "inappropriate_fallback", 100: "no_renegotiation", 109: "missing_extension", 110: "unsupported_extension"}

SUITES = {
    "TLS_AES_256_GCM_SHA384": 0x1302, "TLS_CHACHA20_POLY1305_SHA256": 0x1303, "TLS_AES_128_GCM_SHA256": 0x1301,
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": 0xC02C, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": 0xC030,
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": 0xC02B, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": 0xC02F,
}
GOOD = list(SUITES.values())
FALLBACK_SCSV, RENEGOTIATION_SCSV = 0x5600, 0x00FF
WEAK = {
    "3DES": [0x000A, 0x0016, 0xC003, 0xC008, 0xC00D, 0xC012], "RC4": [0x0004, 0x0005, 0xC007, 0xC011],
    "DES and export": [0x0009, 0x0015, 0x0003, 0x0006, 0x0008, 0x0014], "NULL": [0x0001, 0x0002, 0x003B, 0xC006, 0xC010],
    "anonymous": [0x0018, 0x0034, 0x006C, 0x00A6, 0x00A7, 0xC018, 0xC019],
    "static RSA": [0x002F, 0x0035, 0x003C, 0x003D, 0x009C, 0x009D, 0xC09C, 0xC09D],
    "static DH and ECDH": [0x0031, 0x0037, 0x00A0, 0x00A1, 0xC004, 0xC005, 0xC02D, 0xC02E, 0xC031, 0xC032],
    "CBC": [0x0033, 0x0039, 0x0067, 0x006B, 0xC009, 0xC00A, 0xC013, 0xC014, 0xC023, 0xC024, 0xC027, 0xC028],
    "DHE": [0x009E, 0x009F, 0xCCAA], "PSK": [0x00A8, 0x00A9, 0x008C, 0x00AE, 0xC035, 0xD001],
}
# secp160r1 to secp224r1, binary curves, explicit ones, FFDHE; x25519, P-256 and P-384 are what is taken.
SMALL_GROUPS = [*range(1, 23), 0xFF01, 0xFF02, 0x0100]
GROUPS = [29, 23, 24]


def extension(kind, body):
    return struct.pack(">HH", kind, len(body)) + body


def listed(numbers, size=2):
    body = b"".join(struct.pack(">H", n) for n in numbers)
    return (struct.pack(">H", len(body)) if size == 2 else struct.pack(">B", len(body))) + body


SIGNATURES = [0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501]


def handshake(kind, body):
    return struct.pack(">B", kind) + struct.pack(">L", len(body))[1:] + body


def record(kind, body, version=TLS10):
    return struct.pack(">BHH", kind, version, len(body)) + body


def client_hello(version=TLS12, suites=GOOD, groups=GROUPS, signatures=SIGNATURES, compression=b"\0", versions=None, more=b""):
    extensions = extension(10, listed(groups)) + extension(11, b"\1\0") + extension(23, b"") + extension(13, listed(signatures))
    if versions:
        extensions += extension(43, listed(versions, 1)) + extension(51, struct.pack(">H", 0))
    extensions += more
    body = struct.pack(">H", version) + os.urandom(32) + b"\0" + listed(suites) + struct.pack(">B", len(compression)) + compression
    return record(22, handshake(1, body + struct.pack(">H", len(extensions)) + extensions))


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def read_record(sock):
    kind, _, length = struct.unpack(">BHH", read_exactly(sock, 5))
    return kind, read_exactly(sock, length)


def outcome(sock):
    """The alert that comes, or ("hello", version, suite, compression) of a ServerHello."""
    try:
        kind, body = read_record(sock)
    except (EOFError, OSError):
        return "closed"
    if kind == 21:
        return ALERTS.get(body[1], body[1])
    check(kind == 22 and body[0] == 2, "neither an alert nor a ServerHello", kind, body[:8])
    at = 4 + 2 + 32
    at += 1 + body[at]
    return ("hello", struct.unpack_from(">H", body, 4)[0], *struct.unpack_from(">HB", body, at))


def offered(g, **hello):
    with socket.create_connection(("127.0.0.1", g.tls), 10) as sock:
        sock.sendall(client_hello(**hello))
        return outcome(sock)


@test
def weak_offers_by_callers(bench):
    """Old versions, weak suites, small groups, weak hashes, compression: each has its alert; beside them what is good is taken."""
    for profile in ("bcp195-rfc9325", "bcp195-rfc9325-modified"):
        g = with_profile(bench, profile)
        equal(offered(g), ("hello", TLS12, 0xC02C, 0), "a good offer")
        equal(offered(g, version=0x0300), "handshake_failure", "SSL 3, which has no alert for it")
        for version in (TLS10, TLS11):
            equal(offered(g, version=version), "protocol_version", f"version {version:#x}")
            equal(offered(g, version=version, suites=WEAK["3DES"] + WEAK["CBC"]), "protocol_version", f"version {version:#x}")
        for name, suites in WEAK.items():
            equal(offered(g, suites=suites), "handshake_failure", name)
            equal(offered(g, suites=suites + [0xC02C])[2], 0xC02C, f"{name} beside a good one")
        for group in SMALL_GROUPS:
            equal(offered(g, groups=[group]), "handshake_failure", f"group {group:#x}")
            equal(offered(g, groups=[group], versions=[TLS13]), "handshake_failure", f"group {group:#x}, TLS 1.3")
        # SHA-1 and MD5, SHA-224, DSA.
        for signature in (0x0201, 0x0203, 0x0101, 0x0301, 0x0303, 0x0402):
            equal(offered(g, signatures=[signature]), "handshake_failure", f"signature {signature:#x}")
        check(offered(g, compression=b"\1") in ("illegal_parameter", "decode_error"), "compression alone")
        equal(offered(g, compression=b"\1\0"), ("hello", TLS12, 0xC02C, 0), "compression beside none")
        check(offered(g, versions=[TLS13, TLS12], compression=b"\1\0") in ("illegal_parameter",), "compression in TLS 1.3")
        equal(offered(g, versions=[TLS11, TLS10]), "protocol_version", "supported_versions of old ones")
        # RFC 7507: TLS 1.2 as a second try, though both have 1.3.
        equal(offered(g, suites=GOOD + [FALLBACK_SCSV]), "inappropriate_fallback", "a fallback")
        g.stop()
    g = with_profile(bench, "legacy-bcp195-non-downgrading")
    equal(offered(g, suites=[0x009F], signatures=[0x0804, 0x0401]), ("hello", TLS12, 0x009F, 0), "DHE in the legacy profile")
    for name in ("3DES", "static RSA", "CBC", "RC4", "NULL", "anonymous"):
        equal(offered(g, suites=WEAK[name]), "handshake_failure", f"{name} in the legacy profile")
    with socket.create_connection(("127.0.0.1", g.tls), 10) as sock:
        sock.sendall(client_hello(suites=[0x009F], signatures=[0x0804, 0x0401]))
        stream = b""
        while stream[:1] != b"\x0c":  # ServerKeyExchange
            kind, body = read_record(sock)
            equal(kind, 22, "a handshake record")
            stream = body
            while stream and stream[0] != 12:
                stream = stream[4 + int.from_bytes(stream[1:4], "big"):]
        check(struct.unpack_from(">H", stream, 4)[0] >= 256, "a prime of fewer than 2048 bits")


@test
def no_renegotiation(bench):
    """openssl s_client asks for it in the midst of a connection: it is refused, and what was agreed stays."""
    g = bench.gateway()
    pick = ["openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", "-cert", bench.keys.path("scanner.pem"), "-key",
            bench.keys.path("scanner.key"), "-tls1_2", "-legacy_renegotiation"]
    ran = bench.run("sh", "-c", "{ sleep 1; printf 'R\\n'; sleep 1; } | \"$@\"", "sh", *pick)
    check("RENEGOTIATING" in ran.text, "it was not asked for:", ran.text[-1500:])
    check("no renegotiation" in ran.text.lower(), "it was not refused:", ran.text[-1500:])
    check("Secure Renegotiation IS supported" in ran.text, "RFC 5746", ran.text[-1500:])


class Node:
    """A called node that answers each ClientHello as told, and notes what it gets."""

    def __init__(self, bench):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answer, self.hellos, self.outcomes = b"", [], []
        bench.later(self.listener.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(10)
                try:
                    self.hellos.append(read_record(sock)[1])
                    sock.sendall(self.answer)
                    self.outcomes.append(outcome(sock))
                except (EOFError, OSError) as error:
                    self.outcomes.append(str(error))

    def said(self, g, answer):
        self.answer, before = answer, len(self.outcomes)
        rejected(g, (2, 3, 1))
        return until(lambda: self.outcomes[before:], "an end at the node")[0]


def server_hello(version, suite, compression=0, tail=None, more=b""):
    random = os.urandom(24) + (tail or os.urandom(8))
    body = struct.pack(">H", version) + random + b"\0" + struct.pack(">HB", suite, compression)
    extensions = extension(0xFF01, b"\0") + extension(23, b"") + more
    return record(22, handshake(2, body + struct.pack(">H", len(extensions)) + extensions), TLS12)


@test
def weak_answers_by_called_nodes(bench):
    """What a node may not choose; and the offer that it gets, part by part."""
    node = Node(bench)
    g = bench.gateway(archive={"address": [f"127.0.0.1:{node.port}"], "transport": "tls", "server-name": "archive"})
    for version in (TLS10, TLS11):
        equal(node.said(g, server_hello(version, 0xC013)), "protocol_version", f"version {version:#x}")
    for name, suites in WEAK.items():
        equal(node.said(g, server_hello(TLS12, suites[0])), "illegal_parameter", f"{name}, which was not offered")
    equal(node.said(g, server_hello(TLS12, 0xC02C, compression=1)), "illegal_parameter", "compression")
    for tail in (b"DOWNGRD\1", b"DOWNGRD\0"):
        equal(node.said(g, server_hello(TLS12, 0xC02C, tail=tail)), "illegal_parameter", f"a downgrade, {tail}")
    equal(node.said(g, server_hello(TLS12, 0xC02C, more=extension(35, b""))), "unsupported_extension", "a ticket, which nobody asked for")
    # Parameters of a small curve, secp192r1, before any certificate's key is asked for: the certificate is the archive's.
    with open(bench.keys.path("archive.pem"), encoding="ascii") as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    one = struct.pack(">L", len(der))[1:] + der
    certificate = record(22, handshake(11, struct.pack(">L", len(one))[1:] + one), TLS12)
    small = record(22, handshake(12, b"\3" + struct.pack(">H", 19) + b"\x31\4" + bytes(48) + struct.pack(">HH", 0x0403, 8) + bytes(8)),
                   TLS12)
    equal(node.said(g, server_hello(TLS12, 0xC02C) + certificate + small), "illegal_parameter", "a small curve")
    hello = node.hellos[0]
    at = 4 + 2 + 32
    at += 1 + hello[at]
    count = struct.unpack_from(">H", hello, at)[0] // 2
    suites = struct.unpack_from(f">{count}H", hello, at + 2)
    at += 2 + 2 * count
    compression = hello[at + 1: at + 1 + hello[at]]
    at += 1 + hello[at] + 2
    extensions = {}
    while at < len(hello):
        kind, length = struct.unpack_from(">HH", hello, at)
        extensions[kind] = hello[at + 4: at + 4 + length]
        at += 4 + length
    equal(set(suites), {SUITES[s] for s in B12_TLS12 + B12_TLS13} | {RENEGOTIATION_SCSV}, "suites that are offered")
    equal(compression, b"\0", "compression that is offered")
    equal(extensions[43], listed([TLS13, TLS12], 1), "versions that are offered")
    equal(extensions[10], listed(GROUPS), "groups that are offered")
    signatures = struct.unpack_from(f">{len(extensions[13]) // 2 - 1}H", extensions[13], 2)
    check(all(s >> 8 in (4, 5, 6, 8) for s in signatures), "signatures that are offered", [hex(s) for s in signatures])
    check(23 in extensions and 35 not in extensions and b"archive" in extensions[0], "extensions", sorted(extensions))
