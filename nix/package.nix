# The program, with PostgreSQL's programs on its path, its manual and its completions.
{
  lib,
  stdenv,
  rustPlatform,
  makeWrapper,
  installShellFiles,
  writeShellApplication,
  coreutils,
  util-linux,
  # Production's major version: an older pg_dump refuses a newer server, and a newer one writes what an older server may not know.
  postgresql_17,
  postgresql ? postgresql_17,
  # The rehearsal: private servers and synthetic data.
  withDrill ? true,
}:

let
  cargo = (lib.importTOML ../Cargo.toml).package;

  # What the program calls. A drill copies clusters, clears away behind them, and limits what a server may write.
  called = [
    postgresql
  ]
  ++ lib.optionals withDrill (
    [ coreutils ] ++ lib.optional stdenv.hostPlatform.isLinux util-linux
  );
in
rustPlatform.buildRustPackage (finalAttrs: {
  pname = cargo.name;
  inherit (cargo) version;

  # What is compiled, tested and linted, and nothing else: a changed page builds nothing again. Fixtures are compiled in.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../clippy.toml
      ../rustfmt.toml
      ../src
      ../fixtures
      ../benches
      ../tests/it
      ../tests/proptest-regressions
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  buildNoDefaultFeatures = !withDrill;

  nativeBuildInputs = [
    makeWrapper
    installShellFiles
  ];

  # The tests want PostgreSQL and more; checks.tests runs them.
  doCheck = false;

  postInstall =
    lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
      $out/bin/paycraft-dr man man1
      installManPage man1/*.1
      for shell in bash fish zsh; do
        $out/bin/paycraft-dr completions $shell > paycraft-dr.$shell
      done
      installShellCompletion paycraft-dr.{bash,fish,zsh}
    ''
    # Behind the user's own path: whoever has PostgreSQL in another version may need just that one.
    + ''
      wrapProgram $out/bin/paycraft-dr --suffix PATH : ${lib.makeBinPath called}
    '';

  passthru = {
    inherit postgresql;
    # The program as a script of its own, with arguments before those of the user, and settings where the user has none.
    running =
      {
        arguments ? [ ],
        settings ? { },
      }:
      let
        setting = name: value: ''export ${name}="''${${name}-${value}}"'';
      in
      writeShellApplication {
        name = lib.concatStringsSep "-" ([ "paycraft-dr" ] ++ arguments);
        text = lib.concatLines (
          lib.mapAttrsToList setting settings
          ++ [ ''exec ${lib.getExe finalAttrs.finalPackage} ${lib.escapeShellArgs arguments} "$@"'' ]
        );
      };
  };

  meta = {
    inherit (cargo) description;
    license = lib.licenses.mit;
    mainProgram = "paycraft-dr";
    platforms = lib.platforms.unix;
  };
})
