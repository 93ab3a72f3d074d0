#!/usr/bin/env bash
# asr_conformer_small_streaming_en: English speech to letters while it is
# spoken, 9.5 M parameters.
#
# Begins with the weights of asr_conformer_small_en and hears everything in
# chunks of 0.16, 0.32 or 0.64 s (half of the chunked steps the longest), a
# quarter of the steps in full context. Needs KERAS_SELFATTN_DATA. About 55
# minutes on one core with AVX2; on one with bfloat16 instructions add
# --mixed-precision. A killed run goes on where it was.
#
#   train/runs/asr_conformer_small_streaming_en.sh OUT
set -euo pipefail
speech=${KERAS_SELFATTN_DATA:?names the data folder}/speech
out=${1:?usage: $0 OUT}
python train/asr.py --out "$out" --backend torch \
  --name asr_conformer_small_streaming_en \
  --architecture whisper-conformer \
  --train "$speech/speechocean762:train" \
  --train "$speech/synthetic-kokoro:train" \
  --train "$speech/librispeech-mini:train-pseudo" \
  --train "$speech/matthes-lj:train" \
  --train "$speech/asterisk-en:train" \
  --train "$speech/fsdd:train" \
  --dev "$speech/speechocean762:dev" \
  --dev "$speech/fsdd:dev" \
  --dev "$speech/librispeech-mini:dev" \
  --noise "$speech/noise" --batch-seconds 64 \
  --init zoo/asr/asr_conformer_small_en/model.safetensors \
  --chunk-frames 4 --chunk-frames 8 --chunk-frames 16 --chunk-frames 16 \
  --left-frames 64 --full-context-rate 0.25 \
  --epochs 2 --learning-rate 2e-4 --warmup-steps 100 \
  --shortest-first-epochs 0 --augment-from-epoch 0 \
  --spec-augment-from-epoch 0 --average 1
