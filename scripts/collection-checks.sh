#!/bin/bash
# Builds the collection, installs the artifact in a temporary folder, and checks it there as a user would get it:
# ansible-test sanity and units, ansible-lint, antsibull, galaxy-importer. From PyPI alone.
#
# Caches live outside of the checkout and are made again when they are missing: those of ansible-test in
# ~/.ansible/test, galaxy-importer's environment (it pins other versions than ours) below the user's cache folder.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
bin=$root/.venv/bin
export PATH="$bin:$PATH" ANSIBLE_CONFIG=$root/ansible.cfg PIP_DISABLE_PIP_VERSION_CHECK=1
unset RESOURCE_SERVER RESOURCE_TOKEN RESOURCE_TOKEN_FILE
python=$("$bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
caches=${XDG_CACHE_HOME:-$HOME/.cache}/resource-service

say() { printf '%s\n' "collection: $*" >&2; }

# Output only of what fails.
quietly() {
  local output
  if ! output=$("$@" 2>&1); then
    printf '%s\n' "$output" >&2
    say "failed: $*"
    return 1
  fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ansible-test would fetch this program from a server of its own; pip's wheel holds all that it does.
pip_stand_in() {
  local cache=$HOME/.ansible/test/cache version=24.2
  [ -f "$cache/get_pip_24_2.py" ] && [ -f "$cache/pip-$version-py3-none-any.whl" ] && return
  mkdir -p "$cache"
  quietly pip download --no-deps --dest "$cache" "pip==$version"
  cat >"$cache/get_pip_24_2.py" <<'END'
import os
import runpy
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "pip-24.2-py3-none-any.whl"))
given = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", "--upgrade", "--force-reinstall", *given]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
END
}

importer() {
  local home=$caches/galaxy-importer-0.4.44
  if [ ! -f "$home/.done" ]; then
    say "galaxy-importer's own environment"
    rm -rf "$home"
    "$bin/python" -m venv "$home"
    quietly "$home/bin/pip" install --quiet galaxy-importer==0.4.44
    touch "$home/.done"
  fi
  (cd "$work" && PATH="$home/bin:$PATH" quietly "$home/bin/python" -m galaxy_importer.main "$1")
}

quietly scripts/collection-build.sh "$work"
artifact=$(echo "$work"/resource-infra-*.tar.gz)
if tar -tzf "$artifact" | grep -E '^(collections|controller|tests/python|\.venv)/'; then
  say "the artifact holds what is not the collection's"
  exit 1
fi
ANSIBLE_COLLECTIONS_PATH=$work/installed quietly ansible-galaxy collection install --offline --force -p "$work/installed" "$artifact"
installed=$work/installed/ansible_collections/resource/infra

case ${1:-all} in
  all)
    say "antsibull-changelog, antsibull-docs, ansible-lint"
    quietly antsibull-changelog lint
    quietly antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self "$root"
    quietly ansible-lint --offline
    ;;&
  all | sanity)
    say "ansible-test sanity and units"
    pip_stand_in
    (cd "$installed" && quietly ansible-test sanity --venv --python "$python")
    (cd "$installed" && quietly ansible-test units --venv --python "$python")
    ;;&
  all | importer)
    say "galaxy-importer"
    importer "$artifact"
    ;;
esac
