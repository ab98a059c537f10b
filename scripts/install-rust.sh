#!/bin/sh
# Installs the Rust that Cargo.toml asks for, and makes it the default. For machines that come with rustup.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$version" ] || { echo "install-rust: Cargo.toml names no rust-version" >&2; exit 1; }
rustup toolchain install "$version" --profile minimal --component clippy,rustfmt --no-self-update
rustup default "$version"
