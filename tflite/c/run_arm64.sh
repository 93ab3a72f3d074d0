#!/usr/bin/env bash
# Builds the runner for arm64 and runs it here, in qemu's user mode.
#
#   tflite/c/run_arm64.sh MODEL.tflite GOLDEN_FOLDER [SPEECH.wav]
#
# It needs, on Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross
# qemu-user; and python3 with pip, to get the arm64 wheel of ai-edge-litert.
# ARM64_LITERT names a folder that holds its libLiteRt.so already. What is built
# lies in BUILD (build/arm64). Exits with 77 where a tool is absent.
set -euo pipefail
[[ $# -ge 2 ]] || { sed -n '2,4p' "$0" >&2; exit 2; }
model=$(realpath "$1") golden=$(realpath "$2") speech=${3:+$(realpath "$3")}
cd "$(dirname "${BASH_SOURCE[0]}")"
version=2.3.0
build=${BUILD:-build/arm64}
gcc=aarch64-linux-gnu-gcc
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)

absent() {
  echo "run_arm64.sh: $1" >&2
  exit 77
}
command -v "$gcc" >/dev/null || absent "no $gcc"
[[ -n $qemu ]] || absent "no qemu-aarch64"
mkdir -p "$build"

litert=${ARM64_LITERT:-}
if [[ -z $litert ]]; then
  litert=$PWD/$build/wheel/ai_edge_litert
  [[ $build == /* ]] && litert=$build/wheel/ai_edge_litert
  if [[ ! -f $litert/libLiteRt.so ]]; then
    python3 -m pip download --quiet --disable-pip-version-check --no-deps \
      --only-binary=:all: --platform manylinux_2_27_aarch64 \
      --python-version 3.11 --dest "$build/download" \
      "ai-edge-litert==$version" || absent "the arm64 wheel cannot be had"
    python3 -m zipfile -e "$build"/download/*.whl "$build/wheel"
    rm -r "$build/download"
  fi
fi

make --no-print-directory CC="$gcc" LITERT="$litert" BUILD="$build" >/dev/null

# LiteRT asks /proc/cpuinfo what the processor can do; qemu shows this machine's
# unless the prefix has one. Other processors of qemu than this one crash, or
# compute wrong int8 without a word.
prefix=$build/prefix
mkdir -p "$prefix/proc"
ln -sfn /usr/aarch64-linux-gnu/lib "$prefix/lib"
cat >"$prefix/proc/cpuinfo" <<'CPU'
processor	: 0
BogoMIPS	: 100.00
Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x3
CPU part	: 0xd0c
CPU revision	: 1

CPU
emulate() {
  "$qemu" -cpu neoverse-n1 -L "$prefix" "$@"
}
emulate "$build/check" "$model"
emulate "$build/stream" "$model" --golden "$golden"
[[ -z $speech ]] || emulate "$build/stream" "$model" "$speech"
