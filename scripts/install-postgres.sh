#!/bin/sh
# Installs one major version of PostgreSQL from the PostgreSQL project's own packages: its client programs, or its server too.
#
# pg_dump refuses a server newer than itself, and a system's own packages are often older than a managed database. The key
# of the package source comes with Debian's and Ubuntu's signed package postgresql-common.
set -eu

usage() {
    echo "usage: scripts/install-postgres.sh client|server MAJOR" >&2
    exit 2
}

[ $# = 2 ] || usage
case $2 in '' | *[!0-9]*) usage ;; esac
case $1 in
    client) packages="postgresql-client-$2" program=pg_dump ;;
    server) packages="postgresql-$2" program=initdb ;;
    *) usage ;;
esac
[ ! -x "/usr/lib/postgresql/$2/bin/$program" ] || exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
export DEBIAN_FRONTEND=noninteractive
# A mirror that is out of step for a minute must not cost a backup.
again="-o Acquire::Retries=5 -o DPkg::Lock::Timeout=120"

printf 'install-postgres: installing %s\n' "$packages" >&2
# shellcheck disable=SC2086 # several options
$as_root apt-get $again update -qq
# shellcheck disable=SC2086
$as_root apt-get $again install -y -qq postgresql-common ca-certificates >/dev/null
# The package must not start a server of its own.
$as_root sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
$as_root /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y >/dev/null
# shellcheck disable=SC2086
$as_root apt-get $again install -y -qq "$packages" >/dev/null
