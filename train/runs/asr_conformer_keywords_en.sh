#!/usr/bin/env bash
# asr_conformer_keywords_en: ten digits and six wake words, 0.3 M parameters.
#
# Needs KERAS_SELFATTN_DATA. A core trains about 180 seconds of sound a second:
# 25 s an epoch of the first stage, 75 s of the second. A killed run goes on where
# it was.
#
#   train/runs/asr_conformer_keywords_en.sh OUT
set -euo pipefail
speech=${KERAS_SELFATTN_DATA:?names the data folder}/speech
out=${1:?usage: $0 OUT}
words=zero,one,two,three,four,five,six,seven,eight,nine
words+=,alexa,computer,jarvis,smart,mirror,snowboy,view,glass
common=(
  --backend torch --name asr_conformer_keywords_en
  --architecture keywords --words "$words"
  --train "$speech/fsdd:train" --train "$speech/wakewords:train"
  --dev "$speech/fsdd:dev" --dev "$speech/wakewords:dev"
  --noise "$speech/noise" --noise-probability 0.4
  --babble-probability 0.2 --snr-low 0 --snr-high 30
  --rooms 50 --room-probability 0.3 --band-probability 0.2
  --chunk-frames 8 --chunk-frames 16 --left-frames 32
  --spec-augment-from-epoch 99 --shortest-first-epochs 0
  --batch-seconds 32 --warmup-steps 100 --average 1
)
# The words alone, clean for two epochs.
python train/asr.py --out "$out/words" "${common[@]}" \
  --epochs 8 --learning-rate 2e-3 --augment-from-epoch 2
# Then other speech, too, of which all that is no such word is one token.
python train/asr.py --out "$out/all" "${common[@]}" \
  --train "$speech/asterisk-en:train" \
  --train "$speech/synthetic-kokoro:train" \
  --train "$speech/librispeech-mini:train-pseudo" \
  --init "$out/words/averaged.safetensors" \
  --epochs 12 --learning-rate 1e-3 --augment-from-epoch 0
