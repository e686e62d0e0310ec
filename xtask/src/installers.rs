//! What brings a program here: a line for the package manager of this machine.

use crate::sh;

/// The line of the first package manager that is here.
pub(crate) fn line(lines: &[(&'static str, &'static str)]) -> Option<&'static str> {
    first(lines, |manager| sh::which(manager).is_some())
}

fn first(
    lines: &[(&'static str, &'static str)],
    is_here: impl Fn(&str) -> bool,
) -> Option<&'static str> {
    lines
        .iter()
        .find(|(manager, _)| is_here(manager))
        .map(|(_, line)| *line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_that_of_the_package_manager_which_is_here() {
        let lines = [
            ("apt-get", "apt-get install -y a"),
            ("brew", "brew install a"),
        ];
        assert_eq!(first(&lines, |name| name == "brew"), Some("brew install a"));
        assert_eq!(first(&lines, |_| false), None);
    }
}
