#!/usr/bin/env bash
# bert_small_en: a small BERT, whole words hidden, on the reviews of IMDB's
# training split (Maas et al. 2011, research) and WikiText's validation text
# (CC BY-SA).
#
# Needs KERAS_SELFATTN_DATA; about half an hour of one core. A killed run goes
# on where it was.
#
#   train/runs/bert_small_en.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}
out=${1:?usage: $0 OUT}
python train/masked_lm.py --backend torch --out "$out" \
  --name bert_small_en --text "$data/classification/imdb.tsv.xz:train" \
  --text "$data/lm/wikitext_valid.txt.xz" --html --dev-share 0.01 \
  --vocabulary 8000 --max-tokens 128 --hidden-dim 128 --layers 4 --heads 4 \
  --dropout 0 --batch-tokens 4096 --epochs 2 --max-steps 1300 \
  --learning-rate 1e-2 --scale-parameter --warmup-steps 200 --average 1
