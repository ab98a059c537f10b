//! How the C library's allocator is set up.

/// Makes freed buffers ready for the next, on any thread.
///
/// Blocks of a MiB are allocated on one thread and freed on another. glibc would keep such buffers in a heap for each thread, and a
/// backup that holds 40 MiB at once would grow to 200 MiB. Given back to the system each time, they would have to be zeroed and
/// mapped anew, which costs a restore a tenth of its time. One heap for all threads does neither; parts of an upload, which are
/// larger and few, still go back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "there is no safe way to set an option of malloc")]
pub(super) fn share_buffers() {
    const LARGE_BYTES: libc::c_int = 4 << 20;
    const KEPT_BYTES: libc::c_int = 8 << 20;
    // SAFETY: mallopt takes two integers and may be called at any time; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn share_buffers() {}
