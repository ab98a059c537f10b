//! Nothing goes on behind our back: what a killed run leaves, what children are told, and who else works in a target.

mod budget;
mod environment;
mod kills;
mod leash;
mod logs;
mod occupancy;
mod words;
