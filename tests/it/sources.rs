//! Whose a backup is and what it should hold: names, suspicion, prefix and choice as pure decisions, then with real stores.

mod attack;
mod choice;
mod prefix;
mod suspicion;
