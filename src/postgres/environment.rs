//! Which variables of our environment PostgreSQL's programs are given: those that lead to programs, libraries, words and
//! certificates. Secrets of the store, of a webhook or of another database stay with us, under any name.

use std::ffi::OsString;

const NEEDED: [&str; 37] = [
    // Where programs, files and accounts are.
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    // Time and words.
    "TZ",
    "TZDIR",
    "LANG",
    "LOCPATH",
    "LOCALE_ARCHIVE",
    "NLSPATH",
    // Shared libraries, where PostgreSQL is installed in an unusual place.
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "NIX_LD",
    "NIX_LD_LIBRARY_PATH",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "MALLOC_ARENA_MAX",
    // Accounts and names of hosts.
    "NSS_WRAPPER_PASSWD",
    "NSS_WRAPPER_GROUP",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    // TLS and Kerberos.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "KRB5CCNAME",
    "KRB5_CONFIG",
    "KRB5_KTNAME",
    "KRB5_CLIENT_KTNAME",
    "KRB5RCACHEDIR",
    "GSS_USE_PROXY",
];

/// Those of our variables, with their values. Which language messages are in is ours to say: they are read.
pub(super) fn needed() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        let name = name.to_str().unwrap_or_default();
        NEEDED.contains(&name) || name.starts_with("LC_") && name != "LC_ALL"
    })
}
