#!/bin/bash
# Builds the collection's tarball in the folder that is given; in place of the project's README, with the collection's own
# (docs/collection.md). It works on a copy, since ansible-galaxy takes README.md from the folder that it builds.
set -euo pipefail
output=$(realpath "$1")
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# Files of git only: tests that run at the same time make and delete others in the checkout.
git ls-files -z --cached --others --exclude-standard -- galaxy.yml LICENSE CHANGELOG.rst LICENSES meta plugins playbooks \
  changelogs tests/unit tests/sanity examples/tokyo |
  tar --create --null --no-recursion --ignore-failed-read --files-from=- | tar --extract --directory "$copy"
cp docs/collection.md "$copy/README.md"
# The release's changelog is made from the fragments, which the checkout keeps.
(cd "$copy" && antsibull-changelog release >/dev/null 2>&1)
rm -f "$copy/changelogs/.plugin-cache.yaml"
ansible-galaxy collection build --force --output-path "$output" "$copy"
