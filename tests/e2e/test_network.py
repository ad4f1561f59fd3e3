# SPDX-License-Identifier: Apache-2.0
"""Where Gantry stands in the network: PROXY protocol, NAT, IPv6, host names, interception, and calling as the caller."""
import contextlib
import os
import socket
import struct

from lib import dicom, peers
from lib.dicom import CT, ILE, Closed, Rejected
from lib.netns import Network
from lib.site import check, equal, free_port, test, until


def plain_archive(port, **more):
    return {"address": [f"127.0.0.1:{port}"], "transport": "plain", **more}


def proxy_header(source, port=4711, destination="127.0.0.1", command=0x21, extra=b""):
    addresses = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack(">HH", port, 104) + extra
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, 0x11]) + struct.pack(">H", len(addresses)) + addresses


@test
def proxy_protocol_in(bench):
    """Behind a load balancer that is listed the caller is who the header says; nobody else may send one."""
    g = bench.gateway(node={"from": ["10.9.8.0/24"]}, listener={"proxy-from": ["127.0.0.5"]})
    scu = g.scu(source="127.0.0.5", first=proxy_header("10.9.8.7", extra=b"\x20\0\2ab"))
    scu.associate()
    equal(scu.store()["status"], 0, "status")
    scu.release()
    line = g.wait_log(event="association.accepted")
    equal((line["from"], line["port"]), ("10.9.8.7", 4711), "the caller's address")
    # From a network that the node does not name.
    scu = g.scu(source="127.0.0.5", first=proxy_header("10.7.7.7"))
    try:
        scu.associate()
        raise AssertionError("accepted")
    except Rejected as error:
        equal(error.why, (1, 1, 3), "A-ASSOCIATE-RJ")
    equal(g.decision("caller-address")["from"], "10.7.7.7", "address in the log")
    # A header from elsewhere, and none from the load balancer.
    for options in ({"source": "127.0.0.6", "first": proxy_header("10.9.8.7")}, {"source": "127.0.0.5"},
                    {"source": "127.0.0.5", "first": proxy_header("10.9.8.7", command=0x31)},
                    {"source": "127.0.0.5", "first": b"PROXY TCP4 10.9.8.7 127.0.0.1 1 2\r\n"}):
        scu = g.scu(**options)
        try:
            scu.associate()
            raise AssertionError(f"accepted: {options}")
        except (Rejected, dicom.Aborted, Closed, ConnectionError):
            pass


@test
def proxy_protocol_counts_the_real_address(bench):
    """Limits an address are those of the real one."""
    g = bench.gateway(node={"from": ["10.0.0.0/8"]}, listener={"proxy-from": ["127.0.0.5"]},
                      associations={"at-once": 100, "per-address": 2})
    held = []
    for _ in range(2):
        scu = g.scu(source="127.0.0.5", first=proxy_header("10.9.8.7"))
        scu.associate()
        held.append(scu)
    scu = g.scu(source="127.0.0.5", first=proxy_header("10.9.8.7"))
    try:
        scu.associate()
        raise AssertionError("a third one from one address was accepted")
    except (Rejected, Closed):
        pass
    scu = g.scu(source="127.0.0.5", first=proxy_header("10.9.8.8"))
    scu.associate()
    equal(scu.echo(), 0, "status from another address")


@test
def silent_load_balancer(bench):
    """Half a header, and no more: closed when the time for negotiating is over; others are served meanwhile."""
    g = bench.gateway(node={"from": ["127.0.0.0/8", "10.0.0.0/8"]}, listener={"proxy-from": ["127.0.0.5"]},
                      timeouts={"artim": 2, "negotiate": 2})
    silent = [g.scu(source="127.0.0.5", first=first) for first in (b"", proxy_header("10.9.8.7")[:9])]
    scu = g.scu(source="127.0.0.5", first=proxy_header("10.9.8.7"))
    scu.associate()
    equal(scu.echo(), 0, "status")
    for one in silent:
        try:
            one.recv_pdu()
            raise AssertionError("a PDU came")
        except Closed:
            pass


@test
def proxy_protocol_with_tls(bench):
    """The header comes before the handshake."""
    g = bench.gateway()
    g.config["listeners"][1]["proxy-from"] = ["127.0.0.5"]
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    scu = bench.scu(g.tls, tls=bench.keys.client("scanner"), source="127.0.0.5", first=proxy_header("10.9.8.7"))
    scu.associate(calling="CT_TLS")
    equal(scu.echo(), 0, "status")
    scu.release()
    equal(g.wait_log(event="association.accepted")["from"], "10.9.8.7", "address")


@test
def proxy_protocol_out(bench):
    scp = bench.scp(proxy=True)
    g = bench.gateway(archive=plain_archive(scp.port, **{"proxy-protocol": "v2"}))
    scu = g.scu(source="127.0.0.9")
    port = scu.sock.getsockname()[1]
    scu.associate()
    equal(scu.echo(), 0, "status")
    scu.release()
    equal(scp.headers, [("127.0.0.9", port)], "what the header says")


@test
def nodes_behind_one_address(bench):
    """NAT: told apart by title on plain DICOM and by certificate on TLS, each with its own rules."""
    g = bench.gateway(
        nodes={"ct2": {"ae": ["CT2"], "from": ["127.0.0.0/8"], "transport": "plain"},
               "ws": {"ae": ["CT_TLS"], "certificate": {"san": ["workstation"]}, "transport": "tls"}},
        flows=[{"name": "echo-only", "from": ["ct2", "ws"], "to": "archive", "services": ["echo"]}])
    for options, calling, node, passes in (({}, "CT1", "ct1", True), ({}, "CT2", "ct2", False),
                                           ({"tls": bench.keys.client("scanner")}, "CT_TLS", "ct-tls", True),
                                           ({"tls": bench.keys.client("workstation")}, "CT_TLS", "ws", False)):
        mark = g.mark()
        scu = bench.scu(g.tls if options else g.plain, **options)
        scu.associate(calling=calling)
        equal(scu.ac.results(), {1: 0, 3: 0 if passes else 3}, f"context results of {node}")
        equal(g.wait_log(mark, event="association.accepted")["node"], node, "node")
        scu.release()


@test
def ipv6_and_host_names(bench):
    """Both families on one listener, and names where addresses may stand."""
    scp = bench.scp()
    port = free_port()
    g = bench.gateway(archive={"address": [f"localhost:{scp.port}"], "transport": "plain"},
                      node={"from": ["::1", "localhost"]})
    g.config["listeners"] = [{"name": "both", "address": "*", "port": port, "transport": "plain"}]
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    for host, address in (("::1", "::1"), ("127.0.0.1", "127.0.0.1")):
        mark = g.mark()

        def store(host=host):
            scu = bench.scu(port, host=host)
            try:
                scu.associate()
                equal(scu.store()["status"], 0, f"status from {host}")
                scu.release()
                return True
            except Rejected:
                return False  # the name has not been looked up yet
            finally:
                scu.close()

        until(store, f"an association from {host}")
        equal(g.wait_log(mark, event="association.accepted")["from"], address, "address")


@test
def wrong_archive_certificate(bench):
    """The archive's certificate must have the name, and be of a trusted authority: else no bytes of an object go there."""
    for name, server_name in (("archive", "pacs.elsewhere"), ("stranger", "scanner")):
        scp = bench.scp(tls=bench.keys.server(name))
        g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "tls", "server-name": server_name})
        scu = g.scu()
        try:
            scu.associate()
            raise AssertionError("accepted")
        except Rejected as error:
            equal(error.why, (2, 3, 1), "A-ASSOCIATE-RJ")
        g.decision("upstream-tls")
        equal(scp.requests, [], "associations at the archive")
        scu.close()
        g.stop()
    scp = bench.scp(tls=bench.keys.server("archive"))
    g = bench.gateway(archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "tls"})
    scu = g.scu()
    scu.associate()
    equal(scu.store()["status"], 0, "status with the right one, verified by its address")
    equal(scp.wires[0].sock.getpeercert()["subject"][0][0][1], "gateway", "the certificate shown to the archive")


MARKS = """
table inet gantry {
	chain divert {
		type filter hook prerouting priority mangle; policy accept;
		meta l4proto tcp socket transparent 1 meta mark set 0x1 accept
		%s
	}
}
"""

INTERCEPT = """ip saddr 10.1.1.0/24 ip daddr 10.2.0.10 tcp dport 104 tproxy ip to :11104 meta mark set 0x1 accept
		ip6 saddr 2001:db8:1::/64 ip6 daddr 2001:db8:2::10 tcp dport 104 tproxy ip6 to :11104 meta mark set 0x1 accept
		ip saddr 10.2.0.10 ip daddr 10.1.1.0/24 tcp dport 104 tproxy ip to :11104 meta mark set 0x1 accept
"""


@test
def intercept_with_tproxy(bench):
    """Nobody is changed: the scanner calls the archive's address, and the archive sees the scanner's."""
    net = Network(bench)
    net.rules(MARKS % INTERCEPT)
    archive = net.inside("archive", lambda: bench.scp(host="10.2.0.10", port=104))
    archive6 = net.inside("archive", lambda: bench.scp(host="2001:db8:2::10", port=104, family=socket.AF_INET6))
    scanner = net.inside("scanner", lambda: bench.scp(host="10.1.1.7", port=104))
    g = bench.gateway(
        prefix=net.prefix("gate"),
        node={"from": ["10.1.1.7", "2001:db8:1::7"], "address": ["10.1.1.7:104"], "source": "caller"},
        archive={"ae": ["PACS"], "address": ["10.2.0.10:104", "[2001:db8:2::10]:104"], "from": ["10.2.0.10"],
                 "transport": "plain", "source": "caller"},
        listener={"address": "*", "port": 11104, "transparent": True},
        flows=[{"name": "results", "from": ["archive"], "to": "ct1", "services": ["commit", "echo"]}])
    bench.run(*net.prefix("scanner"), "storescu", "-aet", "CT1", "-aec", "PACS", "10.2.0.10", "104", peers.CT_SMALL, wants=0)
    equal([p[0] for p in archive.peers], ["10.1.1.7"], "who the archive saw")
    equal(len(archive.stored()), 1, "objects at the archive")
    equal(g.wait_log(event="association.accepted", node="ct1")["from"], "10.1.1.7", "address in the log")
    scu = net.inside("scanner", lambda: bench.scu(104, host="2001:db8:2::10"))
    scu.associate(called="PACS")
    equal(scu.echo(), 0, "status over IPv6")
    scu.release()
    equal([p[0] for p in archive6.peers], ["2001:db8:1::7"], "who the archive saw over IPv6")
    # The archive calls the scanner.
    scu = net.inside("archive", lambda: bench.scu(104, host="10.1.1.7", source="10.2.0.10"))
    scu.associate(calling="PACS", called="CT1", contexts=[(dicom.VERIFICATION, [ILE])])
    equal(scu.echo(), 0, "status of the archive's call")
    scu.release()
    equal([p[0] for p in scanner.peers], ["10.2.0.10"], "who the scanner saw")
    # Who is not known does not get through either.
    scu = net.inside("scanner", lambda: bench.scu(104, host="10.2.0.10"))
    try:
        scu.associate(calling="NOBODY", called="PACS")
        raise AssertionError("accepted")
    except Rejected as error:
        equal(error.why, (1, 1, 3), "A-ASSOCIATE-RJ")
    equal(len(archive.requests), 1, "associations at the archive")


@test
def take_over_the_address(bench):
    """The gateway has the archive's old address; the archive still admits by the scanner's address and title."""
    net = Network(bench)
    net.rules(MARKS % "")
    net.ip("-n", net.names["gate"], "address", "add", "10.2.0.20/24", "dev", "to-archiv")
    archive = net.inside("archive", lambda: bench.scp(host="10.2.0.10", port=11112))
    g = bench.gateway(prefix=net.prefix("gate"), node={"from": ["10.1.1.0/24"]},
                      archive={"ae": ["PACS"], "address": ["10.2.0.10:11112"], "transport": "plain", "source": "caller"},
                      listener={"address": "10.2.0.20", "port": 104})
    bench.run(*net.prefix("scanner"), "echoscu", "-aet", "CT1", "-aec", "PACS", "10.2.0.20", "104", wants=0)
    bench.run(*net.prefix("scanner"), "storescu", "-aet", "CT1", "-aec", "PACS", "10.2.0.20", "104", peers.CT_SMALL, wants=0)
    equal({p[0] for p in archive.peers}, {"10.1.1.7"}, "who the archive saw")
    equal({(r.calling, r.called) for r in archive.requests}, {("CT1", "PACS")}, "titles")
    # Without root's capabilities in the association: the gate made that socket.
    scu = net.inside("scanner", lambda: bench.scu(104, host="10.2.0.20"))
    scu.associate(called="PACS")
    capabilities = set()
    for pid, line in g.roles().items():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:  # it may have ended
            effective = next(row.split()[1] for row in file if row.startswith("CapEff"))
            capabilities.add((line[2] if "--role" in line else "", int(effective, 16)))
    check(any(value == 1 << 12 for _, value in capabilities), "the gate has not CAP_NET_ADMIN alone:", capabilities)
    check(any(value == 0 for _, value in capabilities), "the association has capabilities:", capabilities)
    scu.release()


@test
def failover_from_a_silent_address(bench):
    """An address that answers nothing at all costs the time for connecting, and then the next has its turn."""
    net = Network(bench)
    net.command("archive", "nft", "add table inet t; add chain inet t i { type filter hook input priority 0; };"
                " add rule inet t i tcp dport 105 drop")
    archive = net.inside("archive", lambda: bench.scp(host="10.2.0.10", port=104))
    g = bench.gateway(prefix=net.prefix("gate"), node={"from": ["10.1.1.7"]}, listener={"address": "*", "port": 104},
                      archive={"address": ["10.2.0.10:105", "10.2.0.10:104"], "transport": "plain"},
                      timeouts={"connect": 1})
    scu = net.inside("scanner", lambda: bench.scu(104, host="10.1.1.1"))
    scu.associate()
    equal(scu.store()["status"], 0, "status")
    scu.release()
    equal(len(archive.stored()), 1, "objects")
    equal(g.stop(), 0, "exit status")


@test
def host_names_are_looked_up_again(bench):
    """The name of a scanner and of an archive move to other addresses. Needs root, for an /etc/hosts of its own."""
    first = bench.scp(host="127.0.0.11")
    second = bench.scp(host="127.0.0.12", port=first.port)
    hosts = bench.write("hosts", "127.0.0.2 ct1.test\n127.0.0.11 pacs.test\n")
    os.chmod(hosts, 0o644)
    g = bench.gateway(
        prefix=["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"],
        node={"from": ["ct1.test"]}, archive={"address": [f"pacs.test:{first.port}"], "transport": "plain"},
        timeouts={"lookup": 1})

    def passes(source):
        scu = g.scu(source=source)
        try:
            scu.associate()
            return scu.echo() == 0
        except Rejected:
            return False
        finally:
            scu.close()

    until(lambda: passes("127.0.0.2"), "the first address")
    check(not passes("127.0.0.3") and first.requests and not second.requests, "who was served where")
    with open(hosts, "w", encoding="ascii") as file:  # in place: the mount is of this file
        file.write("127.0.0.3 ct1.test\n127.0.0.12 pacs.test\n")
    until(lambda: passes("127.0.0.3") and second.requests, "the second address")
    check(not passes("127.0.0.2"), "the old address is still let in")
