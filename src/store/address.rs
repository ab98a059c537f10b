//! What kind of store an address names, and where it is.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::location::Location;
use crate::error::{Error, Kind, Result};

/// Where a store is.
#[derive(Clone, Debug)]
pub enum StoreAddress {
    /// A bucket of a service that speaks S3.
    S3(Location),
    /// A directory of this machine, which holds each object as a file of its key's name.
    Directory(PathBuf),
}

/// The directory that `endpoint` names, as in `file:///backups`; nothing where it is no `file:` URL. Percent-encoding is decoded.
pub fn directory_of(endpoint: &str) -> Result<Option<PathBuf>> {
    let Some((scheme, rest)) = endpoint.split_once(':') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("file") {
        return Ok(None);
    }
    let refuse = |what: &str| {
        Error::new(Kind::Usage, format!("the store's address {endpoint:?} {what}"))
            .hint("write the directory's whole path behind file://, as in file:///backups")
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let path = PathBuf::from(OsString::from_vec(percent_decode_str(path).collect()));
    if !path.is_absolute() {
        return Err(refuse("names no absolute path"));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(refuse("goes back with `..`"));
    }
    if path == Path::new("/") {
        return Err(refuse("is the whole file system"));
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::directory_of;

    #[test]
    fn a_file_url_is_a_directory_and_all_else_is_not() {
        for (endpoint, path) in [
            ("file:///backups", "/backups"),
            ("file://localhost/backups/", "/backups"),
            ("FILE:///mnt/a%20disk", "/mnt/a disk"),
            ("file:/backups", "/backups"),
        ] {
            let found = directory_of(endpoint).expect(endpoint);
            assert_eq!(found, Some(PathBuf::from(path)), "{endpoint}");
        }
        for endpoint in ["https://host", "host:9000", "backups", "/backups"] {
            assert_eq!(directory_of(endpoint).expect(endpoint), None, "{endpoint}");
        }
        for endpoint in [
            "file://backups",
            "file://host/backups",
            "file:///a/../b",
            "file:///",
            "file:backups",
        ] {
            directory_of(endpoint).expect_err(endpoint);
        }
    }
}
