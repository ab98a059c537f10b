//! The one test binary: pure decisions first, then codecs, then real servers, then whole drills.

mod archive;
mod s3_server;
mod workload;
