#!/usr/bin/env bash
# Train and evaluate every family under one budget.
#   every_family.sh OUTPUT override...
# JOBS runs at a time (default 1; several share one GPU well; OMP_NUM_THREADS=1 JOBS=2 suits two cores).
# MODELS="unet ddpm" trains these only.
# PERCEPTUAL=PATH of SqueezeNet v1.1 features (LABEL: what to call them) gives the two resunetgan models a trained
# encoder and perceptual loss, and the hints a trained embedder, where VGG's and ResNet's weights cannot be had;
# TRUNK=none starts their encoder from scratch, PERCEPTUAL=none turns that loss off.
# Interrupted? Type the same line again: finished runs are skipped, cut ones go on.
set -euo pipefail
output=$1
shift
python=${PYTHON:-python} jobs=${JOBS:-1}
common=(experiment=families "output=$output" "$@")
perceptual=() embedder=()
case ${PERCEPTUAL:-vgg} in
  vgg) ;;
  none) perceptual=(perceptual=none) ;;
  *) perceptual=(perceptual=squeeze "perceptual.weights=$PERCEPTUAL")
     if [[ ${TRUNK:-} != none ]]; then
       perceptual+=(trunk=squeezenet trunk.train=all "trunk.weights=$PERCEPTUAL")
     fi
     embedder=(trunk@model.embedder.trunk=squeezenet "model.embedder.trunk.weights=$PERCEPTUAL")
     common+=(metrics.lpips.net=squeeze "metrics.lpips.weights=$PERCEPTUAL")
     common+=("metrics.lpips.label=${LABEL:-own weights}") ;;
esac
mkdir -p "$output"
one() {
  model=$1
  own=()
  case $model in resunetgan*) own=("${perceptual[@]}") ;; esac
  case $model in *_retrieval) own+=("${embedder[@]}") ;; esac
  $python -m colorbench "model=$model" "${common[@]}" "${own[@]}" >"$output/$model.log" 2>&1 \
    && echo "$model: done" || { echo "$model: FAILED, see $output/$model.log"; exit 1; }
}
failed=0
for model in ${MODELS:-resunetgan_retrieval resunetgan unetcolorizer ddpm ddim pix2pix unetgan unet vae unetvae resnet gan}; do
  while (( $(jobs -rp | wc -l) >= jobs )); do wait -n || failed=1; done
  one "$model" &
done
while (( $(jobs -rp | wc -l) > 0 )); do wait -n || failed=1; done
exit $failed
