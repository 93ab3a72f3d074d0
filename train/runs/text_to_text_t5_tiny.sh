#!/usr/bin/env bash
# text_to_text_t5_tiny: five tasks by one small T5, each asked for by its name:
# English to German captions, whether a sentence of a film review is
# favourable, spelling, turning words round, numbers in digits. It also fills in
# spans of captions, as T5 is trained to.
#
# Needs KERAS_SELFATTN_DATA; about 80 minutes of one core. A killed run goes on
# where it was. The preset is in OUT/more/preset. Afterwards: train/publish.py.
#
#   train/runs/text_to_text_t5_tiny.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}
out=${1:?usage: $0 OUT}
mkdir -p "$out"
# The English captions, a line each, to leave spans out of.
xz -dc "$data/translation/multi30k_en-de.tsv.xz" \
  | awk -F'\t' '$1 == "train" { print $2 }' > "$out/captions.txt"
train() {
  python train/text_to_text.py --backend "${KERAS_BACKEND:-torch}" \
    --name text_to_text_t5_tiny \
    --train "translate English to German=$data/translation/multi30k_en-de.tsv.xz:train" \
    --dev "translate English to German=$data/translation/multi30k_en-de.tsv.xz:val" \
    --train "sst2 sentence=$data/classification/sst2.tsv.xz:train" \
    --dev "sst2 sentence=$data/classification/sst2.tsv.xz:dev" \
    --words "sst2 sentence:pos=positive,neg=negative" \
    --made-up 4000 --spans "$out/captions.txt" --max-tokens 96 \
    --limit 12000 --temperature 3 --batch-tokens 2048 --schedule cosine \
    --average 1 --dev-every 2 "$@"
}
train --out "$out" --vocabulary 4000 --sentinels 20 --hidden-dim 128 \
  --layers 3 --heads 4 --intermediate-dim 384 --dropout 0.1 \
  --epochs 14 --learning-rate 1e-2 --warmup-steps 300
# Its words turned round were still getting better.
train --out "$out/more" --init "$out/preset" --epochs 6 \
  --learning-rate 5e-3 --warmup-steps 100 --seed 1
