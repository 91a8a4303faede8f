#!/bin/sh
# Writes onnx.pb-c.c and include/onnx.pb-c.h from onnx.proto. With a folder as argument they are written there.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
mkdir -p "$out/include"
protoc-c --proto_path=. --c_out="$out" onnx.proto
mv "$out/onnx.pb-c.h" "$out/include/onnx.pb-c.h"
