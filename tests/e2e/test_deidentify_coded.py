# SPDX-License-Identifier: Apache-2.0
"""What coded frames have beside their pixels, comments and the like, is not in de-identified copies, by the verb and by a flow; and others decode
of them what they decode of the originals."""
import csv
import glob
import os
import re
import struct

from lib import dicom, peers
from lib.site import check, equal, test, until
from test_deidentify import DATA, copies, make_key
from test_deidentify_flow import gateway
from test_pixels import J2K, JPEG, LS, RLE, decoded

TEXT = b"Zebedee Magic^Florence"
EXIF = b"\xff\xe1" + struct.pack(">H", 8 + len(TEXT)) + b"Exif\0\0" + TEXT
COMMENT = b"\xff\xfe" + struct.pack(">H", 2 + len(TEXT)) + TEXT
COMMENT_2000 = b"\xff\x64" + struct.pack(">HH", 4 + len(TEXT), 1) + TEXT
FILES = {"SC_rgb_jpeg_dcmtk.dcm": JPEG, "sample-op.dcm": JPEG, "MR_small_jpeg_ls_lossless.dcm": LS, "MR_small_jp2klossless.dcm": J2K,
         "CT_small.dcm": RLE}


def told(bench, name):
    """The file, whose only frame has TEXT in comments and behind its end."""
    source, path = os.path.join(DATA, name), bench.path("told-" + name)
    if FILES[name] is RLE:
        bench.run("dcmcrle", source, path, wants=0)
        source = path
    with open(source, "rb") as file:
        whole = file.read()
    at = re.search(rb"\xe0\x7f\x10\0O[BW]\0\0\xff\xff\xff\xff\xfe\xff\0\xe0", whole).start() + 12
    (table,) = struct.unpack_from("<I", whole, at + 4)
    first = at + 8 + table
    (length,) = struct.unpack_from("<I", whole, first + 4)
    frame = whole[first + 8:first + 8 + length]
    check(whole[first + 8 + length:].startswith(b"\xfe\xff\xdd\xe0"), f"{name}: several fragments")
    if frame.startswith(b"\xff\x4f"):
        behind = 4 + struct.unpack_from(">H", frame, 4)[0]
        frame = frame[:behind] + COMMENT_2000 + frame[behind:] + TEXT
    elif FILES[name] is RLE:
        frame = frame[:16] + TEXT + frame[16 + len(TEXT):] + TEXT  # two segments, and offsets of none
    else:
        exif = b"" if "jpeg_ls" in name else EXIF  # DCMTK's JPEG-LS has not heard of such
        frame = frame[:2] + exif + COMMENT + frame[2:] + TEXT
    frame += bytes(len(frame) % 2)
    with open(path, "wb") as file:
        file.write(whole[:first + 4] + struct.pack("<I", len(frame)) + frame + whole[first + 8 + length:])
    return path


@test
def deidentify_comments_in_frames(bench):
    """JPEG, lossless too, JPEG-LS, JPEG 2000, RLE: not a word is left, in the same bytes, and what DCMTK and GDCM decode is the same."""
    port, folder = peers.storescp(bench, "+xa")
    g, key = gateway(bench, port), make_key(bench)
    for name, how in FILES.items():
        path, listed = told(bench, name), bench.path("list-" + name)
        before, _ = decoded(bench, path, how, "before")
        bench.run(bench.program, "deidentify", "--key", key, "--manifest", listed, path, bench.path("out-" + name), wants=0)
        with open(listed, encoding="utf-8", newline="") as lines:
            equal([row["done"] for row in csv.DictReader(lines) if row["element"] == "(7FE0,0010)"], ["cleaned"], f"{name}: the list")
        part = dicom.Part10(path)
        scu = g.scu()
        scu.associate(contexts=[(part.sop_class, [part.syntax])])
        equal(scu.store(1, part.instance, part.sop_class, part.data)["status"], 0, f"{name}: status")
        scu.release()
        sent, = until(lambda: glob.glob(os.path.join(folder, "*")), "the object")
        for made in (*copies(bench.path("out-" + name)), sent):
            with open(made, "rb") as file:
                data = file.read()
            check(b"Zebedee" not in data and b"Florence" not in data, f"{name}: something is left", made)
            check(decoded(bench, made, how, "after")[0] == before, f"{name}: other pixels", made)
        os.remove(sent)
