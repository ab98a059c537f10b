//! A Markdown page as what is in it for a terminal: fenced blocks, and commands of this program named anywhere.

use std::path::Path;

/// A fenced block.
pub struct Block {
    pub line: usize,
    /// The words behind the fence: the language, then what the test is to know.
    pub words: Vec<String>,
    pub text: String,
}

/// A file of this repository.
pub fn read(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&whole).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The fenced blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(words)) => {
                open = Some(Block {
                    line: number + 1,
                    words: words.split_whitespace().map(str::to_owned).collect(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

impl Block {
    pub fn language(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub fn says(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    /// The value behind `name=` in the fence's line.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.words
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

/// An invocation of this program: the command and its long flags.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    pub command: String,
    pub flags: Vec<String>,
}

/// The flags that may stand before a command with a value behind them.
const TAKES_A_VALUE: [&str; 3] = ["--config", "--jobs", "--pg-bin"];

/// Every invocation of the program that `text` names. Continued lines are one.
pub fn invocations(text: &str) -> Vec<Invocation> {
    let text = text.replace("\\\n", " ");
    let lines = text.lines().flat_map(|line| line.split("paycraft-dr ").skip(1));
    lines.filter_map(invocation).collect()
}

fn invocation(rest: &str) -> Option<Invocation> {
    // A span ends with its backtick; what comes behind an operator or a comment is another command.
    let own = rest.split(['`', '|', ';', '#', '&', ')', '>']).next();
    let words = own.unwrap_or_default().split_whitespace();
    let mut words = words
        .map(|word| word.trim_matches(['"', '\'', ',', '.', ':']))
        .peekable();
    let mut found = Invocation::default();
    while let Some(flag) = words.next_if(|word| word.starts_with("--")) {
        found.flags.push(flag.to_owned());
        if TAKES_A_VALUE.contains(&flag) {
            words.next();
        }
    }
    let is_name = |word: &&str| !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_lowercase());
    if let Some(command) = words.next_if(is_name) {
        command.clone_into(&mut found.command);
        if command == "cutover"
            && let Some(what) = words.next_if(is_name)
        {
            found.command = format!("{command} {what}");
        }
    }
    let flags = words.filter(|word| word.starts_with("--") && word.len() > 2);
    let flags = flags.map(|word| word.split(['=', '[']).next().unwrap_or_default().to_owned());
    found.flags.extend(flags);
    (found != Invocation::default()).then_some(found)
}

#[test]
fn invocations_are_found_in_prose_and_in_blocks() {
    let found = invocations(
        "Run `paycraft-dr prune --dry-run`, then `paycraft-dr list`.\n  target/release/paycraft-dr drill \\\n  --log x | tee\n",
    );
    let own = |command: &str, flags: &[&str]| Invocation {
        command: command.to_owned(),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    };
    assert_eq!(
        found,
        [
            own("prune", &["--dry-run"]),
            own("list", &[]),
            own("drill", &["--log"])
        ]
    );
    assert_eq!(invocations("the paycraft-dr that wrote it"), [own("that", &[])]);
}
