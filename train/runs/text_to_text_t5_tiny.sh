#!/usr/bin/env bash
# text_to_text_t5_tiny: six tasks by one small T5, each asked for by its name:
# English to German captions, whether a sentence of a film review is
# favourable, spelling, turning words round, numbers in digits, and the words
# that are left out of a caption.
#
# Needs KERAS_SELFATTN_DATA; about 75 minutes of one core. A killed run goes on
# where it was. Not yet run to its end: train/LOG.md.
#
#   train/runs/text_to_text_t5_tiny.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}
out=${1:?usage: $0 OUT}
mkdir -p "$out"
# The English captions, a line each, to leave spans out of.
xz -dc "$data/translation/multi30k_en-de.tsv.xz" \
  | awk -F'\t' '$1 == "train" { print $2 }' > "$out/captions.txt"
python train/text_to_text.py --backend "${KERAS_BACKEND:-torch}" --out "$out" \
  --name text_to_text_t5_tiny \
  --train "translate English to German=$data/translation/multi30k_en-de.tsv.xz:train" \
  --dev "translate English to German=$data/translation/multi30k_en-de.tsv.xz:val" \
  --train "sst2 sentence=$data/classification/sst2.tsv.xz:train" \
  --dev "sst2 sentence=$data/classification/sst2.tsv.xz:dev" \
  --words "sst2 sentence:pos=positive,neg=negative" \
  --made-up 4000 --spans "$out/captions.txt" \
  --vocabulary 4000 --sentinels 20 --max-tokens 96 \
  --hidden-dim 128 --layers 3 --heads 4 --intermediate-dim 384 \
  --dropout 0.1 --limit 12000 --temperature 3 --epochs 14 --batch-tokens 2048 \
  --learning-rate 1e-2 --warmup-steps 300 --schedule cosine --average 1 \
  --dev-every 2
