# A stand-in for nixpkgs: the attributes that this project's flake uses, and no others, as derivations that cannot be built.
#
# It is for evaluation where nixpkgs cannot be had: a misspelt attribute, a missing argument or an option of the wrong type ends
# it. That nixpkgs has what is named here, and that anything builds, it does not show: `nix flake check` does, with nixpkgs.
{
  outputs =
    { self }:
    let
      lib = import ./lib.nix;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs systems (system: import ./packages.nix { inherit lib system; });
    };
}
