#!/usr/bin/env bash
# translation_transformer_small_zh-en: captions, everyday sentences and
# technical ones, Chinese (either script) to English.
#
# Needs KERAS_SELFATTN_DATA. A killed run goes on where it was.
#
#   train/runs/translation_transformer_small_zh-en.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/translation
out=${1:?usage: $0 OUT}
python train/translation.py --backend tensorflow --out "$out" \
  --name translation_transformer_small_zh-en \
  --train "$data/3am_zh-en.tsv.xz:train" \
  --train "$data/tatoeba_zh-en.tsv.xz:train" \
  --train "$data/pydocs_zh-en.tsv.xz:train" \
  --dev "$data/3am_zh-en.tsv.xz:val" --dev "$data/tatoeba_zh-en.tsv.xz:dev" \
  --vocabulary 6000 --target-vocabulary 4000 --character-coverage 0.9998 \
  --simplify-chinese --max-tokens 40 \
  --hidden-dim 256 --layers 4 --decoder-layers 2 --heads 4 \
  --intermediate-dim 512 --dropout 0.2 --label-smoothing 0.1 \
  --epochs 14 --batch-tokens 2048 --length-multiple 1 \
  --learning-rate 1.5e-3 --warmup-steps 1000 --schedule cosine --average 3 \
  --mixed-precision --dev-every 7
