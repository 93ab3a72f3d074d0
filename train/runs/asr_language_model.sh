#!/usr/bin/env bash
# The language model of asr_conformer_small_en: `transcribe --lm preset`.
#
# Needs KERAS_SELFATTN_DATA; about half a minute on one core. Afterwards:
# python -c 'from keras_selfattn import zoo; zoo.seal(zoo.resolve("asr"))'
#
#   train/runs/asr_language_model.sh OUT.bin [MORE OPTIONS]
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}
out=${1:?usage: $0 OUT.bin}
python train/ngram_lm.py --out "$out" --data "$data/speech" \
  --set speechocean762:train --set synthetic-kokoro:train \
  --set librispeech-mini:train-pseudo --set matthes-lj:train \
  --set asterisk-en:train --set fsdd:train --repeat-sets 3 \
  --pairs "$data/translation/tatoeba_en-de.tsv.xz:src" \
  --pairs "$data/translation/tatoeba_en-fr.tsv.xz:src" \
  --pairs "$data/translation/tatoeba_zh-en.tsv.xz:tgt" \
  --held-out speechocean762:test --held-out fsdd:test \
  --held-out coffee-s2i:dev --held-out wakewords:dev \
  --dev speechocean762:dev --dev librispeech-mini:dev --dev fsdd:dev \
  --min-count 3 --max-bytes 1000000 "${@:2}"
