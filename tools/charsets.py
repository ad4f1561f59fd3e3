#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the C tables of the character sets from Python's codecs: charsets.py OUTPUT."""
import sys

# Name, codec, and which half of it, for the sets of one byte a character: 94 or 96 of them, from 2/0 to 7/15 of a half.
# (The katakana are what one byte of the right half of Shift JIS is.)
SINGLES = [
    ("ascii", "ascii", 0x00),
    ("latin1", "iso8859_1", 0x80),
    ("latin2", "iso8859_2", 0x80),
    ("latin3", "iso8859_3", 0x80),
    ("latin4", "iso8859_4", 0x80),
    ("latin5", "iso8859_9", 0x80),
    ("latin9", "iso8859_15", 0x80),
    ("cyrillic", "iso8859_5", 0x80),
    ("arabic", "iso8859_6", 0x80),
    ("greek", "iso8859_7", 0x80),
    ("hebrew", "iso8859_8", 0x80),
    ("thai", "tis_620", 0x80),
    ("katakana", "shift_jis", 0x80),
]
# Name, codec, prefix, for the sets of 94 times 94 characters, as they stand in the right half of an EUC codec. cp949
# has KS X 1001 whole; euc_kr takes its Hangul filler for the start of a longer sequence.
DOUBLES = [
    ("jisx0208", "euc_jp", b""),
    ("jisx0212", "euc_jp", b"\x8f"),
    ("ksx1001", "cp949", b""),
    ("gb2312", "gb2312", b""),
]


def point(data, codec):
    """The code point of the one character that data encodes, 0 if it encodes none. 16 bits are enough here."""
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        return 0
    if len(text) != 1 or not 0x20 <= ord(text) <= 0xFFFF or 0xD800 <= ord(text) <= 0xDFFF:
        sys.exit(f"{codec}: {data!r} is {text!r}")
    if data == b"\x8f\xa2\xb7":
        return 0xFF5E  # JIS X 0212's tilde: the codec has ASCII's, which stands in G0 already
    if len(data) > 1 and ord(text) < 0xA0:
        sys.exit(f"{codec}: {data!r} is {text!r}: a character of ASCII in two bytes could pass for a delimiter")
    return ord(text)


def array(name, cells):
    yield f"static const uint16_t {name}[{len(cells)}] = {{"
    for start in range(0, len(cells), 16):
        yield "\t" + " ".join(f"0x{cell:04X}," for cell in cells[start:start + 16])
    yield "};"


def singles():
    for name, codec, half in SINGLES:
        # DELETE is a control character.
        cells = [point(bytes([half + low]), codec) if half + low != 0x7F else 0 for low in range(0x20, 0x80)]
        if name == "katakana":
            cells = [cell if 0xFF61 <= cell <= 0xFF9F else 0 for cell in cells]
        yield from array("cells_" + name, cells)
        if name == "ascii":
            # ISO-IR 14 is ISO-IR 6 but for two places (PS3.5 6.1.2.3).
            cells[0x5C - 0x20] = 0x00A5
            cells[0x7E - 0x20] = 0x203E
            yield from array("cells_romaji", cells)


def doubles():
    for name, codec, prefix in DOUBLES:
        cells = [point(prefix + bytes([lead, trail]), codec)
                 for lead in range(0xA1, 0xFF) for trail in range(0xA1, 0xFF)]
        yield from array("cells_" + name, cells)


def gb18030():
    trails = [b for b in range(0x40, 0xFF) if b != 0x7F]
    cells = [point(bytes([lead, trail]), "gb18030") for lead in range(0x81, 0xFF) for trail in trails]
    yield from array("cells_gb18030", cells)
    # Four bytes count through what is left of the BMP: where a run begins, and with which character (0: with none).
    yield "static const struct gb18030_run gb18030_runs[] = {"
    offset = None
    for linear in range(39420):
        data = bytes([0x81 + linear // 12600, 0x30 + linear // 1260 % 10,
                      0x81 + linear // 10 % 126, 0x30 + linear % 10])
        try:
            cell = ord(data.decode("gb18030"))
        except UnicodeDecodeError:
            cell = 0
        now = cell - linear if cell else None
        if linear == 0 or now != offset:
            yield f"\t{{{linear}, 0x{cell:04X}}},"
        offset = now
    yield "};"


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write("/* Made by tools/charsets.py. */\n")
        for part in (singles, doubles, gb18030):
            for line in part():
                out.write(line + "\n")


main()
