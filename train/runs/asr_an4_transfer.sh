#!/usr/bin/env bash
# AN4 by what other English speech teaches: three stages.
#
# AN4 alone, as train/runs/asr_an4.sh does it, with seed 0; then AN4 (twice)
# beside seven hours of other speech, whose sound becomes cepstra as AN4's are, a
# part of it synthetic, spelling and counting as AN4's speakers do; then AN4
# again, a few epochs with the seed that is given. Needs KERAS_SELFATTN_DATA and
# the voices of train/synthesise_speech.py; on one core of an AMD EPYC with
# AVX-512 20 + 19 minutes, which all seeds share, and 5 a seed. A killed run goes
# on where it was. With TEST, the error rates of the test are printed, too: once,
# when all is chosen.
#
#   train/runs/asr_an4_transfer.sh OUT SEED [TEST]
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}
speech=$data/speech
corpus=$speech/an4-mfcc
out=${1:?usage: $0 OUT SEED [TEST]}
seed=${2:?usage: $0 OUT SEED [TEST]}
train/runs/asr_an4.sh "$out/alone" 0
if [ ! -d "$out/general/preset" ]; then
  say=(
    --pairs "$data/translation/tatoeba_en-de.tsv.xz:src"
    --pairs "$data/translation/tatoeba_en-fr.tsv.xz:src"
    --pairs "$data/translation/tatoeba_zh-en.tsv.xz:tgt"
    --pairs "$data/translation/multi30k_en-de.tsv.xz:src"
    --grammar examples/coffee.jsgf --grammar-share 0.15 --data "$speech"
    --held-out speechocean762:test --held-out speechocean762:dev
    --held-out librispeech-mini:dev --held-out coffee-s2i:dev
  )
  python train/synthesise_speech.py --engine piper --out "$out/piper" \
    "${say[@]}" --count 1755 --seed 2
  python train/synthesise_speech.py --engine flite --out "$out/spelled" \
    --grammar examples/spelling.jsgf --count 900 --seed 11
  python train/sphinx_features.py --out "$out/features" \
    --set "$speech/speechocean762:train" --set "$speech/synthetic-kokoro:train" \
    --set "$speech/librispeech-mini:train-pseudo" \
    --set "$speech/matthes-lj:train" --set "$speech/asterisk-en:train" \
    --set "$speech/fsdd:train" --set "$out/piper:train"
  python train/sphinx_features.py --out "$out/spelled_features" \
    --set "$out/spelled:train"
fi
common=(
  --backend torch --name asr_hybrid_an4 --dev "$corpus:dev"
  --strides 2 --strides 3 --layers 4 --warp 0.1
  --flat-start-epochs 0 --shortest-first-epochs 0 --augment-from-epoch 0
)
python train/hybrid_asr.py --out "$out/general" "${common[@]}" \
  --init "$out/alone/preset" --train "$corpus:train" --train "$corpus:train" \
  --train "$out/features:train" --train "$out/spelled_features:train" \
  --epochs 5 --batch-frames 4500 --learning-rate 1e-3 --warmup-steps 150 \
  --spec-augment-from-epoch 1 --average 1 --dev-every 1
python train/hybrid_asr.py --out "$out/seed$seed" "${common[@]}" \
  --seed "$seed" --init "$out/general/preset" --train "$corpus:train" \
  --epochs 12 --batch-frames 3000 --learning-rate 5e-4 --warmup-steps 50 \
  --spec-augment-from-epoch 0 --average 3 --dev-every 2
measure() {
  KERAS_BACKEND=torch python train/evaluate_hybrid_asr.py \
    --preset "$out/seed$seed/preset" --lm "$out/alone/words.arpa" "$@"
}
measure --set "$corpus:dev"
if [ -n "${3:-}" ]; then
  measure --set "$corpus:test" --way joint-lm
fi
