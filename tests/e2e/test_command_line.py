# SPDX-License-Identifier: Apache-2.0
"""Command lines: what is wrong with one is said, with what is allowed and the likely spelling; help, manual and shells know the same."""
import os
import pty
import re
import select
import subprocess
import time

from lib import dicom
from lib.site import ROOT, check, equal, test

# How each verb is called.
VERBS = [(verb,) for verb in ("init", "check", "run", "reload", "status", "learn", "incident", "deidentify", "reidentify", "sign", "verify",
                              "revoke", "ca", "user", "record", "explain", "antivirus", "inspect")]
VERBS += [("audit", verb) for verb in ("init", "search", "verify", "prove", "verify-proof", "leaves")]
VERBS += [("quarantine", verb) for verb in ("list", "show", "release", "delete")]
VERBS += [("media", verb) for verb in ("import", "seal", "open")]

# Arguments, and what is said of them behind the verb's name.
WRONG = (
    ("nonsense", "gantry: there is no verb `nonsense`"),
    ("reloda", "gantry: there is no verb `reloda`: is `reload` meant?"),
    ("audit serach", "gantry audit: there is no verb `serach`: is `search` meant?"),
    ("audit init --origin", "--origin lacks its value: letters, digits"),
    ("audit init --origin a+b", "--origin `a+b`: expected letters, digits, dots and slashes"),
    ("audit init --auditor a/b", "--auditor `a/b`: expected a name for files"),
    ("audit search", "--key KEY is missing: an auditor's private key"),
    ("audit search --key k --kind qury", "--kind `qury`: expected transfer, query, "),
    ("audit search --key k --kind qury", "; is `query` meant?"),
    ("audit search --key k --outcome bad", "--outcome `bad`: expected success, minor, serious or major"),
    ("audit search --key k --format jsn", "--format `jsn`: expected text, json, csv or xml; is `json` meant?"),
    ("audit search --key k --from yesterday", "--from `yesterday`: expected 2026-11-23, "),
    ("audit search --key k --limit 0", "--limit `0`: expected a number, 1 or more"),
    ("audit search --key k --refusal x", "--refusal `x`: expected a number, 1 or more"),
    ("audit search --key k --to 1d --until 1d", "--until is the same as --to"),
    ("audit search --key k --issuer x", "--issuer says whose --patient it is"),
    ("audit search --key k x", "`x` is too much: options alone are taken"),
    ("audit verify --key k", "JOURNAL is missing"),
    ("audit verify j", "--key KEY is missing: the public key of checkpoints"),
    ("audit prove j", "say what is to be proved: --record N"),
    ("audit prove j --record x", "--record `x`: expected a number"),
    ("audit prove j --from f --with-record", "--with-record goes with --record"),
    ("audit verify-proof", "FILE is missing"),
    ("audit leaves", "JOURNAL is missing"),
    ("antivirus", "say what to do: stage, validate, promote, rollback, status"),
    ("antivirus stage", "FOLDER is missing"),
    ("antivirus stage f --vkey k", "--vkey goes with `promote`, `status`, and not with `stage`"),
    ("ca", "say what to do: make, sign, list"),
    ("ca sgin", "there is no verb `sgin`: is `sign` meant?"),
    ("ca sign d", "REQUEST is missing"),
    ("ca sign d r", "--by PERSON is missing: every approval has a name"),
    ("ca sign d r --by me --use clinet", "--use `clinet`: expected client, server or both; is `client` meant?"),
    ("ca sign d r --by me --days 0", "--days `0`: expected a number from 1 to 36500"),
    ("ca revoke d 1 --by me --reason lost", "--reason `lost`: expected keyCompromise, superseded, "),
    ("ca list d --by me", "--by goes with `sign`, `renew`, `revoke`, `delegate`, and not with `list`"),
    ("check a b", "`b` is too much: what is taken is [FILE]"),
    ("check a -c b", "FILE or -c FILE, and not both"),
    ("check --jsno", "there is no option `--jsno`: is `--json` meant?"),
    ("deidentify a b", "--key FILE is missing: the secret that pseudonyms are made with"),
    ("deidentify --key k a", "name what to read and where to write, IN and OUT"),
    ("deidentify --key k a b c", "`c` is too much"),
    ("deidentify --key k --jobs 65 a b", "--jobs `65`: expected a number from 1 to 64"),
    ("deidentify --key k --burned-in y a b", "--burned-in `y`: expected keep"),
    ("deidentify --key k --documents z a b", "--documents `z`: expected replace"),
    ("deidentify --key k --leftovers q a b", "--leftovers `q`: expected keep"),
    ("deidentify --key k --dates keeep a b", "--dates `keeep`: expected remove, shift or keep; is `keep` meant?"),
    ("deidentify --key k --retain uids,devise a b", "--retain `devise`: expected uids, device, institution"),
    ("deidentify --key k --clean graphic a b", "; is `graphics` meant?"),
    ("deidentify --key k --pixel-rules r a b", "--pixel-rules goes with --clean-pixels"),
    ("deidentify --key --json a b", "--key lacks its value: FILE, and `--json` is an option"),
    ("explain", "NUMBER is missing"),
    ("explain abc", "NUMBER `abc`: expected a number, 1 or more"),
    ("explain 1 2", "`2` is too much: what is taken is NUMBER"),
    ("incident", "--key KEY is missing: an auditor's private key"),
    ("incident --key k --to x", "--to `x`: expected 2026-11-23, "),
    ("init a b", "`b` is too much: what is taken is [DIR]"),
    ("inspect", "FILE|FOLDER|IMAGE is missing"),
    ("inspect --least bad f", "--least `bad`: expected note, warning or danger"),
    ("inspect --least dangre f", "; is `danger` meant?"),
    ("inspect --jobs 0 f", "--jobs `0`: expected a number from 1 to 64"),
    ("inspect --seconds 0 f", "--seconds `0`: expected a number from 1 to 86400"),
    ("inspect --jobs", "--jobs lacks its value: a number from 1 to 64"),
    ("inspect -x f", "there is no option `-x`"),
    ("learn", "LOG is missing"),
    ("learn --whole -c f log", "--whole learns without a configuration: leave out -c"),
    ("media imprt", "gantry media: there is no verb `imprt`: is `import` meant?"),
    ("media import d", "--to NODE is missing: a node of the configuration"),
    ("media import --to n", "FOLDER|ISO|ZIP is missing"),
    ("media open d", "OUT is missing"),
    ("media open --cert c d o", "--cert goes with --key"),
    ("media seal d", "OUT is missing"),
    ("media seal --passphrase --passphrase-file f d o", "--passphrase or --passphrase-file, and not both"),
    ("media seal --udf d o", "--udf is for an image"),
    ("quarantine shwo 1", "gantry quarantine: there is no verb `shwo`: is `show` meant?"),
    ("quarantine show", "N is missing"),
    ("quarantine show x", "N `x`: expected a number, 1 or more"),
    ("quarantine list --yes", "there is no option `--yes`"),
    ("quarantine delete 1 x", "N `x`: expected a number, 1 or more"),
    ("record", "say what to do: sign, verify, init"),
    ("record verify", "RECORD is missing"),
    ("reidentify --key k a", "OUT is missing"),
    ("reidentify a b", "--key FILE is missing: the private key"),
    ("reload x", "`x` is too much: options alone are taken"),
    ("revoke", "name whom to block: SERIAL|CERTIFICATE is missing"),
    ("revoke --renew --list", "--renew or --list, and not both"),
    ("revoke --days 94 1", "--days `94`: expected a number from 1 to 93"),
    ("revoke --reason supersede 1", "; is `superseded` meant?"),
    ("run --nonsense", "there is no option `--nonsense`"),
    ("sign --profile author a b", "--profile `author`: expected base, creator or authorization"),
    ("sign --hash SHA1 a b", "--hash `SHA1`: expected SHA256, SHA384 or SHA512"),
    ("sign --tag PatientIDD a b", "; is `PatientID` meant?"),
    ("sign --timestamp q a b", "`--timestamp` may be --timestamp-query or --timestamp-response"),
    ("status --json=x", "--json takes no value"),
    ("status --json --watch", "--json or --watch, and not both"),
    ("user set f", "NAME is missing"),
    ("user remove f n --groups a", "--groups goes with `set`, and not with `remove`"),
    ("user set f @x", "`@x` is no name"),
    ("verify", "FILE is missing"),
    ("verify --require reprot f", "; is `report` meant?"),
)


@test
def wrong_lines_are_explained(bench):
    for line, sentence in WRONG:
        ran = bench.run(bench.program, *line.split(), wants=2)
        check(sentence in ran.text, f"`gantry {line}` does not say `{sentence}`:", ran.text)
        check(ran.text.startswith("gantry"), f"`gantry {line}` does not begin with the verb:", ran.text)
    ran = bench.run(bench.program, "deidentify", "--key", "", "in", "out", wants=2)
    check("--key lacks its value: FILE" in ran.text and "variable of the shell" in ran.text, "an empty value:", ran.text)
    ran = bench.run(bench.program, "inspect", "\x1b[31m", "--\x1b]0;x\x07", wants=2)
    check("\x1b" not in ran.text, "a terminal is commanded:", repr(ran.text))


@test
def options_are_in_help_and_manual(bench):
    """What a verb takes is in its help and its manual page, and what its help has is taken."""
    for verb in VERBS:
        name = " ".join(verb)
        offered = {line.split("\t")[0] for line in bench.run(bench.program, "--complete", *verb, "--", wants=0).text.splitlines()}
        text = bench.run(bench.program, *verb, "--help", wants=0).text
        known = set(re.findall(r"--[a-z][a-z-]+", re.sub(r"`[^`]*`", "", text)))
        equal(known - offered, set(), f"options that the help of gantry {name} has and it does not take")
        equal(offered - known - {"--help", "--config"}, set(), f"options of gantry {name} that its help has not")
        check("--config" not in offered or "-c" in text, f"the help of gantry {name} lacks -c")
        page = os.path.join(ROOT, f"man/gantry-{'-'.join(verb)}.1")
        with open(page if os.path.exists(page) else os.path.join(ROOT, f"man/gantry-{verb[0]}.1"), encoding="utf-8") as file:
            manual = set(re.findall(r"\bFl -([a-z-]+)", file.read()))
        equal({option[2:] for option in offered} - manual - {"help", "config"}, set(), f"options of gantry {name} that its manual lacks")


@test
def learn_of_what_is_no_log(bench):
    """It says so, and fails; one empty log among others is told of."""
    config = bench.write("gantry.yaml", "nodes: {}\n")
    empty = bench.write("empty.log", "")
    line = bench.write("quiet.log", '2026-11-26T21:35:43.307Z notice  supervisor gateway.serving site=Test "ready"\n')
    for logs, code, sentence in (((config,), 1, f"{config}: no line of it is of the gateway's log"), ((bench.program,), 1, "no line of it"),
                                 ((line, config), 1, "journalctl -u gantry -o cat"), ((empty,), 1, f"{empty}: it is empty"),
                                 ((bench.folder,), 1, "Is a directory"), ((bench.path("none"),), 1, "No such file"),
                                 ((line,), 0, "nothing was learnt: no decision"), ((line, empty), 0, "it is empty")):
        ran = bench.run(bench.program, "learn", "--whole", *logs, wants=code)
        check(sentence in ran.text, f"learn {logs} does not say `{sentence}`:", ran.text)


@test
def killed_verbs_leave_nothing(bench):
    """Killed while they write (by a limit of what files may have), they leave what there was, and nothing beside it."""
    def killed(*command, said=None):
        line = ["bash", "-c", 'ulimit -c 0 -f 0; exec "$@"', "bash", bench.program, *command]
        return subprocess.run(line, input=said, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False).returncode

    users, folder = bench.path("users"), bench.new_folder("folder")
    path = os.path.join(folder, "users")
    equal(killed("user", "set", path, "ann", said="correct horse\n"), -25, "how user set ended")
    equal(os.listdir(folder), [], "what is left of a new file")
    for name in ("ann", "bob"):
        subprocess.run([bench.program, "user", "set", path, name], input="correct horse\n", text=True, check=True, stdout=subprocess.DEVNULL)
    os.chmod(path, 0o640)
    with open(path, "rb") as file:
        before = file.read()
    for words in (("set", path, "ann"), ("remove", path, "bob")):
        equal(killed("user", *words, said="wrong horse\n"), -25, f"how user {words[0]} ended")
    with open(path, "rb") as file:
        equal(file.read(), before, "the users")
    equal(os.listdir(folder), ["users"], "what is left beside them")
    bench.run(bench.program, "user", "remove", path, "bob", wants=0)
    equal(bench.run(bench.program, "user", "list", path, wants=0).text, "ann\n", "users")
    equal(os.stat(path).st_mode & 0o777, 0o640, "the mode")
    check("cannot read" in bench.run(bench.program, "user", "remove", users, "bob", wants=1).text, "a file that is not there")
    authority = bench.path("authority")
    equal(killed("ca", "make", authority), -25, "how ca make ended")
    equal(os.listdir(authority), [], "what is left of an authority")
    # Those who write it at once wait for each other.
    several = [subprocess.Popen([bench.program, "user", "set", users, name], stdin=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
               for name in "abcd"]
    for process in several:
        process.stdin.write("correct horse\n")
        process.stdin.close()
    equal([process.wait(30) for process in several], [0] * 4, "how they ended")
    equal(sorted(bench.run(bench.program, "user", "list", users, wants=0).text.split()), list("abcd"), "users of four at once")


class Shell:
    """An interactive shell at a terminal, in a folder, with our completion."""

    def __init__(self, bench, command, setup):
        self.fd, inner = pty.openpty()
        environment = {"TERM": "dumb", "HOME": bench.folder, "HISTFILE": "/dev/null", "PATH": bench.path("bin") + ":" + os.environ["PATH"]}
        self.process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, cwd=bench.path("work"), env=environment,
                                        start_new_session=True)
        os.close(inner)
        bench.later(self.end)
        self.type(setup + "; echo REA''DY\n", "READY")

    def type(self, keys, wants):
        """Type, and wait for what is to be seen."""
        os.write(self.fd, keys.encode())
        seen, end = "", time.monotonic() + 20
        while not re.search(wants, seen):
            check(time.monotonic() < end, f"{self.process.args[0]} does not show {wants!r} after {keys!r}:", repr(seen))
            if select.select([self.fd], [], [], 0.2)[0]:
                seen += os.read(self.fd, 65536).decode(errors="replace")

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


# What is typed before the tabulator, and what is to be seen then.
COMPLETED = (("gantry insp", r"gantry inspect "), ("gantry audit verify-", r"verify-proof "), ("gantry inspect --lea", r"--least "),
             ("gantry inspect --least d", r"--least danger "), ("gantry ca rene", r"renew "), ("gantry reload --config gan", r"gantry\.yaml "),
             ("gantry reload -c gan", r"gantry\.yaml "), ("gantry init fol", r"folder/"), ("gantry sign --key audi", r"auditor\.key "),
             ("gantry audit search --node arc", r"--node archive "), ("gantry media import --flow on", r"--flow only "))


@test
def shells_complete(bench):
    """bash, zsh and fish, by what the program itself says; nodes, flows and refusals are those of the site."""
    g = bench.gateway(flow={"name": "only"})
    scu = g.scu()
    try:
        scu.associate(calling="CT9")
    except dicom.Rejected:
        scu.close()
    number = str(g.decision("caller-unknown")["number"])
    offered = bench.run(bench.program, "--complete", "explain", "-c", g.yaml, "", wants=0).text
    check(f"{number}\tno node has the AE title" in offered, "refusals:", offered)
    for folder in ("bin", "work", "work/folder"):
        os.mkdir(bench.path(folder))
    os.symlink(bench.program, bench.path("bin/gantry"))
    os.symlink(g.yaml, bench.path("work/gantry.yaml"))
    bench.write("work/auditor.key", "")
    source = os.path.join(ROOT, "completions")
    shells = (Shell(bench, ("bash", "--norc", "--noprofile", "-i"), f". {source}/gantry.bash"),
              Shell(bench, ("zsh", "-f", "-i"), f"unsetopt automenu; fpath=({source} $fpath); autoload -Uz compinit; compinit -u -D"))
    for line, wants in COMPLETED:
        for shell in shells:
            shell.type(line + "\t", wants)
            shell.type("\x15echo BA''CK\n", "BACK")
        told = subprocess.run(["fish", "--no-config", "-c", f"source {source}/gantry.fish; complete -C '{line}'"], cwd=bench.path("work"),
                              env={**os.environ, "PATH": bench.path("bin") + ":" + os.environ["PATH"], "HOME": bench.folder}, check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        last = re.sub(r"\\|.* ", "", wants.rstrip(" ")).removeprefix("gantry ")
        check(any(row.split("\t")[0] == last for row in told.splitlines()), f"fish does not offer {last} after {line!r}:", told)


@test
def files_that_are_something_else(bench):
    """What was named by mistake is said to be no such file; nothing is made in it, and nobody is told that a journal was tampered with."""
    other = bench.write("gantry.yaml", "mode: observe\nnodes: {}\n")
    empty = bench.new_folder("empty")
    keys = bench.path("keys")
    passphrase = bench.write("pass", "correct horse battery\n")
    os.chmod(passphrase, 0o600)
    bench.run(bench.program, "audit", "init", "--folder", keys, "--passphrase-file", passphrase, wants=0)
    vkey = os.path.join(keys, "checkpoint.vkey")
    for line, code, sentence in (
            (("user", "list", other), 1, f"{other} is no file of users: line 1 is none of"),
            (("user", "remove", other, "mode"), 1, "is no file of users"),
            (("ca", "list", empty), 1, f"{empty}: there is no authority here"), (("ca", "crl", empty), 1, "`gantry ca make` makes one"),
            (("audit", "leaves", empty), 3, f"{empty}: there is no journal here"),
            (("audit", "search", "--key", os.path.join(keys, "auditor.key"), "--journal", empty), 3, f"{empty}: there is no journal here"),
            (("incident", "--key", os.path.join(keys, "auditor.key"), "--journal", empty, "--vkey", vkey), 3, "there is no journal here"),
            (("audit", "verify", empty, "--key", vkey, "--checkpoint", other), 3, f"--checkpoint {other}: this is no checkpoint"),
            (("audit", "verify", empty, "--key", os.path.join(keys, "checkpoint.key")), 2, "this is the private key: the public one"),
            (("audit", "verify", empty, "--key", other), 2, "this is no public key of the form NAME+HASH+KEY"),
            (("audit", "verify-proof", other, "--key", vkey), 1, f"{other}: not a proof, as `gantry audit prove` writes them"),
            (("init", "--try", empty), 1, f"there is no site in {empty}, as it has no gantry.yaml"),
            (("record", "sign"), 2, "WHAT is missing, one of these:\n  antivirus-definitions")):
        ran = bench.run(bench.program, *line, wants=code)
        check(sentence in ran.text, f"gantry {' '.join(line)} does not say `{sentence}`:", ran.text)
        check("tampered" not in ran.text, "an alarm:", ran.text)
    equal(os.listdir(empty), [], "what is in the empty folder now")
    with open(other, encoding="ascii") as file:
        equal(file.read(), "mode: observe\nnodes: {}\n", "the other file")
    bench.run(bench.program, "ca", "make", bench.path("authority"), wants=0)
    check("issued no certificate" in bench.run(bench.program, "ca", "list", bench.path("authority"), wants=0).text, "an empty list")


@test
def start_in_vain_names_the_log(bench):
    """A gateway that logs into a file and cannot start says on the terminal where it says why."""
    g = bench.gateway(log={"file": "own.log", "format": "text"})
    ran = bench.run(bench.program, "run", "-c", g.yaml, wants=1)
    log = os.path.join(g.folder, "own.log")
    check(f"gantry run: it did not start, and {log} says why" in ran.text, "said:", ran.text)
    with open(log, encoding="utf-8") as file:
        text = file.read()  # the gateway that runs writes there too
    check("another gateway runs already" in text, "the log does not say why:", text)
    g.stop()
