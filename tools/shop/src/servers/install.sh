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

apt-get update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
