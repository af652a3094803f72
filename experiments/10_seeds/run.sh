#!/usr/bin/env bash
# The seed presets and our defaults of the same models, under one small budget; their rows; the table of the README.
#   run.sh PHOTOS [override...]
# Interrupted? Type the same line again: finished runs are skipped, cut ones go on.
set -euo pipefail
photos=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
output=outputs/seeds images=budget.images=2560 all=data.limit=2560 failed=0
common=(data=folder "data.root=$photos" data.val_limit=300 data.test_limit=300 device=cpu precision=fp32
  protocol.draws=1 protocol.limit=300 monitor.images=32 monitor.draws=1 "output=$output" "$@")
ours=(data.size=64 study=ours "$images" "${common[@]}")
train() { OMP_NUM_THREADS=1 python -m colorbench "$@" || failed=1; }

train model=unet trunk=lite0 $all "${ours[@]}"
train model=resunetgan data.limit=1200 "${ours[@]}"
train experiment=seed_000_plain scale=small $images data.limit=1200 "${common[@]}"
train stages $all "${common[@]}" -- experiment=seed_003/1_pretrain scale=small budget.images=1024 \
  -- experiment=seed_003/2_game scale=small budget.images=1536
train experiment=seed_001 model=unetgan scale=small $images $all "${common[@]}"
train model=unetgan $all "${ours[@]}"
train experiment=seed_003 scale=small $images $all "${common[@]}"
train model=pix2pix $all "${ours[@]}"
train experiment=seed_004 scale=small model.network.base=32 $images $all "${common[@]}"
train model=unetcolorizer model.network.base=32 $all "${ours[@]}"
train stages $all "${common[@]}" -- experiment=seed_002/1_subset scale=small budget.images=1024 \
  -- experiment=seed_002/2_fine-tuned scale=small budget.images=1024 \
  -- experiment=seed_002/3_fine-tuned_with_VGG scale=small budget.images=512

python -m colorbench rows "$output" --to "$here/rows"
python "$here/table.py" "$here/rows" --into "$here/README.md"
exit $failed
