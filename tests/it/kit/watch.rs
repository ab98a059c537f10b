//! A test that never ends is told by name, with the processes it waits for, and fails the run: the harness would wait for ever.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Far more than the longest test takes on a busy machine. `PAYCRAFT_TEST_MINUTES` gives soaks more.
const MINUTES: u64 = 10;
const LOOKS: Duration = Duration::from_secs(5);

struct Running {
    name: String,
    since: Instant,
}

static RUNNING: LazyLock<Mutex<HashMap<ThreadId, Running>>> = LazyLock::new(|| {
    thread::Builder::new()
        .name("test watch".to_owned())
        .spawn(look_for_ever)
        .expect("a thread");
    Mutex::default()
});

/// Ends with the test's own thread.
struct Watched;

impl Watched {
    fn new() -> Self {
        let current = thread::current();
        let running = Running {
            name: current.name().unwrap_or_default().to_owned(),
            since: Instant::now(),
        };
        RUNNING
            .lock()
            .expect("no panic while it is held")
            .insert(current.id(), running);
        Self
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Ok(mut running) = RUNNING.lock() {
            running.remove(&thread::current().id());
        }
    }
}

thread_local! {
    static WATCHED: Watched = Watched::new();
}

/// From now on until the end of its thread, the test may not take longer than the limit.
pub fn watch() {
    // A thread that is ending has no need of it.
    let _ = WATCHED.try_with(|_| ());
}

fn look_for_ever() {
    let asked = std::env::var("PAYCRAFT_TEST_MINUTES").ok();
    let minutes = asked.map_or(MINUTES, |minutes| {
        minutes.parse().expect("PAYCRAFT_TEST_MINUTES is a number")
    });
    loop {
        thread::sleep(LOOKS);
        let late: Vec<String> = {
            let running = RUNNING.lock().expect("no panic while it is held");
            let late = running
                .values()
                .filter(|test| test.since.elapsed() > Duration::from_secs(minutes * 60));
            late.map(|test| test.name.clone()).collect()
        };
        if late.is_empty() {
            continue;
        }
        // Past the capture of the harness, which ends with the process.
        let _ = writeln!(
            std::io::stderr(),
            "FAILED: {} took more than {minutes} minutes; these processes were running:\n{}",
            late.join(", "),
            processes().join("\n")
        );
        std::process::exit(101);
    }
}

/// Each process of this machine that this user sees: number, parent, and command line.
fn processes() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut told: Vec<String> = entries
        .filter_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let status = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = status.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let number = entry.file_name().to_string_lossy().into_owned();
            (!line.is_empty()).then(|| format!("{number} of {parent}: {line}"))
        })
        .collect();
    told.sort();
    told
}
