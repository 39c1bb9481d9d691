#!/bin/sh
# Takes out of the wheels what a server needs of TensorFlow's GPU build and of CUDA, a third of what pip installs.
#
# usage: gpu-libraries.sh REQUIREMENTS TARGET        makes TARGET/tensorflow and TARGET/cuda, laid out as /usr/local and /usr/local/cuda
set -eu
requirements=$1 target=$2
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT

mkdir -p "$target/tensorflow/lib" "$target/tensorflow/share/doc/tensorflow" "$target/cuda/lib" "$target/cuda/bin" "$target/cuda/nvvm/libdevice"
python3 -m pip download --quiet --no-input --no-deps --require-hashes --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --dest "$wheels" --requirement "$requirements"

take() { # WHEEL PATTERN FOLDER: the wheel's files that match, without their folders
    python3 - "$wheels" "$@" <<'PYTHON'
import fnmatch, pathlib, shutil, sys, zipfile
wheels, wheel, pattern, folder = sys.argv[1:]
found = False
for file in pathlib.Path(wheels).glob(wheel + "-*.whl"):
    with zipfile.ZipFile(file) as archive:
        for name in fnmatch.filter(archive.namelist(), pattern):
            found = True
            with archive.open(name) as source, open(pathlib.Path(folder, pathlib.Path(name).name), "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
sys.exit(None if found else f"gpu-libraries: {wheel} holds no {pattern}")
PYTHON
}

for name in libtensorflow_cc.so.2 libtensorflow_framework.so.2; do take tensorflow "tensorflow/$name" "$target/tensorflow/lib"; done
take tensorflow tensorflow/include/LICENSE "$target/tensorflow/share/doc/tensorflow"
take tensorflow tensorflow/THIRD_PARTY_NOTICES.txt "$target/tensorflow/share/doc/tensorflow"
strip --strip-unneeded "$target"/tensorflow/lib/*.so.2

# The libraries that TensorFlow opens when it looks for GPUs, and those that these open in turn. XLA, where a model asks for it,
# needs the assembler and NVVM's device library.
for library in cublas/lib/libcublas cublas/lib/libcublasLt cuda_cupti/lib/libcupti cuda_runtime/lib/libcudart \
    cuda_nvrtc/lib/libnvrtc cuda_nvrtc/lib/libnvrtc-builtins cudnn/lib/libcudnn cudnn/lib/libcudnn_\* cufft/lib/libcufft \
    curand/lib/libcurand cusolver/lib/libcusolver cusparse/lib/libcusparse nccl/lib/libnccl nvjitlink/lib/libnvJitLink; do
    take 'nvidia_*_cu12' "nvidia/$library.so.*" "$target/cuda/lib"
done
take nvidia_cuda_nvcc_cu12 nvidia/cuda_nvcc/bin/ptxas "$target/cuda/bin"
take nvidia_cuda_nvcc_cu12 nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc "$target/cuda/nvvm/libdevice"
chmod 755 "$target/cuda/bin/ptxas"
for wheel in cublas cudnn; do # NVIDIA's licences: those of CUDA, of cuDNN
    mkdir -p "$target/cuda/licences/$wheel"
    take "nvidia_${wheel}_cu12" '*/License.txt' "$target/cuda/licences/$wheel" 2>/dev/null || take "nvidia_${wheel}_cu12" '*LICENSE*' "$target/cuda/licences/$wheel"
done
