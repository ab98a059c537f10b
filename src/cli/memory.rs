//! How the C library's allocator is set up.

/// Makes large buffers go back to the system when they are freed.
///
/// Blocks and parts of some MiB are allocated on one thread and freed on another. glibc would learn from them to keep such
/// buffers in the heap of each thread, and a backup that holds 40 MiB at once would grow to 200 MiB.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "there is no safe way to set an option of malloc")]
pub(super) fn return_large_buffers() {
    const LARGE_BYTES: libc::c_int = 256 << 10;
    // SAFETY: mallopt takes two integers and may be called at any time; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
    }
}

/// Other allocators give large buffers back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn return_large_buffers() {}
