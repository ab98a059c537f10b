# What must hold, each as a derivation that fails where it does not.
{ pkgs, own }:

let
  inherit (pkgs) lib;

  # The package's sources and vendored crates, with something else than building them for production done to them.
  cargo =
    name: inputs: script: extra:
    own.default.overrideAttrs (
      before:
      {
        name = "paycraft-dr-${name}";
        nativeBuildInputs = before.nativeBuildInputs ++ inputs;
        # Without the hook behind it, which looks for a program that was built.
        buildPhase = ''
          runHook preBuild
          ${script}
        '';
        installPhase = "touch $out";
        # There is nothing to wrap, to strip or to look at.
        postInstall = "";
        dontFixup = true;
      }
      // extra
    );

  # The sources with the pages, workflows and examples besides, which tests hold to their word.
  wholeSource = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.difference ../. (
      lib.fileset.unions [
        (lib.fileset.maybeMissing ../target)
        (lib.fileset.maybeMissing ../drills)
        (lib.fileset.maybeMissing ../result)
      ]
    );
  };
in
{
  fmt = cargo "fmt" [ pkgs.rustfmt ] "cargo fmt --check" { };

  clippy = cargo "clippy" [ pkgs.clippy ] ''
    cargo clippy --offline --locked --all-targets -- -D warnings
    cargo clippy --offline --locked --no-default-features --bins --lib -- -D warnings
  '' { };

  # Advisories are asked for by the workflow: what was published today cannot be known in a build that repeats.
  deny = cargo "deny" [ pkgs.cargo-deny ] "cargo deny --offline --locked check bans licenses sources" {
    src = wholeSource;
  };

  # Every test, with a real PostgreSQL in the sandbox, the S3 server that is part of the drill, and one that is not.
  tests =
    cargo "tests"
      (
        [
          own.default.postgresql
          pkgs.awscli2
          pkgs.bash
          pkgs.coreutils
          pkgs.git
          pkgs.jq
          pkgs.mandoc
          pkgs.openssl
          pkgs.pgbouncer
          pkgs.seaweedfs
          (pkgs.python3.withPackages (python: [ python.pyyaml ]))
        ]
        ++ lib.optional pkgs.stdenv.hostPlatform.isLinux pkgs.util-linux
      )
      ''
        export HOME=$TMPDIR LC_ALL=C.UTF-8
        patchShebangs scripts
        cargo test --offline --locked
      ''
      {
        src = wholeSource;
        SSL_CERT_FILE = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
        PAYCRAFT_REQUIRE = "postgres,aws,jq,openssl,pgbouncer,newer-postgres,mandoc,python3-yaml,weed";
        PAYCRAFT_NEWER_POSTGRES = "${lib.getBin pkgs.postgresql_18}/bin";
        __darwinAllowLocalNetworking = true;
      };

  # The packaged program itself holds a drill; its evidence is the output.
  drill =
    pkgs.runCommand "paycraft-dr-drill"
      {
        nativeBuildInputs = [ own.default ];
        PAYCRAFT_S3_PROGRAM = lib.getExe' pkgs.seaweedfs "weed";
        __darwinAllowLocalNetworking = true;
      }
      ''
        export HOME=$TMPDIR LC_ALL=C.UTF-8
        paycraft-dr drill --seed 1 --report $out
      '';
}
