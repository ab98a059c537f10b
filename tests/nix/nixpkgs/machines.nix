# NixOS as far as this project's module and its test of several machines use it: options, and what they hold.
{ lib, pkgs }:

let
  inherit (lib) mkOption types;

  option =
    type: default:
    mkOption {
      inherit type default;
    };
  required = type: mkOption { inherit type; };
  table = type: option (types.attrsOf type) { };

  unit = {
    description = option types.str "";
    wants = option (types.listOf types.str) [ ];
    after = option (types.listOf types.str) [ ];
    wantedBy = option (types.listOf types.str) [ ];
    onFailure = option (types.listOf types.str) [ ];
  };

  nixos.options = {
    assertions = option (types.listOf types.anything) [ ];
    environment = {
      systemPackages = option (types.listOf types.package) [ ];
      etc = table (
        types.submodule {
          text = required types.lines;
          mode = option types.str "symlink";
        }
      );
    };
    networking = {
      hostName = option types.str "machine";
      firewall.allowedTCPPorts = option (types.listOf types.port) [ ];
    };
    services.postgresql = {
      enable = option types.bool false;
      package = option types.package pkgs.postgresql_17;
      enableTCPIP = option types.bool false;
      authentication = option types.lines "";
    };
    systemd = {
      services = table (
        types.submodule (
          unit
          // {
            environment = table types.str;
            serviceConfig = table types.anything;
          }
        )
      );
      timers = table (types.submodule (unit // { timerConfig = table types.anything; }));
    };
    users = {
      users = table (
        types.submodule {
          isSystemUser = option types.bool false;
          group = required types.str;
          home = option types.path "/var/empty";
        }
      );
      groups = table (types.submodule { });
    };
    virtualisation = {
      diskSize = option types.int 1024;
      memorySize = option types.int 1024;
    };
  };

  # As NixOS does: nothing is made of a machine that asserts what does not hold.
  holding =
    config:
    let
      failed = builtins.filter (claim: !claim.assertion) config.assertions;
    in
    if failed == [ ] then config else throw (builtins.head failed).message;

  machine =
    node:
    holding (lib.evalModules {
      modules = [
        nixos
        node
      ];
      specialArgs = {
        inherit lib pkgs;
        # systemd expands % and $.
        utils.escapeSystemdExecArgs =
          arguments:
          lib.concatStringsSep " " (
            map (
              argument: "\"${builtins.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (toString argument)}\""
            ) arguments
          );
      };
    }).config;
in
test:
let
  machines = builtins.mapAttrs (_: machine) test.nodes;
in
derivation {
  inherit (test) name testScript;
  inherit (pkgs.stdenv.hostPlatform) system;
  builder = "/bin/sh";
  # All that the machines are told to be, down to the last value.
  machines = builtins.toJSON machines;
}
// {
  nodes = machines;
}
