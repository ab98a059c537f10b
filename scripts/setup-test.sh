#!/bin/sh
# Installs what only the tests need: the AWS command line, as a client that is not ours. Does nothing where it is there.
set -eu

directory=$1
awscli=1.45.11

command -v aws >/dev/null && exit 0
[ -x "$directory/bin/aws" ] && exit 0

printf 'setup: installing awscli %s into %s\n' "$awscli" "$directory" >&2
if ! command -v python3 >/dev/null || ! python3 -m venv --help >/dev/null 2>&1 || ! python3 -c 'import ensurepip' 2>/dev/null; then
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    command -v apt-get >/dev/null || { echo "setup: install python3 with its venv module, then run this again" >&2; exit 1; }
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq python3-venv >/dev/null
fi
python3 -m venv "$directory"
"$directory/bin/pip" install --quiet --disable-pip-version-check "awscli==$awscli"
