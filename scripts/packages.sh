#!/bin/bash
# packages.sh FILE: installs the Debian packages that FILE names, only those that are missing.
#
# Nothing that comes with a package is started: while apt runs, a policy-rc.d forbids it. The one
# that was there before, if any, is put back as it was, also on failure; after a SIGKILL the next
# call does it.
set -euo pipefail

policy=/usr/sbin/policy-rc.d
kept=/usr/sbin/policy-rc.d.kept-by-resource-service
none=/usr/sbin/policy-rc.d.none-before-resource-service

restore() {
  if [ -e "$kept" ] || [ -L "$kept" ]; then
    mv -fT "$kept" "$policy"
  elif [ -e "$none" ]; then
    rm -f "$policy" "$none"
  fi
}

forbid() {
  # Moving keeps mode, owner, times and links of what is there.
  if [ -e "$policy" ] || [ -L "$policy" ]; then mv -fT "$policy" "$kept"; else : >"$none"; fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

mapfile -t wanted < <(sed 's/#.*//' "$1" | tr -s ' \t' '\n' | grep .)
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ "$(id -u)" = 0 ]; then
  mkdir -p /run/lock
  exec 8>/run/lock/resource-service-packages
  flock 8
  restore
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
  printf '%s\n' "setup: missing Debian packages, install them as root: ${missing[*]}" >&2
  exit 1
fi
printf '%s\n' "setup: Debian packages: ${missing[*]}" >&2
trap restore EXIT
trap 'exit 130' INT TERM HUP
forbid
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -y -o DPkg::Lock::Timeout=600)
# 8 and 9 are locks: a daemon that a package leaves running must not hold them.
update() { "${apt[@]}" update </dev/null 8>&- 9>&-; }
install() { "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null 8>&- 9>&-; }
# Package lists may be missing, or older than what the mirror still has.
"${apt[@]}" -s install --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || update
install || { update && install; }
