# SPDX-License-Identifier: Apache-2.0
"""The program itself: the starter site, its verbs and exit codes, its processes and what they may do."""
import collections
import glob
import json
import os
import re
import shlex
import shutil
import signal
import socket

from lib import dicom
from lib.netns import Network
from lib.site import ROOT, check, equal, listening, role_user, test, to_yaml, until
from test_trouble import role_pid

VERBS = ("init", "check", "run", "reload", "status", "learn", "explain", "inspect", "media", "audit", "ca")


@test
def starter_site(bench):
    """`gantry init`, `gantry run`, and each line that it prints, pasted. In a network of its own, as ports are fixed."""
    net = Network(bench)
    there = net.prefix("gate")
    site = bench.path("site")
    printed = bench.run(bench.program, "init", site, wants=0).text
    _, uid, gid = role_user()
    for name in ("state", "run", "archive"):
        shutil.chown(os.path.join(site, name), uid, gid)
    config = os.path.join(site, "gantry.yaml")
    checked = bench.run(bench.program, "check", config, wants=0).text
    check("is in order" in checked, "gantry check:", checked)
    gateway = bench.start(*there, bench.program, "run", "-c", config)
    until(lambda: not gateway.running() or (listening(2762, gateway.pid) and listening(11112, gateway.pid)), "the ports")
    check(gateway.running(), "it ended:", gateway.text()[-2000:])
    lines = [line.strip() for line in printed.splitlines() if re.match(r"\s+(echoscu|storescu) ", line)]
    check(len(lines) >= 5, "too few lines to paste:", printed)
    for line in lines:
        ran = bench.run(*there, *shlex.split(line))
        stranger = "STRANGER" in line
        check((ran.code != 0) == stranger, f"exit code {ran.code} of {line}:", ran.text[-1000:])
    equal(len(glob.glob(os.path.join(site, "archive", "??", "*.dcm"))), 1, "objects")
    starter_trail(bench, gateway, config, printed)
    again = bench.run(bench.program, "init", site)
    check(again.code != 0, "init wrote over a site")


def starter_trail(bench, gateway, config, printed):
    """What was stored is recorded, and the printed line verifies it; the auditor's key opens with the passphrase."""
    def audit():
        return json.loads(bench.run(bench.program, "status", "--json", "-c", config, wants=0).text)["audit"]

    # The epoch's key, recording started, start, attached; two transfers with their ends; the stranger's refusal.
    # A slow transfer has records of its progress beside these.
    state = until(lambda: (lambda a: a["state"] == "recording" and a["records"] >= 9 and a["open_transfers"] == 0 and a)(audit()), audit)
    gateway.signal(signal.SIGTERM)  # the last thing that it does is a checkpoint of all
    equal(gateway.wait(), 0, "exit code")
    line = [row.strip() for row in printed.splitlines() if " audit verify " in row]
    equal(len(line), 1, "lines that verify")
    said = bench.run(*shlex.split(line[0]), wants=0).text
    covered = re.search(r"records up to (\d+) are covered", said)
    check(covered and int(covered.group(1)) >= state["records"], "audit verify:", said)
    words = [word for word in shlex.split(printed.replace("'", "")) if word.endswith((".key", ".passphrase"))]
    key, passphrase = (next(w for w in words if w.endswith(name)) for name in ("auditor.key", "auditor.passphrase"))
    equal(os.stat(passphrase).st_mode & 0o777, 0o600, "mode of the passphrase")
    bench.run("openssl", "pkey", "-in", key, "-passin", f"file:{passphrase}", "-noout", wants=0)


@test
def check_says_what_is_recorded(bench):
    """No trail is warned of once, and is no error; one that lets pass is; with one all is well."""
    def checked(text):
        ran = bench.run(bench.program, "check", bench.write("gantry.yaml", text), "--json", wants=0)
        return [row["text"] for row in json.loads(ran.text)["mistakes"]]

    site = bench.path("site")
    bench.run(bench.program, "init", site, wants=0)
    with open(os.path.join(site, "gantry.yaml"), encoding="utf-8") as file:
        text = file.read().replace(" tls/", f" {site}/tls/").replace(" audit/", f" {site}/audit/")
    os.mkdir(bench.path("archive"))
    equal(checked(text), [], "warnings")
    passes = checked(text.replace("unrecorded: hold", "unrecorded: pass"))
    check(len(passes) == 1 and "without a record" in passes[0], "warnings:", passes)
    off = checked(re.sub(r"(?ms)^audit:.*?^(?=\n)", "", text))
    check(len(off) == 1 and "no audit trail is kept" in off[0], "warnings:", off)


@test
def check_finds_every_mistake(bench):
    path = bench.write("bad.yaml", """
listners: []
listeners:
  - { name: a, port: 99999, transport: plian }
nodes:
  ct1: { ae: [ THIS_TITLE_IS_FAR_TOO_LONG ], from: [ 10.1.1.0/99 ] }
  pacs: { ae: [ PACS ], address: [ "127.0.0.1:104" ] }
flows:
  - { name: x, from: [ ct2 ], to: pcas, services: [ stoer ], sop-classes: [ CTImageStorag ] }
""")
    ran = bench.run(bench.program, "check", path)
    equal(ran.code, 1, "exit code")
    for word in ("listners", "listeners", "99999", "plian", "plain", "THIS_TITLE_IS_FAR_TOO_LONG", "10.1.1.0/99", "ct2", "ct1",
                 "pcas", "pacs", "stoer", "store", "CTImageStorag", "CTImageStorage"):
        check(word in ran.text, f"`{word}` is not named:", ran.text)
    check(re.search(r"bad\.yaml:\d+:\d+: ", ran.text), "no places:", ran.text)
    ran = bench.run(bench.program, "run", "-c", path)
    equal(ran.code, 1, "exit code of run")


@test
def exit_codes_and_help(bench):
    for arguments, code in (((), 2), (("nonsense",), 2), (("--help",), 0), (("run", "--nonsense"), 2),
                            (("run", "-c", "/nonexistent/gantry.yaml"), 1), (("check", "/nonexistent/gantry.yaml"), 1),
                            (("explain",), 2), (("explain", "x"), 2), (("learn",), 2), (("--version",), 0)):
        equal(bench.run(bench.program, *arguments).code, code, f"exit code of gantry {' '.join(arguments)}")
    for verb in VERBS:
        ran = bench.run(bench.program, verb, "--help", wants=0)
        check("usage: gantry " + verb in ran.text, f"help of {verb}:", ran.text)
        check(os.path.exists(os.path.join(ROOT, f"man/gantry-{verb}.1")), f"there is no manual page of {verb}")
    inner = [("media", "seal"), ("media", "open"), ("antivirus", "stage"), ("ca", "init"), ("record", "sign")]
    inner += [("audit", v) for v in ("init", "search", "verify", "prove", "verify-proof", "leaves")]
    inner += [("quarantine", v) for v in ("list", "show", "release", "delete")]
    for verb in [(), *((v,) for v in VERBS), *inner]:
        for line in bench.run(bench.program, *verb, "--help", wants=0).text.splitlines():
            check(len(line) <= 80, f"a line of {len(line)} columns in the help of gantry {' '.join(verb)}:", line)


@test
def example_sites_are_in_order(bench):
    """Every YAML file of docs/examples passes `gantry check`, but for the keys that it names."""
    files = glob.glob(os.path.join(ROOT, "docs/examples/*.yaml"))
    check(files, "there are no examples")
    for path in files:
        ran = bench.run(bench.program, "check", path)
        faults = [line for line in ran.text.splitlines() if "error:" in line and not
                  re.search(r"\.(pem|key)\b|cannot be (read|opened)|No such file", line)]
        equal(faults, [], f"mistakes in {os.path.basename(path)}")


@test
def status_shows_what_lives(bench):
    g = bench.gateway()
    scu = g.scu()
    scu.associate()
    equal(scu.store()["status"], 0, "status")
    bad = g.scu()
    try:
        bad.associate(calling="CT9")
    except dicom.Rejected:
        bad.close()

    def live():
        answer = json.loads(g.cli("status", "--json"))
        text = json.dumps(answer)
        return answer if "CT1" in text and "caller-unknown" in text else None

    answer = until(live, "the association and the refusal in the status")
    check(any("days_left" in c for c in answer["certificates"]), "no certificates' days:", answer)
    text = g.cli("status")
    check("CT1" in text and "ct1" in text, "the text lacks the association:", text)
    scu.release()
    g.stop()
    ran = bench.run(bench.program, "status", "-c", g.yaml)
    equal(ran.code, 1, "exit code without a gateway")


def facts(pid):
    """Nothing of one that has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            return collections.defaultdict(str, (line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line))
    except OSError:
        return collections.defaultdict(str)


@test
def processes_are_confined(bench):
    """With the sandbox on: user, capabilities, seccomp, no new privileges and descriptors of each process."""
    g = bench.gateway()
    scu = g.scu()
    scu.associate()
    equal(scu.store()["status"], 0, "status")
    roles = g.roles()
    check(len(roles) >= 4, "processes:", roles)
    for pid, line in roles.items():
        fact = facts(pid)
        if not fact:
            continue
        if os.getuid() == 0:
            check("0" not in fact["Uid"].split(), f"{line} runs as root")
            equal(int(fact["CapEff"], 16), 0, f"capabilities of {line}")
        equal(fact["NoNewPrivs"], "1", f"no new privileges of {line}")
    # Those two that read what peers send: an association, and the archive's session.
    filtered = {pid: facts(pid)["Seccomp"] for pid in roles}
    check(list(filtered.values()).count("2") >= 3, "seccomp of the processes:", filtered, roles)
    gate = next(p for p, line in roles.items() if "gate" in line and facts(p)["PPid"] == str(g.process.pid))
    association = next(p for p in roles if facts(p)["PPid"] == str(gate))
    equal(facts(association)["Seccomp"], "2", "seccomp of the association")
    names = [os.readlink(f"/proc/{association}/fd/{fd}") for fd in os.listdir(f"/proc/{association}/fd")]
    check(not any("refusals" in n or ".key" in n or n.startswith(g.archive_folder) for n in names), "descriptors", names)
    scu.release()


@test
def runs_as_any_user(bench):
    """Without root: no user is changed, and all works on ports from 1024 on."""
    uid, gid = 65534, 65534
    prefix = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"] if os.getuid() == 0 else []
    keys = bench.new_folder("keys")  # no more than what is used: in the folder of all, other tests write meanwhile
    for name in ("gateway.pem", "gateway.key", "ca.pem"):
        path = shutil.copy(bench.keys.path(name), keys)
        if prefix:
            os.chown(path, uid, gid)
    g = bench.gateway(log={"file": "state/gantry.log", "format": "json"}, tls={
        "identities": [{"certificate": f"{keys}/gateway.pem", "key": f"{keys}/gateway.key"}],
        "trust": [f"{keys}/ca.pem"]}, start=False)
    for where in (g.folder, *glob.glob(g.folder + "/*")):
        if prefix:
            os.chown(where, uid, gid)
    g.prefix, g.log_path = prefix, os.path.join(g.folder, "state/gantry.log")
    g.start()
    for tls in (False, True):
        scu = g.scu(tls=tls)
        scu.associate(calling="CT_TLS" if tls else "CT1")
        equal(scu.store(instance=f"1.2.{int(tls)}")["status"], 0, "status")
        scu.release()
    equal(len(g.stored()), 2, "objects")


@test
def tells_systemd(bench):
    """sd_notify: ready, reloading, stopping."""
    path = bench.path("notify")
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(path)
    os.chmod(path, 0o777)
    told.settimeout(20)
    bench.later(told.close)
    g = bench.gateway(prefix=["env", f"NOTIFY_SOCKET={path}"])

    def wait(word):
        seen = []
        while True:
            text = told.recv(4096).decode()
            seen.append(text)
            if word in text:
                return

    wait("READY=1")
    g.process.signal(signal.SIGHUP)
    wait("RELOADING=1")
    wait("READY=1")
    g.process.signal(signal.SIGTERM)
    wait("STOPPING=1")
    equal(g.process.wait(), 0, "exit status")


@test
def log_file_is_opened_anew(bench):
    """logrotate: the file is renamed, then SIGHUP; all roles write to the new one."""
    g = bench.gateway()
    os.rename(g.log_path, g.log_path + ".1")
    g.reload()
    g.wait_log(event="gateway.reloaded")
    scu = g.scu()
    scu.associate()
    equal(scu.store()["status"], 0, "status")
    scu.release()
    for role, event in (("association", "association.accepted"), ("store", "archive.stored")):
        equal(g.wait_log(event=event)["role"], role, "role of the line")


@test
def what_keeps_it_from_starting(bench):
    """A port that is taken, and a gateway that runs already: a sentence and exit code 1."""
    g = bench.gateway()
    ran = bench.run(bench.program, "run", "-c", g.yaml)
    equal(ran.code, 1, "exit code of a second one")
    taken = bench.scp()
    g.stop()
    g.config["listeners"][0]["port"] = taken.port
    g.config["log"] = {"file": "stderr", "format": "text"}
    g.write()
    ran = bench.run(bench.program, "run", "-c", g.yaml)
    equal(ran.code, 1, "exit code with a port that is taken")
    check(str(taken.port) in ran.text, "the port is not named:", ran.text)


@test
def memory_of_an_association(bench):
    """Private memory does not grow with the object."""
    g = bench.gateway()
    scu = g.scu()
    scu.associate()

    def private():
        gate = next(p for p, line in g.roles().items() if "gate" in line and facts(p)["PPid"] == str(g.process.pid))
        total = 0
        for pid in g.roles():
            if facts(pid)["PPid"] == str(gate):
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
        return total

    equal(scu.store(instance="1.2.1", data=dicom.simple_object(size=1 << 20))["status"], 0, "status")
    small = private()
    equal(scu.store(instance="1.2.2", data=dicom.simple_object(size=48 << 20))["status"], 0, "status")
    large = private()
    check(large < small + 512 and large < 2048, f"{small} KiB after 1 MiB, {large} KiB after 48 MiB")
    scu.release()


@test
def new_certificate_after_a_reload(bench):
    """A renewed certificate is shown to the next connection; the association that lives goes on."""
    g = bench.gateway()
    old = g.scu(tls=True)
    old.associate(calling="CT_TLS")
    g.config["tls"]["identities"] = [{"certificate": bench.keys.path("archive.pem"), "key": bench.keys.path("archive.key")}]
    g.write()
    mark = g.reload()
    g.wait_log(mark, event="gateway.reloaded")
    new = g.scu(tls=True)
    new.associate(calling="CT_TLS")
    equal([dict(x[0] for x in s.sock.getpeercert()["subject"])["commonName"] for s in (old, new)], ["gateway", "archive"],
          "certificates")
    equal((old.echo(), new.echo()), (0, 0), "statuses")


@test
def a_reload_before_the_one_before_is_in_use(bench):
    """Each is told of as what it is, once, also where the gate hears of both late."""
    g = bench.gateway()
    gate = role_pid(g, "gate")
    mark = g.mark()
    os.kill(gate, signal.SIGSTOP)
    try:
        for name in ("First", "Second"):
            keys = len(g.find(event="keys.ready"))
            g.config["site"] = name
            g.write()
            g.reload()
            until(lambda: len(g.find(event="keys.ready")) > keys, "the keys of this reload")
    finally:
        os.kill(gate, signal.SIGCONT)
    until(lambda: len(g.find(mark, event="gateway.reloaded")) + len(g.find(mark, event="gateway.serving")) > 1, "both answers")
    equal([len(g.find(mark, event="gateway." + what)) for what in ("reloaded", "serving")], [2, 0], "reloads and starts")


@test
def reload_says_what_came_of_it(bench):
    """`gantry reload` waits for the answer; a refused one stays in the status until a good one."""
    g = bench.gateway()
    good = g.config
    text = g.cli("reload")
    check("3 nodes, 1 flow" in text, "reload:", text)
    g.write(to_yaml(good).replace("services:", "servcies:"))
    ran = bench.run(bench.program, "reload", "-c", g.yaml)
    equal(ran.code, 1, "exit code of a refused reload")
    check("`servcies`" in ran.text and "did you mean `services`?" in ran.text, "the mistake:", ran.text)
    g.wait_log(event="site.kept")
    status = json.loads(g.cli("status", "--json"))
    check(status["reload_refused"] and "services" in status["reload_refused_why"], "status:", status)
    equal(status["pid"], g.process.pid, "pid")
    check("was refused" in g.cli("status"), "status", g.cli("status"))
    g.write()
    g.cli("reload")
    equal(json.loads(g.cli("status", "--json"))["reload_refused"], None, "status after a good reload")


@test
def check_finds_a_wrong_key_beside_a_missing_file(bench):
    g = bench.gateway(start=False)
    identities = g.config["tls"]["identities"]
    identities[0]["key"] = bench.keys.path("archive.key")
    g.config["tls"]["trust"] = [bench.path("nowhere.pem")]
    g.config["nodes"]["ct1"]["ae"] = ["THIS_TITLE_IS_FAR_TOO_LONG"]
    g.write()
    ran = bench.run(bench.program, "check", g.yaml)
    for word in ("nowhere.pem", "does not belong to its certificate", "THIS_TITLE_IS_FAR_TOO_LONG"):
        check(word in ran.text, f"`{word}` is not named:", ran.text)
    check("empty list" not in ran.text, "a list whose items are wrong is not empty:", ran.text)


@test
def without_a_site(bench):
    """Each verb says which files it looked for, and how to name another."""
    nowhere = bench.path("nowhere")
    os.makedirs(nowhere)
    if os.path.exists("/etc/gantry/gantry.yaml"):
        return
    for verb in (("run",), ("check",), ("status",), ("reload",), ("explain", "1")):
        ran = bench.run(bench.program, *verb, cwd=nowhere)
        equal(ran.code, 1, f"exit code of {verb}")
        check(nowhere in ran.text and "-c FILE" in ran.text and ":0" not in ran.text, f"{verb}:", ran.text)
    ran = bench.run(bench.program, "chekc")
    check("`check`" in ran.text, "the likely verb:", ran.text)
