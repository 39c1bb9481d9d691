"""Fetches what Shoal is built, run and tested with into .cache/.

usage: python3 scripts/deps.py [STEP...]        default: tools libtensorflow openvino guesslang

  tools          check that Go, a C compiler and pip are there
  libtensorflow  .cache/tensorflow           TensorFlow's C library and headers, out of its Python wheel
  openvino       .cache/openvino             OpenVINO's libraries for the CPU, out of its Python wheel
  guesslang      .cache/models/guesslang/1   a trained model for the examples
  python         .cache/python               TensorFlow for Python and gRPC clients; only tests and trainers use them
  openapi        .cache/openapi              schemathesis, a generator of clients and a validator, which test the API's description
  oip            .cache/oip                  clients of the Open Inference Protocol, and protoc
  test-models    .cache/models/test          the models of the tests, made with those
  rewrite-models .cache/models/rewrite       the models that pruning and freezing are tested with
  row-models     .cache/models/rows          the models that batching by default is tested with
  bench-models   .cache/models/bench         MobileNetV2 and ResNet-50 with random weights, for benchmarks

Every download is pinned by version and hash. Each result carries a stamp of what it was made from: a step whose stamp
agrees does nothing. A result is made in a temporary folder and renamed into place, so it is whole or absent.
"""
import contextlib
import fcntl
import fnmatch
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
REQUIREMENTS = ROOT / "scripts" / "requirements"
MODEL_SCRIPT = ROOT / "scripts" / "make_test_models.py"
REWRITE_SCRIPT = ROOT / "scripts" / "make_rewrite_models.py"
ROW_SCRIPT = ROOT / "scripts" / "make_row_models.py"
BENCH_SCRIPT = ROOT / "scripts" / "make_bench_models.py"
STAMP = ".stamp"

MACHINE = platform.machine()
LIBRARIES = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]
# The second engine: its C API, what reads models of TensorFlow, and what runs them on the CPU.
OPENVINO_LIBRARIES = ["libopenvino_c.so.*", "libopenvino.so.*", "libopenvino_tensorflow_frontend.so.*",
                      "libopenvino_*_cpu_plugin.so", "libtbb.so.*"]
# The headers a program may include; what they include in turn comes with them.
HEADERS = ["tensorflow/c/c_api.h", "tensorflow/c/c_api_experimental.h", "tensorflow/c/eager/c_api.h",
           "tensorflow/c/tf_tstring.h"]
PYTHONS = ((3, 10), (3, 13))
# The tags of wheels that are fetched. Each is pinned by its hash.
GLIBC_TAGS = ("manylinux_2_27", "manylinux2014", "manylinux_2_28", "manylinux_2_35")
GIB = 1 << 30


def main():
    steps = {"tools": tools, "libtensorflow": libtensorflow, "openvino": openvino, "guesslang": guesslang, "python": python,
             "openapi": openapi, "oip": oip, "test-models": test_models, "rewrite-models": rewrite_models, "row-models": row_models,
             "bench-models": bench_models}
    wanted = sys.argv[1:] or ["tools", "libtensorflow", "openvino", "guesslang"]
    unknown = [name for name in wanted if name not in steps]
    if unknown:
        fail(f"there is no step {unknown[0]!r}; the steps are {', '.join(steps)}")
    if platform.system() != "Linux" or MACHINE not in ("x86_64", "aarch64"):
        fail(f"Shoal runs on x86-64 and aarch64 Linux; this is {MACHINE} {platform.system()}")
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second run waits and then finds the work done
        for left in CACHE.glob(".new-*"):  # by a run that was killed
            shutil.rmtree(left)
        for name in wanted:
            steps[name]()


# --- the steps


def tools():
    """Fails with one line for the first tool that is missing or too old."""
    wanted = re.search(r"^go (\S+)", (ROOT / "go.mod").read_text(), re.M).group(1)
    if not shutil.which("go"):
        fail(f"Go is missing: install Go {wanted} or newer from https://go.dev/dl/")
    # Inside the module an older Go fetches the one that go.mod names, unless it is told not to.
    go = subprocess.run(["go", "env", "GOVERSION"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        universal_newlines=True)
    if go.returncode or numbers(go.stdout) < numbers(wanted):
        fail(f"Go {wanted} or newer is needed: {(go.stderr or go.stdout).strip()}; get it from https://go.dev/dl/")
    compiler = os.environ.get("CC", "").split() or ["gcc"]
    if not shutil.which(compiler[0]):
        fail(f"the C compiler {compiler[0]} is missing (cgo needs one): apt-get install gcc libc6-dev, or set CC")
    need_pip()


def libtensorflow():
    made_from = stamp_of(REQUIREMENTS / "libtensorflow.txt", MACHINE, HEADERS, "layout 1")
    target = CACHE / "tensorflow"
    if fresh(target, made_from):
        return
    need_glibc()
    need_space(2 * GIB)
    say("libtensorflow 2.21.0: fetching a wheel of about 280 MB")
    with replacing(target, made_from) as new:
        with zipfile.ZipFile(wheel("libtensorflow.txt", new)) as archive:
            for name in LIBRARIES:
                extract(archive, f"tensorflow/{name}", new / "lib" / name)
            for name, text in headers(archive):
                write(new / "include" / name, text)
            extract(archive, "tensorflow/include/LICENSE", new / "LICENSE")
            extract(archive, "tensorflow/THIRD_PARTY_NOTICES.txt", new / "THIRD_PARTY_NOTICES.txt")
        # The C API's symbols are spread over both libraries: `-ltensorflow` is a linker script that names them.
        write(new / "lib" / "libtensorflow.so", f"INPUT({' '.join(LIBRARIES)})\n".encode())


def openvino():
    made_from = stamp_of(REQUIREMENTS / "openvino.txt", MACHINE, OPENVINO_LIBRARIES, "layout 1")
    target = CACHE / "openvino"
    if fresh(target, made_from):
        return
    say("OpenVINO 2026.4.1: fetching a wheel of about 60 MB")
    with replacing(target, made_from) as new:
        with zipfile.ZipFile(wheel("openvino.txt", new)) as archive:
            for pattern in OPENVINO_LIBRARIES:
                for name in fnmatch.filter(archive.namelist(), f"openvino/libs/{pattern}"):
                    extract(archive, name, new / "lib" / name.rpartition("/")[2])
            for name in fnmatch.filter(archive.namelist(), "*.dist-info/licenses/*"):
                extract(archive, name, new / "licenses" / name.rpartition("/")[2])


def guesslang():
    made_from = stamp_of(REQUIREMENTS / "guesslang.txt", "layout 1")
    target = CACHE / "models" / "guesslang"
    if fresh(target, made_from):
        return
    say("guesslang 2.2.1: fetching the example model, 2.5 MB")
    prefix = "guesslang/data/model/"
    with replacing(target, made_from) as new:
        with zipfile.ZipFile(wheel("guesslang.txt", new)) as archive:
            for name in archive.namelist():
                if name.startswith(prefix) and not name.endswith("/"):
                    extract(archive, name, new / "1" / name[len(prefix):])
            extract(archive, "guesslang-2.2.1.dist-info/LICENSE", new / "LICENSE")


def python():
    here = sys.version_info[:2]
    made_from = stamp_of(REQUIREMENTS / "python.txt", MACHINE, here)
    target = CACHE / "python"
    if fresh(target, made_from):
        return
    if not PYTHONS[0] <= here <= PYTHONS[1]:
        fail(f"the tests need Python 3.10 to 3.13 (TensorFlow's own range), this is {here[0]}.{here[1]}: "
             "name one with `make test PYTHON=python3.12`")
    need_space(3 * GIB)
    say(f"TensorFlow for Python {here[0]}.{here[1]} (for tests only): fetching about 330 MB")
    with replacing(target, made_from) as new:
        pip("install", "--no-deps", "--no-compile", "--target", new, "-r", REQUIREMENTS / "python.txt")


def openapi():
    made_from = stamp_of(REQUIREMENTS / "openapi.txt", MACHINE, sys.version_info[:2])
    target = CACHE / "openapi"
    if fresh(target, made_from):
        return
    say("schemathesis, a generator of clients and a validator of OpenAPI documents (for tests only): fetching about 20 MB")
    with replacing(target, made_from) as new:
        pip("install", "--no-deps", "--no-compile", "--target", new, "-r", REQUIREMENTS / "openapi.txt")


def oip():
    made_from = stamp_of(REQUIREMENTS / "oip.txt", MACHINE, sys.version_info[:2])
    target = CACHE / "oip"
    if fresh(target, made_from):
        return
    say("clients of the Open Inference Protocol (for tests only) and protoc: fetching about 40 MB")
    with replacing(target, made_from) as new:
        pip("install", "--no-deps", "--no-compile", "--target", new, "-r", REQUIREMENTS / "oip.txt")


def test_models():
    make_models("test", "making the test models", MODEL_SCRIPT)


def rewrite_models():
    make_models("rewrite", "making the models that pruning and freezing are tested with", REWRITE_SCRIPT)


def row_models():
    make_models("rows", "making the models that batching by default is tested with", ROW_SCRIPT)


def bench_models():
    make_models("bench", "making the models of the benchmarks, 120 MB", BENCH_SCRIPT, REWRITE_SCRIPT)


def make_models(folder, what, script, *imported):
    """Runs the script, which fills the folder of .cache/models."""
    made_from = stamp_of(script, *imported, REQUIREMENTS / "python.txt")
    target = CACHE / "models" / folder
    if fresh(target, made_from):
        return
    say(what)
    with replacing(target, made_from) as new:
        env = dict(os.environ, PYTHONPATH=str(CACHE / "python"), CUDA_VISIBLE_DEVICES="-1")
        made = subprocess.run([sys.executable, script, new], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True)
        if made.returncode:
            fail(f"{script.name} failed:\n{made.stdout}")


# --- stamps and folders


def stamp_of(*parts):
    """A hash of the parts; a path stands for the file's lines less its comments."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, pathlib.Path):
            part = [line for line in part.read_text().splitlines() if not line.lstrip().startswith("#")]
        digest.update(repr(part).encode() + b"\n")
    return digest.hexdigest()


def fresh(target, made_from):
    with contextlib.suppress(OSError):
        return (target / STAMP).read_text() == made_from
    return False


@contextlib.contextmanager
def replacing(target, made_from):
    """Gives an empty folder to fill; when that went well, it takes target's place, and the old one is deleted."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=CACHE) as scratch:
        new = pathlib.Path(scratch, "new")
        new.mkdir()
        yield new
        write(new / STAMP, made_from.encode())
        if target.exists():
            target.rename(pathlib.Path(scratch, "old"))
        new.rename(target)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# --- wheels


def wheel(requirements, new):
    """Downloads the one wheel that the file names for this machine; it goes when `new`'s scratch folder goes."""
    folder = new.parent / "wheel"
    tags = [f"--platform={tag}_{MACHINE}" for tag in GLIBC_TAGS]
    pip("download", "--no-deps", "--python-version", "3.11", *tags, "--dest", folder, "-r", REQUIREMENTS / requirements)
    return next(folder.glob("*.whl"))


def headers(archive):
    """Yields (name, text) of HEADERS and of every header they include."""
    names, todo, done = set(archive.namelist()), list(HEADERS), set()
    while todo:
        name = todo.pop()
        inside = f"tensorflow/include/{name}"
        if name in done or inside not in names:
            continue  # what is not in the wheel is included on other systems only
        done.add(name)
        text = archive.read(inside)
        todo += re.findall(r'^\s*#\s*include "([^"]+)"', text.decode(), re.M)
        yield name, text


def extract(archive, name, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, open(path, "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)


def pip(command, *arguments):
    need_pip()
    # A user's own settings for these would contradict the folders given here.
    env = dict(os.environ, PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_DISABLE_PIP_VERSION_CHECK="1",
               PIP_ROOT_USER_ACTION="ignore")
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    done = subprocess.run([sys.executable, "-m", "pip", command, *quiet, "--no-input", "--require-hashes",
                           "--only-binary=:all:", *map(str, arguments)], env=env)
    if done.returncode:
        fail(f"`pip {command}` failed (above); it needs the network or a mirror, see `pip config` and HTTPS_PROXY")


# --- what may be missing


def need_pip():
    if subprocess.run([sys.executable, "-m", "pip", "--version"], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode:
        fail(f"pip is missing for {sys.executable}: apt-get install python3-pip, or {sys.executable} -m ensurepip --user")


def need_glibc():
    try:
        here = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        here = "another C library"
    if not here.startswith("glibc") or numbers(here) < [2, 27]:
        fail(f"libtensorflow needs a Linux with glibc 2.27 or newer (Debian, Ubuntu, Fedora, …; not Alpine): this is {here}")


def need_space(wanted):
    free = shutil.disk_usage(CACHE).free
    if free < wanted:
        fail(f"{CACHE} needs {wanted / GIB:.0f} GiB of free disk, there are {free / GIB:.1f}")


def numbers(version):
    return [int(n) for n in re.findall(r"\d+", version)]


def say(text):
    print(text, flush=True)


def fail(text):
    sys.exit(f"deps: {text}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted; what was finished stays, the rest starts again next time")
