#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check audit messages against what was told and what PS3.15 A.5 wants: audit_messages.py SAMPLES REQUIRED.TSV."""
import base64
import collections
import csv
import datetime
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

UNKNOWN = "unknown"
FAULTS = []


class Message:
    def __init__(self, told, text):
        self.told = told
        self.root = ET.fromstring(text)
        self.event = self.root.find("EventIdentification")
        self.id = self.event.find("EventID").get("csd-code")
        self.participants = self.root.findall("ActiveParticipant")
        self.objects = self.root.findall("ParticipantObjectIdentification")

    def fault(self, text):
        FAULTS.append(f"{self.told['kind']}: {text}")
        if len(FAULTS) <= 3:
            print(json.dumps(self.told), ET.tostring(self.root, encoding="unicode"), sep="\n")

    def want(self, fact, text):
        if not fact:
            self.fault(text)

    def select(self, how):
        name, _, value = how.partition(":")
        if name == "event":
            return [self.event]
        if name == "object":
            return [o for o in self.objects if o.find("ParticipantObjectIDTypeCode").get("csd-code") in value.split("|")]
        return [p for p in self.participants if {
            "any": lambda: True,
            "media": lambda: p.find("MediaIdentifier") is not None,
            "role": lambda: value in roles(p) and p.find("MediaIdentifier") is None,
            "not": lambda: value not in roles(p),
            "requestor": lambda: p.get("UserIsRequestor") == "true",
        }[name]()]


def known(text):
    return bool(text.strip(" "))


def roles(participant):
    return [r.get("csd-code") for r in participant.findall("RoleIDCode")]


def values(node, field):
    """What a field of the tables holds, wherever the schema puts it."""
    if node.get(field) is not None:
        return [node.get(field)]
    found = list(node.iter(field))
    if field == "ParticipantObjectDetail":
        return [d.get("type") for d in found]
    return [n.get("csd-code") or (n.text or "").strip() or ("" if not len(n) else "there") for n in found]


def details(node):
    out = collections.defaultdict(list)
    for d in node.findall("ParticipantObjectDetail"):
        out[d.get("type")].append(base64.b64decode(d.get("value"), validate=True).decode())
    return out


def check_required(m, rows):
    for row in rows:
        if m.id == "110112" and row["field"] == "ParticipantObjectQuery" and not m.told["query"]:
            continue  # a query of no bytes: see docs/conformance.md
        chosen = m.select(row["select"])
        most = len(chosen) if row["max"] == "N" else int(row["max"])
        m.want(int(row["min"]) <= len(chosen) <= most, f"{len(chosen)} of {row['select']}")
        for node in chosen:
            got = values(node, row["field"])
            wanted = [v for v in row["values"].split("|") if v]
            m.want(any(got), f"no {row['field']} in {row['select']}")
            m.want(not wanted or set(wanted) & set(got), f"{row['field']} of {row['select']} is {got}, not {wanted}")


def check_form(m):
    for node in m.root.iter():
        m.want(all(known(v) for v in node.attrib.values()), f"an empty attribute in {node.tag}")
        m.want(node.attrib or len(node) or known(node.text or ""), f"an empty {node.tag}")
        for name, value in node.attrib.items():
            m.want(value.lower() not in ("true", "false") or value in ("true", "false") or name != "UserIsRequestor",
                   f"{name}={value}")
    asking = [p for p in m.participants if p.get("UserIsRequestor") == "true"]
    m.want(len(asking) <= 1, "several requestors")
    m.want(len(asking) == 1 or m.id not in ("110106", "110107"), "no requestor")
    for o in m.objects:
        both = (o.find("ParticipantObjectName") is not None) + (o.find("ParticipantObjectQuery") is not None)
        m.want(both == 1, "not exactly one of name and query")
        for d in o.findall("ParticipantObjectDescription"):
            study = o.find("ParticipantObjectIDTypeCode").get("csd-code") == "110180"
            m.want(not study or d.find("SOPClass") is not None, "a description of a study without SOPClass")
    for p in m.participants:
        m.want((p.get("NetworkAccessPointID") is None) == (p.get("NetworkAccessPointTypeCode") is None),
               "half an access point")
        alternative = p.get("AlternativeUserID", "")
        m.want("AETITLES" not in alternative or alternative.startswith("AETITLES= "), "AE titles in another form")


def check_event(m):
    told, event = m.told, m.event
    time = datetime.datetime.fromtimestamp(told["time_ms"] // 1000, datetime.timezone.utc)
    wanted = time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{told['time_ms'] % 1000:03d}Z"
    m.want(event.get("EventDateTime") == wanted, f"{event.get('EventDateTime')} is not {wanted}")
    m.want(event.get("EventOutcomeIndicator") == str(told["outcome"]), "another outcome")
    sentence = event.findtext("EventOutcomeDescription", "")
    m.want(sentence.startswith(told["text"]) if known(told["text"]) else True, "the sentence is missing")
    m.want(told["kind"] != "interrupted" or known(sentence), "an interruption without a sentence")
    m.want(told["kind"] != "alert" or event.find("EventTypeCode").get("csd-code") == str(told["alert"]), "alert's type")
    certificates = {"Caller's Certificate": told["from_certificate"], "Called Node's Certificate": told["to_certificate"]}
    issued = {"Caller's Certificate": told["from"], "Called Node's Certificate": told["to"]}
    numbers = {"Association": told["association"], "Refusal": told["refusal"]}
    if m.objects:
        first = details(m.objects[0])
        for name, number in numbers.items():
            m.want(first[name] == ([str(number)] if number else []), f"{name} is {first[name]}, not {number}")
        claimed = known(told["user"]) and not told["proved"]
        for name, hexadecimal in certificates.items():
            m.want(first[name] == (["sha256:" + hexadecimal] if hexadecimal else []), f"{name} is {first[name]}")
        for name, party in issued.items():
            value = party["serial"] + (" of " + party["issuer"] if party["issuer"] else "")
            m.want(first[f"{name} Serial"] == ([value] if known(party["serial"]) else []), f"its number is {first[f'{name} Serial']}")
        m.want(first["Claimed User"] == ([told["user"]] if claimed else []), "whether the user is claimed")
    else:
        for name, number in numbers.items():
            m.want((f"{name.lower()} {number}" in sentence) == bool(number), f"{name} in the sentence")
        for name, hexadecimal in certificates.items():
            m.want((f"{name[0].lower()}{name[1:].replace('N', 'n').replace('C', 'c')} sha256:{hexadecimal}" in sentence) ==
                   bool(hexadecimal), f"{name} in the sentence {sentence}")
        for party in issued.values():
            m.want(not known(party["serial"]) or f"serial number {party['serial']}" in sentence, f"a serial number in {sentence}")
            m.want(not known(party["issuer"]) or f"of {party['issuer']}" in sentence, f"an issuer in {sentence}")


def party_id(p):
    return next((p[k] for k in ("node", "address", "ae", "subject") if known(p[k])), UNKNOWN)


def check_ends(m):
    told = m.told
    ends = {"begin": "to_caller", "transferred": "to_caller", "query": "by_to"}.get(told["kind"])
    if not ends:
        return
    source, destination = ("to", "from") if told[ends] else ("from", "to")
    asked = told["to"] if told["by_to"] else told["from"]
    for role, name in (("110153", source), ("110152", destination)):
        p = m.select("role:" + role)[0]
        m.want(p.get("UserID") == party_id(told[name]), f"{role} is {p.get('UserID')}")
        m.want(not known(told[name]["address"]) or p.get("NetworkAccessPointID") == told[name]["address"], "address")
        m.want(p.get("AlternativeUserID") == ("AETITLES= " + told[name]["ae"] if known(told[name]["ae"]) else None), "AE")
        by_user = known(told["user"]) and told["proved"] and not told["by_to"]
        m.want((p.get("UserIsRequestor") == "true") == (told[name] is asked and not by_user), f"requestor of {name}")
    gateway = m.select("role:110150")
    m.want(len(gateway) == 1 and len(roles(gateway[0])) == 1, "the gateway is more than an application")


def check_user(m):
    told = m.told
    login = told["user"] if known(told["user"]) else UNKNOWN
    found = [p for p in m.participants if re.sub(r" \(claimed, not proved\)$", "", p.get("UserName", "")) == login
             and p.get("UserID").startswith(login) and "@" in p.get("UserID")]
    wanted = known(told["user"]) and told["kind"] not in ("attached", "detached") or told["kind"] == "login"
    m.want(bool(found) == wanted, f"the user stands in it {len(found)} times")
    for p in found:
        m.want(p.get("UserName").endswith("(claimed, not proved)") != told["proved"], "proved, or not")


def check_patient(m):
    told = m.told
    for o in m.select("object:2"):
        d = details(o)
        m.want(o.get("ParticipantObjectID") == (told["patient_id"] if known(told["patient_id"]) else UNKNOWN), "patient")
        m.want(("Patient ID" in d["Missing"]) != known(told["patient_id"]), "patient's identifier, missing or not")
        name = told["patient_name"] if known(told["patient_name"]) else UNKNOWN
        m.want(o.findtext("ParticipantObjectName") == name, "patient's name")
        m.want(d["Issuer of Patient ID"] == [t for t in [told["patient_issuer"]] if known(t)], "issuer")
    m.want(m.told["kind"] not in ("alert", "query") or bool(m.select("object:2")) ==
           (known(told["patient_id"]) or known(told["patient_name"])), "a known patient is left out")


def check_study(m):
    told = m.told
    numbers = [a for a in told["accession"] if known(a)]
    studies = m.select("object:110180")
    for o in studies:
        m.want(o.get("ParticipantObjectID") == (told["study"] if known(told["study"]) else UNKNOWN), "study")
        if told["kind"] == "patient-shown":
            continue
        m.want(details(o)["ContainsSOPClass"] == [u for u, _ in told["sop"] if known(u)], "ContainsSOPClass")
        classes = [(c.get("UID", ""), int(c.get("NumberOfInstances"))) for c in o.iter("SOPClass")]
        wanted = [(u if known(u) else "", n) for u, n in told["sop"]]
        if not wanted and (numbers or told["failed"]):
            wanted = [("", told["failed"])]
        m.want(classes == wanted, f"{classes} is not {wanted}")
    if studies or told["kind"] == "patient-shown":
        got = [a.get("Number") for o in m.objects for a in o.iter("Accession")]
        m.want(got == numbers, f"accession numbers {got}")


def check_query(m):
    if m.told["kind"] != "query":
        return
    o = m.select("object:110181")[0]
    query = base64.b64decode(o.findtext("ParticipantObjectQuery", ""), validate=True)
    m.want(query.hex() == m.told["query"], "another query")
    syntax = m.told["query_syntax"]
    m.want(details(o)["TransferSyntax"] == [syntax if known(syntax) else UNKNOWN], "transfer syntax")


def check_media(m):
    if m.id not in ("110106", "110107"):
        return
    medium, thing = m.select("media")[0], m.told["object"]
    kind = medium.find("MediaIdentifier/MediaType").get("csd-code")
    wanted = {"DVD LABEL 7": ("110033", None), "mailto:a@b.example": ("110031", "4"), "film": ("110010", None),
              "usb": ("110030", None), "https://x.example/a b?q=1": ("110037", "5")}.get(thing)
    if wanted:
        m.want((kind, medium.get("NetworkAccessPointTypeCode")) == wanted, f"{thing} is {kind}")
    # Required for export to other than physical media (Table A.5.3.4-1).
    m.want(kind != "110037" or medium.get("NetworkAccessPointID"), "no access point")
    m.want(medium.get("UserID") == thing if known(thing) else True, "medium")
    if medium.get("NetworkAccessPointTypeCode") == "5":
        m.want(re.fullmatch(r"[a-z]+:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", medium.get("NetworkAccessPointID")), "no URI")


CHECKS = (check_form, check_event, check_ends, check_user, check_patient, check_study, check_query, check_media)


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        rows = list(csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t"))
    required = collections.defaultdict(list)
    for row in rows:
        required[row["message"]].append(row)
    made = subprocess.run([sys.argv[1]], check=True, stdout=subprocess.PIPE).stdout.decode().rstrip("\n").split("\n")
    seen = collections.Counter()
    for told, text in zip(made[::2], made[1::2]):
        m = Message(json.loads(told), text)
        seen[m.id] += 1
        check_required(m, required[m.id])
        for check in CHECKS:
            check(m)
    print(dict(seen))
    if set(seen) != set(required):
        FAULTS.append(f"messages of the table that were not made, or the other way round: {set(seen) ^ set(required)}")
    for fault, n in collections.Counter(FAULTS).most_common(40):
        print(f"{n} x {fault}")
    return 1 if FAULTS or not made else 0


if __name__ == "__main__":
    sys.exit(main())
