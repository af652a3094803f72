#!/usr/bin/env bash
# Every family on scenes under one budget, then the table between gray and the scenes' own law, with its pictures.
#   run.sh IMAGES OUTPUT TO [override...]
# 8 draws of DRAWN (default 200) test scenes judge every model. JOBS, MODELS, PERCEPTUAL, LABEL: see
# ../every_family.sh. Interrupted? Type the same line again.
set -euo pipefail
images=$1 output=$2 to=$3
shift 3
export PYTHON=${PYTHON:-python}
bash "$(dirname "$0")/../every_family.sh" "$output" data=scenes "budget.images=$images" protocol.draws=8 \
  "protocol.limit=${DRAWN:-200}" "$@"
$PYTHON -m colorbench law "$output"/families/*/ --to "$to"
