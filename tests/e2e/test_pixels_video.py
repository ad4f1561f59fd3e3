# SPDX-License-Identifier: Apache-2.0
"""Videos whose pixels are cleaned: what DCMTK decodes of the copies is black where a rule says so, and elsewhere to the bit what FFmpeg decodes of the
originals, as red, green and blue."""
import fractions
import glob
import os
import shutil
import struct

from lib import peers
from lib.site import ROOT, check, equal, test
from test_pixels import LS, NATIVE, clean, compare, decoded, facts, fragments, make
from test_pixels_flow import gateway, rules_of, store

VIDEO = os.path.join(ROOT, "tests/data/video")
CLASS, STUDY = "1.2.840.10008.5.1.4.1.1.77.1.1.1", "1.2.3.4.5"  # Video Endoscopic Image Storage
# Of each its transfer syntax, fragments, rows, columns, bits, interlaced?, and BT.709 in full range?
FILES = {
    "mpeg2.ts": ("100", 1, 48, 64, 8, False, False),
    "mpeg2-sound.mpg": ("101.1", 3, 48, 64, 8, False, False),
    "mpeg2-fields.m2v": ("101", 1, 48, 64, 8, True, False),
    "avc-sound.mp4": ("102", 1, 48, 64, 8, False, False),
    "avc-fields.ts": ("103.1", 9, 48, 64, 8, True, False),
    "avc-odd.ts": ("104", 1, 46, 62, 8, False, True),
    "hevc.mp4": ("107", 2, 48, 64, 8, False, False),
    "hevc-10.ts": ("108", 1, 48, 64, 10, False, False),
}


def element(tag, vr, value):
    value = struct.pack("<H", value) if vr == "US" else value.encode() if isinstance(value, str) else value
    value += (b"\0" if vr in ("UI", "OB") else b" ") * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return head + (struct.pack("<HI", 0, len(value)) if vr in ("OB", "SQ") else struct.pack("<H", len(value))) + value


def item(value):
    return b"\xfe\xff\0\xe0" + struct.pack("<I", len(value)) + value


def coded(value, scheme, meaning):
    return item(element(0x00080100, "SH", value) + element(0x00080102, "SH", scheme) + element(0x00080104, "LO", meaning))


def wrap(bench, name, stream, syntax, pieces, rows, columns, bits, **changes):
    """An object of a video; changes: elements by their numbers in hex, None: without it."""
    uid = "1.2.3.4.5.6." + str(sum(name.encode()))
    wide = 8 if bits == 8 else 16
    all_of = {
        0x00080008: ("CS", "ORIGINAL\\PRIMARY"), 0x00080016: ("UI", CLASS), 0x00080018: ("UI", uid), 0x00080020: ("DA", "20200101"),
        0x00080023: ("DA", "20200101"), 0x0008002A: ("DT", "20200101120000"), 0x00080030: ("TM", "120000"), 0x00080033: ("TM", "120000"),
        0x00080050: ("SH", ""), 0x00080060: ("CS", "ES"), 0x00080070: ("LO", "ACME"), 0x00080090: ("PN", ""),
        0x00082218: ("SQ", coded("T-D8712", "SRT", "Stomach")), 0x00100010: ("PN", "Doe^Jane"), 0x00100020: ("LO", "123"), 0x00100030: ("DA", ""),
        0x00100040: ("CS", ""), 0x00180040: ("IS", "25"), 0x00181063: ("DS", "40"), 0x0020000D: ("UI", STUDY), 0x0020000E: ("UI", STUDY + ".1"),
        0x00200010: ("SH", ""), 0x00200011: ("IS", "1"), 0x00200013: ("IS", "1"), 0x00200020: ("CS", ""), 0x00200060: ("CS", ""),
        0x00280002: ("US", 3), 0x00280004: ("CS", "YBR_PARTIAL_420"), 0x00280006: ("US", 0), 0x00280008: ("IS", "10"),
        0x00280009: ("AT", struct.pack("<HH", 0x0018, 0x1063)), 0x00280010: ("US", rows), 0x00280011: ("US", columns), 0x00280100: ("US", wide),
        0x00280101: ("US", bits), 0x00280102: ("US", bits - 1), 0x00280103: ("US", 0), 0x00280301: ("CS", "YES"), 0x00282110: ("CS", "01"),
        0x00282112: ("DS", "30"), 0x00282114: ("CS", "ISO_14496_10"), 0x00400555: ("SQ", b"")}
    for tag, value in changes.items():
        all_of[int(tag[1:], 16)] = value
    body = b"".join(element(tag, *all_of[tag]) for tag in sorted(all_of) if all_of[tag])
    meta = element(0x00020001, "OB", b"\0\1") + element(0x00020002, "UI", CLASS) + element(0x00020003, "UI", uid)
    meta += element(0x00020010, "UI", "1.2.840.10008.1.2.4." + syntax) + element(0x00020012, "UI", "1.2.3.4")
    size = -(-len(stream) // pieces)
    size += size % 2
    parts = b"".join(item(part + b"\0" * (len(part) % 2)) for part in (stream[i:i + size] for i in range(0, len(stream), size)))
    path = bench.path("video-" + name + ".dcm")
    with open(path, "wb") as file:
        file.write(bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + body)
        file.write(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + item(b"") + parts + b"\xfe\xff\xdd\xe0\0\0\0\0")
    return path


def bytes_of(path):
    with open(path, "rb") as file:
        return file.read()


def of_file(bench, name, **changes):
    syntax, pieces, rows, columns, bits = FILES[name][:5]
    return wrap(bench, name, bytes_of(os.path.join(VIDEO, name)), syntax, pieces, rows, columns, bits, **changes)


def colours(bits, full, red, blue):
    """Of a sample of luminance, and of each of the two others, what they add to red, green and blue, in 65536ths."""
    most, scale = 2 ** bits - 1, 2 ** (bits - 8)
    black, of_light, of_colour = (0, most, most) if full else (16 * scale, 219 * scale, 224 * scale)
    red, blue = fractions.Fraction(red, 10000), fractions.Fraction(blue, 10000)
    green = 1 - red - blue

    def table(share, from_, to):
        return [(lambda n: (2 * n.numerator + n.denominator) // (2 * n.denominator))((v - from_) * share * most * 65536 / to) for v in range(most + 1)]

    return (table(fractions.Fraction(1), black, of_light), table(2 - 2 * red, 128 * scale, of_colour), table(2 - 2 * blue, 128 * scale, of_colour),
            table((2 - 2 * red) * red / green, 128 * scale, of_colour), table((2 - 2 * blue) * blue / green, 128 * scale, of_colour))


def reference(bench, name):
    """What FFmpeg decodes, in the colours that README and header promise: each pixel has those of its 2 × 2, of its field where there are such."""
    _, _, rows, columns, bits, fields, full = FILES[name]
    raw = bench.path("planes.raw")
    bench.run("ffmpeg", "-v", "error", "-y", "-nostdin", "-i", os.path.join(VIDEO, name), "-map", "0:v", "-vsync", "passthrough", "-f", "rawvideo", raw, wants=0)
    value = bytes_of(raw)
    if bits > 8:
        value = struct.unpack(f"<{len(value) // 2}H", value)
    light, red, blue, green_red, green_blue = colours(bits, full, *((2126, 722) if full else (2990, 1140)))
    most, half_rows, half = 2 ** bits - 1, (rows + 1) // 2, (columns + 1) // 2
    size = rows * columns + 2 * half_rows * half
    equal(len(value), 10 * size, f"{name}: samples that FFmpeg decodes")
    made, known = [], {}
    for frame in range(10):
        at = frame * size
        for y in range(rows):
            line = y // 4 * 2 + y % 2 if fields else y // 2
            for x in range(columns):
                cell = at + rows * columns + line * half + x // 2
                key = value[at + y * columns + x], value[cell], value[cell + half_rows * half]
                if key not in known:
                    l, b, r = key
                    sums = light[l] + red[r], light[l] - green_blue[b] - green_red[r], light[l] + blue[b]
                    known[key] = [max(0, min(most, (v + 32768) // 65536)) for v in sums]
                made += known[key]
    return bytes(made) if bits == 8 else struct.pack(f"<{len(made)}H", *made)


def faults(bench, path):
    """What dciodvfy has against it."""
    return {line for line in bench.run("dciodvfy", path).text.splitlines() if line.startswith("Error") and "Bits" not in line and "High Bit" not in line}


def check_offsets(bench, path, frames):
    """The basic offset table is of the frames (PS3.5 A.4)."""
    whole = bytes_of(path)
    at = whole.index(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff") + 12
    length, = struct.unpack_from("<I", whole, at + 4)
    offsets = struct.unpack_from(f"<{length // 4}I", whole, at + 8)
    equal(len(offsets), frames, f"{path}: offsets")
    for offset, frame in zip(offsets, fragments(bench, path)):
        begin = at + 8 + length + offset
        check(whole[begin:begin + 4] == b"\xfe\xff\0\xe0" and whole[begin + 8:begin + 8 + len(frame)] == frame, f"{path}: the frame at {offset}")


@test
def pixels_videos(bench):
    """Each kind of video, in each container: frames of JPEG-LS, black inside, and to the bit what FFmpeg decodes outside."""
    for name, (_, _, rows, _, bits, _, _) in FILES.items():
        key, rules = make(bench, rows)
        path = of_file(bench, name)
        ran, made = clean(bench, key, path, name, "--pixel-rules", rules)
        now = facts(bench, made[0])
        shown = {tag: now.get(tag) for tag in ("0002,0010", "0028,0004", "0028,0006", "0028,0008", "0028,0101", "0028,0301", "0028,2110", "0028,2112")}
        equal(shown, {"0002,0010": "JPEGLSLossless", "0028,0004": "RGB", "0028,0006": "0", "0028,0008": "10", "0028,0101": str(bits),
                      "0028,0301": "NO", "0028,2110": "01", "0028,2112": "30"}, name)
        check("113101" in bench.run("dcmdump", "-q", "+P", "0008,0100", made[0], wants=0).text, f"{name}: no 113101")
        equal("no sound" in ran.text, "sound" in name, f"{name}: what is said of sound")
        check_offsets(bench, made[0], 10)
        equal(faults(bench, made[0]) - faults(bench, path), set(), f"{name}: dciodvfy")
        after, shape = decoded(bench, made[0], LS, "after")
        compare(name, reference(bench, name), after, shape, [0, 0, 0])


@test
def pixels_videos_say(bench):
    """What the stream alone says is said of the frames that are made of it; what the object said stays."""
    key, rules = make(bench, 48)
    none = {tag: None for tag in ("x00180040", "x00181063", "x00280006", "x00280009", "x00282110", "x00282112", "x00282114")}
    path = of_file(bench, "mpeg2-fields.m2v", x00280008=("IS", "7"), **none)
    ran, made = clean(bench, key, path, "bare", "--pixel-rules", rules)
    check("10 frames are there, and 7 were said" in ran.text, ran.text)
    now = facts(bench, made[0])
    shown = {tag: now.get(tag) for tag in ("0018,1063", "0028,0006", "0028,0008", "0028,0009", "0028,0034", "0028,2110", "0028,2114")}
    equal(shown, {"0018,1063": "40", "0028,0006": "0", "0028,0008": "10", "0028,0009": "(0018,1063)", "0028,0034": "3\\4", "0028,2110": "01",
                  "0028,2114": "ISO_13818_2"}, "what is said")
    size = os.path.getsize(os.path.join(VIDEO, "mpeg2-fields.m2v"))
    check(abs(float(now["0028,2112"]) - 48 * 64 * 3 * 10 / (size + size % 2)) < 0.001, now["0028,2112"])


@test
def pixels_videos_refused(bench):
    """What cannot be decoded as the object says is not copied, and the sentence says why."""
    whole, bare = bytes_of(os.path.join(VIDEO, "mpeg2.ts")), bytes_of(os.path.join(VIDEO, "mpeg2-fields.m2v"))
    avc = bytes_of(os.path.join(VIDEO, "avc-sound.mp4"))
    cases = (
        ("cut", wrap(bench, "cut", bare[:3000], "100", 1, 48, 64, 8), "its video is damaged"),
        ("none", wrap(bench, "none", bytes(5000), "100", 1, 48, 64, 8), "there is no video"),
        ("size", wrap(bench, "size", whole, "100", 1, 48, 62, 8), "not of the size that it says"),
        ("bits", wrap(bench, "bits", bytes_of(os.path.join(VIDEO, "hevc.mp4")), "108", 1, 48, 64, 10), "another number of bits"),
        ("kind", wrap(bench, "kind", avc, "107", 1, 48, 64, 8), "not of the kind that its transfer syntax says"),
        ("each", wrap(bench, "each", whole, "100", 1, 48, 64, 8, x00181065=("DS", "0\\40"), x00280008=("IS", "2")), "says something of each"),
        ("samples", wrap(bench, "samples", whole, "100", 1, 48, 64, 8, x00280002=("US", 1)), "encoded in a way that cannot be cleaned here"),
    )
    key, rules = make(bench, 48)
    for name, path, sentence in cases:
        ran, made = clean(bench, key, path, "refused-" + name, "--pixel-rules", rules, wants=1)
        check(sentence in ran.text and not made, f"{name}: {ran.text}")
    # No rule says anything: an endoscope's video may have anything burned in.
    ran, made = clean(bench, key, cases[0][1], "refused-unknown", wants=1)
    check("burned" in ran.text and not made, ran.text)


@test
def pixels_videos_in_a_flow(bench):
    """A video leaves as frames without loss, or uncompressed, in a context that the caller knows nothing of; a damaged one does not."""
    path, name = of_file(bench, "avc-sound.mp4"), "avc-sound.mp4"
    before = reference(bench, name)
    for option, syntax, how in (("+xa", "JPEGLSLossless", LS), ("+xn", "LittleEndianExplicit", NATIVE)):
        port, folder = peers.storescp(bench, option)
        shutil.rmtree(folder)
        os.makedirs(folder)
        g = gateway(bench, port, rules_of(bench, "48"))
        equal(store(g, path)["status"], 0, option)
        made, = glob.glob(os.path.join(folder, "*"))
        now = facts(bench, made)
        equal((now["0002,0010"], now["0028,0301"], now["0028,0004"], now["0028,0008"]), (syntax, "NO", "RGB", "10"), option)
        after, shape = decoded(bench, made, how, "after")
        compare(option, before, after, shape, [0, 0, 0])
        said = g.wait_log(event="object.cleaned")["rule"]
        check("no sound" in said, "what the log says of sound", said)
        if option == "+xa":
            cut = wrap(bench, "cut", bytes_of(os.path.join(VIDEO, "mpeg2-fields.m2v"))[:3000], "100", 1, 48, 64, 8)
            equal(store(g, cut)["status"], 0x0124, "a damaged one")
            check("its video is damaged" in g.decision("deidentify")["message"], "why")
            equal(len(glob.glob(os.path.join(folder, "*"))), 1, "what has left")
        g.stop()
