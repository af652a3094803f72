#!/usr/bin/env bash
# Every family on photographs under one budget, then the tables: one draw of every test picture, and 8 draws of DRAWN
# (default 300) pictures.
#   run.sh PHOTOS SIZE IMAGES OUTPUT [override...]
# cell=unet,ddpm trains these only; hydra/launcher=workers hydra.launcher.n_jobs=2 trains two at a time.
# Interrupted? Type the same line again: finished runs are skipped, cut ones go on.
set -euo pipefail
photos=$1 size=$2 images=$3 output=$4
shift 4
python=${PYTHON:-python} failed=0
$python -m colorbench -m experiment=families data=folder "data.root=$photos" "data.size=$size" "budget.images=$images" \
  "output=$output" "$@" || failed=1
$python -m colorbench evaluate "$output"/families/*/ --set protocol.draws=8 "protocol.limit=${DRAWN:-300}"
$python -m colorbench table "$output/families"
exit $failed
