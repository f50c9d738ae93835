#!/bin/sh
# Runs `cargo shop test` on the servers of a newer Debian: PostgreSQL 17 and RabbitMQ 4.0 (trixie), PostgreSQL 18 and
# RabbitMQ 4.3 (forky). Needs root and debootstrap.
#
#   deploy/newer-debian.sh forky /var/tmp/forky -- -E 'package(event-bus)'
#
# The first run makes that Debian in the folder, about a gigabyte. The tests are built here, by the toolchain of this
# machine, and run there, in a chroot that sees this checkout. What they write to the checkout goes into FOLDER.written
# and is dropped. The servers listen on loopback, like those of any test run.
set -eu

if [ $# -lt 2 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
release=$1
root=$(mkdir -p "$2" && cd "$2" && pwd)
shift 2
checkout=$(cd "$(dirname "$0")/.." && pwd)
cargo=${CARGO_HOME:-$HOME/.cargo}
rustup=${RUSTUP_HOME:-$HOME/.rustup}

if [ ! -x "$root/usr/bin/epmd" ]; then
    script=/usr/share/debootstrap/scripts/$release
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    packages=postgresql,rabbitmq-server,pgbouncer,ca-certificates,curl,gcc,libc6-dev
    # From where this system takes its own packages.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | sed -n 1p)
    debootstrap --variant=minbase --include="$packages" "$release" "$root" "$mirror" "$script"
fi

# Found there wherever it is here.
nextest=$(command -v cargo-nextest || true)
[ -z "$nextest" ] || cp "$nextest" "$root/usr/local/bin/"

cd "$checkout"
cargo build --package shop
cargo test --no-run --workspace --features crash-points

# In a mount namespace of its own: all mounts go with the run.
export checkout root cargo rustup
exec unshare --mount sh -eu -c '
    written=$root.written
    mkdir -p "$written/upper" "$written/work" "$root$checkout" "$root$cargo" "$root$rustup"
    trap "rm -rf \"$written\"" EXIT
    mount -t overlay overlay -o "lowerdir=$checkout,upperdir=$written/upper,workdir=$written/work" "$root$checkout"
    mount --rbind "$cargo" "$root$cargo"
    mount --rbind "$rustup" "$root$rustup"
    for dir in proc sys dev; do mount --rbind "/$dir" "$root/$dir"; done
    export CARGO_HOME="$cargo" RUSTUP_HOME="$rustup" PATH="$cargo/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    chroot "$root" sh -c "cd \"\$0\" && exec target/debug/shop test --no-browser \"\$@\"" "$checkout" "$@"
' sh "$@"
