# SPDX-License-Identifier: Apache-2.0
"""Transfer syntaxes of the standard (PS3.6 Table A-1), every one: pixels of it are cleaned, and some test here has others' programs look at them, or it is refused with the sentence that
the table has. What the standard adds to `data/uids.tsv` and nobody has thought of fails."""
import csv
import glob
import os
import struct
import zlib

from lib.site import ROOT, check, equal, test
from test_pixels import DATA, FILES, J2K, JPEG, LOSSLESS, LS, NATIVE, clean, compare, decoded, fragments, make, wrapped
from test_pixels_video import FILES as VIDEOS
from test_pixels_video import VIDEO, bytes_of, facts, of_file, reference, wrap

PREFIX = "1.2.840.10008.1.2"
# Cleaned by other tests than those that go through FILES.
ELSEWHERE = {
    ".4.55": "pixels_progressive", ".4.110": "pixels_jpeg_xl", ".4.111": "pixels_jpeg_xl", ".4.112": "pixels_jpeg_xl",
    ".8.1": "pixels_deflated_frames", ".1.98": "pixels_one_bit_coded",
}
# Cleaned here, each with the stream of another that it may have as well.
SAME_VIDEO = {
    ".4.100.1": "mpeg2.ts", ".4.102.1": "avc-sound.mp4", ".4.103": "avc-sound.mp4", ".4.104.1": "avc-sound.mp4", ".4.105": "avc-sound.mp4",
    ".4.105.1": "avc-sound.mp4", ".4.106": "avc-sound.mp4", ".4.106.1": "avc-sound.mp4",
}
ARITHMETIC = {".4.52": [], ".4.54": ["-scans"], ".4.56": ["-progressive"]}  # how jpegtran makes them
HERE = {".4.53", *ARITHMETIC, ".4.202", "0"}  # the last is Papyrus 3, which is no part of that tree


def table(name):
    with open(os.path.join(ROOT, "data", name), encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def syntax_of(path):
    head = bytes_of(path)[:4000]
    at = head.index(b"\x02\0\x10\0UI")
    length, = struct.unpack_from("<H", head, at + 6)
    return head[at + 8:at + 8 + length].rstrip(b"\0").decode()


@test
def syntaxes_of_the_standard(bench):
    """None is forgotten: each has its row, and what its row says is tried."""
    rows = table("pixel_codings.tsv")
    known = {row["uid"] for row in rows}
    equal(len(known), len(rows), "rows that say the same")
    equal(known, {row["uid"] for row in table("uids.tsv") if row["type"] == "Transfer Syntax"}, "transfer syntaxes")
    tried = {syntax_of(os.path.join(DATA, name)) for name in FILES} | {f"{PREFIX}.4.{video[0]}" for video in VIDEOS.values()}
    tried |= {PREFIX + uid for uid in (*ELSEWHERE, *SAME_VIDEO, *HERE)}
    equal(tried, {row["uid"] for row in rows if row["coding"] != "none"}, "transfer syntaxes that are cleaned")
    tests = "".join(bytes_of(path).decode() for path in glob.glob(os.path.join(os.path.dirname(__file__), "test_*.py")))
    for uid, name in ELSEWHERE.items():
        check(f"\ndef {name}(bench)" in tests and f'{uid.rsplit(".4.", maxsplit=1)[-1]}"' in tests, f"{uid}: there is no {name}")


def cleaned(bench, paths, rows):
    """All of them in one run: by the series number that they are given, what became of each."""
    key, rules = make(bench, rows)
    folder = bench.path("in")
    os.makedirs(folder, exist_ok=True)
    for path in paths:
        os.rename(path, os.path.join(folder, os.path.basename(path)))
    _, made = clean(bench, key, folder, "all", "--pixel-rules", rules)
    equal(len(made), len(paths), "copies")
    return {facts(bench, path)["0020,0011"]: path for path in made}


@test
def syntaxes_of_videos(bench):
    """Those that differ from others in their limits alone: black inside, and to the bit what FFmpeg decodes outside."""
    before = {name: reference(bench, name) for name in set(SAME_VIDEO.values())}
    paths = [wrap(bench, f"same-{i}", bytes_of(os.path.join(VIDEO, name)), uid[3:], 1 + i % 3, 48, 64, 8, x00200011=("IS", str(i)))
             for i, (uid, name) in enumerate(SAME_VIDEO.items())]
    made = cleaned(bench, paths, 48)
    for i, (uid, name) in enumerate(SAME_VIDEO.items()):
        after, shape = decoded(bench, made[str(i)], LS, "after")
        compare(uid, before[name], after, shape, [0, 0, 0])


def renamed(bench, source, name, was, then):
    path, whole = bench.path(name), bytes_of(source)
    equal((whole.count(was), len(was)), (1, len(then)), f"{name}: its transfer syntax")
    with open(path, "wb") as file:
        file.write(whole.replace(was, then))
    return path


def spectral_scans(bench):
    """All bits of each coefficient at once (ISO 10918-1 G.1.1.1.1)."""
    return bench.write("scans", "0,1,2: 0-0, 0, 0;\n" + "".join(f"{i}: 1-5, 0, 0;\n{i}: 6-63, 0, 0;\n" for i in range(3)))


@test
def syntaxes_of_arithmetic_coding(bench):
    """JPEG with arithmetic coding, made by jpegtran of the coefficients that another file has: outside to the bit what dcmdjpeg decodes of that."""
    source, picture, out = os.path.join(DATA, "SC_rgb_jpeg_dcmtk.dcm"), bench.path("frame.jpg"), bench.path("out.jpg")
    with open(picture, "wb") as file:
        file.write(fragments(bench, source)[0])
    before, shape = decoded(bench, source, JPEG, "before")
    bench.run("dcmdjpeg", "+cn", source, bench.path("native.dcm"), wants=0)
    key, rules = make(bench, shape["0028,0010"])
    for i, (uid, how) in enumerate(ARITHMETIC.items()):
        how = [*how, spectral_scans(bench)] if how == ["-scans"] else how
        bench.run("jpegtran", "-arithmetic", *how, "-outfile", out, picture, wants=0)
        stream = bytes_of(out)
        check((b"\xff\xca" if how else b"\xff\xc9") in stream, f"{uid}: its coding")
        path, _ = wrapped(bench, bench.path("native.dcm"), PREFIX + uid, lambda _, stream=stream: [stream], f"coded-{i}.dcm")
        _, (made,) = clean(bench, key, path, f"coded-{i}", "--pixel-rules", rules)
        equal(facts(bench, made)["0002,0010"], LOSSLESS, f"{uid}: transfer syntax")
        after, shape = decoded(bench, made, JPEG, "after")
        compare(uid, before, after, shape, [0, 128, 128])
        path, _ = wrapped(bench, bench.path("native.dcm"), PREFIX + uid, lambda _, stream=stream: [stream[:len(stream) // 2]], f"cut-{i}.dcm")
        ran, made = clean(bench, key, path, f"cut-{i}", "--pixel-rules", rules, wants=1)
        check("its pixels could not be decoded" in ran.text and not made, f"{uid}: cut off", ran.text)


@test
def syntaxes_of_images(bench):
    """JPEG's spectral selection, by jpegtran; High-Throughput JPEG 2000 by resolution; Papyrus 3: black inside, and to the bit what others decode outside."""
    source, picture, scans = os.path.join(DATA, "SC_rgb_jpeg_dcmtk.dcm"), bench.path("frame.jpg"), spectral_scans(bench)
    with open(picture, "wb") as file:
        file.write(fragments(bench, source)[0])
    bench.run("jpegtran", "-scans", scans, "-outfile", bench.path("out.jpg"), picture, wants=0)
    bench.run("dcmdjpeg", "+cn", source, bench.path("native.dcm"), wants=0)
    spectral, _ = wrapped(bench, bench.path("native.dcm"), PREFIX + ".4.53", lambda _: [bytes_of(bench.path("out.jpg"))], "spectral.dcm")
    uid = PREFIX.encode()
    implicit, high = os.path.join(DATA, "MR_small_implicit.dcm"), os.path.join(DATA, "HTJ2KLossless_08_RGB.dcm")
    for path, now, how, again, black in (
            (spectral, None, JPEG, LOSSLESS, [0, 128, 128]),
            (renamed(bench, high, "high.dcm", uid + b".4.201\0", uid + b".4.202\0"), (uid + b".4.202\0", uid + b".4.201\0"), J2K, "JPEG2000LosslessOnly", [0, 0, 0]),
            (renamed(bench, implicit, "papyrus.dcm", uid + b"\0", uid + b"0"), (uid + b"0", uid + b"\0"), NATIVE, "1.2.840.10008.1.20", [0x8000])):
        key, rules = make(bench, facts(bench, path)["0028,0010"] if "papyrus" not in path else "64")
        _, (made,) = clean(bench, key, path, os.path.basename(path), "--pixel-rules", rules)
        known = made if "papyrus" not in path else renamed(bench, made, "back.dcm", *now)
        equal(syntax_of(made) if "papyrus" in path else facts(bench, made)["0002,0010"], again, f"{path}: transfer syntax")
        before, _ = decoded(bench, renamed(bench, path, "before.dcm", *now) if now else path, how, "before")
        after, shape = decoded(bench, known, how, "after")
        compare(path, before, after, shape, black)


@test
def syntaxes_not_decoded(bench):
    """There is no copy, and the sentence is the table's."""
    key, rules = make(bench, 48)
    folder, refused = bench.path("none"), [row for row in table("pixel_codings.tsv") if row["coding"] == "none"]
    os.makedirs(folder)
    for i, row in enumerate(refused):
        path = of_file(bench, "mpeg2.ts")
        whole = bytes_of(path)
        was, then = (b"\x02\0\x10\0UI" + struct.pack("<H", len(uid)) + uid for uid in (PREFIX.encode() + b".4.100\0", row["uid"].encode() + bytes(len(row["uid"]) % 2)))
        at = whole.index(was) + len(was)
        length = struct.unpack_from("<I", whole, 140)[0] + len(then) - len(was)
        end = 144 + length + len(was) - len(then)
        body = whole[end:]
        if row["uid"].endswith(("95", "205")):  # the data set is deflated (PS3.5 A.7, A.12)
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            body = packer.compress(body) + packer.flush()
            body += bytes(len(body) % 2)
        with open(os.path.join(folder, f"{i:02}.dcm"), "wb") as file:
            file.write(whole[:140] + struct.pack("<I", length) + whole[144:at - len(was)] + then + whole[at:end] + body)
    ran, made = clean(bench, key, folder, "none", "--pixel-rules", rules, wants=1)
    equal(made, [], "copies")
    for i, row in enumerate(refused):
        check(f'{i:02}.dcm: {row["why"]}\n' in ran.text, f'{row["uid"]}: {row["why"]}', ran.text)
