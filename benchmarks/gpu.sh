#!/bin/sh
# What is measured of trust on a machine with a GPU, in order of worth: throughput, faults, the red team. Each script
# writes its JSON as it goes, so that what the time was too short for costs only itself.
#
#     sh benchmarks/gpu.sh benchmarks/results/NAME 600      # folder, seconds in all
set -u
OUT=${1:?"usage: sh benchmarks/gpu.sh FOLDER [SECONDS]"}
SECONDS_IN_ALL=${2:-600}
PYTHON=${PYTHON:-python}
HERE=$(dirname "$0")
END=$(($(date +%s) + SECONDS_IN_ALL))
STATUS=0

# Run one script for at most that share of what is left, in percent.
step() {
    LIMIT=$((($(date +%s) - END) * -$1 / 100))
    shift
    if [ "$LIMIT" -lt 10 ]; then
        echo "no time left for $1" >&2
        STATUS=1
        return
    fi
    echo "== $* (at most $LIMIT s)" >&2
    timeout --signal=INT --kill-after=10 "$LIMIT" "$PYTHON" "$HERE/$@" --out "$OUT" --check || STATUS=1
}

JOBS=$(($(nproc) / 2))
step 40 throughput.py --seconds 5 --fresh 1 --backend triton --backend cuda --backend jax
step 50 faults.py --backend cuda --backend torch --backend jax --backend triton
step 95 redteam.py --gpu --jobs "$((JOBS > 1 ? JOBS : 1))"
exit $STATUS
