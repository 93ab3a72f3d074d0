#!/usr/bin/env bash
# text_classification_transformer_small_zh_tnews: which of 15 sections a Chinese
# headline is from.
#
# Needs KERAS_SELFATTN_DATA. A killed run goes on where it was.
#
#   train/runs/text_classification_transformer_small_zh_tnews.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
out=${1:?usage: $0 OUT}
python train/text_classification.py --backend torch --out "$out" \
  --name text_classification_transformer_small_zh_tnews \
  --train "$data/tnews.tsv.xz:train" --dev "$data/tnews.tsv.xz:dev" \
  --split characters --vocabulary-size 4500 --max-tokens 64 \
  --embedding-dim 48 --hidden-dim 96 \
  --ngrams 1,2 --ngram-unit characters --ngram-buckets 131072 \
  --linear-start 3 --ngram-dropout 0.4 --head-dropout 0.2 \
  --epochs 2 --batch-size 128 --learning-rate 1e-3 --patience 0 --average 1
