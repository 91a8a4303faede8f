#!/bin/sh
# Makes .venv at the root of the repository hold what the tests need. Quick when it is up to date already.
#   Tests/Python/setup.sh          PYTHON=python3.12 Tests/Python/setup.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/scripts/venv.sh"

prepare_venv "$root/.venv" "the Python test environment" "$here/requirements.txt" "$here/requirements-nodeps.txt" || exit 0
pip install -r "$here/requirements.txt"
pip install --no-deps -r "$here/requirements-nodeps.txt"
finish_venv
