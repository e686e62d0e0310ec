//! The arguments of a command: flags, options with a value, and names.

use std::str::FromStr;

/// Which arguments a command has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syntax {
    /// The command's name, for errors.
    pub(crate) command: &'static str,
    /// Options without a value.
    pub(crate) flags: &'static [&'static str],
    /// Options with a value.
    pub(crate) options: &'static [&'static str],
    pub(crate) names: Names,
    /// Printed below an error.
    pub(crate) help: &'static str,
}

/// Whether a command has arguments that are no options.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Names {
    None,
    Any,
}

/// The arguments that a command was given.
#[derive(Debug)]
pub(crate) struct Arguments {
    flags: Vec<&'static str>,
    options: Vec<(&'static str, String)>,
    names: Vec<String>,
}

// ===== impl Syntax =====

impl Syntax {
    /// Reads arguments of this syntax. Of an option that is given twice, the last value counts.
    pub(crate) fn read(&self, args: &[String]) -> Result<Arguments, String> {
        let Self { command, help, .. } = self;
        let mut read = Arguments {
            flags: Vec::new(),
            options: Vec::new(),
            names: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let known = |all: &'static [&'static str]| all.iter().find(|name| *name == arg);
            if let Some(flag) = known(self.flags) {
                read.flags.push(*flag);
            } else if let Some(option) = known(self.options) {
                let value = args
                    .next()
                    .ok_or_else(|| format!("{option} needs a value\n\n{help}"))?;
                read.options.push((*option, value.clone()));
            } else if arg.starts_with('-') {
                return Err(format!("{command} has no option `{arg}`\n\n{help}"));
            } else if self.names == Names::Any {
                read.names.push(arg.clone());
            } else {
                return Err(format!(
                    "{command} takes options only, not `{arg}`\n\n{help}"
                ));
            }
        }
        Ok(read)
    }
}

// ===== impl Arguments =====

impl Arguments {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    pub(crate) fn value(&self, option: &str) -> Option<&str> {
        let mut given = self.options.iter().rev();
        given
            .find(|(name, _)| *name == option)
            .map(|(_, value)| value.as_str())
    }

    /// The value of an option as a number from 1 on.
    pub(crate) fn number<N: FromStr + PartialEq + From<u8>>(
        &self,
        option: &str,
    ) -> Result<Option<N>, String> {
        let Some(value) = self.value(option) else {
            return Ok(None);
        };
        value
            .parse()
            .ok()
            .filter(|number| *number != N::from(0))
            .map(Some)
            .ok_or_else(|| format!("{option} is a number from 1 on, not {value:?}"))
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNTAX: Syntax = Syntax {
        command: "try",
        flags: &["--fast"],
        options: &["--times"],
        names: Names::Any,
        help: "Usage: try\n",
    };

    fn read(syntax: &Syntax, line: &str) -> Result<Arguments, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        syntax.read(&args)
    }

    #[test]
    fn flags_options_and_names_are_told_apart_in_any_order() {
        let read = read(&SYNTAX, "a --times 3 --fast b --times 4").expect("valid");
        assert!(read.has("--fast") && !read.has("--slow"));
        assert_eq!(read.number::<usize>("--times"), Ok(Some(4)));
        assert_eq!(read.number::<u64>("--seed"), Ok(None));
        assert_eq!(read.names(), ["a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_help() {
        let only_options = Syntax {
            names: Names::None,
            ..SYNTAX
        };
        for (syntax, line, words) in [
            (&SYNTAX, "--slow", "try has no option `--slow`"),
            (&SYNTAX, "--times", "--times needs a value"),
            (&only_options, "a", "try takes options only, not `a`"),
        ] {
            let error = read(syntax, line).expect_err(line);
            assert!(error.starts_with(words), "{error}");
            assert!(error.ends_with("\n\nUsage: try\n"), "{error}");
        }
    }

    #[test]
    fn a_number_is_one_or_more() {
        for wrong in ["0", "-1", "x", "1.5"] {
            let read = read(&SYNTAX, &format!("--times {wrong}")).expect("it has a value");
            let error = read.number::<u64>("--times").expect_err(wrong);
            assert!(
                error.starts_with("--times is a number from 1 on"),
                "{error}"
            );
        }
    }
}
