#!/bin/bash
# Makes .venv and installs the Debian packages of packages.txt, each only when something is missing.
#
# Two calls at once wait for each other. A call that was killed half-way is finished by the next:
# a stamp is written only after its step is done, and names a digest of what the step was made from.
set -euo pipefail
cd "$(dirname "$0")/.."
exec 9<.
flock 9

say() { printf '%s\n' "setup: $*" >&2; }

digest() { cat "$@" | sha256sum | cut -d' ' -f1; }

is_done() { [ -f ".venv/.stamp-$1" ] && [ "$(cat ".venv/.stamp-$1")" = "$2" ]; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
    # A version manager's stand-in may exist without a version behind it, and Debian ships venv apart.
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  say "needs Python 3.11 or later with venv (Debian: apt-get install python3-venv), or PYTHON=/path/to/python3"
  return 1
}

scripts/packages.sh packages.txt

if ! .venv/bin/python -c '' 2>/dev/null; then
  python=$(find_python)
  say "virtual environment with $("$python" --version)"
  "$python" -m venv --clear .venv
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
wanted=$(digest requirements-dev.txt)
if ! is_done requirements "$wanted"; then
  say "Python packages"
  .venv/bin/python -m pip install --quiet --require-hashes -r requirements-dev.txt
  echo "$wanted" >.venv/.stamp-requirements
fi

wanted=$(digest requirements-ansible-lowest.txt)
if ! is_done ansible-lowest "$wanted"; then
  say "the lowest version of Ansible"
  rm -rf .venv/ansible-lowest
  .venv/bin/python -m pip install --quiet --no-deps --require-hashes --no-compile --target .venv/ansible-lowest \
    -r requirements-ansible-lowest.txt
  echo "$wanted" >.venv/.stamp-ansible-lowest
fi

# The build also compiles the wire messages, so their sources count.
wanted=$(digest requirements-dev.txt pyproject.toml hatch_build.py controller/wire/*.proto)
if ! is_done project "$wanted" || [ ! -f controller/wire/cluster_pb2.py ]; then
  say "this project"
  .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
  echo "$wanted" >.venv/.stamp-project
fi
