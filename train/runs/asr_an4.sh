#!/usr/bin/env bash
# A hybrid CTC/attention recogniser of AN4's 848 training utterances (38 min).
#
# Needs KERAS_SELFATTN_DATA with speech/an4-mfcc. A killed run goes on where it
# was. Prints the error rates of dev in each way of decoding; those of test are
# printed by the last command, which is meant to be run once, with `test`.
#
#   train/runs/asr_an4.sh OUT SEED [test]
set -euo pipefail
corpus=${KERAS_SELFATTN_DATA:?names the data folder}/speech/an4-mfcc
out=${1:?usage: $0 OUT SEED [test]}
seed=${2:?usage: $0 OUT SEED [test]}
python train/hybrid_asr.py --out "$out" --backend torch --seed "$seed" \
  --name asr_hybrid_an4 --train "$corpus:train" --dev "$corpus:dev" \
  --sentencepiece 70 --strides 2 --strides 3 --layers 4 \
  --epochs 60 --batch-frames 10000 --learning-rate 2e-3 --warmup-steps 100 \
  --augment-from-epoch 4 --spec-augment-from-epoch 10 --warp 0.1 --average 8
python train/ngram_lm.py --out "$out/words.arpa" \
  --data "${corpus%/*}" --set an4-mfcc:train --order 3 --min-count 1
KERAS_BACKEND=torch python train/evaluate_hybrid_asr.py \
  --preset "$out/preset" --set "$corpus:${3:-dev}" --lm "$out/words.arpa"
