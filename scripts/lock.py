"""Writes requirements/NAME.txt: the packages of NAME.in with the hashes of their wheels.

usage: python3 scripts/lock.py [NAME...]        default: python openapi oip

pip is asked once for each supported Python and machine what it would install; nothing is installed. The hashes come
from the package index. TensorFlow itself is named twice in python.in, once for each machine.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent / "requirements"
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
MACHINES = ["x86_64", "aarch64"]
# The tags a glibc 2.28 system accepts, spelled out: with --platform pip does not add the older ones itself.
TAGS = ["manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014"]


def requirements(name):
    """Yields (requirement, machine it is for or None) for each line of NAME.in."""
    for line in (HERE / f"{name}.in").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement, _, marker = line.partition(";")
            found = re.search(r'"(\w+)"', marker)
            yield requirement.strip(), found and found.group(1)


def wheels(name, python, machine):
    """What pip would install there: {name==version as in the wheel's metadata, lower case: sha256}."""
    wanted = [r for r, only in requirements(name) if only in (None, machine)]
    with tempfile.TemporaryDirectory() as target:
        report = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--no-deps",
             "--report", "-", "--target", target, "--only-binary=:all:", "--python-version", python,
             *[f"--platform={tag}_{machine}" for tag in TAGS], *wanted],
            check=True, stdout=subprocess.PIPE).stdout
    for item in json.loads(report)["install"]:
        meta = item["metadata"]
        yield canonical(f"{meta['name']}=={meta['version']}"), item["download_info"]["archive_info"]["hashes"]["sha256"]


def canonical(requirement):
    name, _, version = requirement.partition("==")
    return re.sub(r"[-_.]+", "-", name).lower() + "==" + version


def lock(name):
    hashes = {}
    for machine in MACHINES:
        for python in PYTHONS:
            for requirement, digest in wheels(name, python, machine):
                hashes.setdefault(requirement, set()).add(digest)
    with open(HERE / f"{name}.txt", "w") as out:
        out.write(f"# Written by scripts/lock.py from {name}.in: the wheels for CPython 3.10 to 3.13, x86-64 and aarch64 Linux.\n")
        for requirement, machine in requirements(name):
            marker = f' ; platform_machine == "{machine}"' if machine else ""
            digests = sorted(hashes[canonical(requirement)])
            out.write(" \\\n    ".join([requirement + marker] + [f"--hash=sha256:{d}" for d in digests]) + "\n")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["python", "openapi", "oip"]:
        lock(wanted)
