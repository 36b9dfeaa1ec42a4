#!/bin/sh
# tests/cross/run.sh ARCH: cross-compiles aizip for aarch64, riscv64 or s390x (big
# endian), runs it under qemu-user, and compares with build/aizip: equal archives, and
# each decodes the other's; and the language model's signatures must be the golden ones, with
# the CPU's best kernels and with plain C. Needs gcc-ARCH-linux-gnu, libc6-dev for it, and qemu-user.
set -e
cd "$(dirname -- "$0")/../.."
arch=$1
dir=build-$arch
mkdir -p "$dir"
# The host's /usr/include must not come into view: only this one header of it.
xxhash=$(sed -n 's/^XXHASH_INCLUDE_DIR:[A-Z]*=//p' build/CMakeCache.txt)
mkdir -p "$dir/xxhash"
cp "$xxhash"/xxh*.h "$dir/xxhash/"
cmake -S . -B "$dir" -DCMAKE_TOOLCHAIN_FILE="cmake/$arch-linux-gnu.cmake" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_EXE_LINKER_FLAGS=-static -DAIZIP_SHARED=OFF \
    -DAIZIP_LIBRARIES=OFF -DAIZIP_CURL=OFF -DAIZIP_WERROR="${AIZIP_WERROR:-OFF}" \
    -DXXHASH_INCLUDE_DIR="$PWD/$dir/xxhash" >"$dir/build.log"
cmake --build "$dir" --target aizip lm_signature --parallel 2 >>"$dir/build.log" 2>&1 || {
    tail -n 40 "$dir/build.log"
    exit 1
}
qemu-"$arch" "$dir/aizip" --version
for off in none all; do
    AIZIP_CPU_DISABLE=$off qemu-"$arch" "$dir/lm_signature" tests/models/tiny-llama.gguf \
        tests/models/tiny-gpt2.gguf | diff tests/golden/lm_signature.txt - || {
        echo "the language model's signatures differ"
        exit 1
    }
done
exec python3 -B tests/cross/same.py --quick build/aizip "qemu-$arch" "$dir/aizip"
