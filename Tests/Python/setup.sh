#!/bin/sh
# Makes .venv at the root of the repository hold what the tests need. Quick when it is up to date already.
#   Tests/Python/setup.sh          PYTHON=python3.12 Tests/Python/setup.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
venv=$root/.venv
stamp=$venv/swage-stamp

wanted=$({ cat "$here/requirements.txt" "$here/requirements-nodeps.txt" && "$python" -VV; } | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi

echo "Setting up the Python test environment in .venv" >&2
rm -rf "$venv"
if ! "$python" -m venv "$venv"; then
  echo "error: '$python -m venv' failed; on Debian: apt-get install python3-venv" >&2
  exit 1
fi
pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip install -r "$here/requirements.txt"
pip install --no-deps -r "$here/requirements-nodeps.txt"
printf '%s' "$wanted" > "$stamp"
