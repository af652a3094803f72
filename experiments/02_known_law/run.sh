#!/usr/bin/env bash
# Every family on scenes under one budget, then the table between gray and the scenes' own law, with its pictures.
#   run.sh IMAGES OUTPUT TO [override...]
# 8 draws of DRAWN (default 200) test scenes judge every model. cell=unet,ddpm trains these only;
# hydra/launcher=workers hydra.launcher.n_jobs=2 trains two at a time. Interrupted? Type the same line again.
set -euo pipefail
images=$1 output=$2 to=$3
shift 3
python=${PYTHON:-python}
$python -m colorbench -m experiment=families data=scenes "budget.images=$images" protocol.draws=8 \
  "protocol.limit=${DRAWN:-200}" "output=$output" "$@"
$python -m colorbench law "$output"/families/*/ --to "$to"
