# Installs the Debian packages named as arguments, as root, without starting the servers they bring.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Debian starts a server as soon as its package is unpacked, on the port that everybody expects. Ours
# are private: this file, which belongs to the administrator, says no. One that is there already is kept.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi

# A new machine updates its lists by itself, and apt-get update does not wait for that. Where another source is broken, the
# installation says what is missing.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
    said=$(LC_ALL=C apt-get update 2>&1) && break
    printf '%s\n' "$said"
    case $said in *"Could not get lock"*) sleep 10 ;; *) break ;; esac
done
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
