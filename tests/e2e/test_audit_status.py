# SPDX-License-Identifier: Apache-2.0
"""What `gantry status` says of the audit trail, while records are made, while they cannot be, and after."""
import contextlib
import json
import os
import signal

from lib import syslog
from lib.site import check, equal, test, until


def gateway(bench, **more):
    os.chmod(bench.write("passphrase", "correct horse battery\n"), 0o600)
    keys = bench.path("trail")
    bench.run(bench.program, "audit", "init", "--folder", keys, "--origin", "test.example/gantry", "--passphrase-file",
              bench.path("passphrase"), wants=0)
    return keys, bench.gateway(audit={"origin": "test.example/gantry", "auditors": [f"{keys}/auditor.pem"],
                                      "checkpoint-key": f"{keys}/checkpoint.key", "index-key": f"{keys}/index.key",
                                      "checkpoint-every": 1, **more})


def audit(g):
    return json.loads(g.cli("status", "--json"))["audit"]


def wait(g, probe, what, patience=30):
    return until(lambda: (lambda a: probe(a) and a)(audit(g)), lambda: f"{what}; status says {audit(g)}", patience)


def role(g, name):
    return until(lambda: next((pid for pid, what in g.roles().items() if name in what), None), f"the role {name}")


def name_of(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read().strip()
    return ""  # it has ended


def stranger(bench, g):
    """Refused, and so recorded; nobody waits for that record."""
    bench.run("echoscu", "-aet", "STRANGER", "-aec", "ARCHIVE", "127.0.0.1", str(g.plain))


@test
def audit_status_failing_and_mended(bench):
    """The key holder hangs: nothing can be recorded, and status says since when and why; then it goes on, and so do records."""
    keys, g = gateway(bench)
    first = wait(g, lambda a: a["state"] == "recording" and a["checkpoint"]["records"] > 0, "a checkpoint")
    equal((first["why"], first["checkpoint"]["why"], first["not_sent"]), ("", "", 0), "nothing wrong")
    shown = g.cli("status")
    check("audit trail" in shown and "recording since" in shown and "last checkpoint of" in shown, "status:", shown)
    check("NOTHING IS RECORDED" not in shown, "status:", shown)
    holder = role(g, "keys")
    os.kill(holder, signal.SIGSTOP)
    try:
        stranger(bench, g)
        failing = wait(g, lambda a: a["state"] == "failing", "a failure")
        check(failing["why"] and failing["since"] > first["since"], "why and since when:", failing)
        equal(failing["unrecorded"], "hold", "what happens")
        shown = g.cli("status")
        check("NOTHING IS RECORDED since" in shown and failing["why"] in shown, "status:", shown)
        g.wait_log(event="audit.failed")
    finally:
        os.kill(holder, signal.SIGCONT)
    # Nobody calls: it is found out all the same that records can be made again.
    mended = wait(g, lambda a: a["state"] == "recording", "records")
    g.wait_log(event="audit.mended")
    check(mended["since"] > failing["since"], "since when:", mended)
    wait(g, lambda a: a["records"] > first["records"] and a["checkpoint"]["records"] >= a["records"], "the record of the gap")
    check("NOTHING IS RECORDED" not in g.cli("status"), "status:", g.cli("status"))
    equal(g.stop(), 0, "exit code")
    bench.run(bench.program, "audit", "verify", os.path.join(g.folder, "state/audit"), "--key", f"{keys}/checkpoint.vkey", wants=0)


@test
def audit_status_away(bench):
    """The auditor cannot come back, as the journal is another's; then it can."""
    _, g = gateway(bench)
    wait(g, lambda a: a["state"] == "recording" and a["checkpoint"]["records"] > 0, "a checkpoint")
    folder = os.path.join(g.folder, "state/audit")
    os.rename(folder, folder + ".kept")
    os.kill(role(g, "audit"), signal.SIGKILL)
    away = wait(g, lambda a: a["state"] == "away", "the auditor to be away")
    check("auditor" in away["why"], "why:", away)
    check("NOTHING IS RECORDED since" in g.cli("status"), "status:", g.cli("status"))
    os.rename(folder + ".kept", folder)
    back = wait(g, lambda a: a["state"] == "recording", "the auditor to be back", 60)
    check(back["records"] > 0 and back["since"] > away["since"], "records:", back)


@test
def audit_copy_of_checkpoints_hangs(bench):
    """The disk of checkpoint-file hangs (a write to a pipe that nobody reads): records go on, it is told once, and mends."""
    mount = bench.new_folder("mount")
    target, pipe = os.path.join(mount, "checkpoint"), os.path.join(mount, "checkpoint.new")
    os.mkfifo(pipe)
    os.chmod(mount, 0o777)
    os.chmod(pipe, 0o666)
    keys, g = gateway(bench, **{"checkpoint-file": target})
    late = wait(g, lambda a: a["checkpoint"].get("copy_why"), "word of the copy that hangs")
    check("5 s" in late["checkpoint"]["copy_why"] and late["state"] == "recording", "status:", late)
    check("not copied to checkpoint-file" in g.cli("status"), "status:", g.cli("status"))
    stranger(bench, g)
    wait(g, lambda a: a["records"] > late["records"] and a["checkpoint"]["records"] > late["checkpoint"]["records"],
         "records and checkpoints")
    equal(len([pid for pid in g.roles() if name_of(pid) == "gantry: copy"]), 1, "processes that copy")
    equal(len(g.find(event="audit.checkpoint")), 1, "times that it is told")
    # The disk is back: what hung ends (a pipe cannot be synced, so that one fails), and the newest is written.
    with open(pipe, "rb"):
        wait(g, lambda a: "5 s" not in a["checkpoint"]["copy_why"], "the write to end")
        os.unlink(pipe)
    wait(g, lambda a: a["checkpoint"]["copy_why"] == "", "a copy")
    equal(g.stop(), 0, "exit code")
    check(os.path.exists(target), "there is no copy")
    folder = os.path.join(g.folder, "state/audit")
    with open(os.path.join(folder, "checkpoint"), "rb") as last, open(target, "rb") as copy:
        equal(copy.read(), last.read(), "the last checkpoint, and its copy")
    bench.run(bench.program, "audit", "verify", folder, "--key", f"{keys}/checkpoint.vkey", "--checkpoint", target, wants=0)


@test
def audit_switched_on_and_off(bench):
    """By reloads; the journal goes on where it was."""
    g = bench.gateway()
    equal(audit(g), {"state": "off"}, "the audit trail")
    check("no audit trail is kept" in g.cli("status"), "status:", g.cli("status"))
    without, records = dict(g.config), 0
    keys, other = gateway(bench)
    for _ in range(2):
        g.config = {"audit": other.config["audit"], **without}
        g.write()
        mark = g.reload()
        g.wait_log(mark, event="gateway.reloaded")
        on = wait(g, lambda a: a["state"] == "recording" and a["checkpoint"]["records"] > records, "a checkpoint")
        records = on["records"]
        g.config = without
        g.write()
        g.wait_log(g.reload(), event="gateway.reloaded")
        equal(audit(g), {"state": "off"}, "the audit trail")
        until(lambda: not any("audit" in line for line in g.roles().values()), "the auditor to end")
        # Its last word is a checkpoint of all.
        said = bench.run(bench.program, "audit", "verify", os.path.join(g.folder, "state/audit"), "--key",
                         f"{keys}/checkpoint.vkey", wants=0).text
        check("not yet covered" not in said, "audit verify:", said)
    equal(g.find(level="error"), [], "errors in the log")


@test
def audit_switched_off_with_repositories(bench):
    """The last word is sent to them too; then nobody is left who sends."""
    receiver = syslog.rsyslog(bench)
    sender = syslog.Sender(bench, [{"name": "arr", "addresses": [f"tls://localhost:{receiver.port}"], "server-name": "archive"}])
    g = sender.gateway
    until(lambda: b"Application Start" in receiver.text(), "word of the start of the gateway")
    del g.config["audit"]
    g.write()
    g.wait_log(g.reload(), event="gateway.reloaded")
    until(lambda: b"Audit Recording Stopped" in receiver.text(), "word of the end of the trail", 60)
    until(lambda: not any("forward" in line for line in g.roles().values()), "the forwarder to end")
    equal(json.loads(g.cli("status", "--json"))["audit_repositories"], [], "repositories in status")
