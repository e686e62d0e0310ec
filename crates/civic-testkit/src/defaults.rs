//! Which defaults the documentation of a crate names, so that a test can pin each of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Returns the public functions whose documentation has a line `Defaults to …`, each as its file
/// below `src` and its name, for the crate in this folder (`env!("CARGO_MANIFEST_DIR")`).
///
/// # Panics
///
/// Panics if the sources cannot be read, or if such a line belongs to no function.
pub fn documented(crate_folder: impl AsRef<Path>) -> BTreeSet<String> {
    let source = crate_folder.as_ref().join("src");
    let mut found = BTreeSet::new();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("a file of sources").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = path.strip_prefix(&source).expect("it is below");
            let text = fs::read_to_string(&path).expect("a file of sources");
            for function in of_file(&text) {
                found.insert(format!("{} {function}", file.display()));
            }
        }
    }
    found
}

fn of_file(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut pending = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("/// Defaults to ") {
            pending = true;
        } else if pending && line.starts_with("pub") {
            let (_, rest) = line.split_once("fn ").expect("a default of a function");
            found.extend(rest.split(['(', '<']).next());
            pending = false;
        }
    }
    assert!(!pending, "a default of no function");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_with_such_a_line_is_found_once() {
        let text = "
            /// Sets it.
            ///
            /// Defaults to none.
            #[must_use]
            pub fn with_it(mut self) -> Self {}

            /// Defaults to none, and says so
            ///
            /// Defaults to none.
            pub const fn with_other<T>(self) {}

            /// Nothing here.
            pub fn new() {}
        ";
        assert_eq!(of_file(text), ["with_it", "with_other"]);
    }

    #[test]
    #[should_panic(expected = "a default of a function")]
    fn a_line_that_belongs_to_no_function_is_a_mistake() {
        of_file("/// Defaults to none.\npub struct It;");
    }
}
