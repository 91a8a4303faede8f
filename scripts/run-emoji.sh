#!/usr/bin/env bash
# Compiles the shipped emoji checkpoint, makes a picture from a prompt, shows it, and tells where the time went.
set -euo pipefail
swage=$1
folder=${2:-models/emoji}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "== swage compile $folder"
"$swage" compile "$folder" -o "$work/emoji.plan" | grep -E '^(plan|entry point|compiled|note)'
echo
echo "== swage generate emoji.plan \"a slice of pizza\" --seed 1 --times -o pizza.png"
"$swage" generate "$work/emoji.plan" "a slice of pizza" --seed 1 --times -o pizza.png --show
