#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make C tables from the tables in data/: tables.py uids|dictionary|services|audit INPUT OUTPUT."""
import re
import sys

UID_KINDS = {
    "Transfer Syntax": "UID_TRANSFER_SYNTAX",
    "SOP Class": "UID_SOP_CLASS",
    "Meta SOP Class": "UID_META_SOP_CLASS",
    "Well-known SOP Instance": "UID_WELL_KNOWN_INSTANCE",
    "Application Context Name": "UID_APPLICATION_CONTEXT",
}
SERVICES = {
    "echo": "SERVICE_ECHO",
    "store": "SERVICE_STORE",
    "find": "SERVICE_FIND",
    "move": "SERVICE_MOVE",
    "get": "SERVICE_GET",
    "worklist": "SERVICE_WORKLIST",
    "mpps": "SERVICE_MPPS",
    "commit": "SERVICE_COMMIT",
    "n-services": "SERVICE_N_SERVICES",
}
# What the dictionary writes where a VR depends on others (PS3.6 chapter 5, DCMTK's abbreviations): the first of them.
FIRST_VR = {"xs": "US", "lt": "US", "ox": "OW", "px": "OW", "up": "UL", "vr": "UN", "na": ""}


def rows(path):
    with open(path, encoding="utf-8") as lines:
        table = [line.rstrip("\n").split("\t") for line in lines if line.strip() and not line.startswith("#")]
    head = table[0]
    return [dict(zip(head, row + [""] * (len(head) - len(row)))) for row in table[1:]]


def quoted(text):
    out = ""
    for byte in text.encode("utf-8"):
        if byte in b'"\\':
            out += "\\" + chr(byte)
        elif 32 <= byte < 127:
            out += chr(byte)
        else:
            out += f"\\{byte:03o}"
    return f'"{out}"'


def by_keyword(name, entries):
    """The indices of the entries that have a keyword, in the order of the keywords."""
    order = sorted((e["keyword"].encode(), i) for i, e in enumerate(entries) if e["keyword"])
    yield f"static const uint16_t {name}[] = {{"
    for _, index in order:
        yield f"\t{index},"
    yield "};"


def uids(entries):
    entries = sorted(entries, key=lambda e: e["uid"].encode())
    yield "static const struct uid_entry uid_table[] = {"
    for e in entries:
        kind = UID_KINDS.get(e["type"], "UID_OTHER")
        retired = "true" if e["retired"] == "Y" else "false"
        yield f'\t{{{quoted(e["uid"])}, {quoted(e["name"])}, {quoted(e["keyword"])}, {kind}, {retired}}},'
    yield "};"
    yield from by_keyword("uid_keywords", entries)


def first_vr(entry):
    vr = FIRST_VR.get(entry["vr"], entry["vr"])
    if vr and not re.fullmatch(r"[A-Z]{2}", vr):
        sys.exit(f"{entry['tag']}: unknown VR {entry['vr']}")
    return vr


def repeating(entries):
    """The groups and elements that stand for many (PS3.6 chapter 6), those of the standard: a range of each."""
    yield "static const struct tag_range tag_ranges[] = {"
    for e in entries:
        tag = re.fullmatch(r"\(([0-9A-F]{4})(?:-([0-9A-F]{4}))?,([0-9A-F]{4})(?:-([0-9A-F]{4}))?\)", e["tag"])
        if tag and (tag[2] or tag[4]):
            yield f'\t{{0x{tag[1]}, 0x{tag[2] or tag[1]}, 0x{tag[3]}, 0x{tag[4] or tag[3]}, "{first_vr(e)}"}},'
    yield "};"


def dictionary(entries):
    kept = {}
    for e in entries:
        tag = re.fullmatch(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)", e["tag"])
        if tag and e["source_version"] != "not-in-dcmtk":
            kept.setdefault(int(tag[1] + tag[2], 16), e)
    tags = sorted(kept)
    yield "static const struct tag_entry tag_table[] = {"
    for tag in tags:
        e = kept[tag]
        yield f'\t{{0x{tag:08X}, {quoted(e["keyword"])}, {quoted(e["name"])}, "{first_vr(e)}"}},'
    yield "};"
    yield from by_keyword("tag_keywords", [kept[tag] for tag in tags])
    yield from repeating(entries)


def services(entries):
    yield "static const struct service_entry service_table[] = {"
    for e in sorted(entries, key=lambda e: e["uid"].encode()):
        names = [] if e["services"] == "-" else e["services"].split(",")
        mask = " | ".join(f"SERVICE_BIT({SERVICES[n]})" for n in names) or "0"
        yield f'\t{{{quoted(e["uid"])}, {mask}}},'
    yield "};"


def audit(entries):
    """A list for an enum and a table alike: AUDIT_CODES(X) is X(NAME, "code", "scheme", "meaning") for each."""
    yield "#define AUDIT_CODES(X) \\"
    for e in entries:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", e["name"]) or not e["code"] or not e["scheme"] or not e["meaning"]:
            sys.exit(f"{e['code']}: no name or no meaning")
        yield f'\tX({e["name"]}, {quoted(e["code"])}, {quoted(e["scheme"])}, {quoted(e["meaning"])}) \\'
    yield ""


def main():
    maker = {"uids": uids, "dictionary": dictionary, "services": services, "audit": audit}[sys.argv[1]]
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        out.write("/* Made by tools/tables.py. */\n")
        for line in maker(rows(sys.argv[2])):
            out.write(line + "\n")


main()
