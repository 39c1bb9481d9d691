#!/bin/sh
# Tests and measures Shoal on this machine's GPUs, and writes a report.
#
# usage: benchmarks/gpu.sh [REPORT]        default: .cache/bench/gpu.md
#
# It fetches TensorFlow's GPU build and CUDA 12 (4 GB, once, into .cache/gpu; a folder that holds tensorflow/lib and cuda/lib already is
# taken with GPU_LIBRARIES), runs the devices' tests with the real NVML, looks for the right GPU under permuted CUDA_VISIBLE_DEVICES,
# and measures goodput, batches and busy time on the MLP of the tests. The driver must be there.
#
# Exit: 0 all is well; 1 something failed, which the report tells; 3 there is no GPU; 4 what is needed could not be had.
set -eu
cd "$(dirname "$0")/.."
report=${1:-.cache/bench/gpu.md}
libraries=${GPU_LIBRARIES:-.cache/gpu}
objective=${OBJECTIVE:-20ms}
rest=18571 rpc=18570
server= failed=0 work=$(mktemp -d)
trap 'stop; rm -rf "$work"' EXIT

say() { echo "gpu.sh: $*" >&2; }
give_up() { say "$2"; exit "$1"; }
tell() { printf '%s\n' "$@" >>"$report"; }
check() { # WHAT RESULT-OF-TEST: a line of the report, and whether all is well
    if [ "$2" = 0 ]; then tell "- ok: $1"; else tell "- **failed**: $1"; failed=1; say "failed: $1"; fi
}
block() { # FILE: as it is
    tell '' '```'; cat "$1" >>"$report"; tell '```' ''
}

# --- a server

start() { # FLAGS...
    bin/shoal serve --rest_address=127.0.0.1 --grpc_address=127.0.0.1 --rest_api_port=$rest --port=$rpc \
        --model_name=mlp --model_base_path="$PWD/.cache/models/test/mlp" "$@" >"$work/log" 2>&1 &
    server=$!
    for _ in $(seq 300); do
        if curl -fs "localhost:$rest/readyz" >/dev/null; then return 0; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 1
    done
    say "the server does not get ready"; tail -20 "$work/log" >&2
    return 1
}
stop() { if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; server=; fi; }
metric() { # NAME LABELS: the sum of the series that match
    curl -fs "localhost:$rest/metrics" | awk -v name="$1{" -v labels="$2" 'index($0, name) == 1 && index($0, labels) { n += $NF } END { print n + 0 }'
}

# --- what is there

make --no-print-directory build >&2 || give_up 4 "make build failed"
bin/shoal devices --json >"$work/devices.json" || give_up 4 "shoal devices failed"
ask() { python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$@"; }
usable="[g for g in d['gpus'] if not g.get('unusable')]"
gpus=$(ask "$work/devices.json" "len($usable)")
[ "$gpus" -gt 0 ] || give_up 3 "no GPU to use: $(ask "$work/devices.json" "d.get('no_gpu') or [g['unusable'] for g in d['gpus']]")"
ids=$(ask "$work/devices.json" "' '.join(g['id'] for g in $usable)")
[ "$(uname -m)" = x86_64 ] || [ -n "${GPU_LIBRARIES:-}" ] || give_up 4 "the list of wheels (docker/gpu.txt) is for x86-64: name the libraries with GPU_LIBRARIES"
if ! [ -e "$libraries/tensorflow/lib/libtensorflow_cc.so.2" ]; then
    say "fetching TensorFlow's GPU build and CUDA into $libraries"
    docker/gpu-libraries.sh docker/gpu.txt "$libraries.new" && mv "$libraries.new" "$libraries" || give_up 4 "they could not be fetched"
fi
make --no-print-directory test-deps >&2 || give_up 4 "the test models could not be made"
libraries=$(cd "$libraries" && pwd)
export LD_LIBRARY_PATH="$libraries/tensorflow/lib:$libraries/cuda/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export XLA_FLAGS="--xla_gpu_cuda_data_dir=$libraries/cuda"

mkdir -p "$(dirname "$report")"
: >"$report"
tell "# Shoal on $gpus GPU(s)" '' "$(date -u '+%Y-%m-%d %H:%M UTC'), $(bin/shoal version | tr '\n' ' ')"
bin/shoal devices >"$work/table"
block "$work/table"

# --- the right GPU

tell '## Devices' ''
mkdir -p .cache/bench
status=0
go test -count=1 -v -run TestThisMachine ./devices -args -record="$PWD/.cache/bench/nvml.json" >"$work/tests" 2>&1 || status=$?
grep -q '^--- PASS: TestThisMachine' "$work/tests" || status=1
check "NVML's answers agree with nvidia-smi's; they are in .cache/bench/nvml.json" $status

# Each GPU alone, and all in the opposite order: what TensorFlow takes must lie where Shoal says the model is.
used() { nvidia-smi --id="$1" --query-gpu=memory.used --format=csv,noheader,nounits; }
where() { # CUDA_VISIBLE_DEVICES GPU: whether gpu:0 of that environment is that GPU
    before=$(used "$2")
    CUDA_VISIBLE_DEVICES=$1 start --devices=gpu:0 || return 1
    after=$(used "$2")
    grep -q "device=gpu:0 .*id=$2" "$work/log" && grep -q 'msg="model placed".*tensorflow=/device:GPU:0' "$work/log" && [ "$((after - before))" -ge 100 ]
}
backwards=$(echo "$ids" | tr ' ' '\n' | tac | paste -sd,)
for id in $ids; do
    status=0; where "$id" "$id" || status=$?
    check "CUDA_VISIBLE_DEVICES=$id: gpu:0 is $id, and its memory is what is taken" $status
    stop
done
status=0; where "$backwards" "${backwards%%,*}" || status=$?
check "CUDA_VISIBLE_DEVICES=$backwards: gpu:0 is the first of these" $status
stop

# --- how fast

tell '' "## Goodput, MLP (three layers of 512), 99% within $objective" ''
cores=$(nproc)
for devices in cpu gpu:0 gpu; do
    [ "$devices" != gpu ] || [ "$gpus" -gt 1 ] || continue
    start --devices="$devices" || { check "serving with --devices=$devices" 1; stop; continue; }
    grep 'msg="model placed"' "$work/log" | sed 's/.*device=/device=/' >"$work/placed" || true
    for instances in 1 64; do
        busy=$(metric shoal_device_busy_seconds_total device=); batches=$(metric shoal_device_batches_total device=); began=$(date +%s.%N)
        status=0
        bin/shoal bench "http://localhost:$rest" --model=mlp --instances="$instances" --find-max --p99="$objective" >"$work/bench" 2>&1 || status=$?
        ended=$(date +%s.%N)
        check "--devices=$devices, $instances instance(s) a request" $status
        block "$work/bench"
        tell "$(metric shoal_device_batches_total device= | awk -v b="$batches" '{ print $1 - b }') batches; instances ran $(metric shoal_device_busy_seconds_total device= |
            awk -v b="$busy" -v s="$began" -v e="$ended" '{ printf "%.0f%% of the time (the sum over all instances)", 100 * ($1 - b) / (e - s) }'), $cores cores"
    done
    # At the load of 64 clients with 64 instances each the GPU's own idea of how busy it is, once a second.
    bin/shoal bench "http://localhost:$rest" --model=mlp --instances=64 --duration=12s >"$work/bench" 2>&1 & load=$!
    sleep 4
    : >"$work/readings"
    for _ in 1 2 3 4 5; do
        curl -fs "localhost:$rest/metrics" | grep -E '^shoal_device_(utilization_ratio|memory_used_bytes|power_watts|clock_hertz|throttled|temperature_celsius)' >>"$work/readings" || true
        sleep 1
    done
    status=0
    wait "$load" || status=$?
    check "--devices=$devices under a constant load; readings meanwhile" $status
    cat "$work/placed" "$work/bench" >"$work/all"; sort "$work/readings" >>"$work/all"
    block "$work/all"
    case $devices in gpu*)
        mean=$(awk '/utilization_ratio\{device="gpu:0"/ { n += $NF; k++ } END { printf "%.2f", k ? n / k : 0 }' "$work/readings")
        tell "Mean utilisation of gpu:0 under that load: $mean (the goal is 0.90)."
        ;;
    esac
    stop
done

say "the report is in $report"
exit $failed
