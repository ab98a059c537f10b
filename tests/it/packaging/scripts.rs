//! The scripts behind `make setup` and `make drill`: an old compiler is refused, and a release's program is used where it fits.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A tree with the scripts, a stand-in for cargo, and releases.
struct Tree {
    place: TempDir,
}

impl Tree {
    /// `cargo` answers `cargo_version`, and its builds leave a program that says `built`.
    fn new(cargo_version: &str) -> Self {
        let tree = Self {
            place: tempfile::tempdir().expect("a directory"),
        };
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::create_dir_all(tree.path("scripts")).expect("a directory");
        for file in ["Cargo.toml", "scripts/setup.sh", "scripts/program.sh"] {
            std::fs::copy(own.join(file), tree.path(file)).expect("a copy");
        }
        let release = tree.path("target/release");
        let cargo = format!(
            "case $1 in\n\
             --version) echo 'cargo {cargo_version} (0123456789 2026-01-01)' ;;\n\
             metadata) echo '{{\"target_directory\":\"{}\",\"version\":1}}' ;;\n\
             build) mkdir -p '{release}' && printf '#!/bin/sh\\necho built\\n' >'{release}/paycraft-dr' && chmod +x '{release}/paycraft-dr' ;;\n\
             esac",
            tree.path("target").display(),
            release = release.display(),
        );
        program(&tree.path("bin/cargo"), &cargo);
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    fn sh(&self, command: &str) -> Output {
        let path = std::env::var("PATH").expect("a path");
        Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(self.place.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("CARGO", self.path("bin/cargo"))
            .env(
                "PAYCRAFT_RELEASES",
                format!("file://{}", self.path("releases").display()),
            )
            .env_remove("PAYCRAFT_PREBUILT")
            .output()
            .expect("a shell")
    }

    /// Makes the tree a commit with this tag.
    fn tag(&self, tag: &str) {
        let git = "git -c user.name=t -c user.email=t@t -c commit.gpgsign=false -c tag.gpgsign=false";
        let made = self.sh(&format!(
            "git init -q . && git add scripts Cargo.toml && {git} commit -qm first && {git} tag {tag}"
        ));
        assert!(made.status.success(), "{made:?}");
    }

    /// Packs a program that says `published`, as the workflow does.
    fn publish(&self) {
        program(&self.path("published"), "echo published");
        let name = format!(
            "paycraft-dr-v{VERSION}-{}-unknown-linux-musl",
            std::env::consts::ARCH
        );
        let made = self.sh(&format!(
            "mkdir -p work/{name}/bin releases/v{VERSION} && cp published work/{name}/bin/paycraft-dr &&
             tar -czf releases/v{VERSION}/{name}.tar.gz -C work {name} &&
             cd releases/v{VERSION} && sha256sum -- *.tar.gz >SHA256SUMS"
        ));
        assert!(made.status.success(), "{made:?}");
    }

    /// What the program says that `scripts/program.sh` names.
    fn says(&self) -> (String, String) {
        let found = self.sh("program=$(scripts/program.sh) && \"$program\"");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        (text(&found.stdout), text(&found.stderr))
    }
}

fn program(path: &Path, script: &str) {
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("a file");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a mode");
}

#[test]
fn a_compiler_that_is_too_old_is_refused_before_anything_is_built() {
    for (version, is_taken) in [
        ("1.9.0", false),
        ("1.94.1", false),
        ("1.95.0", true),
        ("1.100.0-nightly", true),
        ("2.0.0", true),
    ] {
        let told = Tree::new(version).sh("scripts/setup.sh 2>&1 >/dev/null | head -n 3");
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert_eq!(
            !told.contains("or newer is needed"),
            is_taken,
            "{version}: {told}"
        );
        assert!(is_taken || told.contains("hint: "), "{version}: {told}");
    }
}

#[test]
fn the_published_program_is_used_in_the_tree_of_its_release() {
    let tree = Tree::new("1.95.0");
    tree.publish();
    tree.tag(&format!("v{VERSION}"));
    let (said, told) = tree.says();
    assert_eq!(said, "published", "{told}");
    assert!(told.contains("downloading"), "{told}");
    let (said, told) = tree.says();
    assert_eq!(
        (said.as_str(), told.as_str()),
        ("published", ""),
        "it is downloaded once"
    );
}

#[test]
fn a_tree_that_is_no_release_is_built() {
    for spoil in [
        "true", // without a tag
        "git tag -d v$VERSION",
        "echo >>Cargo.toml",
        "for archive in releases/v$VERSION/*.tar.gz; do echo >>$archive; done",
        "rm releases/v$VERSION/SHA256SUMS",
        "rm -r releases",
    ] {
        let tree = Tree::new("1.95.0");
        tree.publish();
        if spoil == "true" {
            tree.tag("v0.0.1");
        } else {
            tree.tag(&format!("v{VERSION}"));
        }
        let spoilt = tree.sh(&spoil.replace("$VERSION", VERSION));
        assert!(spoilt.status.success(), "{spoilt:?}");
        let (said, told) = tree.says();
        assert_eq!(said, "built", "{spoil}: {told}");
        assert!(told.contains("building it"), "{spoil}: {told}");
    }
}

#[test]
fn a_build_is_asked_for_by_name() {
    let tree = Tree::new("1.95.0");
    tree.publish();
    tree.tag(&format!("v{VERSION}"));
    let found = tree.sh("program=$(PAYCRAFT_PREBUILT=no scripts/program.sh) && \"$program\"");
    assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), "built");
}
