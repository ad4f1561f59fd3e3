# SPDX-License-Identifier: Apache-2.0
"""Flows that clean pixels: what DCMTK and GDCM decode of what arrived is black where a rule says so, and to the bit the same elsewhere; and
whatever goes wrong, nothing that was to be cleaned arrives as it was."""
import glob
import os

from lib import dicom, peers
from lib.site import check, equal, test
from test_deidentify_flow import new_key
from test_hold import plain
from test_pixels import DATA, FILES, JPEG, LOSSLESS, RULES, compare, decoded, facts


def rules_of(bench, rows, name="rules.yaml"):
    return bench.write(name, RULES % rows)


def gateway(bench, port, rules=None, how=None, **flow):
    deidentify = {"clean-pixels": "yes", **({"pixel-rules": rules} if rules else {}), **(how or {})}
    return bench.gateway(archive=plain(port), flow={"deidentify": deidentify, **flow}, deidentify={"key": new_key(bench)},
                         log={"level": "debug"})


def store(g, path):
    """One object by a context of its own; what it was answered."""
    part = dicom.Part10(path)
    scu = g.scu()
    scu.associate(contexts=[(part.sop_class, [part.syntax])])
    equal(scu.ac.results(), {1: 0}, f"{path}: the context")
    answer = scu.store(1, part.instance, part.sop_class, part.data)
    scu.release()
    return answer


@test
def pixels_in_a_flow(bench):
    """Each transfer syntax: what comes lossy leaves without another loss, in a context that the caller knows nothing of."""
    port, folder = peers.storescp(bench, "+xa")
    files = {name: row for name, row in FILES.items() if row[1] != "JPEGLossless:Non-hierarchical:Process14"}  # storescp has none of it
    rows = {facts(bench, os.path.join(DATA, name))["0028,0010"] for name in files}
    g = gateway(bench, port, rules_of(bench, "|".join(sorted(rows))))
    for name, (how, syntax, black) in files.items():
        source = os.path.join(DATA, name)
        for old in glob.glob(os.path.join(folder, "*")):
            os.remove(old)
        equal(store(g, source)["status"], 0, name)
        made, = glob.glob(os.path.join(folder, "*"))
        now = facts(bench, made)
        equal(now["0002,0010"], syntax, f"{name}: transfer syntax")
        equal(now["0028,0301"], "NO", f"{name}: Burned In Annotation")
        check("113101" in bench.run("dcmdump", "-q", "+P", "0008,0100", made, wants=0).text, f"{name}: no 113101")
        before, _ = decoded(bench, source, how, "before")
        after, shape = decoded(bench, made, {LOSSLESS: JPEG}.get(syntax, how), "after")
        compare(name, before, after, shape, black)
