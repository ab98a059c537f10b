#!/bin/sh
# Installs what is missing to build this program and to hold a drill: a C compiler's linker and PostgreSQL 15 or newer with
# its server programs. Refuses a Rust that is too old. Says nothing and does nothing where all is there.
set -eu

oldest=15

has_postgres() {
    for initdb in $(command -v initdb) /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
        /opt/homebrew/opt/postgresql@*/bin/initdb /usr/local/opt/postgresql@*/bin/initdb; do
        [ -x "$initdb" ] || continue
        major=$("$initdb" --version | sed -E 's/.*\) ([0-9]+).*/\1/')
        [ "$major" -ge "$oldest" ] && return 0
    done
    return 1
}

fail() {
    printf 'setup: %s\n\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$(dirname "$0")/../Cargo.toml")
cargo=${CARGO:-cargo}
if ! command -v "$cargo" >/dev/null; then
    fail "cargo was not found" "install Rust $rust or newer with rustup, as rust-lang.org describes"
fi
# Before anything is built: the compiler's own refusal comes after minutes, in the middle of other crates.
found=$("$cargo" --version | sed -E 's/^cargo ([0-9]+\.[0-9]+).*/\1/')
if [ "$(printf '%s\n%s\n' "$rust" "$found" | sort -V | head -n 1)" != "$rust" ]; then
    install="install Rust $rust or newer with rustup, as rust-lang.org describes"
    if command -v rustup >/dev/null; then install="run: rustup update stable && rustup default stable"; fi
    fail "this is Rust $found, and Rust $rust or newer is needed" "$install"
fi

missing=
command -v cc >/dev/null || missing="gcc libc6-dev"
has_postgres || missing="$missing postgresql"
[ -n "$missing" ] || exit 0

if [ "$(uname)" = Darwin ]; then
    fail "missing: $missing" "run: xcode-select --install; brew install postgresql@17"
elif [ -e /etc/NIXOS ] || { command -v nix >/dev/null && ! command -v apt-get >/dev/null; }; then
    fail "missing: $missing" "run: nix-shell -p gcc postgresql_17"
elif ! command -v apt-get >/dev/null; then
    fail "missing: $missing" "install a C compiler and PostgreSQL $oldest or newer with your system's package manager"
fi

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "missing: $missing" "run as root: apt-get install $missing"
    as_root=sudo
fi

printf 'setup: installing %s\n' "$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
if ! has_postgres; then
    # Private servers are all a drill needs: the package must not start one of its own.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        $as_root apt-get install -y -qq postgresql-common >/dev/null
        $as_root sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    fi
    newest=$(apt-cache --names-only search '^postgresql-[0-9]+$' | sed -E 's/^postgresql-([0-9]+) .*/\1/' | sort -n | tail -1)
    [ "${newest:-0}" -ge "$oldest" ] ||
        fail "this system's newest PostgreSQL is ${newest:-none}" "add the PostgreSQL project's own package source, then run this again"
    missing=$(printf '%s' "$missing" | sed "s/postgresql/postgresql-$newest/")
fi
# shellcheck disable=SC2086 # several packages
$as_root apt-get install -y -qq $missing >/dev/null
