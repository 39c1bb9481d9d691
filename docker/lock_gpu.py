"""Writes gpu.txt: the wheels whose libraries the GPU image is made of, with their hashes.

usage: python3 docker/lock_gpu.py

pip is asked what `tensorflow[and-cuda]` needs; of that, TensorFlow itself and NVIDIA's libraries are taken. Nothing is installed.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

TENSORFLOW = "tensorflow[and-cuda]==2.21.0"
PYTHON = "3.11"  # the libraries are the same in the wheels of every Python; this is the one of libtensorflow.txt
TAGS = ["manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014"]


def main():
    with tempfile.TemporaryDirectory() as target:
        report = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--report", "-",
             "--target", target, "--only-binary=:all:", "--python-version", PYTHON,
             *[f"--platform={tag}_x86_64" for tag in TAGS], TENSORFLOW],
            check=True, stdout=subprocess.PIPE).stdout
    wheels = []
    for item in json.loads(report)["install"]:
        name, version = item["metadata"]["name"].lower(), item["metadata"]["version"]
        if name == "tensorflow" or name.startswith("nvidia-"):
            digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
            wheels.append(f"{name}=={version} \\\n    --hash=sha256:{digest}\n")
    with open(pathlib.Path(__file__).with_name("gpu.txt"), "w") as out:
        out.write("# Written by docker/lock_gpu.py: TensorFlow for CUDA 12, and the CUDA libraries it names, for x86-64 Linux.\n")
        out.writelines(sorted(wheels))


if __name__ == "__main__":
    main()
