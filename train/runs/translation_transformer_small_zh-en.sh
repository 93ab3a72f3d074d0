#!/usr/bin/env bash
# translation_transformer_small_zh-en: captions, everyday sentences and
# technical ones, Chinese (either script) to English; then captions and everyday
# sentences alone.
#
# Needs KERAS_SELFATTN_DATA. A killed run goes on where it was.
#
#   train/runs/translation_transformer_small_zh-en.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/translation
out=${1:?usage: $0 OUT}

translate() {
  python train/translation.py --backend tensorflow --mixed-precision \
    --name translation_transformer_small_zh-en \
    --train "$data/3am_zh-en.tsv.xz:train" \
    --train "$data/tatoeba_zh-en.tsv.xz:train" \
    --dev "$data/3am_zh-en.tsv.xz:val" --dev "$data/tatoeba_zh-en.tsv.xz:dev" \
    --vocabulary 6000 --target-vocabulary 4000 --character-coverage 0.9998 \
    --simplify-chinese \
    --hidden-dim 256 --layers 4 --decoder-layers 2 --heads 4 \
    --intermediate-dim 512 --dropout 0.2 --label-smoothing 0.1 \
    --batch-tokens 2048 --length-multiple 1 --schedule cosine "$@"
}

translate --out "$out/all" --train "$data/pydocs_zh-en.tsv.xz:train" \
  --max-tokens 40 --epochs 12 --learning-rate 1.5e-3 --warmup-steps 1000 \
  --average 3 --dev-every 6
mkdir -p "$out/near"
cp "$out/all/tokenizers.json" "$out/near/"
translate --out "$out/near" --init "$out/all/averaged.safetensors" \
  --max-tokens 60 --epochs 5 --learning-rate 8e-4 --warmup-steps 100 \
  --average 2 --dev-every 5
