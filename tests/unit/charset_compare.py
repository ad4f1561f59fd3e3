#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: charset_compare.py FILTER [FOLDER...]

Compare the conversion of text (FILTER is charset_filter) with Python's codecs, character by character and set by set,
and with what DCMTK's dcmdump +U8 prints of each DICOM file in the FOLDERs. The tables are made from Python's codecs
too; so where there are two codecs for a set, this reads the other one, and always whole strings.
"""
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

SINGLES = {
    "ISO_IR 6": "ascii",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 203": "iso8859_15",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 166": "iso8859_11",
    "ISO_IR 13": "shift_jis_2004",
}
# The term, what designates its set, a codec other than the tables' with what it wants around a pair of seven bits, and
# the half of the code table that the set is in.
DOUBLES = [
    ("ISO 2022 IR 87", b"\x1b$B", "iso2022_jp_2", b"\x1b$B", b"\x1b(B", 0x00),
    ("ISO 2022 IR 159", b"\x1b$(D", "iso2022_jp_2", b"\x1b$(D", b"\x1b(B", 0x00),
    ("ISO 2022 IR 149", b"\x1b$)C", "iso2022_kr", b"\x1b$)C\x0e", b"\x0f", 0x80),
    ("ISO 2022 IR 58", b"\x1b$)A", "hz", b"~{", b"~}", 0x80),
]
# Where the codecs are wrong for DICOM, or do without: by term and pair in seven bits.
EXCEPTIONS = {
    ("ISO 2022 IR 159", b"\x22\x37"): "\uff5e",  # Python has ASCII's tilde
    ("ISO 2022 IR 149", b"\x24\x54"): "\u3164",  # Python begins a longer sequence with the Hangul filler
}
# Names in files that DCMTK does not convert: with GNU's iconv it knows no ISO 2022 IR 87.
NAMES = {
    "chrH31.dcm": ["Yamada^Tarou=山田^太郎=やまだ^たろう"],
    "chrH32.dcm": ["ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"],
    "chrJapMulti.dcm": ["やまだ^たろう"],
    "chrSQEncoding.dcm": ["ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"],  # an item with sets of its own
}
TEXT_VRS = ("LO", "LT", "PN", "SH", "ST", "UC", "UT")
LONG_VRS = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
UNDEFINED = 0xFFFFFFFF
REPLACED = "\ufffd"
failures = 0


def fail(*words):
    global failures
    failures += 1
    if failures <= 40:
        print("FAIL", *words)


def convert(program, cases):
    """cases: (charset, vr, value). The texts, and how much was replaced in each."""
    question = b"".join(struct.pack(">BB", 0, len(charset)) + charset.encode() + vr.encode()
                        + struct.pack(">L", len(value)) + value for charset, vr, value in cases)
    answer = subprocess.run([program], input=question, stdout=subprocess.PIPE, check=True).stdout
    texts, pos = [], 0
    for _ in cases:
        replaced, length = struct.unpack_from(">LL", answer, pos)
        texts.append((answer[pos + 8:pos + 8 + length].decode("utf-8"), replaced))
        pos += 8 + length
    if pos != len(answer):
        fail("the filter says more than it was asked")
    return texts


def compare(program, what, cases):
    """cases: (charset, vr, value, text expected)."""
    for case, (text, replaced) in zip(cases, convert(program, [case[:3] for case in cases])):
        if text != case[3]:
            place = next((i for i, (a, b) in enumerate(zip(text, case[3])) if a != b), min(len(text), len(case[3])))
            fail(case[0], case[1], repr(case[2][:40]), "gives", repr(text[place:place + 20]), "and not",
                 repr(case[3][place:place + 20]), "at", place)
        elif replaced != text.count(REPLACED):
            fail(case[0], repr(case[2][:40]), "counts", replaced)
    print(f"{what}: {len(cases)} compared")


def safe(text):
    """What the conversion promises, with Python's own knowledge of Unicode."""
    return "".join(REPLACED if ord(c) < 32 or 127 <= ord(c) < 160 or ord(c) & 0xFFFE == 0xFFFE
                   or 0xFDD0 <= ord(c) <= 0xFDEF or 0x2028 <= ord(c) <= 0x2029 else c for c in text)


def single_byte_sets(program):
    cases = []
    for charset, codec in SINGLES.items():
        for byte in range(256):
            text = bytes([byte]).decode(codec, "replace")
            if charset == "ISO_IR 166" and byte == 0xA0:
                text = REPLACED  # TIS 620 has no NO-BREAK SPACE; ISO 8859-11 has
            if charset == "ISO_IR 13" and byte > 0x7F and not 0xA1 <= byte <= 0xDF:
                text = REPLACED  # the first of two bytes, in Shift JIS
            if byte == 0x5C:
                text = "\\"  # a delimiter of values
            cases.append((charset, "LO", b"<" + bytes([byte]) + b">", "<" + safe(text) + ">"))
        # With code extensions, the right half designated by another's escape sequence.
        cases.append((charset.replace("_", " 2022 ") + "\\ISO 2022 IR 101", "LO", b"\x1b-B\xb3", "ł"))
    cases.append(("ISO_IR 13", "ST", b"\\~", "¥‾"))
    compare(program, "single-byte sets", cases)


def double_byte_sets(program):
    cases = []
    for charset, escape, codec, before, after, half in DOUBLES:
        for lead in range(0x21, 0x7F):
            for trail in range(0x21, 0x7F):
                pair = bytes([lead, trail])
                try:
                    text = (before + pair + after).decode(codec)
                except UnicodeDecodeError:
                    text = REPLACED
                text = EXCEPTIONS.get((charset, pair), text)
                cases.append(("\\" + charset, "PN", escape + bytes([lead | half, trail | half]), text))
    compare(program, "double-byte sets", cases)


def gb(program):
    cases = []
    for lead in range(0x81, 0xFF):
        for trail in [b for b in range(0x40, 0xFF) if b != 0x7F]:
            pair = bytes([lead, trail])
            text = pair.decode("gbk", "ignore")
            # GBK is read as what of GB 18030 has two bytes, which has some characters more.
            cases.append(("GBK", "PN", pair, text if len(text) == 1 and text >= "\x80" else pair.decode("gb18030")))
            cases.append(("GB18030", "PN", pair, pair.decode("gb18030")))
    compare(program, "GBK and GB 18030", cases)
    everything = "".join(chr(c) for c in range(32, 0x110000) if not 0xD800 <= c < 0xE000 and c != 0xFFFD) + "."
    compare(program, "all of Unicode", [
        ("GB18030", "LO", everything.encode("gb18030"), safe(everything)),
        ("ISO_IR 192", "LO", everything.encode(), safe(everything)),
    ])


def noise(program):
    """Malformed UTF-8: as many U+FFFD as Python's decoder has, which keeps to the Unicode standard (3.9)."""
    random.seed(20261125)
    pool = [b"\xc0", b"\xc2", b"\xe0", b"\xe1", b"\xed", b"\xef", b"\xf0", b"\xf1", b"\xf4", b"\xf5", b"\x80", b"\x8f",
            b"\x90", b"\x9f", b"\xa0", b"\xbf", b"a", "ü".encode(), "山".encode(), "😀".encode()]
    values = [b"".join(random.choices(pool, k=12)) + b"." for _ in range(20000)]
    compare(program, "malformed UTF-8",
            [("ISO_IR 192", "LO", value, safe(value.decode("utf-8", "replace"))) for value in values])


# ---- Files, and what DCMTK says of them ----


def elements(data, pos, end, charset):
    """(tag, vr, charset, value) of the text in an explicit VR little endian data set and its sequences; its end."""
    out = []
    while pos + 8 <= end:
        group, element = struct.unpack_from("<HH", data, pos)
        tag = f"{group:04x},{element:04x}"
        if group == 0xFFFE:
            return out, pos + 8
        vr = data[pos + 4:pos + 6].decode("latin_1")
        if vr in LONG_VRS:
            length, head = struct.unpack_from("<L", data, pos + 8)[0], 12
        else:
            length, head = struct.unpack_from("<H", data, pos + 6)[0], 8
        pos += head
        if vr == "SQ":
            inner, pos = items(data, pos, end if length == UNDEFINED else pos + length, charset, length == UNDEFINED)
            out += inner
            continue
        if length == UNDEFINED:
            break  # encapsulated pixel data; nothing that is text comes after it
        value = data[pos:pos + length]
        pos += length
        if tag == "0008,0005":
            charset = value.decode("latin_1")
        if vr in TEXT_VRS and length > 0:
            out.append((tag, vr, charset, value))
    return out, pos


def items(data, pos, end, charset, until_delimiter):
    out = []
    while pos < end:
        element, length = struct.unpack_from("<2xHL", data, pos)
        pos += 8
        if element == 0xE0DD:
            break
        inner, after = elements(data, pos, end if length == UNDEFINED else pos + length, charset)
        out += inner
        pos = after if length == UNDEFINED else pos + length
    return out, pos


def text_of(path):
    """The text elements of a DICOM file, rewritten by DCMTK where it is not explicit VR little endian."""
    with tempfile.TemporaryDirectory() as folder:
        flat = pathlib.Path(folder) / "flat.dcm"
        done = subprocess.run(["dcmconv", "-q", "+te", str(path), str(flat)], check=False, stderr=subprocess.DEVNULL)
        data = (flat if done.returncode == 0 else path).read_bytes()
    length = struct.unpack_from("<L", data, 140)[0]
    return elements(data, 144 + length, len(data), "")[0]


def dcmdump(path):
    """Of each text element what dcmdump +U8 prints; None if it cannot."""
    done = subprocess.run(["dcmdump", "-q", "+U8", "+L", "+R", "1024", str(path)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        return None
    out = []
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        found = re.match(r" *\(([0-9a-f]{4},[0-9a-f]{4})\) ([A-Z]{2}) \[(.*?)\] +# +\d+, *\d+ ", line)
        if found and found[2] in TEXT_VRS and not found[1].startswith("0002"):
            out.append((found[1], found[3]))
    return out


def files(program, folder):
    compared = foreign = 0
    for path in sorted(folder.rglob("*.dcm")):
        raw = text_of(path)
        ours = [(tag, text) for (tag, *_), (text, _) in
                zip(raw, convert(program, [(charset, vr, value) for _, vr, charset, value in raw]))]
        theirs = dcmdump(path)
        if theirs is None:
            names = [text for tag, text in ours if tag == "0010,0010"]
            if names != NAMES.get(path.name):
                fail(path, names, "where DCMTK converts nothing")
            compared += len(names)
            foreign += 1
            continue
        # dcmdump keeps padding, and breaks lines.
        ours = [text for text, (*_, value) in zip(ours, raw) if b"\n" not in value and b"\r" not in value]
        theirs = [(tag, text.rstrip(" \0")) for tag, text in theirs]
        foreign += any(not text.isascii() for _, text in ours)
        compared += len(ours)
        if ours != theirs:
            fail(path, "\n  ours  ", [text for text in ours if text not in theirs][:3],
                 "\n  theirs", [text for text in theirs if text not in ours][:3])
    print(f"{folder}: {compared} elements of files compared, {foreign} files with more than ASCII")
    return foreign > 0


def main():
    program = sys.argv[1]
    single_byte_sets(program)
    double_byte_sets(program)
    gb(program)
    noise(program)
    for folder in sys.argv[2:]:
        if not files(program, pathlib.Path(folder)):
            fail(folder, "has no file with more than ASCII")
    print(f"{failures} failures")
    return 1 if failures else 0


sys.exit(main())
