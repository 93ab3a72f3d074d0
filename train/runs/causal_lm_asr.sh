#!/usr/bin/env bash
# A small causal language model of what recognisers hear, for rescoring: the
# sentences of asr_language_model.sh, held-out ones left out by the same code.
#
# Needs KERAS_SELFATTN_DATA. A killed run goes on where it was. TEXTS is a
# folder that `asr_language_model.sh OUT.bin --keep-texts TEXTS` wrote.
#
#   train/runs/causal_lm_asr.sh TEXTS OUT
set -euo pipefail
texts=${1:?usage: $0 TEXTS OUT}
out=${2:?usage: $0 TEXTS OUT}
python train/causal_lm.py --backend jax --out "$out" --lines \
  --text "$texts/train.txt" --dev "$texts/speechocean762_dev.txt" \
  --dev "$texts/librispeech-mini_dev.txt" \
  --vocabulary 1000 --layers 3 --heads 4 --hidden-dim 128 --window 64 \
  --batch-tokens 2048 --epochs 1 --max-steps 650 --warmup-steps 100 \
  --learning-rate 2e-3 --final-learning-rate 1e-4 --weight-decay 0.1 \
  --beta-2 0.98
