# SPDX-License-Identifier: Apache-2.0
"""DICOM implementations that are not ours, as the tests use them."""
import glob
import hashlib
import json
import os
import shutil
import subprocess
import threading

from . import dicom
from .site import DATA, ROOT, check, free_port

SAMPLES = sorted(glob.glob(os.path.join(DATA, "*.dcm")))
CT_SMALL = os.path.join(DATA, "CT_small.dcm")
MR_SMALL = os.path.join(DATA, "MR_small_implicit.dcm")


def storescp(bench, *options, title="STORESCP", port=None, name="storescp"):
    """storescp that keeps what it is sent byte for byte. Returns its port and folder."""
    port = port or free_port()
    folder = bench.new_folder(f"{name}-{port}")
    bench.serve(port, "storescp", "-aet", title, "+B", "+xa", "-od", folder, *options, str(port))
    return port, folder


def received(folder):
    """SOP instance UID -> Part10 of every file that storescp wrote."""
    found = {}
    for path in glob.glob(os.path.join(folder, "*")):
        part10 = dicom.Part10(path)
        found[part10.instance] = part10
    return found


def dcmqrscp(bench, title="ARCHIVE", hosts=(), port=None, storage="rw"):
    """dcmqrscp with hosts (name, AE title, host, port) as its move destinations. Returns its port and folder."""
    port = port or free_port()
    folder = bench.new_folder("dcmqrscp")
    table = "".join(f'{name} = ({ae}, {host}, {number})\n' for name, ae, host, number in hosts)
    config = bench.write("dcmqrscp.cfg", f"""NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
{table}HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{title} {folder} {storage.upper()} (200, 1024mb) ANY
AETable END
""")
    bench.serve(port, "dcmqrscp", "-c", config)
    return port, folder


def orthanc(bench, title="ARCHIVE", modalities=None, tls=None):
    """Orthanc, its port and its HTTP port. tls: a name of the test's keys; then it speaks no plain DICOM."""
    port, http = free_port(), free_port()
    secure = {"DicomTlsEnabled": True, "DicomTlsCertificate": bench.keys.path(tls + ".pem"),
              "DicomTlsPrivateKey": bench.keys.path(tls + ".key"), "DicomTlsTrustedCertificates": bench.keys.path("ca.pem"),
              "DicomTlsRemoteCertificateRequired": True} if tls else {}
    config = bench.write("orthanc.json", json.dumps({
        "Name": "Test", "StorageDirectory": bench.new_folder("orthanc"), "IndexDirectory": bench.path("orthanc"),
        "HttpPort": http, "DicomPort": port, "DicomAet": title, "DicomCheckCalledAet": True, "Plugins": [],
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True, "UnknownSopClassAccepted": True, "DicomModalities": modalities or {},
        "StorageCompression": False, "OverwriteInstances": False, "ConcurrentJobs": 2, **secure}))
    bench.serve(port, "Orthanc", config)
    return port, http


def wlmscpfs(bench, title="WORKLIST"):
    """wlmscpfs with one entry: patient id W1, modality CT. Returns its port."""
    port = free_port()
    folder = bench.new_folder(os.path.join("worklist", title))
    open(os.path.join(folder, "lockfile"), "w", encoding="ascii").close()
    dump = bench.write("worklist.dump", """(0008,0005) CS ISO_IR 100
(0008,0050) SH ACC1
(0010,0010) LO Test^Worklist
(0010,0020) LO W1
(0010,0030) DA 19700101
(0010,0040) CS O
(0020,000d) UI 1.2.3.77
(0032,1032) PN Doctor
(0032,1060) LO Test
(0040,1001) SH RP1
(0040,1003) SH LOW
(0040,0100) SQ
(fffe,e000) -
(0008,0060) CS CT
(0040,0001) AE CT1
(0040,0002) DA 20260101
(0040,0003) TM 120000
(0040,0006) PN Doctor
(0040,0007) LO Test
(0040,0009) SH SPS1
(0040,0010) SH CT
(0040,0011) SH ROOM
(fffe,e00d) -
(fffe,e0dd) -
""")
    bench.run("dump2dcm", dump, os.path.join(folder, "one.wl"), wants=0)
    bench.serve(port, "wlmscpfs", "-dfp", bench.path("worklist"), str(port))
    return port


def pixelmed(name):
    """The start of a command that runs a class of PixelMed's, as Debian's own scripts do."""
    return ["java", "-Xmx128m", "-XX:+UseSerialGC", "-cp", "/usr/share/java/pixelmed.jar", f"com.pixelmed.network.{name}"]


def normal(bench, source):
    """A sample as DCMTK's tools send it: they leave out trailing padding and write lengths their own way."""
    target = bench.path("normal-" + os.path.basename(source))
    if not os.path.exists(target):
        bench.run("dcmconv", "-p", source, target, wants=0)
    return target


def same_bytes(part10, source):
    """Has it the data set of the file source, and its transfer syntax?"""
    wanted = dicom.Part10(source)
    check(part10.syntax == wanted.syntax, f"{source}: transfer syntax {part10.syntax}, not {wanted.syntax}")
    if wanted.syntax.endswith(".99"):
        # A deflated data set of odd length is padded with a NUL on its way (PS3.5 A.5).
        check(part10.data.rstrip(b"\0") == wanted.data.rstrip(b"\0"), f"{source}: other deflated bytes")
        return
    check(part10.data == wanted.data, f"{source}: {len(part10.data)} bytes of data set that differ from the "
          f"{len(wanted.data)} sent")




# ---- dcmjs-dimse, from npm ----

DCMJS = os.path.join(ROOT, "tests/e2e/dcmjs")
NPM_LOCK = threading.Lock()


def npm(name):
    """A copy of tests/e2e/NAME with its node_modules, made by `npm ci` from the lock file if it is not there as it should be."""
    source, built = os.path.join(ROOT, "tests/e2e", name), os.path.join(ROOT, "build-e2e", name)
    with NPM_LOCK:
        os.makedirs(built, exist_ok=True)
        mark = os.path.join(built, "installed")
        with open(os.path.join(source, "package-lock.json"), "rb") as lock:
            wanted = hashlib.sha256(lock.read()).hexdigest()
        have = open(mark, encoding="ascii").read() if os.path.exists(mark) else ""
        if have != wanted:
            for file in ("package.json", "package-lock.json"):
                shutil.copyfile(os.path.join(source, file), os.path.join(built, file))
            done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=built,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            check(done.returncode == 0, "npm ci failed:", done.stdout[-2000:])
            with open(mark, "w", encoding="ascii") as file:
                file.write(wanted)
        return built


def dcmjs():
    return npm("dcmjs")


def dcmjs_keys(bench, name):
    return {"key": bench.keys.path(name + ".key"), "cert": bench.keys.path(name + ".pem"), "ca": bench.keys.path("ca.pem")}


def dcmjs_run(bench, port, requests, calling="CT1", called="ARCHIVE", tls=None):
    """Its client. tls: a name of the test's keys. Returns what scu.js printed."""
    job = {"port": port, "calling": calling, "called": called, "requests": requests}
    if tls:
        job["tls"] = dcmjs_keys(bench, tls)
    ran = bench.run("node", os.path.join(DCMJS, "scu.js"), json.dumps(job),
                    env={"NODE_PATH": os.path.join(dcmjs(), "node_modules")})
    rows = [json.loads(line) for line in ran.text.splitlines() if line.startswith("{")]
    check(rows, "dcmjs-dimse said nothing:", ran.text[-1000:])
    # It sometimes writes once more after it has closed, and says so: an error after the answers is its own.
    return [row for row in rows if "do" in row] or rows


def dcmjs_scp(bench, tls=None):
    """Its server. tls: a name of the test's keys; then callers must show a certificate. Returns its port and process."""
    port = free_port()
    secure = [json.dumps(dcmjs_keys(bench, tls))] if tls else []
    process = bench.serve(port, "node", os.path.join(DCMJS, "scp.js"), str(port), *secure,
                          env={"NODE_PATH": os.path.join(dcmjs(), "node_modules")})
    return port, process
