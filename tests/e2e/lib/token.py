# SPDX-License-Identifier: Apache-2.0
"""Keys on a token of SoftHSM2."""
import os

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


def token(bench, keys):
    """A SoftHSM2 token with keys of files, by their labels; its URI, the configuration's words for it, its folder and its PIN."""
    folder = bench.new_folder("token")
    conf = bench.write("softhsm.conf", f"directories.tokendir = {folder}\nobjectstore.backend = file\nlog.level = ERROR\n")
    pin = bench.write("pin", "4711\n")
    os.chmod(pin, 0o600)
    env = {**os.environ, "SOFTHSM2_CONF": conf}
    bench.run("softhsm2-util", "--init-token", "--free", "--label", "site token", "--so-pin", "0815", "--pin", "4711", env=env,
              wants=0)
    for number, (name, path) in enumerate(keys.items()):
        bench.run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", path, "-out",
                  bench.path(name + ".p8"), wants=0)
        bench.run("softhsm2-util", "--import", bench.path(name + ".p8"), "--token", "site token", "--label", name, "--id",
                  f"0{number + 1}", "--pin", "4711", env=env, wants=0)
    if os.getuid() == 0:
        bench.run("chown", "-R", "gantry-keys:", folder, wants=0)
    uri = f"pkcs11:token=site%20token;object={{}}?module-path={SOFTHSM}&pin-source={pin}"
    return uri, {"token-folders": [folder, conf], "token-environment": [f"SOFTHSM2_CONF={conf}"]}, folder, pin
