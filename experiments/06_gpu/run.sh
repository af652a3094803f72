#!/usr/bin/env bash
# The whole measurement on a machine with one GPU, in one call of ten minutes; see README.md.
#   OUT=folder DEVICE=cuda MINUTES=9.5 SIZE=128 experiments/06_gpu/run.sh
set -uo pipefail
cd "$(dirname "$0")/../.."
OUT=${OUT:-outputs/06_gpu} DEVICE=${DEVICE:-cuda} MINUTES=${MINUTES:-9.5} SIZE=${SIZE:-128}
PYTHON=${PYTHON:-python3}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" COLORBENCH_CACHE=${COLORBENCH_CACHE:-/tmp/colorbench-cache} HF_HUB_OFFLINE=1
if [ -d .whl ]; then # a bare machine: what it lacks lies in wheels, beside its own packages
  $PYTHON -m pip install --quiet --no-index --no-deps --target /tmp/colorbench-wheels .whl/*.whl || exit 1
  export PYTHONPATH="$PYTHONPATH:/tmp/colorbench-wheels"
fi
mkdir -p "$OUT"
$PYTHON experiments/06_gpu/measure.py --out "$OUT" --device "$DEVICE" --minutes "$MINUTES" --size "$SIZE" \
  ${STEPS:+--steps "$STEPS"} ${SCENES:+--scenes "$SCENES"} ${MODELS:+--models "$MODELS"} 2>&1 | tee "$OUT/log.txt"
exit "${PIPESTATUS[0]}"
