#!/usr/bin/env bash
# text_classification_transformer_small_zh_chnsenticorp: whether a Chinese
# review is favourable.
#
# Needs KERAS_SELFATTN_DATA. A killed run goes on where it was.
#
#   train/runs/text_classification_transformer_small_zh_chnsenticorp.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
out=${1:?usage: $0 OUT}
python train/text_classification.py --backend torch --out "$out" \
  --name text_classification_transformer_small_zh_chnsenticorp \
  --train "$data/chnsenticorp.tsv.xz:train" \
  --dev "$data/chnsenticorp.tsv.xz:dev" \
  --split characters --vocabulary-size 4000 --max-tokens 200 \
  --truncation ends --embedding-dim 32 \
  --ngrams 1,2 --ngram-unit characters --ngram-buckets 131072 \
  --linear-start 10 --ngram-dropout 0.5 --head-dropout 0.2 \
  --epochs 2 --batch-size 64 --learning-rate 5e-4 --patience 0 --average 1
