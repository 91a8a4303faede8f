#!/usr/bin/env bash
# Runs a command as on a machine with matrix tiles (AMX), which tiles.c carries out; for results, not for times.
# With --or-skip it says so and does nothing where there is nothing to emulate: on machines that have tiles, and on those
# without AVX-512, which every machine with tiles has.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$here/../../.build/emulation

if [[ ${1:-} == --or-skip ]]; then
  shift
  flags=$(grep -m 1 '^flags' /proc/cpuinfo || true)
  if [[ $flags == *" amx_tile"* ]]; then echo "matrix tiles: this machine has them"; exit 0; fi
  if [[ $flags != *" avx512f"* ]]; then echo "matrix tiles: not emulated without AVX-512"; exit 0; fi
fi

toolchain=$(dirname "$(readlink -f "$(command -v swiftc)")")
clang=$toolchain/clang
[[ -x $clang ]] || clang=$(readlink -f "$(command -v clang)")
mkdir -p "$build"
"$clang" -O3 -march=native -Wall -Werror -shared -fPIC -o "$build/tiles.so.new" "$here/tiles.c"
mv "$build/tiles.so.new" "$build/tiles.so"
# A compiler for this machine that knows the instructions as well; its linker is looked for beside it.
cat >"$build/clang.new" <<EOF
#!/bin/sh
case " \$* " in *" --target="*) exec '$clang' "\$@" ;; esac
exec '$clang' -mamx-tile -mamx-bf16 -mamx-int8 "\$@"
EOF
chmod +x "$build/clang.new"
mv "$build/clang.new" "$build/clang"
[[ ! -x ${clang%/*}/ld.lld ]] || ln -sf "${clang%/*}/ld.lld" "$build/ld.lld"

if [[ $("$build/clang" -march=native -dM -E -x c /dev/null) != *__AMX_INT8__* ]]; then
  echo "tiles.sh: $clang does not know matrix tiles" >&2
  exit 1
fi

build=$(cd "$build" && pwd)
export LD_PRELOAD=$build/tiles.so SWAGE_CPU_FEATURES=+amx_tile,+amx_bf16,+amx_int8 SWAGE_CC=$build/clang PATH=$build:$PATH
# Threads that wait by turning would keep the processor from those whose instructions are carried out.
export OMP_WAIT_POLICY=passive
exec "$@"
