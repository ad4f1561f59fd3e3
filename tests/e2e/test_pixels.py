# SPDX-License-Identifier: Apache-2.0
"""`gantry deidentify --clean-pixels`: what DCMTK and GDCM decode of the copies is black where a rule says so, and elsewhere to the bit
what they decode of the originals."""
import csv
import glob
import json
import os
import re
import shutil
import struct
import zlib

from lib.site import ROOT, check, equal, test

DATA = os.path.join(ROOT, "tests/data/dicom")
BLANK = [(2, 3, 20, 9), (0, 0, 5, 5), (250, 240, 30, 20)]
RULES = """rules:
  - name: of this test
    when: { rows: "%s" }
    blank: [ [2, 3, 20, 9], [0, 0, 5, 5], [250, 240, 30, 20] ]
"""
# What decodes it, to what it becomes, and black of each sample. DCMTK's JPEG is not GDCM's, and its JPEG-LS not quite.
JPEG, LS, RLE, J2K, NATIVE = ["dcmdjpeg", "+cn"], ["dcmdjpls"], ["dcmdrle"], ["gdcmconv", "-w"], ["dcmconv", "+te"]
LOSSLESS = "JPEGLossless:Non-hierarchical-1stOrderPrediction"
FILES = {
    "CT_small.dcm": (NATIVE, "LittleEndianExplicit", [0x8000]),
    "MR_small_implicit.dcm": (NATIVE, "LittleEndianImplicit", [0x8000]),
    "SC_rgb_small_odd_big_endian.dcm": (NATIVE, "BigEndianExplicit", [0, 0, 0]),
    "image_dfl.dcm": (NATIVE, "DeflatedLittleEndianExplicit", [0]),
    "SC_rgb_rle_2frame.dcm": (RLE, "RLELossless", [0, 0, 0]),
    "SC_rgb_jpeg_dcmtk.dcm": (JPEG, LOSSLESS, [0, 128, 128]),
    "JPGExtended.dcm": (JPEG, LOSSLESS, [0]),
    "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm": (JPEG, LOSSLESS, [0]),
    "CT0012.fragmented_no_bot_jpeg_lossless.57.dcm": (JPEG, "JPEGLossless:Non-hierarchical:Process14", [0]),
    "sample-op.dcm": (JPEG, LOSSLESS, [0]),
    "MR_small_jpeg_ls_lossless.dcm": (LS, "JPEGLSLossless", [0x8000]),
    "JPEGLSNearLossless_16.dcm": (LS, "JPEGLSLossless", None),
    "MR_small_jp2klossless.dcm": (J2K, "JPEG2000LosslessOnly", [0x8000]),
    "JPEG2000.dcm": (J2K, "JPEG2000LosslessOnly", [0x8000]),
    "HTJ2KLossless_08_RGB.dcm": (J2K, "JPEG2000LosslessOnly", [0, 0, 0]),
    "HTJ2K_08_RGB.dcm": (J2K, "JPEG2000LosslessOnly", [0, 0, 0]),
}


def facts(bench, path, *options):
    """What dcmdump reads of the elements at the top, and all that it says."""
    text = bench.run("dcmdump", "-q", *options, path, wants=0).text
    found = {"": text}
    for line in text.splitlines():
        got = re.match(r"\(([0-9a-f]{4},[0-9a-f]{4})\) .. (=?)\[?([^]#]*)", line)
        if got:
            found.setdefault(got[1], got[3].strip())
    return found


def decoded(bench, path, how, name):
    """The samples that others decode, little endian."""
    folder, plain = bench.path(name), bench.path(name + ".dcm")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(path, "rb") as file:
        whole = file.read()
    for theirs, same in ((b"4.201\0", b"4.90\0\0"), (b"4.203\0", b"4.91\0\0")):  # which OpenJPEG decodes, and gdcmconv has not heard of
        if b"1.2.840.10008.1.2." + theirs in whole:
            path = bench.path("renamed.dcm")
            with open(path, "wb") as file:
                file.write(whole.replace(b"1.2.840.10008.1.2." + theirs, b"1.2.840.10008.1.2." + same, 1))
    bench.run(*how, path, plain, wants=0)
    shape = facts(bench, plain, "+W", folder)
    equal(shape["0002,0010"], "LittleEndianExplicit", f"{how[0]}: transfer syntax")
    raw = max(glob.glob(os.path.join(folder, "*.raw")), key=os.path.getsize)
    with open(raw, "rb") as file:
        return file.read(), shape


def compare(name, before, after, shape, black):
    rows, columns, samples = (int(shape[tag]) for tag in ("0028,0010", "0028,0011", "0028,0002"))
    width, frames = int(shape["0028,0100"]) // 8, int(shape.get("0028,0008", "1"))
    size = rows * columns * samples * width * frames
    check(len(before) >= size and len(after) >= size, f"{name}: {len(before)}, {len(after)} of {size} bytes")
    equal(shape.get("0028,0006", "0"), "0", f"{name}: planar configuration")
    line = columns * samples * width
    want = bytearray(before[:size])
    for x, y, w, h in BLANK:
        for frame in range(frames):
            for row in range(y, min(y + h, rows)):
                for column in range(x, min(x + w, columns)):
                    for sample in range(samples):
                        at = (frame * rows + row) * line + (column * samples + sample) * width
                        want[at:at + width] = (black or [0])[sample].to_bytes(width, "little")
    check(bytes(want) != before[:size], f"{name}: nothing was to be made black")
    check(bytes(want) == after[:size], f"{name}: other pixels than those of the rule are changed, or those are not black")


def clean(bench, key, source, name, *options, wants=0):
    out = bench.path("out-" + name)
    ran = bench.run(bench.program, "deidentify", "--key", key, "--clean-pixels", "--leftovers", "keep", *options, source, out, wants=wants)
    return ran, glob.glob(os.path.join(out, "**/*.dcm"), recursive=True)


def make(bench, rows):
    key, rules = bench.path("key"), bench.path("rules.yaml")
    if not os.path.exists(key):
        bench.run(bench.program, "deidentify", "--new-key", key, wants=0)
    with open(rules, "w") as file:
        file.write(RULES % rows)
    return key, rules


def every_codec(bench, part):
    key, rules = make(bench, "3|50|64|100|128|480|512|1024|1536")
    for name, (how, syntax, black) in list(FILES.items())[part::2]:
        source = os.path.join(DATA, name)
        _, made = clean(bench, key, source, name, "--pixel-rules", rules)
        now = facts(bench, made[0])
        equal(now["0002,0010"], syntax, f"{name}: transfer syntax")
        equal(now["0028,0301"], "NO", f"{name}: Burned In Annotation")
        check("113101" in now[""], f"{name}: no 113101")
        before, _ = decoded(bench, source, how, "before")
        again = {LOSSLESS: JPEG}.get(syntax, how)
        after, shape = decoded(bench, made[0], again, "after")
        compare(name, before, after, shape, black)


@test
def pixels_every_codec(bench):
    """Each transfer syntax: black inside, to the bit the same outside, in the syntax that it should be in. Half of them: the rest beside it."""
    every_codec(bench, 0)


@test
def pixels_every_other_codec(bench):
    """The other half."""
    every_codec(bench, 1)


@test
def pixels_of_nobody(bench):
    """What is said of pixels is what is known of them: 113101 by a rule or the object's word, 113102 by a rule of the site alone."""
    key, rules = make(bench, "1")
    path = bench.path("ct.dcm")
    shutil.copy(os.path.join(DATA, "CT_small.dcm"), path)
    os.chmod(path, 0o644)

    def said(name, *options):
        _, made = clean(bench, key, path, name, *options)
        text = bench.run("dcmdump", "-q", "+P", "0008,0100", "+P", "0028,0301", "+P", "0028,0302", made[0], wants=0).text
        return "113101" in text, "113102" in text, text.count("[NO]")

    equal(said("unknown"), (False, False, 0), "nobody says anything of it")
    ran, made = clean(bench, key, path, "face", "--pixel-rules", rules, "--clean-features", wants=1)
    check("nobody can be recognized in it" in ran.text and not made, ran.text)
    with open(rules, "w", encoding="utf-8") as file:
        file.write("rules:\n  - when: { modality: CT }\n    pass: yes\n    recognizable: no\n")
    equal(said("rule", "--pixel-rules", rules), (True, False, 1), "the site's word")
    equal(said("nobody", "--pixel-rules", rules, "--clean-features"), (True, True, 2), "the site's word for both")
    bench.run("dcmodify", "-nb", "-q", "-i", "0028,0301=NO", path, wants=0)
    equal(said("word"), (True, False, 1), "the object's word")
    ran = bench.run(bench.program, "deidentify", "--key", key, "--clean-pixels", "--clean-features", path, bench.path("x"), wants=2)
    check("only a site's rules" in ran.text, ran.text)


def wrapped(bench, path, syntax, code, name):
    """A native object in Explicit VR Little Endian, of whose pixel data code() makes the frames of another transfer syntax; and that pixel data."""
    with open(path, "rb") as file:
        whole = file.read()
    uids = (b"1.2.840.10008.1.2.1\0", syntax.encode() + bytes(len(syntax) % 2))
    native, coded = (b"\x02\x00\x10\x00UI" + struct.pack("<H", len(uid)) + uid for uid in uids)
    (meta,) = struct.unpack_from("<I", whole, 140)
    at = whole.rindex(b"\xe0\x7f\x10\x00O")
    (length,) = struct.unpack_from("<I", whole, at + 8)
    value = whole[at + 12:at + 12 + length]
    equal(whole.count(native), 1, "transfer syntax")
    items = [b""] + [one + bytes(len(one) % 2) for one in code(value)]
    head = whole[:140] + struct.pack("<I", meta + len(coded) - len(native)) + whole[144:at].replace(native, coded)
    body = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(one)) + one for one in items)
    made = bench.path(name)
    with open(made, "wb") as file:
        file.write(head + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + body + b"\xfe\xff\xdd\xe0\0\0\0\0" + whole[at + 12 + length:])
    return made, value


def fragments(bench, path):
    """The frames of such an object, as dcmdump finds them."""
    folder = bench.path("fragments")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    text = bench.run("dcmdump", "-q", "+L", "+W", folder, path, wants=0).text
    parts = re.findall(r"\(fffe,e000\) pi =(\S+)", text)
    found = []
    for part in parts[-int(facts(bench, path).get("0028,0008", "1")):]:
        with open(part, "rb") as file:
            found.append(file.read())
    return found


def deflated(bench, path, frame, name):
    """Frames of so many bytes, deflated by Python's zlib (PS3.5 A.4.13)."""
    def code(value):
        for i in range(0, len(value) - len(value) % frame, frame):
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            yield packer.compress(value[i:i + frame]) + packer.flush()

    return wrapped(bench, path, "1.2.840.10008.1.2.8.1", code, name)


def inflated(bench, path):
    value = b""
    for frame in fragments(bench, path):
        one = zlib.decompressobj(-15)
        value += one.decompress(frame)
        check(one.eof and one.unused_data in (b"", b"\0"), f"{path}: not one whole stream")
    return value


@test
def pixels_deflated_frames(bench):
    """Frames that are deflated each: black inside, to the bit the same outside, and still deflated."""
    for name, width, black in (("CT_small.dcm", 128 * 2, [0x8000]), ("SC_rgb_small_odd.dcm", 3 * 3, [0, 0, 0])):
        source = os.path.join(DATA, name)
        shape = facts(bench, source)
        path, before = deflated(bench, source, width * int(shape["0028,0010"]), name)
        key, rules = make(bench, shape["0028,0010"])
        _, made = clean(bench, key, path, "deflated-" + name, "--pixel-rules", rules)
        now = facts(bench, made[0])
        equal((now["0002,0010"], now["0028,0301"]), ("1.2.840.10008.1.2.8.1", "NO"), name)
        compare(name, before, inflated(bench, made[0]), now, black)


def rescaled(value, way, most, of):
    """Samples of 16 bits, in another byte order, as the nearest parts of another whole."""
    there, back = way
    return struct.pack(f"{back}{len(value) // 2}H", *((v * most * 2 // of + 1) // 2 for v in struct.unpack(f"{there}{len(value) // 2}H", value)))


def to_xl(bench, shape, bits, *options):
    """Of native pixel data: its frames in JPEG XL, by cjxl, which wants samples of 12 bits as parts of 65535."""
    rows, columns, samples, width = (int(shape[tag]) // by for tag, by in (("0028,0010", 1), ("0028,0011", 1), ("0028,0002", 1), ("0028,0100", 8)))
    plain, coded = bench.path("frame.ppm" if samples == 3 else "frame.pgm"), bench.path("frame.jxl")
    size = rows * columns * samples * width

    def code(value):
        for i in range(0, len(value) - len(value) % size, size):
            frame = value[i:i + size]
            with open(plain, "wb") as file:
                file.write(b"P%d\n%d %d\n%d\n" % (6 if samples == 3 else 5, columns, rows, 256 ** width - 1))
                file.write(rescaled(frame, "<>", 65535, 2 ** bits - 1) if width == 2 else frame)
            yield xl(bench, plain, coded, f"--override_bitdepth={bits}", *options)

    return code


def xl(bench, plain, coded, *options):
    bench.run("cjxl", *options, "--num_threads=0", plain, coded, wants=0)
    with open(coded, "rb") as file:
        return file.read()


def from_xl(bench, path, bits):
    """The samples that djxl decodes of an object's frames."""
    coded, samples = bench.path("coded.jxl"), int(facts(bench, path)["0028,0002"])
    plain, value = bench.path("decoded.ppm" if samples == 3 else "decoded.pgm"), b""
    for frame in fragments(bench, path):
        with open(coded, "wb") as file:
            file.write(frame)
        said = bench.run("jxlinfo", coded, wants=0).text
        check(f", {bits}-bit " in said, f"{path}: {said}")
        bench.run("djxl", "--num_threads=0", f"--bits_per_sample={8 if bits <= 8 else 16}", coded, plain, wants=0)
        with open(plain, "rb") as file:
            body = re.fullmatch(rb"P.\n\S+ \S+\n\S+\n(.*)", file.read(), re.DOTALL)[1]
        value += body if bits <= 8 else rescaled(body, "><", 2 ** bits - 1, 65535)
    return value


@test
def pixels_jpeg_xl(bench):
    """JPEG XL, made by cjxl: of 16, 12 and 8 bits, in colour, of a JPEG, and with loss. What djxl decodes is black inside and the same outside."""
    ct, colour, jpeg = bench.path("ct.dcm"), bench.path("colour.dcm"), bench.path("jpeg.dcm")
    shutil.copy(os.path.join(DATA, "CT_small.dcm"), ct)
    os.chmod(ct, 0o644)
    bench.run("dcmodify", "-nb", "-q", "-m", "0028,0103=0", ct, wants=0)
    bench.run("dcmdrle", os.path.join(DATA, "SC_rgb_rle_2frame.dcm"), colour, wants=0)
    bench.run("dcmdjpeg", "+cn", os.path.join(DATA, "SC_rgb_jpeg_dcmtk.dcm"), jpeg, wants=0)
    bench.run("dcmodify", "-nb", "-q", "-m", "0028,0004=YBR_FULL_422", jpeg, wants=0)
    picture = bench.path("frame.jpg")
    with open(picture, "wb") as file:
        file.write(fragments(bench, os.path.join(DATA, "SC_rgb_jpeg_dcmtk.dcm"))[0])
    twelve = bench.path("twelve.dcm")
    raw = bench.path("twelve.raw")
    with open(raw, "wb") as file:
        file.write(bytes(byte & 0x0F if i % 2 else byte for i, byte in enumerate(decoded(bench, ct, NATIVE, "raw")[0])))
    shutil.copy(ct, twelve)
    bench.run("dcmodify", "-nb", "-q", "-m", "0028,0101=12", "-m", "0028,0102=11", "-mf", f"7fe0,0010={raw}", twelve, wants=0)
    colours, ray = facts(bench, colour), facts(bench, ct)
    cases = (("ct", ct, "110", 16, to_xl(bench, ray, 16, "-d", "0"), True),
             ("signed", os.path.join(DATA, "CT_small.dcm"), "110", 16, to_xl(bench, ray, 16, "-d", "0"), True),
             ("twelve", twelve, "110", 12, to_xl(bench, ray, 12, "-d", "0"), True),
             ("colour", colour, "110", 8, to_xl(bench, colours, 8, "-d", "0"), True),
             ("lossy", colour, "112", 8, to_xl(bench, colours, 8, "-d", "1"), False),
             ("jpeg", jpeg, "111", 8, lambda _: [xl(bench, picture, bench.path("frame.jxl"))], False))
    for name, source, syntax, bits, code, lossless in cases:
        path, native = wrapped(bench, source, "1.2.840.10008.1.2.4." + syntax, code, "xl-" + name + ".dcm")
        key, rules = make(bench, facts(bench, path)["0028,0010"])
        before = from_xl(bench, path, bits)
        check(not lossless or before == native[:len(before)], f"{name}: djxl")
        _, made = clean(bench, key, path, "xl-" + name, "--pixel-rules", rules)
        now = facts(bench, made[0])
        equal((now["0002,0010"], now["0028,0301"]), ("1.2.840.10008.1.2.4.110", "NO"), name)
        check(now["0028,0002"] == "1" or now["0028,0004"] == "RGB", f"{name}: {now['0028,0004']}")
        compare(name, before, from_xl(bench, made[0], bits), now, [0x8000] if name == "signed" else [0, 0, 0])
    with open(bench.path("xl-twelve.dcm"), "rb") as file:
        whole = file.read()
    with open(bench.path("xl-colour.dcm"), "rb") as file:
        rgb = file.read()
    for one, was, then, sentence in ((whole, b"\x28\0\x11\0US\2\0\x80", b"\x28\0\x11\0US\2\0\x7f", "could not be decoded"),
                                     (rgb, b"\x28\0\4\0CS\4\0RGB ", b"\x28\0\4\0CS\x08\0YBR_FULL", "JPEG XL has no pixels of this kind (PS3.5 8.2.15)")):
        equal(one.count(was), 1, "places to change")
        with open(bench.path("other.dcm"), "wb") as file:
            file.write(one.replace(was, then))
        path, (key, rules) = bench.path("other.dcm"), make(bench, (ray if one is whole else colours)["0028,0010"])
        ran, made = clean(bench, key, path, "none", "--pixel-rules", rules, wants=1)
        check(sentence in ran.text and not made, f"{was}: {ran.text}")


@test
def pixels_progressive(bench):
    """JPEG's retired progressive process, made by jpegtran, becomes lossless JPEG."""
    source, path, picture = os.path.join(DATA, "SC_rgb_jpeg_dcmtk.dcm"), bench.path("progressive.dcm"), bench.path("frame.jpg")
    (frame,) = fragments(bench, source)
    with open(picture, "wb") as file:
        file.write(frame)
    bench.run("jpegtran", "-progressive", "-outfile", bench.path("out.jpg"), picture, wants=0)
    with open(bench.path("out.jpg"), "rb") as file:
        frame = file.read()
    check(b"\xff\xc2" in frame, "it is not progressive")
    native = bench.path("native.dcm")
    bench.run("dcmdjpeg", "+cn", source, native, wants=0)
    path, _ = wrapped(bench, native, "1.2.840.10008.1.2.4.55", lambda _: [frame], "progressive.dcm")
    key, rules = make(bench, facts(bench, path)["0028,0010"])
    _, made = clean(bench, key, path, "progressive", "--pixel-rules", rules)
    equal(facts(bench, made[0])["0002,0010"], LOSSLESS, "transfer syntax")
    after, shape = decoded(bench, made[0], JPEG, "after")
    compare("progressive", decoded(bench, path, JPEG, "before")[0], after, shape, [0, 128, 128])


def blank_bits(value, rows, columns, frames, whole):
    """Bits of frames of which each begins with a byte, or with the next bit: black where the rule says so, and none behind the last."""
    bits = [byte >> i & 1 for byte in value for i in range(8)]
    size = rows * columns
    step = -(-size // 8) * 8 if whole else size
    want = [0] * len(bits)
    for frame in range(frames):
        for at in range(size):
            row, column = divmod(at, columns)
            black = any(x <= column < x + w and y <= row < y + h for x, y, w, h in BLANK)
            want[frame * step + at] = 0 if black else bits[frame * step + at]
    return bytes(sum(bit << i for i, bit in enumerate(want[at:at + 8])) for at in range(0, len(want), 8))


def bits(bench):
    """An object with three frames of one bit a pixel, and what lies behind; and its pixel data."""
    path, raw = bench.path("bits.dcm"), bench.path("bits.raw")
    value = bytes((i * 167 + i // 7 * 31 + 1) % 256 for i in range(182))
    with open(raw, "wb") as file:
        file.write(value)
    shutil.copy(os.path.join(DATA, "CT_small.dcm"), path)
    os.chmod(path, 0o644)
    bench.run("dcmodify", "-nb", "-q", "-m", "0028,0010=13", "-m", "0028,0011=37", "-i", "0028,0008=3", "-m", "0028,0100=1", "-m", "0028,0101=1",
              "-m", "0028,0102=0", "-m", "0028,0103=0", "-mf", f"7fe0,0010={raw}", path, wants=0)
    return path, value


@test
def pixels_one_bit(bench):
    """One bit a pixel: deflated, and native in either byte order, where frames begin within bytes."""
    source = os.path.join(DATA, "liver_deflate.dcm")
    key, rules = make(bench, "512")
    _, made = clean(bench, key, source, "liver", "--pixel-rules", rules)
    before = inflated(bench, source)
    want = blank_bits(before, 512, 512, 3, True)
    check(want != before and inflated(bench, made[0]) == want, "liver_deflate.dcm: its pixels")
    path, value, big = *bits(bench), bench.path("big.dcm")
    bench.run("dcmconv", "+tb", path, big, wants=0)
    key, rules = make(bench, "13")
    for one in (path, big):
        _, made = clean(bench, key, one, "of-" + os.path.basename(one), "--pixel-rules", rules)
        equal(facts(bench, made[0])["0028,0301"], "NO", one)
        check(decoded(bench, made[0], NATIVE, "after")[0] == blank_bits(value, 13, 37, 3, False), f"{one}: its pixels")


def packed(frame):
    """PackBits (PS3.5 G.3): literals alone."""
    body = b"".join(bytes([len(frame[i:i + 128]) - 1]) + frame[i:i + 128] for i in range(0, len(frame), 128))
    return struct.pack("<16I", 1, 64, *[0] * 14) + body


def unpacked(segments):
    value, at = b"", 64
    equal(struct.unpack_from("<2I", segments), (1, 64), "segments")
    while at + 1 < len(segments):
        head = segments[at]
        value += segments[at + 1:at + 2 + head] if head < 128 else segments[at + 1:at + 2] * (257 - head)
        at += 2 + head if head < 128 else 2
    return value


def tiff(samples, width, height):
    """Of one bit a pixel: all else opj_compress makes eight of."""
    rows = b"".join(bytes(sum(samples[y * width + x + i] << 7 - i for i in range(min(8, width - x))) for x in range(0, width, 8)) for y in range(height))
    rows += bytes(len(rows) % 2)
    tags = ((256, width), (257, height), (258, 1), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, len(rows)))
    return (b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + struct.pack("<H", len(tags))
            + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags) + bytes(4))


@test
def pixels_one_bit_coded(bench):
    """One bit a pixel in RLE, JPEG 2000 (OpenJPEG's programs), JPEG XL (libjxl's) and as it is: black where the rule says so, and one bit still.
    JPEG-LS and JPEG have none."""
    path, value = bits(bench)
    (key, rules), size = make(bench, "13"), 13 * 37
    every = [byte >> i & 1 for byte in value for i in range(8)]
    frames = [bytes(sum(bit << i for i, bit in enumerate(every[at:at + size][n:n + 8])) for n in range(0, size, 8)) for at in range(0, 3 * size, size)]
    want = [blank_bits(frame, 13, 37, 1, True) for frame in frames]
    raw, pgm, coded = bench.path("frame.raw"), bench.path("frame.pgm"), bench.path("frame.")

    def samples(frame, most):
        return bytes(most * (frame[i // 8] >> i % 8 & 1) for i in range(size))

    def to_bits(value):
        return bytes(sum(bool(value[n + i]) << i for i in range(min(8, size - n))) for n in range(0, size, 8))

    def made_by(made, *program):
        bench.run(*program, wants=0)
        with open(made, "rb") as file:
            return file.read()

    def write(path, value):
        with open(path, "wb") as file:
            file.write(value)

    def to_2000(frame):
        write(coded + "tif", tiff(samples(frame, 1), 37, 13))
        return made_by(coded + "j2k", "opj_compress", "-n", "2", "-i", coded + "tif", "-o", coded + "j2k")

    def from_2000(frame):
        write(coded + "j2k", frame)
        return to_bits(made_by(raw, "opj_decompress", "-i", coded + "j2k", "-o", raw))

    def to_jxl(frame):
        write(pgm, b"P5\n37 13\n255\n" + samples(frame, 255))
        return xl(bench, pgm, coded + "jxl", "-d", "0", "--override_bitdepth=1")

    def from_jxl(frame):
        write(coded + "jxl", frame)
        return to_bits(made_by(pgm, "djxl", coded + "jxl", pgm)[-size:])

    for syntax, encode, decode in (("1.2.840.10008.1.2.5", packed, unpacked),
                                   ("1.2.840.10008.1.2.4.90", to_2000, from_2000), ("1.2.840.10008.1.2.4.110", to_jxl, from_jxl),
                                   ("1.2.840.10008.1.2.1.98", bytes, bytes)):
        one, _ = wrapped(bench, path, syntax, lambda _, encode=encode: map(encode, frames), "coded-bits.dcm")
        _, made = clean(bench, key, one, "bits" + syntax, "--pixel-rules", rules)
        equal(facts(bench, made[0])["0028,0100"], "1", f"{syntax}: Bits Allocated")
        now = [decode(frame)[:len(frames[0])] for frame in fragments(bench, made[0])]
        check(want != frames and now == want, f"{syntax}: its pixels", now)
        check(not syntax.endswith(".90") or fragments(bench, made[0])[0][42] == 0, "its components have more bits")
    for syntax, sentence in (("1.2.840.10008.1.2.4.80", "8.2.3"), ("1.2.840.10008.1.2.4.70", "8.2.1")):
        one, _ = wrapped(bench, path, syntax, lambda _: frames, "none.dcm")
        ran, made = clean(bench, key, one, "none" + syntax, "--pixel-rules", rules, wants=1)
        check(sentence in ran.text and not made, f"{syntax}: {ran.text}")


@test
def pixels_floating_point(bench):
    """Float and Double Float Pixel Data: its padding value inside, what it was outside, and dcmdump reads it."""
    key, rules = make(bench, "128")
    with open(os.path.join(DATA, "CT_small.dcm"), "rb") as file:
        whole = file.read()
    at = whole.rindex(b"\xe0\x7f\x10\0OW")
    numbers = [x / 7 for x in struct.unpack_from("<16384h", whole, at + 12)]
    for tag, vr, letter, bits in ((8, b"OF", "f", 32), (9, b"OD", "d", 64)):
        path, allocated = bench.path(f"float{bits}.dcm"), b"\x28\0\x00\x01US\2\0"
        value = struct.pack("<16384" + letter, *numbers)
        padding = b"\x28\0" + (b"\x22\x01FL\4\0" if bits == 32 else b"\x23\x01FD\x08\0") + struct.pack("<" + letter, -3000.25)
        with open(path, "wb") as file:
            head = whole[:at].replace(allocated + b"\x10\0", allocated + bytes([bits, 0]))
            head = head.replace(b"\x28\0\x20\x01", padding + b"\x28\0\x20\x01") if b"\x28\0\x20\x01US" in head else head + padding
            file.write(head + b"\xe0\x7f" + bytes([tag, 0]) + vr + b"\0\0" + struct.pack("<I", len(value)) + value)
        _, made = clean(bench, key, path, f"float{bits}", "--pixel-rules", rules)
        with open(made[0], "rb") as file:
            now = file.read()
        now = now[now.rindex(b"\xe0\x7f" + bytes([tag, 0]) + vr) + 12:]
        compare(f"float{bits}", value, now, {"0028,0010": "128", "0028,0011": "128", "0028,0002": "1", "0028,0100": str(bits)},
                [int.from_bytes(struct.pack("<" + letter, -3000.25), "little")])
        check(f"(7fe0,{tag:04x}) {vr.decode()}" in bench.run("dcmdump", "-q", made[0], wants=0).text, "what dcmdump reads")


def beside(bench):
    """An image with an overlay in a bit of its pixels, and a name behind the last of them; its pixel data, and without these."""
    path, more = bench.path("overlay.dcm"), bench.path("more.raw")
    shutil.copy(os.path.join(DATA, "CT_small.dcm"), path)
    os.chmod(path, 0o644)
    raw, _ = decoded(bench, path, NATIVE, "before")
    plain = bytes(b & 0x0F if i % 2 else b for i, b in enumerate(raw)) + bytes(6)
    raw = bytes(b | 0x10 if i % 6 == 1 else b for i, b in enumerate(raw)) + b"MILLER"
    with open(more, "wb") as file:
        file.write(raw)
    bench.run("dcmodify", "-nb", "-q", "-m", "0028,0101=12", "-m", "0028,0102=11", "-m", "0028,0103=0", "-i", "6000,0100=1", "-i", "6000,0102=12",
              "-mf", f"7fe0,0010={more}", path, wants=0)
    return path, raw, plain


@test
def pixels_listed(bench):
    """What was changed with the pixels is in the manifest and in the counts; what was not, is not."""
    key, rules = make(bench, "48|64|128")
    for source, want in (("video/mpeg2-sound.dcm", {"(7FE0,0010)": "cleaned", "(0028,0004)": "replaced", "(0028,0301)": "replaced",
                                                    "(0002,0010)": "replaced"}),
                         ("dicom/CT_small.dcm", {"(7FE0,0010)": "cleaned", "(0028,0301)": "added"})):
        listed, name = bench.path("list.csv"), os.path.basename(source)
        ran, _ = clean(bench, key, os.path.join(ROOT, "tests/data", source), name, "--pixel-rules", rules, "--manifest", listed, "--json")
        with open(listed, encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        equal({row["element"]: row["done"] for row in rows if row["why"] == "pixels"}, want, f"{name}: what was done")
        equal(len({row["element"] for row in rows}), len(rows), f"{name}: an element stands there twice")
        equal(json.loads(ran.text)["cleaned"], 1, f"{name}: how many were cleaned")
        os.unlink(listed)


@test
def pixels_beside(bench):
    """What lies in unused bits and behind the last frame goes, also where nothing else is to be cleaned; without --clean-pixels it stays."""
    key, _ = make(bench, "1")
    path, raw, plain = beside(bench)
    _, made = clean(bench, key, path, "beside")
    text = bench.run("dcmdump", "-q", "+P", "0008,0100", "+P", "0028,0301", "+P", "6000,0102", made[0], wants=0).text
    check("113100" in text and "113101" not in text and "0028,0301" not in text and "6000" not in text, "what is claimed", text)
    check(decoded(bench, made[0], NATIVE, "after")[0] == plain, "its pixels")
    after = bench.path("as-it-was")
    ran = bench.run(bench.program, "deidentify", "--key", key, "--leftovers", "keep", path, after, wants=0)
    check("there may still be overlays in bits of its pixels" in ran.text, ran.text)
    made = glob.glob(os.path.join(after, "**/*.dcm"), recursive=True)
    check(decoded(bench, made[0], NATIVE, "uncleaned")[0] == raw, "what was not to be cleaned")
    # Coded with all bits: RLE, JPEG lossless, JPEG-LS by DCMTK, JPEG 2000 by GDCM.
    wide, coded = bench.path("wide.dcm"), bench.path("coded.dcm")
    shutil.copy(path, wide)
    with open(bench.path("more.raw"), "wb") as file:
        file.write(raw[:-6])
    bench.run("dcmodify", "-nb", "-q", "-m", "0028,0101=16", "-m", "0028,0102=15", "-mf", f"7fe0,0010={bench.path('more.raw')}", wide, wants=0)
    for code, how, syntax in ((["dcmcrle"], RLE, "RLELossless"), (["dcmcjpeg", "+e1"], JPEG, LOSSLESS), (["dcmcjpls"], LS, "JPEGLSLossless"),
                              (["gdcmconv", "--j2k"], J2K, "JPEG2000LosslessOnly")):
        bench.run(*code, wide, coded, wants=0)
        bench.run("dcmodify", "-nb", "-q", "-m", "0028,0101=12", "-m", "0028,0102=11", coded, wants=0)
        _, made = clean(bench, key, coded, "beside-" + syntax)
        equal(facts(bench, made[0])["0002,0010"], syntax, "transfer syntax")
        bench.run("dcmodify", "-nb", "-q", "-m", "0028,0101=16", "-m", "0028,0102=15", made[0], wants=0)
        check(decoded(bench, made[0], how, "after")[0] == plain[:-6], f"{syntax}: its pixels")


@test
def pixels_ultrasound(bench):
    """Of an image with ultrasound regions what lies in them is kept, and nothing else."""
    key, _ = make(bench, "1")
    path = bench.path("us.dcm")
    shutil.copy(os.path.join(DATA, "MR_small_implicit.dcm"), path)
    os.chmod(path, 0o644)
    region = [word for tag, value in (("6018", 10), ("601a", 20), ("601c", 39), ("601e", 49))
              for word in ("-i", f"(0018,6011)[0].(0018,{tag})={value}")]
    bench.run("dcmodify", "-nb", "-q", "-m", "0008,0060=US", "-m", "0028,0103=0", *region, path, wants=0)
    _, made = clean(bench, key, path, "us")
    before, _ = decoded(bench, path, NATIVE, "before")
    after, shape = decoded(bench, made[0], NATIVE, "after")
    columns = int(shape["0028,0011"])
    for at in range(0, len(after), 2):
        row, column = divmod(at // 2, columns)
        kept = 10 <= column <= 39 and 20 <= row <= 49
        check(after[at:at + 2] == (before[at:at + 2] if kept else b"\0\0"), f"row {row}, column {column}")


@test
def pixels_refused(bench):
    """Where nothing is known, and where nothing can be done, there is no copy, and a sentence."""
    key, rules = make(bench, "512")
    burned = bench.path("burned.dcm")
    shutil.copy(os.path.join(DATA, "CT_small.dcm"), burned)
    os.chmod(burned, 0o644)
    bench.run("dcmodify", "-nb", "-q", "-i", "0028,0301=YES", burned, wants=0)
    for path, sentence in ((burned, "it says that text is burned into its pixels"),
                           (os.path.join(DATA, "SC_rgb_rle_2frame.dcm"), "usually have text burned in"),
                           (os.path.join(DATA, "SC_rgb_jpeg_dcmtk.dcm"), "usually have text burned in")):
        ran, made = clean(bench, key, path, "none", wants=1)
        check(sentence in ran.text and "`when: { " in ran.text and not made, ran.text)
    rle = bench.path("rle.dcm")
    shutil.copy(os.path.join(DATA, "SC_rgb_rle_2frame.dcm"), rle)
    os.chmod(rle, 0o644)
    bench.run("dcmodify", "-nb", "-q", "-m", "0028,0100=1", rle, wants=0)
    key, rules = make(bench, facts(bench, rle)["0028,0010"])
    ran, made = clean(bench, key, rle, "none", "--pixel-rules", rules, wants=1)
    check("encoded in a way that cannot be cleaned" in ran.text and not made, ran.text)
    for name, change in (("JPEG2000.dcm", "0028,0011=8"), ("MR_small_jpeg_ls_lossless.dcm", "0028,0010=72"), ("MR_small_jp2klossless.dcm", "0028,0100=8")):
        other = bench.path(name)
        shutil.copy(os.path.join(DATA, name), other)
        os.chmod(other, 0o644)
        bench.run("dcmodify", "-nb", "-q", "-m", change, other, wants=0)
        key, rules = make(bench, facts(bench, other)["0028,0010"])
        ran, made = clean(bench, key, other, "none", "--pixel-rules", rules, wants=1)
        check("a frame is not what it says that it is" in ran.text and not made, f"{change}: {ran.text}")
    with open(rules, "w") as file:
        file.write("rules: [ { when: { colour: red }, pass: yes } ]\n")
    ran, made = clean(bench, key, burned, "none", "--pixel-rules", rules, wants=3)
    check("line 1: unknown key `colour` in `when`" in ran.text and not made, ran.text)
