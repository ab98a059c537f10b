# The shell to develop in: the toolchain, a PostgreSQL with its server, an S3 server, whatever the tests call, linters.
{
  lib,
  stdenv,
  mkShell,
  awscli2,
  cargo,
  cargo-deny,
  cargo-nextest,
  check-jsonschema,
  clippy,
  jq,
  mandoc,
  nixfmt-tree,
  openssl,
  pgbouncer,
  postgresql_18,
  python3,
  rust-analyzer,
  rustc,
  rustfmt,
  seaweedfs,
  shellcheck,
  util-linux,
  zizmor,
  paycraft-dr,
}:

mkShell {
  inputsFrom = [ paycraft-dr ];
  packages = [
    awscli2
    cargo
    cargo-deny
    cargo-nextest
    check-jsonschema
    clippy
    jq
    mandoc
    nixfmt-tree
    openssl
    paycraft-dr.postgresql
    pgbouncer
    (python3.withPackages (python: [ python.pyyaml ]))
    rust-analyzer
    rustc
    rustfmt
    seaweedfs
    shellcheck
    zizmor
  ]
  ++ lib.optional stdenv.hostPlatform.isLinux util-linux;

  # A newer server beside the one on the path, for tests with two versions.
  PAYCRAFT_NEWER_POSTGRES = "${lib.getBin postgresql_18}/bin";

  # Only where somebody reads it: `nix develop --command` is for programs.
  shellHook = ''
    if [ -t 1 ]; then
      printf '%s\n' \
        'cargo build                        the program (target/debug/paycraft-dr)' \
        'cargo test NAME                    one test; without NAME all of them' \
        'cargo nextest run NAME             the same, one process for each test' \
        'cargo run -- drill                 a whole backup and restore on private servers' \
        'cargo clippy --all-targets         lints' \
        'cargo deny check                   licences, sources and advisories of what is built in' \
        'nix fmt; nix flake check           format the .nix files; everything that must hold'
    fi
  '';
}
