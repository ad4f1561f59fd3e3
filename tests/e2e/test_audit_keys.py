# SPDX-License-Identifier: Apache-2.0
"""The keys of the audit trail: what `gantry audit init` makes, what the key holder takes, and HPKE as others have it."""
import os
import pty
import signal
import stat
import subprocess
import termios

from lib import peers
from lib.site import check, equal, test, until
from lib.terminal import type_at

INFO = "gantry audit epoch 1"


def init(bench, *words, code=0, stdin=None):
    ran = subprocess.run([bench.program, "audit", "init", *words], cwd=bench.path("."), stdin=stdin or subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    equal(ran.returncode, code, f"audit init {words}: {ran.stdout}")
    return ran.stdout


def passphrase(bench, text="correct horse battery"):
    path = bench.write("passphrase", text + "\n")
    os.chmod(path, 0o600)
    return path


@test
def hpke_as_another_implementation_has_it(bench):
    """What we seal @hpke/core opens, and the other way round; with other words neither does."""
    ours = bench.tool("hpke_peer")
    env = {**os.environ, "NODE_PATH": os.path.join(peers.npm("hpke"), "node_modules")}
    theirs = os.path.join(peers.ROOT, "tests/e2e/hpke/hpke.js")

    def us(*words):
        return subprocess.run([ours, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def them(*words):
        return subprocess.run(["node", theirs, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)

    for kind in (["-algorithm", "X25519"], ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]):
        private, public = bench.path("private.pem"), bench.path("public.pem")
        subprocess.run(["openssl", "genpkey", *kind, "-out", private], check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
        for sealer, opener in ((us, them), (them, us)):
            for text in ("a", "Beauty is truth, truth beauty" * 20):
                sealed = sealer("seal", public, INFO, "head", text)
                equal(sealed.returncode, 0, f"sealing: {sealed.stderr}")
                sealed = sealed.stdout.strip()
                opened = opener("open", private, INFO, "head", sealed)
                equal(opened.stdout, text + "\n", f"what was opened ({kind}, {opened.stderr})")
                for info, aad in ((INFO + "1", "head"), (INFO, "heads")):
                    check(opener("open", private, info, aad, sealed).returncode == 1, f"{info}, {aad}: opened")


@test
def audit_init_makes_keys(bench):
    """Files and their modes; a configuration with them passes the check; nothing is overwritten."""
    said = init(bench, "--folder", "trail", "--origin", "hospital.example/gantry", "--passphrase-file", passphrase(bench))
    modes = {name: stat.S_IMODE(os.stat(bench.path(f"trail/{name}")).st_mode) for name in os.listdir(bench.path("trail"))}
    equal(modes, {"checkpoint.key": 0o600, "index.key": 0o600, "auditor.key": 0o600, "checkpoint.vkey": 0o644,
                  "record.key": 0o600, "record.vkey": 0o644, "auditor.pem": 0o644}, "files and modes")
    public = subprocess.run(["openssl", "pkey", "-in", bench.path("trail/auditor.key"), "-pubout", "-passin",
                             "file:" + bench.path("passphrase")], check=True, stdout=subprocess.PIPE, text=True).stdout
    with open(bench.path("trail/auditor.pem"), encoding="ascii") as file:
        equal(file.read(), public, "the auditor's public half")
    equal(subprocess.run(["openssl", "pkey", "-in", bench.path("trail/auditor.key"), "-noout", "-passin", "pass:another"],
                         stderr=subprocess.DEVNULL, check=False).returncode, 1, "with another passphrase")
    with open(bench.path("trail/checkpoint.vkey"), encoding="ascii") as file:
        check(file.read().startswith("hospital.example/gantry+"), "the verifier's key")
    for line in ("origin: hospital.example/gantry", "checkpoint-key: trail/checkpoint.key", "index-key: trail/index.key"):
        check(line in said, f"`{line}` is not printed:", said)
    before = {name: open(bench.path(f"trail/{name}"), "rb").read() for name in modes}
    check("is not overwritten" in init(bench, "--folder", "trail", "--passphrase-file", bench.path("passphrase"), code=1),
          "a second time")
    equal({name: open(bench.path(f"trail/{name}"), "rb").read() for name in modes}, before, "files after the second time")


@test
def audit_init_refuses(bench):
    good = passphrase(bench)
    check("--passphrase-file" in init(bench, code=1), "without a terminal")
    short = bench.write("short", "1234567\n")
    os.chmod(short, 0o600)
    check("less than 8" in init(bench, "--passphrase-file", short, code=1), "a short passphrase")
    os.chmod(good, 0o644)
    check("every user" in init(bench, "--passphrase-file", good, code=1), "a passphrase for everybody")
    os.chmod(good, 0o600)
    init(bench, "--passphrase-file", good, "--origin", "two words", code=2)
    init(bench, "--passphrase-file", good, "--auditor", "../other", code=2)
    init(bench, "--passphrase-file", good, "extra", code=2)
    check(not os.path.exists(bench.path("audit")), "a refused one has made a folder")


@test
def audit_init_asks_twice(bench):
    command = [bench.program, "audit", "init", "--folder", bench.path("typed")]
    shown, code = type_at(command, "correct horse battery", "correct horse buttery")
    equal(code, 1, f"two passphrases: {shown}")
    check(not os.path.exists(bench.path("typed")), "a folder after two passphrases")
    shown, code = type_at(command, "correct horse battery", "correct horse battery")
    equal(code, 0, f"typed: {shown}")
    check("horse" not in shown, "the passphrase is shown:", shown)
    check(os.path.exists(bench.path("typed/auditor.key")), "no key")


@test
def audit_init_interrupted(bench):
    """Who is stopped while he asks for a passphrase leaves the terminal as it was."""
    terminal, end = pty.openpty()
    process = subprocess.Popen([bench.program, "audit", "init", "--folder", bench.path("stopped")], stdin=end, stdout=end, stderr=end)
    until(lambda: not termios.tcgetattr(end)[3] & termios.ECHO, "a terminal that shows nothing")
    process.send_signal(signal.SIGINT)
    equal(process.wait(20), -signal.SIGINT, "how it ended")
    check(termios.tcgetattr(end)[3] & termios.ECHO, "the terminal shows nothing after it")
    check(not os.path.exists(bench.path("stopped")), "a folder was made")
    os.close(end)
    os.close(terminal)


@test
def key_holder_takes_the_trails_keys(bench):
    """A gateway with them runs; one whose index key others may read does not, and says which file."""
    init(bench, "--folder", "trail", "--origin", "hospital.example/gantry", "--passphrase-file", passphrase(bench))
    g = bench.gateway(start=False)
    g.config["audit"] = {"origin": "hospital.example/gantry", "auditors": [bench.path("trail/auditor.pem")],
                         "checkpoint-key": bench.path("trail/checkpoint.key"), "index-key": bench.path("trail/index.key")}
    g.write()
    ran = bench.run(bench.program, "check", g.yaml)
    equal(ran.code, 0, f"gantry check: {ran.text}")
    os.chmod(bench.path("trail/index.key"), 0o640)
    ran = bench.run(bench.program, "check", g.yaml)
    check(ran.code == 1 and "index.key can be read by its group" in ran.text, "gantry check:", ran.text)
    ran = bench.run(bench.program, "run", "-c", g.yaml)
    check(ran.code != 0 and "index.key can be read by its group" in ran.text, "gantry run:", ran.text)
    os.chmod(bench.path("trail/index.key"), 0o600)
    g.start()
    check(g.cli("status"), "no status")
