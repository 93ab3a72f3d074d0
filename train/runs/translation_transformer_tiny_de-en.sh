#!/usr/bin/env bash
# translation_transformer_tiny_de-en: captions of pictures, German to English.
#
# Needs KERAS_SELFATTN_DATA. A killed run goes on where it was.
#
#   train/runs/translation_transformer_tiny_de-en.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/translation
out=${1:?usage: $0 OUT}
python train/translation.py --backend tensorflow --out "$out" \
  --name translation_transformer_tiny_de-en \
  --swap --train "$data/multi30k_en-de.tsv.xz:train" \
  --dev "$data/multi30k_en-de.tsv.xz:val" \
  --vocabulary 4000 --hidden-dim 192 --layers 3 --heads 4 \
  --intermediate-dim 512 --dropout 0.2 --label-smoothing 0.1 \
  --epochs 16 --batch-tokens 2048 --length-multiple 1 \
  --learning-rate 2e-3 --warmup-steps 800 --schedule cosine --average 4 \
  --mixed-precision --dev-every 6
