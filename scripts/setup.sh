#!/bin/sh
# Makes .venv and installs this checkout into it, with an extra if one is named: setup.sh [EXTRA]
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

fail() {
    echo "setup: $*" >&2
    exit 1
}

command -v "$python" >/dev/null || fail "no $python here; Endotwin needs Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is $("$python" --version); Endotwin needs 3.11 or newer (make PYTHON=python3.12 ...)"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments; on Debian: apt install python3-venv"

# An environment without a working pip is what an interrupted run leaves.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "==> Making the virtual environment .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
echo "==> Installing Endotwin and what it needs into .venv (PyTorch is several GB: minutes, the first time)"
.venv/bin/python -m pip install --editable ".${1:+[$1]}"
