#!/usr/bin/env bash
# Train and evaluate every family under one budget, then print the table.
#   run.sh PHOTOS SIZE IMAGES OUTPUT [override...]
# JOBS runs at a time (default 1; several share one GPU well). PERCEPTUAL=PATH of SqueezeNet v1.1 features gives the two
# resunetgan models a trained perceptual loss where VGG's weights cannot be had; PERCEPTUAL=none turns that loss off.
# Interrupted? Type the same line again: finished runs are skipped, cut ones go on.
set -euo pipefail
photos=$1 size=$2 images=$3 output=$4
shift 4
python=${PYTHON:-python} jobs=${JOBS:-1}
common=(data=folder "data.root=$photos" "data.size=$size" "budget.images=$images" "output=$output" experiment=families "$@")
perceptual=()
case ${PERCEPTUAL:-vgg} in
  vgg) ;;
  none) perceptual=(perceptual=none) ;;
  *) perceptual=(perceptual=squeeze "perceptual.weights=$PERCEPTUAL")
     common+=("metrics.lpips.net=squeeze" "metrics.lpips.weights=$PERCEPTUAL" "metrics.lpips.label=${LABEL:-own weights}") ;;
esac
$python -m colorbench.prepare data=folder "data.root=$photos" "data.size=$size"
mkdir -p "$output"
one() {
  model=$1
  own=()
  case $model in resunetgan*) own=("${perceptual[@]}") ;; esac
  $python -m colorbench "model=$model" "${common[@]}" "${own[@]}" >"$output/$model.log" 2>&1 \
    && echo "$model: done" || { echo "$model: FAILED, see $output/$model.log"; exit 1; }
}
failed=0
for model in ddpm ddim resunetgan_retrieval resunetgan unetcolorizer pix2pix unetvae vae unetgan gan unet resnet; do
  while (( $(jobs -rp | wc -l) >= jobs )); do wait -n || failed=1; done
  one "$model" &
done
while (( $(jobs -rp | wc -l) > 0 )); do wait -n || failed=1; done
$python -m colorbench.table "$output/families"
exit $failed
