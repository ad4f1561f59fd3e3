# SPDX-License-Identifier: Apache-2.0
"""Values that identify, in places where none belong: in no copy, whatever stays by option, is any of them, by any program's reading of it."""
import base64
import gzip
import os
import re
import struct
import zlib

from lib.site import check, equal, test
from test_deidentify import copies, make_key

NAME, ID, CT = b"Zzyzxon^Quentin", b"PID998877", "1.2.840.10008.5.1.4.1.1.2"
LONG = ("OB", "OW", "SQ", "UN", "UT", "UC")
EVERYTHING = ("--retain", "safe-private,uids,device,institution,patient", "--clean", "descriptors,structured-content,graphics", "--dates", "keep",
              "--burned-in", "keep", "--documents", "replace")


def put(tag, vr, value, length=None):
    value = value if isinstance(value, bytes) else value.encode()
    value += (b"\0" if vr in ("UI", "OB", "UN") else b" ") * (len(value) % 2)
    length = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return head + (struct.pack("<HI", 0, length) if vr in LONG else struct.pack("<H", length)) + value


def sequence(tag, *items):
    return put(tag, "SQ", b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items))


def content(*items):
    """Of a report: texts."""
    return sequence(0x0040A730, *(put(0x0040A010, "CS", "CONTAINS") + put(0x0040A040, "CS", "TEXT")
                                  + sequence(0x0040A043, put(0x00080100, "SH", "1") + put(0x00080102, "SH", "99X") + put(0x00080104, "LO", "Said"))
                                  + put(0x0040A160, "UT", item) for item in items))


def profile(text):
    """The head of an ICC profile, and a text in UTF-16 (ICC.1 10.15)."""
    return bytes(36) + b"acsp" + bytes(88) + b"mluc" + bytes(24) + text.decode().encode("utf-16-be")


PRIVATE = put(0x00190010, "LO", "GEMS_ACQU_01")
PLACES = {
    # What goes, wherever it is.
    "meta": {}, "preamble": {},
    "padding": {0xFFFCFFFC: put(0xFFFCFFFC, "OB", NAME)},
    "group-length": {0x00100000: put(0x00100000, "LO", NAME)},
    "illegal-group": {0x00090000: b""},
    "un": {0x00101040: put(0x00101040, "UN", NAME)},
    "un-sequence": {0x00101002: put(0x00101002, "UN", struct.pack("<HHI", 0xFFFE, 0xE000, 8 + 16) + struct.pack("<HHI", 0x10, 0x20, 16) + NAME + b" ")},
    "private-nested": {0x00091001: sequence(0x00091001, put(0x00091002, "LO", NAME) + sequence(0x00091003, put(0x00091004, "PN", NAME)))},
    "private-in-standard": {0x00081140: sequence(0x00081140, put(0x00091010, "LO", NAME) + put(0x00091011, "UN", NAME))},
    "creator": {0x00190010: put(0x00190010, "LO", NAME) + put(0x00191001, "LO", "x")},
    "overlay": {0x60000022: put(0x60000022, "LO", NAME) + put(0x60003000, "OB", NAME)},
    "curve": {0x50000022: put(0x50000022, "LO", NAME)},
    "annotation": {0x0040B020: sequence(0x0040B020, put(0x00700006, "ST", NAME))},
    "graphic": {0x00700001: sequence(0x00700001, sequence(0x00700008, put(0x00700006, "ST", NAME)))},
    "layer": {0x00700060: sequence(0x00700060, put(0x00700068, "LO", NAME))},
    "roi": {0x30060020: sequence(0x30060020, put(0x30060026, "LO", NAME) + put(0x30060028, "ST", NAME))},
    "rt-image": {0x30020002: put(0x30020002, "SH", NAME) + put(0x30020003, "LO", NAME) + put(0x30020004, "ST", NAME)},
    "report": {0x0040A730: content(NAME, b"by " + NAME)},
    "text-value": {0x00400440: sequence(0x00400440, put(0x0040A160, "UT", NAME))},
    "tracking": {0x00620002: sequence(0x00620002, put(0x00620006, "ST", NAME) + put(0x00620020, "UT", NAME))},
    "original": {0x04000561: sequence(0x04000561, sequence(0x04000550, put(0x00100010, "PN", NAME)))},
    "encrypted": {0x04000520: put(0x04000520, "OB", NAME)},
    "document": {0x00420010: put(0x00420010, "ST", NAME) + put(0x00420011, "OB", b"%PDF-1.4 " + NAME)},
    "icon": {0x00880200: sequence(0x00880200, put(0x7FE00010, "OB", NAME))},
    "protocol": {0x00720008: put(0x00720008, "LO", NAME)},
    "groups": {0x00081048: put(0x00081048, "PN", NAME + b"=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=" + NAME)},
    # What makes the file a broken one, and what stays, as no table names it: found, and no copy.
    "behind": {},
    "kernel": {0x00181210: put(0x00181210, "SH", "quentin")},
    "behind-nul": {0x00181210: put(0x00181210, "SH", b"HEAD\0ZZYZXON")},
    "profile": {0x00282000: put(0x00282000, "OB", profile(b"Zzyzxon"))},
    "number": {0x00180050: put(0x00180050, "DS", b"998877")} | {0x00181210: put(0x00181210, "SH", b"pid-998877 PID998877")},
    "value-type": {0x00080008: put(0x00080008, "CS", b"ORIGINAL\\PRIMARY\\ZZYZXON")},
    "safe": {0x00190010: PRIVATE + put(0x0019109E, "LO", NAME)},
    "url": {0x00181210: put(0x00181210, "SH", b"%5Azyzxon")},
    "squeezed": {0x00282000: put(0x00282000, "OB", zlib.compress(profile(b"Zzyzxon")))},
    "squeezed-twice": {0x00282000: put(0x00282000, "OB", gzip.compress(base64.b64encode(gzip.compress(NAME))))},
}


def make(path, number, name):
    places = {0x00080005: put(0x00080005, "CS", "\\ISO 2022 IR 87"), 0x00080016: put(0x00080016, "UI", CT),
              0x00080018: put(0x00080018, "UI", f"1.2.826.0.1.3680043.9.{number}"), 0x00100010: put(0x00100010, "PN", NAME),
              0x00100020: put(0x00100020, "LO", ID), 0x0020000D: put(0x0020000D, "UI", "1.2.826.0.1.3680043.9.1"),
              0x0020000E: put(0x0020000E, "UI", "1.2.826.0.1.3680043.9.2")} | PLACES[name]
    meta = put(0x00020001, "OB", b"\0\1") + put(0x00020002, "UI", CT) + put(0x00020003, "UI", f"1.2.826.0.1.3680043.9.{number}")
    meta += put(0x00020010, "UI", "1.2.840.10008.1.2.1") + put(0x00020012, "UI", "1.2.3")
    if name == "meta":
        meta += put(0x00020013, "SH", NAME) + put(0x00020016, "AE", NAME) + put(0x00020100, "UI", "1.2.3") + put(0x00020102, "OB", NAME)
    data = b"".join(places[tag] for tag in sorted(places))
    if name == "illegal-group":
        data = data.replace(put(0x0020000D, "UI", "1.2.826.0.1.3680043.9.1"), put(0x00110000, "UL", NAME[:4]) + put(0x0020000D, "UI", "1.2.826.0.1.3680043.9.1"))
    with open(path, "wb") as file:
        file.write((NAME * 9)[:128] if name == "preamble" else bytes(128))
        file.write(b"DICM" + put(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + data)
        file.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 16) + NAME + b" " if name == "behind" else b"")


FOUND = re.compile(b"z\0?z\0?y\0?z\0?x\0?o\0?n|q\0?u\0?e\0?n\0?t\0?i\0?n|998877", re.IGNORECASE)


@test
def deidentify_hidden(bench):
    """Each place, in a file of its own, with nothing and with everything that may stay."""
    key, folder = make_key(bench), bench.path("in")
    os.makedirs(folder)
    names = sorted(PLACES)
    for number, name in enumerate(names):
        make(os.path.join(folder, name + ".dcm"), 10 + number, name)
    must_go = list(PLACES)[:list(PLACES).index("behind")]
    for turn, options in enumerate(((), EVERYTHING)):
        out = bench.path(f"out-{turn}")
        ran = bench.run(bench.program, "deidentify", "--key", key, "--documents", "replace", *options, folder, out, wants=1)
        for path in copies(out):
            with open(path, "rb") as file:
                found = FOUND.search(file.read())
            check(not found, f"{path}: {found}")
        said = {line.split("/")[-1].split(".dcm:")[0]: line for line in ran.text.splitlines() if ".dcm: " in line}
        refused = sorted(name for name, line in said.items() if "copied, but" not in line)
        equal([name for name in must_go if name in refused], [], f"what is not copied, though it can be made safe: {ran.text}")
        equal(len(copies(out)), len(names) - len(refused), ran.text)
