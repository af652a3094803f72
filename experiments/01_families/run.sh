#!/usr/bin/env bash
# Train and evaluate every family under one budget, then print the table.
#   run.sh PHOTOS SIZE IMAGES OUTPUT [override...]
# JOBS runs at a time (default 1; several share one GPU well; OMP_NUM_THREADS=1 JOBS=2 suits two cores).
# PERCEPTUAL=PATH of SqueezeNet v1.1 features (LABEL: what to call them) gives the two resunetgan models a trained
# perceptual loss, and the hints a trained embedder, where VGG's and ResNet's weights cannot be had; PERCEPTUAL=none
# turns that loss off. Two tables come out: one draw of every picture, and 8 draws of DRAWN pictures (default 300).
# Interrupted? Type the same line again: finished runs are skipped, cut ones go on.
set -euo pipefail
photos=$1 size=$2 images=$3 output=$4
shift 4
python=${PYTHON:-python} jobs=${JOBS:-1}
common=(data=folder "data.root=$photos" "data.size=$size" "budget.images=$images" "output=$output" experiment=families "$@")
perceptual=() embedder=()
case ${PERCEPTUAL:-vgg} in
  vgg) ;;
  none) perceptual=(perceptual=none) ;;
  *) perceptual=(perceptual=squeeze "perceptual.weights=$PERCEPTUAL")
     embedder=(network@model.embedder=embedding model.embedder.name=squeezenet1_1 "model.embedder.weights=$PERCEPTUAL")
     common+=("metrics.lpips.net=squeeze" "metrics.lpips.weights=$PERCEPTUAL" "metrics.lpips.label=${LABEL:-own weights}") ;;
esac
$python -m colorbench.prepare data=folder "data.root=$photos" "data.size=$size"
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
for model in ${MODELS:-pix2pix vae ddpm gan unetvae unetgan resnet resunetgan resunetgan_retrieval unetcolorizer unet ddim}; do
  while (( $(jobs -rp | wc -l) >= jobs )); do wait -n || failed=1; done
  one "$model" &
done
while (( $(jobs -rp | wc -l) > 0 )); do wait -n || failed=1; done
$python -m colorbench.evaluate "$output"/families/*/ --set protocol.draws=8 "protocol.limit=${DRAWN:-300}"
$python -m colorbench.table "$output/families"
exit $failed
