//! The drill's S3 server, as the S3 client of this program sees it.
#![cfg(feature = "drill")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod conditional;
mod integrity;
mod kit;
mod lifecycle;
mod listing;
mod multipart;
mod objects;
mod r2;
mod rules;
mod signing;
