#!/bin/sh
# Makes a cluster in the directory $1 that listens to everybody who knows the password.
set -eu

/usr/lib/postgresql/15/bin/initdb -D "$1" --username=postgres --encoding=UTF8 --locale=C --no-sync \
    --auth-local=trust --auth-host=scram-sha-256 >/dev/null
echo "host all all all scram-sha-256" >> "$1/pg_hba.conf"
cat >> "$1/postgresql.conf" <<'END'
listen_addresses = '*'
dynamic_shared_memory_type = posix
END
