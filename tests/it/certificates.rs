//! Certificates for servers of the tests.

use std::path::Path;
use std::process::Command;

use super::kit::skip;

/// Whether there is an openssl; where there is none, the test is skipped loudly.
pub fn can_be_made() -> bool {
    let is_there = Command::new("openssl").arg("version").output().is_ok();
    if !is_there {
        skip("openssl", "it is not on the path: `make setup-test` installs it");
    }
    is_there
}

/// Makes `server.crt` with `server.key` for `localhost`, for which `ca.crt` vouches and `other.crt` does not.
pub fn make(place: &Path) {
    for authority in ["ca", "other"] {
        openssl(
            place,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                -subj /CN={authority} -keyout {authority}.key -out {authority}.crt"
            ),
        );
    }
    std::fs::write(place.join("names"), "subjectAltName=DNS:localhost").expect("a file");
    openssl(
        place,
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server \
        -keyout server.key -out server.csr",
    );
    openssl(
        place,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
        -extfile names -out server.crt",
    );
}

fn openssl(place: &Path, arguments: &str) {
    let ran = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(place)
        .output();
    let ran = ran.expect("openssl starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
