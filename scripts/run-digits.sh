#!/usr/bin/env bash
# Compiles the shipped digit classifier, shows what each pass did, and runs the plan on a scan the model has not seen.
set -euo pipefail
swage=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "== swage compile graphs/digits.onnx --weights models/digits/digits.safetensors"
"$swage" compile graphs/digits.onnx --weights models/digits/digits.safetensors -o "$work/digits.plan"
echo
echo "== swage run digits.plan --input image=models/digits/scan.npy --draw --times"
"$swage" run "$work/digits.plan" --input image=models/digits/scan.npy --draw --times
