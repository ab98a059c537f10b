# The packages that are used, for one system.
{ lib, system }:

let
  isLinux = builtins.match ".*-linux" system != null;

  # Everything that reaches a builder must be something a derivation can hold.
  derivation' =
    attributes:
    let
      held = removeAttrs attributes [
        "passthru"
        "meta"
        "override"
      ];
      made = derivation (
        held
        // {
          inherit system;
          name = held.name or "${held.pname}-${held.version}";
          builder = "/bin/sh";
        }
      );
    in
    made
    // (attributes.passthru or { })
    // {
      meta = attributes.meta or { };
      version = attributes.version or "0";
    };

  # A function of the final attributes, as `mkDerivation (finalAttrs: { … })`, that can be changed afterwards.
  changeable =
    make:
    let
      final = make final';
      final' = final // {
        finalPackage = package;
      };
      package = derivation' final // {
        overrideAttrs =
          change:
          changeable (
            self:
            let
              before = make self;
            in
            before // change before
          );
      };
    in
    package;

  named =
    name:
    derivation' {
      inherit name;
      meta.mainProgram = name;
    };

  callPackage =
    file: given:
    let
      function = import file;
      wanted = builtins.functionArgs function;
      found = builtins.intersectAttrs wanted pkgs;
      missing = builtins.filter (name: !wanted.${name} && !(found ? ${name}) && !(given ? ${name})) (
        builtins.attrNames wanted
      );
    in
    if missing != [ ] then
      throw "${toString file} wants ${builtins.concatStringsSep ", " missing}"
    else
      function (found // given)
      // {
        override = other: callPackage file (given // other);
      };

  pkgs = {
    inherit callPackage lib;

    stdenv = {
      hostPlatform = {
        inherit isLinux system;
      };
      buildPlatform.canExecute = _: true;
    };

    rustPlatform.buildRustPackage =
      make:
      changeable (
        self:
        let
          attributes = make self;
          lock = builtins.fromTOML (builtins.readFile attributes.cargoLock.lockFile);
          vendored = builtins.filter (package: package ? checksum) lock.package;
        in
        removeAttrs attributes [ "cargoLock" ]
        // {
          # Every crate that is not our own has a checksum, or it could not be fetched.
          vendored =
            if builtins.length vendored + 1 == builtins.length lock.package then
              "vendored"
            else
              throw "Cargo.lock names a crate without a checksum";
        }
      );

    mkShell =
      attributes:
      derivation' (
        {
          name = "shell";
        }
        // attributes
      );

    runCommand =
      name: attributes: script:
      derivation' (attributes // { inherit name script; });

    writeText = name: text: builtins.toFile name text;

    writeShellApplication =
      { name, text }:
      derivation' {
        inherit name text;
        meta.mainProgram = name;
      };

    formats.toml = _: {
      type = lib.types.anything;
      generate =
        name: value:
        derivation' {
          inherit name;
          value = builtins.toJSON value;
        };
    };

    dockerTools = {
      binSh = named "sh";
      buildLayeredImage =
        {
          name,
          tag,
          contents,
          extraCommands,
          config,
        }:
        derivation' {
          inherit name contents extraCommands;
          config = builtins.toJSON config;
          version = tag;
        };
    };
    fakeNss = (named "fake-nss") // {
      override =
        { extraPasswdLines, extraGroupLines }:
        derivation' {
          name = "fake-nss";
          inherit extraPasswdLines extraGroupLines;
        };
    };

    python3.withPackages =
      choose:
      derivation' {
        name = "python3";
        packages = choose { pyyaml = named "pyyaml"; };
      };

    testers.runNixOSTest = import ./machines.nix { inherit lib pkgs; };
  }
  // lib.genAttrs [
    "awscli2"
    "bash"
    "cacert"
    "cargo"
    "cargo-deny"
    "cargo-nextest"
    "check-jsonschema"
    "clippy"
    "coreutils"
    "git"
    "installShellFiles"
    "jq"
    "makeWrapper"
    "mandoc"
    "nixfmt-tree"
    "openssl"
    "pgbouncer"
    "postgresql_17"
    "postgresql_18"
    "rust-analyzer"
    "rustc"
    "rustfmt"
    "seaweedfs"
    "shellcheck"
    "util-linux"
    "zizmor"
  ] named;
in
pkgs
