#!/usr/bin/env bash
# gpt_small_shakespeare: characters of Shakespeare, in the setting that nanoGPT
# gives for a small machine (its README: validation loss 1.88), but with rotary
# positions (here 1.780; 1.903 with learned ones, see train/LOG.md).
#
# Needs KERAS_SELFATTN_DATA. A killed run goes on where it was.
#
#   train/runs/gpt_small_shakespeare.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}/lm
out=${1:?usage: $0 OUT}
python train/causal_lm.py --backend jax --out "$out" \
  --name gpt_small_shakespeare --text "$data/tinyshakespeare.txt.xz" \
  --layers 4 --heads 4 --hidden-dim 128 --window 64 --dropout 0 --positions rotary \
  --batch-size 12 --epochs 8 --steps 250 --warmup-steps 100 \
  --learning-rate 1e-3 --final-learning-rate 1e-4 --weight-decay 0.1 \
  --beta-2 0.99 --clip-norm 1
