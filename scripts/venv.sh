# Sourced by the scripts that make Python environments.

# prepare_venv VENV PURPOSE FILE…: makes VENV anew, unless it was finished for what the requirement FILEs say and for this
# Python (python3, or $PYTHON). Returns 1 where there is nothing to do. Then `pip` installs, and `finish_venv` ends it.
prepare_venv() {
  venv=$1
  purpose=$2
  shift 2
  python=${PYTHON:-python3}
  wanted=$({ cat "$@" && "$python" -VV; } | sha256sum)
  if [ -f "$venv/swage-stamp" ] && [ "$(cat "$venv/swage-stamp")" = "$wanted" ]; then
    return 1
  fi
  echo "Setting up $purpose in $(basename "$venv")" >&2
  rm -rf "$venv"
  if ! "$python" -m venv "$venv"; then
    echo "error: '$python -m venv' failed; on Debian: apt-get install python3-venv" >&2
    exit 1
  fi
}

pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

finish_venv() { printf '%s' "$wanted" > "$venv/swage-stamp"; }
