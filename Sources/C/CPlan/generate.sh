#!/bin/sh
# Writes plan.pb-c.c and include/plan.pb-c.h from plan.proto. With a folder as argument they are written there.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
mkdir -p "$out/include"
protoc-c --proto_path=. --c_out="$out" plan.proto
mv "$out/plan.pb-c.h" "$out/include/plan.pb-c.h"
