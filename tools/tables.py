#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make C tables from the tables in data/: tables.py KIND INPUT OUTPUT, where KIND is one of those in main()."""
import math
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
    yield from slots("tag_slots", "TAG_SLOT_BITS", tags, 14)
    yield from by_keyword("tag_keywords", [kept[tag] for tag in tags])
    yield from repeating(entries)


def slots(name, bits_name, keys, bits):
    """A hash table: 1 + the index of a key in its slot, or in the next one that was free. 0: nothing."""
    table = [0] * (1 << bits)
    for index, key in enumerate(keys):
        slot = (key * 2654435761 & 0xFFFFFFFF) >> (32 - bits)
        while table[slot]:
            slot = (slot + 1) % len(table)
        table[slot] = index + 1
    yield f"#define {bits_name} {bits}"
    yield f"static const uint16_t {name}[1 << {bits}] = {{"
    for at in range(0, len(table), 16):
        yield "\t" + ", ".join(map(str, table[at:at + 16])) + ","
    yield "};"


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


def checks(entries):
    """An enum, and for its table a list: INSPECT_CHECKS(X) is X(NAME, number, "name", …) for each, by number."""
    yield "enum inspect_check {"
    for e in entries:
        yield f'\tCHECK_{c_name(e["name"])},'
    yield "\tCHECK_N"
    yield "};"
    yield "#define INSPECT_CHECKS(X) \\"
    last = 0
    for e in entries:
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", e["name"]) or int(e["number"]) <= last or not e["action"]:
            sys.exit(f"{e['number']}: out of order, or no name or action")
        last = int(e["number"])
        words = ", ".join(quoted(e[k]) for k in ("name", "group", "sentence", "action", "spec"))
        yield f'\tX({c_name(e["name"])}, {last}, INSPECT_{e["severity"].upper()}, {words}) \\'
    yield ""


def c_name(name):
    return name.upper().replace("-", "_")


# The columns of options in the confidentiality tables, in the order of enum deidentify_option.
OPTIONS = ("safe-private", "uids", "device", "institution", "patient", "full-dates", "shifted-dates", "descriptors",
           "structured-content", "graphics")
ACTIONS = {"D": "D", "Z": "Z", "X": "X", "U": "U", "Z/D": "ZD", "X/Z": "XZ", "X/D": "XD", "X/Z/D": "XZD", "X/Z/U*": "XZU"}


def option_masks(e):
    """What options say of a row: those that keep, and those that clean."""
    masks = {"K": 0, "C": 0}
    for bit, name in enumerate(OPTIONS):
        if e.get(name):
            masks[e[name]] |= 1 << bit
    return f'0x{masks["K"]:03X}, 0x{masks["C"]:03X}'


def hex_and_mask(tag):
    """(50xx,3000): its value with zeros, and a mask of the digits that count."""
    digits = re.fullmatch(r"\(([0-9A-Fx]{4}),([0-9A-Fx]{4})\)", tag)
    digits = digits[1] + digits[2]
    return int(digits.replace("x", "0"), 16), int("".join("0" if d == "x" else "F" for d in digits), 16)


def confidentiality(entries):
    """Those of one tag by tag, then those that stand for many."""
    exact, many = [], []
    for e in entries:
        tag, mask = hex_and_mask(e["tag"])
        row = f'\t{{0x{tag:08X}, 0x{mask:08X}, CONFIDENTIALITY_{ACTIONS[e["basic"]]}, {option_masks(e)}}},'
        (exact if mask == 0xFFFFFFFF else many).append((tag, row))
    for name, table in (("confidentiality_tags", exact), ("confidentiality_ranges", many)):
        yield f"static const struct confidentiality_row {name}[] = {{"
        yield from (row for _, row in sorted(table))
        yield "};"


def more(entries):
    """By tag."""
    yield "static const struct confidentiality_row confidentiality_more_tags[] = {"
    for e in sorted(entries, key=lambda e: e["tag"]):
        tag, mask = hex_and_mask(e["tag"])
        yield f'\t{{0x{tag:08X}, 0x{mask:08X}, CONFIDENTIALITY_{ACTIONS[e["basic"]]}, {option_masks(e)}}},'
    yield "};"


def concepts(entries):
    """By code, scheme and type."""
    yield "static const struct confidentiality_concept confidentiality_concepts[] = {"
    for e in sorted(entries, key=lambda e: (e["code"].encode(), e["scheme"].encode(), e["type"])):
        words = ", ".join(quoted(e[k]) for k in ("code", "scheme", "type"))
        yield f'\t{{{words}, CONFIDENTIALITY_{ACTIONS[e["basic"]]}, {option_masks(e)}}},'
    yield "};"


def safe(entries):
    """By creator, then tag, whose third digit pair is the block and is left zero."""
    yield "static const struct safe_private safe_privates[] = {"
    for e in sorted(entries, key=lambda e: (e["creator"].encode(), e["tag"])):
        yield f'\t{{{quoted(e["creator"])}, 0x{e["tag"][1:5]}00{e["tag"][8:10]}, {quoted(e["vr"])}}},'
    yield "};"


def schemes(entries):
    """In the order of their bytes."""
    yield "static const char *const public_schemes[] = {"
    yield from (f"\t{quoted(e['designator'])}," for e in sorted(entries, key=lambda e: e["designator"].encode()))
    yield "};"


def clean_words(entries):
    """In the order of their letters."""
    yield "static const char *const clean_word_table[] = {"
    words = set(word for e in entries for word in e["words"].split())
    for word in sorted(words):
        if not re.fullmatch(r"[a-z0-9]+", word):
            sys.exit(f"{word}: not in lower case")
        yield f"\t{quoted(word)},"
    yield "};"


def references(entries):
    """In the order of the bytes of their names."""
    yield "static const struct character_reference character_references[] = {"
    for e in sorted(entries, key=lambda e: e["name"].encode()):
        yield f'\t{{{quoted(e["name"])}, 0x{int(e["letter"], 16):X}}},'
    yield "};"


def types(entries):
    yield "static const struct confidentiality_type confidentiality_types[] = {"
    for e in entries:
        if any(word.count("*") > 2 for word in e["classes"].split(" ")):
            sys.exit(f"{e['tag']}: more than two * in a word")
        yield f'\t{{0x{e["tag"][1:5]}{e["tag"][6:10]}, {int(e["type"])}, {quoted(e["classes"])}}},'
    yield "};"


def unescaped(mark):
    return re.sub(rb"\\(x([0-9a-f]{2})|\\)", lambda m: bytes([int(m[2], 16)]) if m[2] else b"\\", mark.encode())


def then_of(text):
    """What follows a mark: pairs of the lowest and the highest that a byte may be."""
    pairs_of = []
    for token in [token for token in text.split() if not token.startswith("code*")]:
        what, often = re.fullmatch(r"(\*|[0-9a-f]{2}(?:-[0-9a-f]{2})?)(?:\*?([0-9]+))?", token).groups()
        low, high = (0, 255) if what == "*" else (int(what[:2], 16), int(what[-2:], 16))
        pairs_of += [(low, high)] * int(often or 1)
    return pairs_of


def within(text):
    """Behind that, in how many bytes one of the marks must come whose place is code; 0: none must."""
    return next((int(token[5:]) for token in text.split() if token.startswith("code*")), 0)


def bits(word, then):
    """How much a mark says: the binary logarithm of how rarely it is met, if all bytes are as likely. A letter is met in both cases."""
    return sum(7 if 97 <= byte <= 122 else 8 for byte in word) - sum(math.log2((b - a + 1) / 256) for a, b in then)


def check_chance(entries):
    words = {(unescaped(e["mark"]), e["then"]) for e in entries if "binary" in e["where"]}
    chance = sum(2.0 ** -bits(word, then_of(then)) for word, then in words)
    if chance * 1e8 > 1e-6:
        sys.exit(f"marks: {chance * 1e8:g} are met by chance in 100 MB")
    others = {unescaped(e["mark"]) for e in entries if {"binary", "document"} & set(e["where"].split(","))}
    for e in entries:
        if e["where"] == "code" and any(word.endswith(unescaped(e["mark"])) for word in others):
            sys.exit(f"{e['mark']}: a mark ends where this code does, and one of the two is not seen")
        if re.search(rb"[A-Z]", unescaped(e["mark"])):
            sys.exit(f"{e['mark']}: letters of a mark are lower case, escaped or not")


def automaton(words):
    """Aho and Corasick's: for each state what each byte leads to, and the words that end there. State 0 is the start."""
    goto, ends = [{}], [set()]
    for index, word in enumerate(words):
        state = 0
        for byte in word:
            if byte not in goto[state]:
                goto.append({})
                ends.append(set())
                goto[state][byte] = len(goto) - 1
            state = goto[state][byte]
        ends[state].add(index)
    used = sorted({byte for word in words for byte in word})
    full = [{} for _ in goto]
    fail, queue = [0] * len(goto), [0]
    for state in queue:
        for byte in used:
            back = full[fail[state]].get(byte, 0) if state else 0
            if byte in goto[state]:
                child = goto[state][byte]
                fail[child] = back
                ends[child] |= ends[back]
                full[state][byte] = child
                queue.append(child)
            else:
                full[state][byte] = back
    return full, ends, used


def numbers(kind, name, values):
    yield f"static const {kind} {name}[] = {{"
    for at in range(0, len(values), 32):
        yield "\t" + " ".join(f"{v}," for v in values[at:at + 32])
    yield "};"


def pairs(words):
    """A bit for each two bytes with which a word begins, letters in both cases."""
    bits = [0] * 2048
    for word in words:
        if len(word) < 2:
            sys.exit(f"{word}: a mark has two bytes at least")
        both = [{byte, byte - 32} if 97 <= byte <= 122 else {byte} for byte in word[:2]]
        for first in both[0]:
            for second in both[1]:
                bits[first << 3 | second >> 5] |= 1 << (second & 31)
    return [f"0x{b:08X}" for b in bits]


def marks(entries):
    """States where a mark ends come last, so that one comparison tells them."""
    check_chance(entries)
    words = sorted({unescaped(e["mark"]) for e in entries})
    thens = []
    full, ends, used = automaton(words)
    order = sorted(range(len(full)), key=lambda s: (bool(ends[s]), s))
    number = {state: index for index, state in enumerate(order)}
    first = sum(1 for e in ends if not e)
    classes = [0] * 256
    for index, byte in enumerate(used, 1):
        classes[byte] = index
        if 97 <= byte <= 122:
            classes[byte - 32] = index
    yield f"#define MARK_CLASSES {len(used) + 1}"
    yield f"#define MARK_FIRST_END {first}"
    yield from numbers("uint8_t", "mark_classes", classes)
    rows_of = [[0] + [number[full[state][byte]] for byte in used] for state in order]
    yield from numbers("uint16_t", "mark_next", [v for row in rows_of for v in row])
    yield "static const struct mark mark_table[] = {"
    starts = []
    count = 0
    for state in order[first:]:
        starts.append(count)
        for index in sorted(ends[state]):
            for e in entries:
                if unescaped(e["mark"]) == words[index]:
                    where = " | ".join(f"MARK_IN_{w.upper()}" for w in e["where"].split(","))
                    then = then_of(e["then"])
                    alone = "true" if bits(words[index], []) >= 32 else "false"
                    yield f"\t{{CHECK_{c_name(e['check'])}, {where}, {len(words[index])}, {len(then)}, {len(thens)}, {within(e['then'])}, {alone}}},"
                    thens += then
                    count += 1
    yield "};"
    yield from numbers("uint8_t", "mark_then_bytes", [v for pair in thens for v in pair])
    yield from numbers("uint16_t", "mark_ends", starts + [count])
    yield from numbers("uint32_t", "mark_pairs", pairs(words))


SIGNATURE_PROFILES = {"C": "SIGNED_CREATOR", "A": "SIGNED_AUTHORIZATION", "S": "SIGNED_REPORT", "V": "SIGNED_VERIFIED_REPORT"}


def signatures(entries):
    """What the profiles of PS3.15 C ask to be signed, ordered by tag."""
    yield "static const struct profile_entry profile_table[] = {"
    for e in sorted(entries, key=lambda e: e["tag"]):
        mask = " | ".join(SIGNATURE_PROFILES[letter] for letter in e["profiles"])
        yield f'\t{{0x{e["tag"][1:5]}{e["tag"][6:10]}, {mask}}},'
    yield "};"


def pixel_regions(entries):
    """Where devices burn text in: by fact, and rectangles."""
    facts = ("modality", "manufacturer", "model", "rows", "columns", "image_type", "series", "protocol", "implementation",
             "dose_comment", "burned_in", "window_width")
    yield "static const struct pixels_rule pixel_rule_table[] = {"
    for e in entries:
        rects = [[int(n) for n in rect.split(",")] for rect in e["blank"].split(";")]
        if not any(e[f] for f in facts) or any(len(r) != 4 or min(r) < 0 or 0 in r[2:] for r in rects):
            sys.exit(f"{e['name']}: no condition, or no rectangle")
        when = ", ".join(f"[PIXELS_{f.upper()}] = {quoted(e[f])}" for f in facts if e[f])
        blank = ", ".join("{" + ", ".join(map(str, r)) + "}" for r in rects)
        yield f'\t{{.name = {quoted(e["name"])}, .when = {{{when}}}, .regions = {{.n_blank = {len(rects)}, .blank = {{{blank}}}}}}},'
    yield "};"


def pixel_codings(entries):
    """Transfer syntaxes, how their frames are encoded, and as what again; and why those cannot that are not decoded."""
    by = {e["uid"]: e for e in entries}
    yield "static const struct encoding_coded coded_table[] = {"
    for e in entries:
        if e["coding"] in ("native", "none"):
            if e["lossless"] or (e["why"] == "") != (e["coding"] == "native"):
                sys.exit(f"{e['uid']}: no kin without loss, and a sentence if, and only if, it is not decoded")
            continue
        kin = by[e["lossless"]]
        if kin["lossless"] != kin["uid"] or kin["lossy"] != "N" or e["why"]:
            sys.exit(f"{e['uid']}: its kin without loss is none")
        yield f'\t{{{quoted(e["uid"])}, CODING_{e["coding"].upper()}, {quoted(kin["uid"])}, CODING_{kin["coding"].upper()}, {str(e["lossy"] == "Y").lower()}}},'
    yield "};"
    yield "static const struct {"
    yield "\tconst char *uid, *why;"
    yield "} uncoded_table[] = {"
    for e in entries:
        if e["coding"] == "none":
            yield f'\t{{{quoted(e["uid"])}, {quoted(e["why"])}}},'
    yield "};"


def main():
    makers = {"uids": uids, "dictionary": dictionary, "services": services, "audit": audit, "checks": checks,
              "marks": marks, "signatures": signatures, "confidentiality": confidentiality,
              "confidentiality_codes": concepts, "confidentiality_more": more, "safe_private": safe, "confidentiality_types": types,
              "clean_words": clean_words, "coding_schemes": schemes, "character_references": references, "pixel_regions": pixel_regions,
              "pixel_codings": pixel_codings}
    maker = makers[sys.argv[1]]
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        out.write("/* Made by tools/tables.py. */\n")
        for line in maker(rows(sys.argv[2])):
            out.write(line + "\n")


if __name__ == "__main__":
    main()
