# The functions of nixpkgs' lib that are used, and a small module system.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elem
    filter
    listToAttrs
    map
    pathExists
    ;

  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: make: listToAttrs (map (name: nameValuePair name (make name)) names);

  # A path or a set of paths, each of which is there.
  files =
    set:
    if builtins.isPath set then
      if pathExists set then [ set ] else throw "fileset: ${toString set} is not there"
    else
      set.files or (throw "fileset: neither a path nor a fileset");
in
rec {
  inherit genAttrs nameValuePair;
  inherit (builtins) concatStringsSep mapAttrs;

  optional = holds: value: if holds then [ value ] else [ ];
  optionals = holds: list: if holds then list else [ ];
  optionalAttrs = holds: set: if holds then set else { };
  optionalString = holds: text: if holds then text else "";
  concatLines = list: concatStringsSep "" (map (line: "${line}\n") list);
  concatMapStrings = make: list: concatStringsSep "" (map make list);
  filterAttrs =
    keeps: set: removeAttrs set (filter (name: !keeps name set.${name}) (attrNames set));
  mapAttrs' = make: set: listToAttrs (map (name: make name set.${name}) (attrNames set));
  mapAttrsToList = make: set: map (name: make name set.${name}) (attrNames set);
  escapeShellArgs =
    arguments:
    concatStringsSep " " (
      map (argument: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString argument)}'") arguments
    );
  hasPrefix = start: text: builtins.substring 0 (builtins.stringLength start) text == start;
  importTOML = file: builtins.fromTOML (builtins.readFile file);
  literalExpression = text: { inherit text; };

  getBin = package: package;
  getExe = package: "${package}/bin/${package.meta.mainProgram or (throw "${package.name} names no main program")}";
  getExe' = package: name: "${package}/bin/${name}";
  makeBinPath = packages: concatStringsSep ":" (map (package: "${package}/bin") packages);

  licenses.mit.spdxId = "MIT";
  platforms.unix = [
    "x86_64-linux"
    "aarch64-linux"
    "x86_64-darwin"
    "aarch64-darwin"
  ];

  fileset = {
    unions = sets: { files = builtins.concatMap files sets; };
    maybeMissing = path: { files = optional (pathExists path) path; };
    difference =
      all: without:
      { files = filter (path: !elem path (files without)) (files all); };
    # What is in the set stays, to be looked at by whoever evaluates.
    toSource =
      { root, fileset }:
      if files fileset == [ ] then
        throw "fileset: nothing is left"
      else
        {
          outPath = toString root;
          files = map toString (files fileset);
        };
  };

  inherit (import ./modules.nix)
    evalModules
    mkDefault
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    types
    ;
}
