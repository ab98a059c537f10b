#!/bin/sh
# Starts PostgreSQL as the official image does: the same variables, the same directory, the server as the first process.
#
# Clusters were made with the image, one for each name a drill gives its servers, so that a container starts at once and no two
# servers of a drill are the same system. Any other host name gets a cluster of its own.
set -eu

bin=/usr/lib/postgresql/15/bin
data=${PGDATA:-/var/lib/postgresql/data}
[ "${1:-postgres}" = postgres ] && shift

as_postgres() {
    setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"
}

if [ ! -s "$data/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?must be set}"
    mkdir -p "$data"
    chown postgres:postgres "$data"
    chmod 700 "$data"
    made=/var/lib/postgresql/made/$(hostname)
    if [ -d "$made" ]; then
        cp -a "$made/." "$data/"
    else
        as_postgres /bin/sh /usr/local/bin/make-cluster "$data"
    fi
    if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
        mkdir -p "$POSTGRES_INITDB_WALDIR"
        cp -a "$data/pg_wal/." "$POSTGRES_INITDB_WALDIR/"
        chown -R postgres:postgres "$POSTGRES_INITDB_WALDIR"
        rm -rf "$data/pg_wal"
        ln -s "$POSTGRES_INITDB_WALDIR" "$data/pg_wal"
    fi
    # The single user's chatter is nobody's concern.
    printf "ALTER ROLE postgres PASSWORD '%s'\n" "$POSTGRES_PASSWORD" |
        as_postgres "$bin/postgres" --single -D "$data" template1 >/dev/null 2>&1
fi
mkdir -p /run/postgresql
chown postgres:postgres /run/postgresql
exec setpriv --reuid=postgres --regid=postgres --clear-groups -- "$bin/postgres" -D "$data" "$@"
