//! Commands that documents name: of `cargo xtask`, of `civic`, and those of cargo that name a part
//! of this workspace.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use crate::markdown::Document;
use crate::metadata::Package;
use crate::programs::Programs;
use crate::sh;

/// What the programs know.
pub(super) struct Commands {
    packages: Vec<Package>,
    xtask: PathBuf,
    civic: PathBuf,
    /// What each program answers to `--help` after these words.
    helps: BTreeMap<(Program, Vec<String>), Result<String, String>>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Program {
    Xtask,
    Civic,
}

/// The commands of a document: those of its shell blocks, and those between backticks.
pub(super) fn in_document(document: &Document) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for block in &document.blocks {
        if !matches!(block.language(), "sh" | "text" | "console") {
            continue;
        }
        let mut begun = String::new();
        for (index, line) in block.lines.iter().enumerate() {
            let line = line.trim().trim_start_matches("$ ");
            if let Some(begins) = line.strip_suffix('\\') {
                begun.push_str(begins);
                continue;
            }
            begun.push_str(line);
            let whole = std::mem::take(&mut begun);
            let commands = split(&whole).into_iter().filter(|command| is_ours(command));
            found.extend(commands.map(|command| (block.line + 1 + index, command)));
        }
    }
    for span in &document.spans {
        let commands = split(&span.text)
            .into_iter()
            .filter(|command| is_ours(command));
        found.extend(commands.map(|command| (span.line, command)));
    }
    found
}

/// The commands between backticks in the comments and texts of a source.
pub(super) fn in_source(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // Of an odd number of backticks the last one opens what goes on in the next line.
        let parts: Vec<&str> = line.split('`').collect();
        let inside = parts
            .iter()
            .skip(1)
            .step_by(2)
            .take(parts.len().saturating_sub(1) / 2);
        for part in inside {
            let commands = split(part).into_iter().filter(|command| is_ours(command));
            found.extend(commands.map(|command| (index + 1, command)));
        }
    }
    found
}

/// The commands of one line of a shell, without variables before and comments behind them.
fn split(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    let line = line.replace("&&", ";").replace(['|', '(', ')', '"'], ";");
    line.split(';')
        .map(|command| {
            let words = command.split_whitespace();
            let words = words.skip_while(|word| is_assignment(word) || *word == "export");
            words.collect::<Vec<_>>().join(" ")
        })
        .filter(|command| !command.is_empty())
        .collect()
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
    })
}

/// Whether a command is one of this workspace.
fn is_ours(command: &str) -> bool {
    let mut words = command.split(' ');
    match (words.next(), words.next()) {
        (Some("cargo"), Some("xtask" | "run" | "bench" | "test" | "build" | "doc" | "clippy")) => {
            true
        }
        // `civic` alone is the name of the project.
        (Some("civic"), Some(word)) => is_word(word) || word.starts_with("--"),
        _ => false,
    }
}

/// Whether it can be the name of a subcommand.
fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

// ===== impl Commands =====

impl Commands {
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self {
            packages: Package::all()?,
            xtask: sh::itself()?,
            civic: Programs::build()?.civic,
            helps: BTreeMap::new(),
        })
    }

    /// Says what is wrong with a command, if anything is.
    pub(super) fn wrong(&mut self, command: &str) -> Result<Option<String>, String> {
        let words: Vec<&str> = command.split(' ').collect();
        let message = match words[..] {
            ["cargo", "xtask"] => None,
            ["cargo", "xtask", ref rest @ ..] => self.wrong_words(Program::Xtask, rest)?,
            ["cargo", ref rest @ ..] => self.wrong_cargo(rest),
            ["civic", ref rest @ ..] => self.wrong_words(Program::Civic, rest)?,
            _ => None,
        };
        Ok(message.map(|message| format!("`{command}`: {message}")))
    }

    /// The subcommand has to exist, and its help has to name every option.
    fn wrong_words(&mut self, program: Program, words: &[&str]) -> Result<Option<String>, String> {
        let names: Vec<String> = words
            .iter()
            .take_while(|word| is_word(word))
            .take(2)
            .map(|word| (*word).to_owned())
            .collect();
        let help = match self.help(program, &names)? {
            Ok(help) => help,
            Err(error) => return Ok(Some(error)),
        };
        Ok(options(words).find_map(|option| {
            let known = help
                .split(|c: char| {
                    c.is_whitespace() || matches!(c, '[' | ']' | ',' | '=' | '`' | '|')
                })
                .any(|word| word == option);
            (!known).then(|| format!("its --help names no option {option}"))
        }))
    }

    /// What a program answers to `--help` after these words.
    fn help(
        &mut self,
        program: Program,
        names: &[String],
    ) -> Result<Result<String, String>, String> {
        let key = (program, names.to_vec());
        if let Some(help) = self.helps.get(&key) {
            return Ok(help.clone());
        }
        let executable = match program {
            Program::Xtask => &self.xtask,
            Program::Civic => &self.civic,
        };
        let output = Command::new(executable)
            .args(names)
            .arg("--help")
            .current_dir(sh::root())
            .output()
            .map_err(|error| format!("{}: {error}", executable.display()))?;
        let help = match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => {
                let error = String::from_utf8_lossy(&output.stderr);
                Err(error
                    .lines()
                    .next()
                    .unwrap_or("it has no --help")
                    .to_owned())
            }
        };
        self.helps.insert(key, help.clone());
        Ok(help)
    }

    /// The package, and the program, example, test or bench of it, have to exist.
    fn wrong_cargo(&self, words: &[&str]) -> Option<String> {
        let value = |long: &str, short: &str| {
            let at = words
                .iter()
                .position(|word| *word == long || *word == short)?;
            words.get(at + 1).copied()
        };
        let name = value("--package", "-p")?;
        if !is_word(name) {
            return None;
        }
        let package = self.packages.iter().find(|package| package.name() == name);
        let Some(package) = package else {
            return Some(format!("there is no package {name}"));
        };
        for kind in ["bin", "example", "test", "bench"] {
            let option = format!("--{kind}");
            if let Some(target) = value(&option, &option)
                && !package.has_target(kind, target)
            {
                return Some(format!("{name} has no {kind} {target}"));
            }
        }
        let features = value("--features", "-F").unwrap_or_default();
        let known = package.features();
        features
            .split(',')
            .filter(|feature| !feature.is_empty() && *feature != "default")
            .find(|feature| !known.iter().any(|(name, _)| name == feature))
            .map(|feature| format!("{name} has no feature {feature}"))
    }
}

/// The options among the words, up to a `--` of its own.
fn options<'w>(words: &'w [&'w str]) -> impl Iterator<Item = &'w str> {
    words
        .iter()
        .take_while(|word| **word != "--")
        .map(|word| word.trim_start_matches('['))
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split('=').next().unwrap_or_default())
        .map(|word| word.trim_end_matches(['.', ',', '…', ']']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_shell_blocks_and_between_backticks() {
        let text = "\
Run `cargo xtask demo`, or `civic lock ls`; `civic` and `cargo` are names.

```sh
# a comment
JWT_SECRET=x civic token mint \\
    --role TAX_CLERK | civic token inspect
cd civic && cargo xtask ci # all of it
curl \"$(civic call --url)\"
```
";
        let found = in_document(&Document::read(text));
        let found: Vec<_> = found
            .iter()
            .map(|(line, command)| (*line, command.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (6, "civic token mint --role TAX_CLERK"),
                (6, "civic token inspect"),
                (7, "cargo xtask ci"),
                (8, "civic call --url"),
                (1, "cargo xtask demo"),
                (1, "civic lock ls"),
            ]
        );
        let source =
            "/// Made by `civic key generate`, and `civic`.\nlet a = \"`cargo xtask ci` `\";\n";
        let expected = [(1, "civic key generate"), (2, "cargo xtask ci")];
        let found = in_source(source);
        let found: Vec<_> = found
            .iter()
            .map(|(line, text)| (*line, text.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    fn commands() -> Commands {
        let package = serde_json::json!({
            "name": "civic-lock",
            "features": {"tls": [], "default": []},
            "targets": [{"name": "migration", "kind": ["example"]}],
        });
        let help = |text: &str| Ok(text.to_owned());
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Commands {
            packages: vec![Package::new(package)],
            xtask: PathBuf::new(),
            civic: PathBuf::new(),
            helps: BTreeMap::from([
                (
                    (Program::Xtask, words(&["ci"])),
                    help("Options:\n  --list  x"),
                ),
                (
                    (Program::Civic, words(&["lock", "list"])),
                    help("[--all] [--json=<X>]"),
                ),
                (
                    (Program::Civic, words(&["lock", "lst"])),
                    Err("error: unrecognized subcommand 'lst'".to_owned()),
                ),
            ]),
        }
    }

    #[test]
    fn a_command_that_its_program_does_not_know_is_refused() {
        let mut commands = commands();
        for command in [
            "cargo xtask ci --list",
            "civic lock list [--all] --json",
            "civic lock list --all -- --more",
            "cargo run --package civic-lock --features tls --example migration",
            "cargo test --workspace",
        ] {
            assert_eq!(commands.wrong(command), Ok(None), "{command}");
        }
        for (command, says) in [
            ("cargo xtask ci --lists", "no option --lists"),
            ("civic lock list --al", "no option --al"),
            ("civic lock lst", "unrecognized subcommand"),
            ("cargo run --package civic-locks", "no package civic-locks"),
            ("cargo run -p civic-lock --example a", "no example a"),
            ("cargo run -p civic-lock --features tsl", "no feature tsl"),
        ] {
            let wrong = commands
                .wrong(command)
                .expect("it can be told")
                .expect(command);
            assert!(wrong.contains(says), "{command}: {wrong}");
        }
    }
}
