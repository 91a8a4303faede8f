#!/usr/bin/env bash
# Installs the Debian packages that the build needs, where they are missing.
set -euo pipefail
packages=(libprotobuf-c-dev libdnnl-dev libssl-dev libpng-dev pkg-config python3-venv)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  echo "installing ${missing[*]}"
  sudo=()
  if ((EUID != 0)); then sudo=(sudo); fi
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
command -v swift >/dev/null || {
  echo "error: the Swift toolchain (6.1 or later) is not on PATH: see https://www.swift.org/install" >&2
  exit 1
}
