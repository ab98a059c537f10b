//! The processes of this machine, as Linux tells of them. Elsewhere there are none to be found.

use std::path::Path;

use rustix::process::Pid;

#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: Pid,
    pub(super) parent: Option<Pid>,
    /// The file name of its program.
    pub(super) program: String,
    /// Whether it only tells its version, as programs ask of those beside them.
    pub(super) tells_version: bool,
}

/// Every process there is.
pub(super) fn all() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let id = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let status = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name is in parentheses and may hold anything; behind it come the state and the parent.
        let (_, rest) = status.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        if state == "Z" {
            return None;
        }
        let command = text(&entry.path().join("cmdline"));
        let mut words = command.split('\0');
        let program = words.next().unwrap_or_default();
        Some(Process {
            id,
            parent: parent.parse().ok().and_then(Pid::from_raw),
            program: program.rsplit('/').next().unwrap_or_default().to_owned(),
            tells_version: words.next() == Some("-V"),
        })
    })
}

impl Process {
    /// Whether its environment holds exactly this variable.
    pub(super) fn has_variable(&self, name: &str, value: &str) -> bool {
        let place = Path::new("/proc").join(self.id.as_raw_nonzero().to_string());
        let wanted = format!("{name}={value}");
        text(&place.join("environ"))
            .split('\0')
            .any(|variable| variable == wanted)
    }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
