//! `paycraft-dr man`.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, roman};
use serde_json::{Value, json};

use crate::cli::outcome::{Outcome, Report};
use crate::error::{Error, Kind, Result};

/// Write the manual's pages into a directory.
#[derive(Args, Debug)]
pub struct ManArguments {
    /// Where the pages go, one for each command
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Writes every page about `program`.
pub fn run(own: &ManArguments, program: Command) -> Result<Report> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let place = &own.directory;
    let write = || {
        std::fs::create_dir_all(place)?;
        write_pages(&program, place)
    };
    let pages = write().map_err(|cause| {
        let message = format!("the manual cannot be written into {}", place.display());
        Error::new(Kind::Usage, message)
            .caused_by(cause)
            .hint("name a directory that you may write")
    })?;
    Ok(Report::done(ManPages { pages }))
}

fn write_pages(command: &Command, place: &Path) -> std::io::Result<Vec<PathBuf>> {
    let page = Man::new(command.clone());
    let path = place.join(page.get_filename());
    std::fs::write(&path, render(&page, command)?)?;
    let mut written = vec![path];
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        written.extend(write_pages(inner, place)?);
    }
    Ok(written)
}

/// A page: what is generated of a command, and behind it what its help shows under headings of its own.
fn render(page: &Man, command: &Command) -> std::io::Result<Vec<u8>> {
    let name = page.get_filename();
    let name = name.strip_suffix(".1").unwrap_or(&name);
    // Without a day: the same program writes the same pages whenever it is built.
    let title = format!(
        ".TH \"{name}\" 1 \"\" \"paycraft-dr {}\" \"paycraft-dr\"\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut text = title.into_bytes();
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let help = command.get_after_long_help().or(command.get_after_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    sections(&help).to_writer(&mut text)?;
    Ok(text)
}

/// The lines of a help's end. One that ends with a colon and is not set in begins a section.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    let mut lines: Vec<Inline> = Vec::new();
    let finish = |roff: &mut Roff, lines: &mut Vec<Inline>| {
        if !lines.is_empty() {
            roff.control("nf", [])
                .text(std::mem::take(lines))
                .control("fi", []);
        }
    };
    for line in help.lines().filter(|line| !line.is_empty()) {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            Some(heading) => {
                finish(&mut roff, &mut lines);
                roff.control("SH", [heading.to_uppercase().as_str()]);
            }
            None => lines.extend([roman(line.strip_prefix("  ").unwrap_or(line)), roman("\n")]),
        }
    }
    finish(&mut roff, &mut lines);
    roff
}

/// The pages that were written.
#[derive(Debug)]
struct ManPages {
    pages: Vec<PathBuf>,
}

impl Outcome for ManPages {
    fn fields(&self) -> Value {
        json!({ "pages": self.pages })
    }

    fn text(&self, _: bool) -> String {
        self.pages.iter().fold(String::new(), |mut text, page| {
            text.push_str(&page.display().to_string());
            text.push('\n');
            text
        })
    }
}
