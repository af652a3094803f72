#!/usr/bin/env bash
# Every family on photographs under one budget, then the tables: one draw of every test picture, and 8 draws of DRAWN
# (default 300) pictures.
#   run.sh PHOTOS SIZE IMAGES OUTPUT [override...]
# JOBS, MODELS, PERCEPTUAL, LABEL: see ../every_family.sh. Interrupted? Type the same line again.
set -euo pipefail
photos=$1 size=$2 images=$3 output=$4
shift 4
export PYTHON=${PYTHON:-python}
data=(data=folder "data.root=$photos" "data.size=$size")
$PYTHON -m colorbench prepare "${data[@]}"
failed=0
bash "$(dirname "$0")/../every_family.sh" "$output" "${data[@]}" "budget.images=$images" "$@" || failed=1
$PYTHON -m colorbench evaluate "$output"/families/*/ --set protocol.draws=8 "protocol.limit=${DRAWN:-300}"
$PYTHON -m colorbench table "$output/families"
exit $failed
