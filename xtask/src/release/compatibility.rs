//! Whether the version says what became of the public items since the last tag.

use std::process::Command;

use crate::{public_types, sh};

/// Compares the committed texts of the public items with those of the last version. Returns what is
/// wrong: items that are gone from a crate, though the version promises that none is.
pub(super) fn check(version: &str) -> Result<Vec<String>, String> {
    let git = |args: &[&str]| sh::output(Command::new("git").args(args).current_dir(sh::root()));
    let tags = git(&["tag", "--list", "v*", "--sort=-v:refname"])?;
    let Some(tag) = tags.lines().next() else {
        println!("    no earlier version: there is nothing to be compatible with");
        return Ok(Vec::new());
    };
    if may_break(tag.trim_start_matches('v'), version) {
        return Ok(Vec::new());
    }
    let mut wrong = Vec::new();
    for name in public_types::libraries()? {
        let path = format!("crates/{name}/public-api.txt");
        let now = std::fs::read_to_string(sh::root().join(&path))
            .map_err(|error| format!("{path}: {error}"))?;
        // A crate that the last version did not have breaks no one.
        let then = git(&["show", &format!("{tag}:{path}")]).unwrap_or_default();
        let gone = gone(&then, &now);
        if let Some(first) = gone.first() {
            wrong.push(format!(
                "{name}: {} public items of {tag} are gone or altered, such as `{first}`: raise the \
                 {} number of the version",
                gone.len(),
                if version.starts_with("0.") { "second" } else { "first" }
            ));
        }
    }
    Ok(wrong)
}

/// The lines that are not there any more.
fn gone<'a>(then: &'a str, now: &str) -> Vec<&'a str> {
    let now: std::collections::HashSet<&str> = now.lines().collect();
    then.lines().filter(|line| !now.contains(line)).collect()
}

/// Whether the step from one version to the other may break those who depend on it: before 1.0 the
/// second number says so, and then the first.
fn may_break(then: &str, now: &str) -> bool {
    let significant = |version: &str| -> Option<String> {
        let mut numbers = version.split('.');
        let (major, minor) = (numbers.next()?, numbers.next()?);
        Some(match major {
            "0" => format!("0.{minor}"),
            major => major.to_owned(),
        })
    };
    significant(then) != significant(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_is_gone_or_altered_is_found_and_a_new_one_is_not() {
        let then = "pub fn a()\npub fn b()\n";
        assert_eq!(gone(then, "pub fn b(u8)\npub fn a()\n"), ["pub fn b()"]);
        assert_eq!(gone(then, "pub fn b()\npub fn a()\npub fn c()\n"), [""; 0]);
    }

    #[test]
    fn the_version_says_whether_something_may_break() {
        for (then, now, expected) in [
            ("0.1.0", "0.1.1", false),
            ("0.1.9", "0.2.0", true),
            ("0.9.0", "1.0.0", true),
            ("1.2.0", "1.3.0", false),
            ("1.9.0", "2.0.0", true),
        ] {
            assert_eq!(may_break(then, now), expected, "{then} {now}");
        }
    }
}
