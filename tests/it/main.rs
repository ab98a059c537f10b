//! The one test binary: pure decisions first, then codecs, then real servers, then whole drills.

#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(
    clippy::format_collect,
    clippy::match_bool,
    reason = "a test may be slow where it is clear"
)]

mod certificates;
mod kit;
mod web;

mod conninfo;
mod globals;
mod guard;
mod house;
mod identity;
mod legacy;
mod log;
mod manifests;
mod model;
mod proxy;
mod rescue;
mod retention;
mod rights;
mod schedule;
mod statement;

mod archive;

mod s3_server;
mod store;

mod aftermath;
mod background;
mod backup;
mod cases;
mod clearing;

mod connections;
mod cutover;
mod damage;
mod derived;
mod diff;
mod differential;
mod parallel;
mod patience;
mod plain_tools;
mod protocol;
mod prune;
mod recover;
mod restore;
mod source_held;
mod supabase;
mod versions;
mod wide_rows;
mod workflows;
mod workload;

mod bad_input;
mod containers;
mod docs;
mod doctor;
mod drill;
mod notify;
mod packaging;
mod product;
mod program;
mod scenarios;
mod serve;
mod sources;
mod status;
mod terminal;
