{
  description = "Backup, restore, proof and rehearsal of a Supabase/Postgres product, with evidence";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      darwin = [
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      # What `make` is given for each system: the package set, and this flake's own packages for it.
      on =
        systems: make:
        lib.genAttrs systems (
          system:
          make {
            inherit system;
            pkgs = nixpkgs.legacyPackages.${system};
            own = self.packages.${system};
          }
        );
      everywhere = on (linux ++ darwin);

      # `nix run` without arguments shows the help.
      runs = package: description: how: {
        type = "app";
        program = lib.getExe (package.running how);
        meta = { inherit description; };
      };
    in
    {
      packages = everywhere (
        { pkgs, own, ... }:
        {
          # The program with its drill, PostgreSQL's programs on its path, manual and completions.
          default = pkgs.callPackage ./nix/package.nix { };
          # What production needs, without private servers and synthetic data.
          slim = own.default.override { withDrill = false; };
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          # An OCI image of the program: `docker load < result`.
          image = pkgs.callPackage ./nix/image.nix { paycraft-dr = own.default; };
        }
      );

      apps = everywhere (
        { pkgs, own, ... }:
        {
          default = runs own.default "The program" { };
          # `nix run .#drill`: one whole backup, disaster and restore on private servers, PostgreSQL and an S3 server of others,
          # without any container engine.
          drill = runs own.default "Rehearse a whole backup and restore on private servers" {
            arguments = [ "drill" ];
            settings.PAYCRAFT_S3_PROGRAM = lib.getExe' pkgs.seaweedfs "weed";
          };
        }
      );

      devShells = everywhere (
        { pkgs, own, ... }:
        {
          default = pkgs.callPackage ./nix/shell.nix { paycraft-dr = own.default; };
        }
      );

      checks = everywhere (
        { pkgs, own, ... }:
        {
          build = own.default;
          build-slim = own.slim;
        }
        // import ./nix/checks.nix { inherit pkgs own; }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          # PostgreSQL, the S3 server and the operator on machines of their own: backup, disaster, restore, verify.
          machines = pkgs.testers.runNixOSTest (import ./nix/machines.nix { module = self.nixosModules.default; });
        }
      );

      # services.paycraft-dr: timers for backups, prune, status and drills. Takes the program from this flake unless told otherwise.
      nixosModules.default =
        { pkgs, lib, ... }:
        {
          imports = [ ./nix/module.nix ];
          services.paycraft-dr.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        };

      # `nix fmt`
      formatter = everywhere ({ pkgs, ... }: pkgs.nixfmt-tree);
    };
}
