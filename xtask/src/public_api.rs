//! `cargo xtask public-api`: the public items of the published crates, as committed text.
//!
//! `crates/<name>/public-api.txt` has one line per item, so that a change of what others depend on
//! is seen in a review, and can be compared with a tag.

use std::path::PathBuf;

use civic_progress::Progress;

use crate::arguments::{Names, Syntax};
use crate::command::{Command, Help};
use crate::{public_types, sh};

pub(crate) const COMMAND: Command = Command {
    name: "public-api",
    summary: "compare the public items of the published crates with the committed text",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask public-api [--bless]

Compares the public items of each published library, with all features, with the text in
crates/NAME/public-api.txt. Prints the lines that are gone and those that are new, and exits
non-zero if there are any.

Options:
  --bless    write the texts instead
";

/// How many lines are printed of what is gone, and of what is new.
const SHOWN: usize = 40;

/// What is done with the texts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Texts {
    Compare,
    Write,
}

/// The command's arguments.
const SYNTAX: Syntax = Syntax {
    command: "public-api",
    flags: &["--bless"],
    options: &[],
    names: Names::None,
    help: HELP,
};

fn run(args: &[String]) -> Result<(), String> {
    let texts = match SYNTAX.read(args)?.has("--bless") {
        true => Texts::Write,
        false => Texts::Compare,
    };
    let progress = Progress::new();
    progress.mark(0, 2, "rustdoc");
    public_types::document()?;
    progress.mark(1, 2, "texts");
    each(texts)
}

/// The step of `ci`: the types that public items show against their list, and the items against the
/// committed texts. rustdoc runs once for both.
pub(crate) fn check() -> Result<(), String> {
    public_types::document()?;
    public_types::check()?;
    each(Texts::Compare)
}

/// Compares or writes the text of each library, from what rustdoc has written.
fn each(texts: Texts) -> Result<(), String> {
    let mut different = Vec::new();
    for name in public_types::libraries()? {
        let now = items(name)?;
        let file = file(name);
        match texts {
            Texts::Write => std::fs::write(&file, &now)
                .map_err(|error| format!("{}: {error}", file.display()))?,
            Texts::Compare => {
                let committed = std::fs::read_to_string(&file).unwrap_or_default();
                different.extend(difference(name, &committed, &now));
            }
        }
    }
    if different.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the public items are not those of the committed texts:\n{}\nIf that is meant: cargo xtask \
         public-api --bless",
        different.join("\n")
    ))
}

/// Where the text of a crate is.
fn file(name: &str) -> PathBuf {
    sh::root().join("crates").join(name).join("public-api.txt")
}

/// The public items of a library, one per line.
fn items(name: &str) -> Result<String, String> {
    let json = public_types::json_of(name);
    let items = ::public_api::Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .map_err(|error| format!("{}: {error}", json.display()))?;
    Ok(items.items().map(|item| format!("{item}\n")).collect())
}

/// What is gone and what is new, if anything is.
fn difference(name: &str, committed: &str, now: &str) -> Option<String> {
    let only_in = |one: &str, other: &str, sign: char| -> Vec<String> {
        let other: std::collections::HashSet<&str> = other.lines().collect();
        one.lines()
            .filter(|line| !other.contains(line))
            .map(|line| format!("  {sign} {line}"))
            .collect()
    };
    let gone = only_in(committed, now, '-');
    let new = only_in(now, committed, '+');
    if gone.is_empty() && new.is_empty() && committed == now {
        return None;
    }
    let mut lines = vec![format!("{name}: {} gone, {} new", gone.len(), new.len())];
    for part in [gone, new] {
        let more = part.len().saturating_sub(SHOWN);
        lines.extend(part.into_iter().take(SHOWN));
        if more > 0 {
            lines.push(format!("    and {more} more"));
        }
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_is_new_is_said() {
        let said = difference(
            "civic-a",
            "pub fn a()\npub fn b()\n",
            "pub fn a()\npub fn b(u8)\n",
        );
        assert_eq!(
            said.as_deref(),
            Some("civic-a: 1 gone, 1 new\n  - pub fn b()\n  + pub fn b(u8)")
        );
        assert_eq!(difference("civic-a", "a\n", "a\n"), None);
        assert!(difference("civic-a", "", "a\n").is_some(), "no text yet");
        assert!(
            difference("civic-a", "a\nb\n", "b\na\n").is_some(),
            "another order"
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let many: String = (0..100)
            .map(|number| format!("pub fn f{number}()\n"))
            .collect();
        let said = difference("civic-a", "", &many).expect("it is new");
        assert!(said.ends_with("and 60 more"), "{said}");
    }
}
