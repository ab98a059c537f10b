//! What the program is delivered with: help, manual, completions, the flake, units, manifests, the crate.

mod crate_file;
mod deploy;
mod help;
mod manual;
mod nix;
#[cfg(target_os = "linux")]
mod scripts;
