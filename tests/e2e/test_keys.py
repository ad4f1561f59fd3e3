# SPDX-License-Identifier: Apache-2.0
"""The key holder: where private keys are, and where they are not; tokens; sessions; keys that change."""
import base64
import contextlib
import os
import re
import signal
import ssl
import subprocess

from lib import dicom
from lib.site import DATA, check, equal, test, until
from lib.token import SOFTHSM, token
from lib.trail import Trail
from test_refusals import accepted
from test_revoke import Site as Lists



# ---- Where the keys are ----


def traces(keys, name):
    """What of a private key would be seen in a memory: its secret numbers in both orders, and its file's text."""
    with open(keys.path(name + ".key"), encoding="ascii") as file:
        lines = file.read().splitlines()
    found = {"PEM": lines[2].encode()}
    body = base64.b64decode("".join(lines[1:-1]))
    # An EC key's file ends with the public half, an RSA key's with secret numbers.
    found["DER"] = body[-64:-16] if len(body) > 200 else body[30:64]
    text = subprocess.run(["openssl", "pkey", "-in", keys.path(name + ".key"), "-noout", "-text"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    for part in ("priv", "privateExponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient"):
        match = re.search(rf"^{part}:\s*((?:\s+[0-9a-f:]+\n)+)", text, re.M)
        if match:
            number = bytes.fromhex(re.sub(r"[\s:]", "", match.group(1))).lstrip(b"\0")
            found[part] = number[4:36]
            found[part + " reversed"] = number[::-1][4:28]
    return found


def seen(pid, patterns):
    """Which of the patterns are in the process's memory."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            if "r" not in line.split()[1] or "[v" in line or end - start > 1 << 30:
                continue
            try:
                data = os.pread(memory.fileno(), end - start, start)
            except OSError:
                continue
            found |= {name for name, pattern in patterns.items() if pattern in data}
    return found


# Patterns of the key holder begin with these.
HELD = ("gateway priv", "gateway-rsa prime1", "checkpoint priv", "record priv", "lists priv", "index")


@test
def private_keys_are_in_one_process(bench):
    """Every process of a running gateway is searched, in the middle of associations and after a reload and a restart."""
    keys, trail, lists = bench.keys, Trail(bench), Lists(bench)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", trail.path("record.key")], check=True)
    patterns = {f"{name} {part}": pattern
                for where, name in ((keys, "gateway"), (keys, "gateway-rsa"), (trail, "checkpoint"), (trail, "record"),
                                    (bench, "lists"))
                for part, pattern in traces(where, name).items()}
    patterns["index"] = trail.index_key
    check(len(patterns) > 22, "patterns", patterns)
    scp_port = bench.scp(tls=keys.server("archive")).port
    g = lists.gateway
    g.config["nodes"]["pacs"] = {"ae": ["PACS"], "address": [f"127.0.0.1:{scp_port}"], "certificate": {"san": ["archive"]}}
    g.config["flows"].append({"name": "on", "from": ["ct1", "ct-tls"], "to": "pacs", "services": ["echo", "store"]})
    g.config["audit"] = {**trail.config, "record-key": trail.path("record.key")}
    g.write()
    g.start()
    open_ones = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, None):
        scu = bench.scu(g.tls, tls=keys.client("scanner", version)) if version else g.scu()
        scu.associate(calling="CT_TLS" if version else "CT1", called="PACS")
        equal(scu.echo(), 0, "status")
        open_ones.append(scu)

    def look():
        roles = {**g.roles(), g.process.pid: ["gantry", "run", "-c"]}
        searched = set()
        check(len(roles) >= 3 + len(open_ones), "processes", roles)
        for pid, argv in roles.items():
            if os.getuid() != 0:
                # Nobody but root may even look.
                try:
                    open(f"/proc/{pid}/mem", "rb").close()
                    raise AssertionError(f"the memory of {argv} can be opened")
                except PermissionError:
                    continue
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                found = seen(pid, patterns)
                if argv[1:3] != ["--role", "keys"]:
                    equal(found, set(), f"of private keys in the memory of {argv}")
                elif not all(any(there.startswith(name) for there in found) for name in HELD):
                    # What is searched for is there where it must be; but not in the one before, which ends.
                    check(pid not in holders(g), "of these there are not all in the key holder:", HELD, found)
                    continue
                searched.update(argv[2:3])

        check(os.getuid() != 0 or {"gate", "-c", "store", "audit", "keys"} <= searched, "processes that were searched", searched)

    look()
    g.wait_log(g.reload(), event="gateway.reloaded")
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    look()
    for scu in open_ones:
        equal(scu.echo(), 0, "status")


@test
def key_holder_is_alone(bench):
    """Its user, its sandbox, its limits: nothing of the network, no file, no way back."""
    g = bench.gateway()
    pid = next(pid for pid, argv in g.roles().items() if argv[2:3] == ["keys"])
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    equal(status["Seccomp"], "2", "seccomp's mode")
    equal(status["NoNewPrivs"], "1", "no_new_privs")
    equal((status["CapEff"], status["CapPrm"], status["CapAmb"]), ("0" * 16,) * 3, "capabilities")
    if os.getuid() == 0:
        gate = next(pid for pid, argv in g.roles().items() if argv[2:3] == ["gate"])
        uids = {p: os.stat(f"/proc/{p}/task").st_uid for p in (pid, gate)}
        with open(f"/proc/{gate}/status", encoding="ascii") as file:
            gate_uid = re.search(r"Uid:\s+(\d+)", file.read()).group(1)
        check(status["Uid"].split()[0] not in ("0", gate_uid), "its user", status["Uid"], uids)
        sockets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        check(not any(path.endswith(".key") or path.endswith(".pem") for path in sockets), "open files", sockets)


# ---- Keys that change ----


def serial(g):
    text = g.bench.run("openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", "-cert", g.keys.path("scanner.pem"), "-key",
                       g.keys.path("scanner.key"), "-sigalgs", "ECDSA+SHA256").text
    return re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S).group(0)


def holders(g):
    return [pid for pid, argv in g.roles().items() if argv[1:3] == ["--role", "keys"]]


@test
def keys_are_replaced_by_a_reload(bench):
    """A new certificate and key serve who comes next; who is there notices nothing; the old key is gone from memory."""
    keys = bench.keys
    keys.leaf("renewed", "gateway", "DNS:localhost,IP:127.0.0.1")
    g = bench.gateway()
    before, old = serial(g), holders(g)
    scu = g.scu(tls=True)
    scu.associate(calling="CT_TLS")
    equal(scu.store(instance="1.2.1")["status"], 0, "status before")
    g.config["tls"]["identities"][0] = {"certificate": keys.path("renewed.pem"), "key": keys.path("renewed.key")}
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    check(serial(g) != before, "the old certificate is still shown")
    equal(scu.store(instance="1.2.2")["status"], 0, "status after")
    scu.release()
    until(lambda: len(holders(g)) == 1 and holders(g) != old, "the old key holder's end")
    equal(sorted(g.stored()), ["1.2.1", "1.2.2"], "objects")


@test
def wrong_keys_keep_the_old(bench):
    """A reload whose key fits no certificate, is not there, or is everybody's to read changes nothing, and says why."""
    keys = bench.keys
    g = bench.gateway()
    first = holders(g)
    loose = keys.path("loose.key")
    with open(keys.path("gateway.key"), encoding="ascii") as file, open(loose, "w", encoding="ascii") as copy:
        copy.write(file.read())
    os.chmod(loose, 0o644)
    junk = keys.path("junk.key")
    with open(junk, "w", encoding="ascii") as file:
        file.write("no key\n")
    os.chmod(junk, 0o600)
    for path, word in ((keys.path("archive.key"), "does not belong to its certificate"),
                       (keys.path("nowhere.key"), "No such file"), (loose, "can be read by every user"),
                       (junk, "holds no private key"),
                       ("pkcs11:object=x?module-path=/nowhere.so", "cannot be loaded")):
        g.config["tls"]["identities"][0]["key"] = path
        g.write()
        mark = g.reload()
        g.wait_log(mark, event="site.kept")
        line = g.wait_log(mark, event="site.mistake")
        check(word in line["message"] and line["line"] > 0, f"`{word}` is not said:", line)
        check(word in g.cli("status"), f"`{word}` is not in the status")
        check(word in bench.run(bench.program, "check", g.yaml, wants=1).text, f"`{word}` is not said by gantry check")
        accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
        equal(holders(g), first, "key holders")


@test
def wrong_key_at_the_start(bench):
    keys = bench.keys
    g = bench.gateway(start=False)
    g.config["tls"]["identities"][0]["key"] = keys.path("archive.key")
    g.write()
    g.start(wait=False)
    equal(g.process.wait(), 1, "exit status")
    check("does not belong to its certificate" in g.process.text() and "gantry.yaml:" in g.process.text(), "what is said:",
          g.process.text())


@test
def key_holder_is_killed(bench):
    """Who is there goes on; who comes is told, or served again as soon as it is back."""
    keys = bench.keys
    g = bench.gateway()
    scu = g.scu(tls=True)
    scu.associate(calling="CT_TLS")
    mark = g.mark()
    os.kill(holders(g)[0], signal.SIGKILL)
    equal(scu.store(instance="1.2.1")["status"], 0, "status of who was there")
    g.wait_log(mark, event="role.ended")
    refusals = []

    def again():
        try:
            accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
            return True
        except (ssl.SSLError, dicom.Closed, ConnectionError, OSError) as error:
            refusals.append(str(error))
            return False

    until(again, lambda: f"a new key holder: {refusals[-3:]}")
    equal(len(holders(g)), 1, "key holders")
    equal(scu.store(instance="1.2.2")["status"], 0, "status of who was there")
    if refusals:
        check("key holder is away" in g.decision("tls", mark)["message"], "the sentence", g.lines(mark))
    # The gate too: the new one finds the key holder.
    gate = next(pid for pid, argv in g.roles().items() if argv[2:3] == ["gate"])
    mark = g.mark()
    os.kill(gate, signal.SIGKILL)
    g.wait_log(mark, event="gateway.serving")
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")


# ---- Tokens ----


@test
def keys_on_a_token(bench):
    """Both kinds of key, both versions of TLS, as server and as client, through PKCS#11."""
    keys = bench.keys
    uri, words, _, _ = token(bench, {name: bench.keys.path(name + ".key") for name in ["gateway", "gateway-rsa"]})
    scp_port = bench.scp(tls=keys.server("archive")).port
    g = bench.gateway(start=False,
                      nodes={"pacs": {"ae": ["PACS"], "address": [f"127.0.0.1:{scp_port}"], "certificate": {"san": ["archive"]}}},
                      flows=[{"name": "on", "from": ["ct1", "ct-tls"], "to": "pacs", "services": ["echo", "store"]}])
    for identity, name in zip(g.config["tls"]["identities"], ("gateway", "gateway-rsa")):
        identity["key"] = uri.format(name)
    g.config["tls"].update(words)
    g.write()
    bench.run(bench.program, "check", g.yaml, wants=0)
    g.start()
    for pick in (["-tls1_2", "-sigalgs", "ECDSA+SHA256"], ["-tls1_2", "-sigalgs", "RSA-PSS+SHA384"],
                 ["-tls1_2", "-sigalgs", "RSA+SHA256"], ["-tls1_3", "-sigalgs", "ECDSA+SHA256"],
                 ["-tls1_3", "-sigalgs", "RSA-PSS+SHA512:RSA-PSS+SHA256"]):
        text = bench.run("openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", *pick, "-cert", keys.path("scanner.pem"), "-key",
                         keys.path("scanner.key"), "-CAfile", keys.path("ca.pem")).text
        check("Verify return code: 0 (ok)" in text and "Cipher is (NONE)" not in text, f"{pick}:", text[-1500:])
    for number in range(12):
        scu = bench.scu(g.tls, tls=keys.client("scanner"))
        scu.associate(calling="CT_TLS", called="PACS")
        equal(scu.store(instance=f"1.2.{number}")["status"], 0, "status")
        scu.release()
    pid = holders(g)[0]
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        check("Seccomp:\t2" in file.read(), "the sandbox")
    # A reload opens the token anew, while the old key holder still has it open.
    g.wait_log(g.reload(), event="gateway.reloaded")
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")


@test
def ed25519_keys(bench):
    """From a file and from a token, as server and as client, in both versions; and a caller that has one."""
    keys = bench.keys
    for name, san in (("gateway-ed", "DNS:localhost,IP:127.0.0.1"), ("scanner-ed", "DNS:scanner")):
        keys.leaf(name, name.split("-", maxsplit=1)[0], san, kind="ed25519")
    uri, words, _, _ = token(bench, {name: bench.keys.path(name + ".key") for name in ["gateway-ed"]})
    for key in (keys.path("gateway-ed.key"), uri.format("gateway-ed")):
        scp = bench.scp(tls=keys.server("archive"))
        g = bench.gateway(start=False, archive={"address": [f"127.0.0.1:{scp.port}"], "transport": "tls"})
        g.config["tls"]["identities"] = [{"certificate": keys.path("gateway-ed.pem"), "key": key}]
        if key.startswith("pkcs11:"):
            g.config["tls"].update(words)
        g.write()
        bench.run(bench.program, "check", g.yaml, wants=0)
        g.start()
        for version in ("-tls1_2", "-tls1_3"):
            text = bench.run("openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", version, "-cert", keys.path("scanner-ed.pem"),
                             "-key", keys.path("scanner-ed.key"), "-CAfile", keys.path("ca.pem")).text
            check("Verify return code: 0 (ok)" in text and "peer signature type: ed25519" in text.lower(), f"{version}:", text[-1500:])
        bench.run("storescu", *keys.dcmtk(), "-aet", "CT_TLS", "-aec", "ARCHIVE", "127.0.0.1", str(g.tls),
                  os.path.join(DATA, "CT_small.dcm"), wants=0)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name in ("scanner", "scanner-ed"):
                accepted(g, tls=keys.client(name, version), calling="CT_TLS")
        # As a client of a server that is held to each version.
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = keys.server("archive")
            context.minimum_version = context.maximum_version = version
            other = bench.scp(tls=context)
            g.config["nodes"]["archive"]["address"] = [f"127.0.0.1:{other.port}"]
            g.write()
            g.wait_log(g.reload(), event="gateway.reloaded")
            scu = g.scu()
            scu.associate()
            equal(scu.store(instance="1.2.3")["status"], 0, f"status, {version}")
            scu.release()
        g.stop()


@test
def token_troubles(bench):
    """A wrong PIN, a name that is not there, the key of another certificate, a token that vanishes: each has its sentence."""
    keys = bench.keys
    uri, words, folder, pin = token(bench, {name: bench.keys.path(name + ".key") for name in ["gateway", "archive"]})
    g = bench.gateway(start=False)
    g.config["tls"]["identities"] = [g.config["tls"]["identities"][0]]
    g.config["tls"].update(words)

    def said(key, *wanted):
        g.config["tls"]["identities"][0]["key"] = key
        g.write()
        text = bench.run(bench.program, "check", g.yaml, wants=1).text
        for word in wanted:
            check(word in text, f"`{word}` is not said:", text)

    said(uri.format("nobody"), "no private key of that name")
    said(uri.format("archive"), "does not belong to its certificate")
    said(uri.format("gateway").replace("site%20token", "other"), "no token of the PKCS#11 module")
    said(uri.format("gateway").split("&")[0], "without a login")
    said(uri.format("gateway") + "&pin-value=4711", "write it into a file")
    with open(pin, "w", encoding="ascii") as file:
        file.write("1234\n")
    said(uri.format("gateway"), "the PIN is wrong")
    with open(pin, "w", encoding="ascii") as file:
        file.write("4711\n")
    g.start()
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")
    # Killed when the PIN has changed: one try, and no more, so that the token is not locked.
    with open(pin, "w", encoding="ascii") as file:
        file.write("1234\n")
    mark = g.mark()
    os.kill(holders(g)[0], signal.SIGKILL)
    line = g.wait_log(mark, event="keys.denied")
    check("not started again" in line["message"], "the sentence", line)
    equal(len(g.find(mark, event="keys.failed")), 1, "tries with the wrong PIN")
    with open(pin, "w", encoding="ascii") as file:
        file.write("4711\n")
    g.wait_log(g.reload(), event="gateway.reloaded")
    accepted(g, tls=keys.client("scanner"), calling="CT_TLS")


# ---- Sessions ----


def resumed(g, session, *more, version="-tls1_2"):
    text = g.bench.run("openssl", "s_client", "-connect", f"127.0.0.1:{g.tls}", "-cert", g.keys.path("scanner.pem"), "-key",
                       g.keys.path("scanner.key"), version, "-sess_in", session, *more).text
    check("Reused, TLS" in text or "New, TLS" in text, "no handshake:", text[-1500:])
    return "Reused, TLS" in text


@test
def sessions_are_the_callers_own(bench):
    """A session is resumed from its own address, and gives no key away; without `resumption` there is none."""
    keys = bench.keys
    g = bench.gateway(start=False)
    g.config["tls"]["resumption"] = True
    g.write()
    g.start()
    session = bench.path("session.pem")
    pick = ["-connect", f"127.0.0.1:{g.tls}", "-cert", keys.path("scanner.pem"), "-key", keys.path("scanner.key"), "-tls1_2"]
    text = bench.run("openssl", "s_client", *pick, "-sess_out", session).text
    check("TLS session ticket:" not in text, "a ticket was given", text)
    check(resumed(g, session), "not resumed from its own address")
    check(resumed(g, session), "TLS 1.2 sessions serve more than once")
    check(not resumed(g, session, "-bind", "127.0.0.2:0"), "resumed from another address")
    # Another key holder knows none of it.
    g.wait_log(g.reload(), event="gateway.reloaded")
    check(not resumed(g, session), "resumed after a reload")
    g.config["tls"]["resumption"] = False
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    bench.run("openssl", "s_client", *pick, "-sess_out", session)
    check(not resumed(g, session), "resumed though it is off")
