#!/usr/bin/env bash
# Compiles the shipped emoji checkpoint, makes a picture from a prompt, shows it, and tells where the time went.
set -euo pipefail
swage=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "== swage compile models/emoji"
"$swage" compile models/emoji -o "$work/emoji.plan" | grep -E '^(plan:|compiled)'
echo
prompt="a slice of pizza"
echo "== swage generate emoji.plan \"$prompt\" --steps 20 --guidance 2 --seed 1 --show --times -o pizza.png"
"$swage" generate "$work/emoji.plan" "$prompt" --steps 20 --guidance 2 --seed 1 --show --times -o pizza.png
