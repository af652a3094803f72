#!/usr/bin/env bash
# The starter, from nothing: train it, pack it, put it where the package looks for it.
#   starter.sh PHOTOS OUTPUT [override...]
# PHOTOS: a folder with train, val and test (what was in it: data.txt). RUN=folder: pack this run, train none.
set -euo pipefail
photos=$1 output=$2
shift 2
export PYTHON=${PYTHON:-python}
here=$(cd "$(dirname "$0")/../.." && pwd)
if [ -z "${RUN:-}" ]; then
  $PYTHON -m colorbench model=energy trunk=lite0 model.network.encoder.scale=8 data=folder "data.root=$photos" \
    data.size=192 trunk.keep=false precision=fp32 protocol.limit=200 budget.images=null budget.seconds=3240 \
    "output=$output" study=starter "$@"
  RUN=$(ls -td "$output"/starter/energy-*/config.yaml | head -1 | xargs dirname)
fi
$PYTHON -m colorbench portable "$RUN" -o "$here/colorbench/starter" --name starter --bits 8 --trunk named --average 8 \
  --license other --data "$(cat "$here/experiments/08_first_minute/data.txt")"
