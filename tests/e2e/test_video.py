# SPDX-License-Identifier: Apache-2.0
"""Videos that stay videos: FFmpeg decodes the same pictures of the copies as of the originals, each at its time, and finds no sound, no title and nothing of what was planted beside
them."""
import csv
import glob
import json
import os
import struct

from lib import peers
from lib.site import ROOT, check, equal, test
from test_deidentify_flow import gateway, new_key
from test_pixels import BLANK, clean, facts, make as rules_for
from test_pixels_flow import gateway as cleaning, store
from test_pixels_video import VIDEO, bytes_of, of_file, wrap

SAID = [option for words in ("title=DOE^JANE", "comment=DOE^JANE", "service_name=DOE^JANE", "service_provider=DOE^JANE",
                             "creation_time=2020-01-02T03:04:05Z") for option in ("-metadata", words)]
SOUND = ["-f", "lavfi", "-i", "sine=d=0.4", "-map", "0:v", "-map", "1:a"]
SEI = "=sei_user_data=086f3693b7b34f2c965321492feee5b8+DOE^JANE"
# What FFmpeg makes of a file of tests/data/video, by copying its pictures: to which kind of file, how, and the transfer syntax of that.
MADE = {
    "titles.mp4": ("avc-sound.mp4", [*SOUND, "-c:a", "aac", "-bsf:v", "h264_metadata" + SEI, *SAID, "-metadata:s:v", "handler_name=DOE^JANE"], "102"),
    "begins.mp4": ("hevc.mp4", [*SOUND, "-c:a", "aac", "-movflags", "faststart", "-tag:v", "hvc1", *SAID], "107"),
    "service.ts": ("avc-fields.ts", [*SOUND, "-c:a", "ac3", *SAID], "103"),
    "disc.m2ts": ("avc-odd.ts", [*SOUND, "-c:a", "ac3", "-mpegts_m2ts_mode", "1", *SAID], "104"),
    "private.vob": ("mpeg2.ts", [*SOUND, "-c:a", "ac3", "-f", "vob", *SAID], "101"),
    "layer.mpg": ("mpeg2-sound.mpg", [*SOUND, "-c:a", "mp2", "-f", "mpeg", *SAID], "100"),
    "bare.hevc": ("hevc-10.ts", [], "108"),
}


def stream_of(path):
    """All fragments of its pixel data, one behind another."""
    whole = bytes_of(path)
    at, parts = whole.index(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff") + 12, []
    while whole[at:at + 4] == b"\xfe\xff\0\xe0":
        length, = struct.unpack_from("<I", whole, at + 4)
        parts.append(whole[at + 8:at + 8 + length])
        at += 8 + length
    return b"".join(parts[1:])


def pictures(bench, path):
    """MD5 and time of each."""
    return bench.run("ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:v", "-f", "framemd5", "-", wants=0).text


def said(bench, path):
    """Streams by their kind, and all that FFmpeg reads of texts."""
    text = bench.run("ffprobe", "-v", "error", "-show_streams", "-show_format", "-show_programs", "-of", "json", path, wants=0).text
    found = json.loads(text)
    return sorted(s["codec_type"] for s in found["streams"]), text


def check_stripped(bench, before, copy, name):
    """before: the stream as it was; copy: an object."""
    after = bench.path("after-" + name)
    stream = stream_of(copy)
    with open(after, "wb") as file:
        file.write(stream)
    equal(len(stream), os.path.getsize(before) + os.path.getsize(before) % 2, f"{name}: length")
    equal(pictures(bench, after), pictures(bench, before), f"{name}: pictures")
    kinds, text = said(bench, after)
    equal(kinds, ["video"], f"{name}: streams")
    for words in (b"DOE^JANE", b"x264", b"x265", b"FFmpeg"):
        check(words not in stream and words.decode() not in text, f"{name}: {words} is left")


def make(bench, name):
    source, how, syntax = MADE[name]
    path = bench.path(name)
    bench.run("ffmpeg", "-v", "error", "-y", "-nostdin", "-i", os.path.join(VIDEO, source), *how, "-c:v", "copy", path, wants=0)
    bits = 10 if syntax == "108" else 8
    rows, columns = (46, 62) if "odd" in source else (48, 64)
    return path, wrap(bench, name, bytes_of(path), syntax, 3, rows, columns, bits, x00280301=None)


def copy_of(bench, key, path, name, *options, wants=0):
    out, manifest = bench.path("copies-" + name), bench.path(name + ".csv")
    ran = bench.run(bench.program, "deidentify", "--key", key, "--manifest", manifest, *options, path, out, wants=wants)
    made = glob.glob(os.path.join(out, "**/*.dcm"), recursive=True)
    with open(manifest, encoding="utf-8") as file:
        changed = {line[2]: line[3] for line in list(csv.reader(file))[1:]}
    return ran, made, changed


@test
def videos_without_sound(bench):
    """Of each container sound and texts go, where they stand, and the manifest says that pixel data was cleaned; with `--videos keep` nothing does."""
    key = new_key(bench)
    for name in MADE:
        path, video = make(bench, name)
        ran, (made,), changed = copy_of(bench, key, video, name)
        equal(changed.get("(7FE0,0010)"), "cleaned", f"{name}: the manifest")
        equal("only the pictures are left" in ran.text, name != "bare.hevc", f"{name}: what is said of sound")
        check_stripped(bench, path, made, name)
        text = bench.run("dcmdump", "-q", "+P", "0028,0301", "+P", "0008,0100", made, wants=0).text
        check("113101" not in text and "(0028,0301)" not in text, f"{name}: it says that its pixels are clean", text)
    path, video = make(bench, "titles.mp4")
    ran, made, _ = copy_of(bench, key, video, "named", "--videos", "keep", wants=1)
    check("what was removed from PatientName" in ran.text and not made, "the name in the titles, with `keep`", ran.text)
    _, (made,), changed = copy_of(bench, key, video, "kept", "--videos", "keep", "--leftovers", "keep")
    equal(stream_of(made)[:os.path.getsize(path)], bytes_of(path), "with `keep`")
    check("(7FE0,0010)" not in changed, "the manifest, with `keep`")
    # By the word of who made it nothing is burned in: it needs no cleaning, and stays a video.
    video = of_file(bench, "avc-sound.mp4", x00280301=("CS", "NO"))
    _, (made,), _ = copy_of(bench, key, video, "clean", "--clean-pixels")
    check_stripped(bench, os.path.join(VIDEO, "avc-sound.mp4"), made, "clean.mp4")
    check("113101" in bench.run("dcmdump", "-q", "+P", "0008,0100", made, wants=0).text, "no 113101")


@test
def videos_that_keep_it_are_refused(bench):
    """What it cannot be taken out of is not copied, and the sentence says why."""
    key = new_key(bench)
    pieces = bench.path("pieces.mp4")
    bench.run("ffmpeg", "-v", "error", "-nostdin", "-i", os.path.join(VIDEO, "avc-sound.mp4"), "-c", "copy", "-movflags", "frag_keyframe+empty_moov", pieces, wants=0)
    cases = (
        ("102", bytes_of(pieces), "in pieces (fragmented)"),
        ("102", bytes_of(os.path.join(VIDEO, "hevc.mp4")), "of a kind that its transfer syntax does not say"),
        ("102", b"RIFF" + bytes(2000), "in a container that is not known here"),
        ("100", bytes_of(os.path.join(VIDEO, "avc-odd.ts")), "no video of the kind that its transfer syntax says"),
        ("102", bytes_of(os.path.join(VIDEO, "avc-sound.mp4"))[:3000], "cut off"),
    )
    for i, (syntax, stream, sentence) in enumerate(cases):
        path = wrap(bench, f"refused-{i}", stream, syntax, 1, 48, 64, 8, x00280301=None)
        ran, made, _ = copy_of(bench, key, path, f"refused-{i}", wants=1)
        check(sentence in ran.text and "--videos keep" in ran.text and not made, sentence, ran.text)


@test
def videos_in_a_flow(bench):
    """They leave as videos without sound, whether or not the flow cleans pixels; what it cannot be taken out of does not; with `videos: keep` all as it was."""
    port, folder = peers.storescp(bench, "+xa")
    path, name = os.path.join(VIDEO, "avc-sound.mp4"), "avc-sound.mp4"
    video, cut = of_file(bench, name, x00280301=("CS", "NO")), wrap(bench, "cut", bytes_of(path)[:3000], "102", 1, 48, 64, 8, x00280301=("CS", "NO"))

    def arrived():
        made = glob.glob(os.path.join(folder, "*"))
        for one in made:
            os.rename(one, bench.path("arrived.dcm"))
        return len(made)

    for begin in (gateway, cleaning):
        g = begin(bench, port)
        equal(store(g, video)["status"], 0, "a video")
        equal(arrived(), 1, "what has left")
        check_stripped(bench, path, bench.path("arrived.dcm"), "flow.mp4")
        check("no sound" in g.wait_log(event="object.cleaned")["rule"], "what the log says of sound")
        equal(store(g, cut)["status"], 0x0124, "a damaged one")
        why = g.decision("deidentify")["message"]
        check("cut off" in why and "`deidentify: videos`" in why, "why", why)
        equal(arrived(), 0, "what has left of a damaged one")
        g.stop()
    g = gateway(bench, port, how={"videos": "keep"})
    equal(store(g, video)["status"], 0, "with `keep`")
    equal(arrived(), 1, "what has left with `keep`")
    equal(stream_of(bench.path("arrived.dcm"))[:os.path.getsize(path)], bytes_of(path), "with `keep`")


@test
def colours_of_20_bits(bench):
    """JPEG 2000 in colour of more than 16 bits: what opj_decompress gives of it is black inside, and outside what was encoded."""
    stream = bytes_of(os.path.join(ROOT, "tests/data/j2k/colour-20.j2k"))
    number = {tag: ("US", value) for tag, value in (("x00280100", 32), ("x00280101", 20), ("x00280102", 19))}
    path = wrap(bench, "deep", stream, "90", 1, 24, 32, 8, x00280004=("CS", "YBR_RCT"), x00280008=None, x00280009=None, x00181063=None, **number)
    key, rules = rules_for(bench, 24)
    _, made = clean(bench, key, path, "deep", "--pixel-rules", rules)
    now = facts(bench, made[0])
    equal((now["0002,0010"], now["0028,0004"], now["0028,0301"]), ("JPEG2000LosslessOnly", "RGB", "NO"), "what it is said to be")
    with open(bench.path("deep.j2k"), "wb") as file:
        file.write(stream_of(made[0]))
    bench.run("opj_decompress", "-i", bench.path("deep.j2k"), "-o", bench.path("deep.pgx"), wants=0)
    for colour in range(3):
        head, _, plane = bytes_of(bench.path(f"deep_{colour}.pgx")).partition(b"\n")
        equal(head, b"PG ML + 20 32 24", "what opj_decompress says")
        for n, sample in enumerate(struct.unpack(">768i", plane)):
            inside = any(x <= n % 32 < x + w and y <= n // 32 < y + h for x, y, w, h in BLANK)
            equal(sample, 0 if inside else (n * 3 + colour) * 2654435761 % 2 ** 20, f"colour {colour} of pixel {n}")
