#!/usr/bin/env bash
# The seven ablations of resunetgan on the embedded scenes, and one table of them.
#   run.sh OUTPUT [override...]
# Small, for one core: 32 px, 3,000 pictures in batches of 16, generator's Adam at 1e-3 and not 2e-4, a discriminator of
# width 32. Give data.size, budget.images, batch_size, optim.lr and so on to ask at another size; SEEDS=0,1,2 are the seeds.
# PERCEPTUAL=PATH of SqueezeNet v1.1 features (LABEL: what to call them) takes that trunk for the perceptual loss and for
# the generator, where VGG's and ResNet-18's weights cannot be had. Without it, the models are the seeds': ResNet-18 and
# LPIPS-VGG from torch hub's cache, 20 times the work of one core.
# Each ablation is a sweep from the same base, which is trained once: one configuration is one cell. Interrupted? Type the
# same line again.
set -euo pipefail
output=$1
shift
python=${PYTHON:-python}
common=(data.size=32 budget.images=3000 batch_size=16 optim.lr=1e-3 model.discriminator.width=32 "output=$output")
weights=imagenet start=model.generator.weights fixed=()
if [[ -n ${PERCEPTUAL:-} ]]; then
  weights=$PERCEPTUAL
  common+=(perceptual=squeeze "perceptual.weights=$weights" trunk=squeezenet trunk.train=all)
  start=trunk.weights fixed=(model.generator.weights=none)
  common+=(metrics.lpips.net=squeeze "metrics.lpips.weights=$weights" "metrics.lpips.label=${LABEL:-own weights}")
else
  common+=(trunk=none perceptual=vgg)
fi
mkdir -p "$output"
failed=0
seeds=${SEEDS:-0,1,2}
for seed in ${seeds//,/ }; do
  for ablation in perceptual adversarial hinge hint distance warmup pretrained; do
    generator=$weights
    [[ $ablation == pretrained ]] && generator=$weights,none
    $python -m colorbench -m "experiment=ablation_$ablation" "${common[@]}" "${fixed[@]}" "$start=$generator" \
      "seed=$seed" "$@" >"$output/$ablation-$seed.log" 2>&1 || { echo "$ablation: see $output/$ablation-$seed.log"; failed=1; }
  done
done
$python -m colorbench sweeps status "$output/ablations"
$python -m colorbench table "$output/ablations"
exit $failed
