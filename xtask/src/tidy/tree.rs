//! The text files of the workspace.

use std::path::{Path, PathBuf};

use super::source::Source;

/// What is written here: everything else at the top is either built or not text.
const FOLDERS: &[&str] = &["crates", "docs", "xtask"];

/// Where no text of ours is.
const SKIPPED: &[&str] = &["target", "seeds", "corpus", "artifacts"];

/// The text files of the workspace.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) sources: Vec<Source>,
    /// Documents, manifests and scripts: path and text.
    pub(super) others: Vec<(String, String)>,
}

// ===== impl Tree =====

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        for folder in FOLDERS {
            tree.add_folder(root, &root.join(folder))?;
        }
        tree.add_files(root, root)?;
        tree.mark_tests();
        Ok(tree)
    }

    /// Marks the files of modules that are declared with `#[cfg(test)]`, and of those below them.
    pub(super) fn mark_tests(&mut self) {
        let mut marked: Vec<String> = Vec::new();
        for source in &self.sources {
            let tests = source.declared().filter(|(_, tests)| *tests);
            marked.extend(tests.map(|(name, _)| format!("{}/{name}", source.folder())));
        }
        for source in &mut self.sources {
            let module = source.path.trim_end_matches(".rs");
            if marked
                .iter()
                .any(|mark| module == mark || module.starts_with(&format!("{mark}/")))
            {
                source.mark_as_tests();
            }
        }
    }

    fn add_folder(&mut self, root: &Path, folder: &Path) -> Result<(), String> {
        self.add_files(root, folder)?;
        for path in entries(folder)? {
            let skipped = path
                .file_name()
                .is_some_and(|name| SKIPPED.iter().any(|skipped| name == *skipped));
            if path.is_dir() && !skipped {
                self.add_folder(root, &path)?;
            }
        }
        Ok(())
    }

    /// Adds what is directly in a folder.
    fn add_files(&mut self, root: &Path, folder: &Path) -> Result<(), String> {
        for path in entries(folder)? {
            let kind = path.extension().and_then(|kind| kind.to_str());
            if !matches!(kind, Some("rs" | "md" | "toml" | "lua")) || !path.is_file() {
                continue;
            }
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            if kind == Some("rs") {
                self.sources.push(Source::new(&name, &text));
            } else {
                self.others.push((name, text));
            }
        }
        Ok(())
    }
}

/// What is in a folder, in the order of the names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut paths = std::fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_that_are_declared_for_tests_are_tests() {
        let mut tree = Tree::default();
        for (path, text) in [
            ("crates/a/src/lib.rs", "mod b;\n\n#[cfg(test)]\nmod c;\n"),
            ("crates/a/src/b/mod.rs", "#[cfg(test)]\nmod d;\n"),
            ("crates/a/src/b/d.rs", ""),
            ("crates/a/src/c/mod.rs", "mod e;\n"),
            ("crates/a/src/c/e.rs", ""),
            ("crates/a/src/f/tests.rs", ""),
        ] {
            tree.sources.push(Source::new(path, text));
        }
        tree.mark_tests();
        let tests: Vec<&str> = tree
            .sources
            .iter()
            .filter(|source| source.is_tests)
            .map(|source| source.path.as_str())
            .collect();
        assert_eq!(
            tests,
            [
                "crates/a/src/b/d.rs",
                "crates/a/src/c/mod.rs",
                "crates/a/src/c/e.rs",
                "crates/a/src/f/tests.rs",
            ]
        );
    }
}
