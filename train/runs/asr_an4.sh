#!/usr/bin/env bash
# A hybrid CTC/attention recogniser of AN4: 848 utterances (38 min) to train on.
#
# Needs KERAS_SELFATTN_DATA with speech/an4-mfcc; 20 minutes on one core of an
# AMD EPYC with AVX-512. A killed run goes on where it was. With TEST, the error
# rates of the test are printed, too: once, when all is chosen.
#
#   train/runs/asr_an4.sh OUT SEED [TEST]
set -euo pipefail
corpus=${KERAS_SELFATTN_DATA:?names the data folder}/speech/an4-mfcc
out=${1:?usage: $0 OUT SEED [TEST]}
seed=${2:?usage: $0 OUT SEED [TEST]}
python train/hybrid_asr.py --out "$out" --backend torch --seed "$seed" \
  --name asr_hybrid_an4 --train "$corpus:train" --dev "$corpus:dev" \
  --sentencepiece 70 --strides 2 --strides 3 --layers 4 \
  --epochs 50 --batch-frames 3000 --learning-rate 1.5e-3 --warmup-steps 150 \
  --flat-start-epochs 3 --shortest-first-epochs 0 --augment-from-epoch 10 \
  --spec-augment-from-epoch 16 --warp 0.1 --average 5 --dev-every 2
python train/ngram_lm.py --out "$out/words.arpa" \
  --data "${corpus%/*}" --set an4-mfcc:train --order 3 --min-count 1
measure() {
  KERAS_BACKEND=torch python train/evaluate_hybrid_asr.py \
    --preset "$out/preset" --lm "$out/words.arpa" "$@"
}
measure --set "$corpus:dev"
if [ -n "${3:-}" ]; then
  measure --set "$corpus:test" --way ctc-lm
fi
