//! The one test binary: pure decisions first, then codecs, then real servers, then whole drills.

#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(
    clippy::format_collect,
    clippy::match_bool,
    reason = "a test may be slow where it is clear"
)]

mod kit;

mod house;
mod model;

mod archive;

mod s3_server;
mod store;

mod backup;
mod damage;
mod plain_tools;
mod restore;
mod workload;

mod drill;
mod program;
