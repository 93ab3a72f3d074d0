#!/usr/bin/env bash
# text_classification_transformer_small_en_imdb: whether a film review is
# favourable.
#
# Needs KERAS_SELFATTN_DATA. A killed run goes on where it was.
#
#   train/runs/text_classification_transformer_small_en_imdb.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
out=${1:?usage: $0 OUT}
python train/text_classification.py --backend torch --out "$out" \
  --name text_classification_transformer_small_en_imdb \
  --train "$data/imdb.tsv.xz:train" --dev-share 0.04 \
  --html --vocabulary-size 20000 --max-tokens 512 --truncation ends \
  --embedding-dim 32 --hidden-dim 48 --window 16 --positions rotary \
  --ngrams 1,2 --ngram-buckets 1048576 \
  --linear-start 10 --ngram-dropout 0.4 --head-dropout 0.2 \
  --epochs 1 --max-steps 120 --batch-size 48 --learning-rate 5e-4 \
  --patience 0 --average 1
