//! No two files of a crate need each other, directly or through others.
//!
//! An arrow goes from a file to each file whose names it uses: by `use`, or by a path that begins
//! with `crate`, `self`, `super` or a module of its own. Re-exports are looked through: a name that
//! `mod.rs` passes on counts as the file's that defines it, and passing it on is no arrow. Unit
//! tests do not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::finding::Finding;
use super::imports::{Use, leaves, names, uses};
use super::source::Source;

/// Circles that are there on purpose.
const ALLOWED: &[&[&str]] = &[
    // As in reqwest: the client makes requests, a request is sent by its client, the builder makes
    // both.
    &[
        "crates/civic-client/src/facade/builder.rs",
        "crates/civic-client/src/facade/client.rs",
        "crates/civic-client/src/facade/request.rs",
    ],
];

/// A module with a file of its own.
#[derive(Debug)]
struct Module<'s> {
    source: &'s Source,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    uses: Vec<Use>,
    /// Imported and re-exported names, and the path of each.
    names: BTreeMap<String, String>,
}

/// The modules of one library or program, the root first.
#[derive(Debug)]
struct Crate<'s> {
    modules: Vec<Module<'s>>,
}

/// The line where a file first uses another one's name.
#[derive(Debug, Default)]
struct Arrows(BTreeMap<usize, BTreeMap<usize, usize>>);

pub(super) fn check(sources: &[Source], findings: &mut Vec<Finding>) {
    let by_path: BTreeMap<&str, &Source> = sources
        .iter()
        .map(|source| (source.path.as_str(), source))
        .collect();
    for root in sources.iter().filter(|source| is_root(&source.path)) {
        let program = Crate::read(root, &by_path);
        let arrows = program.arrows();
        for circle in arrows.circles() {
            let paths: Vec<&str> = circle
                .iter()
                .map(|module| program.modules[*module].source.path.as_str())
                .collect();
            let allowed = ALLOWED
                .iter()
                .any(|allowed| paths.iter().all(|path| allowed.contains(path)));
            if !allowed {
                findings.push(program.finding(&arrows, &circle));
            }
        }
    }
}

fn is_root(path: &str) -> bool {
    let Some((_, file)) = path.split_once("src/") else {
        return false;
    };
    matches!(file, "lib.rs" | "main.rs")
        || file.strip_prefix("bin/").is_some_and(|file| {
            !file.contains('/') || file.ends_with("/main.rs") && file.matches('/').count() == 1
        })
}

// ===== impl Crate =====

impl<'s> Crate<'s> {
    fn read(root: &'s Source, by_path: &BTreeMap<&str, &'s Source>) -> Self {
        let mut found = Self {
            modules: Vec::new(),
        };
        found.add(root, None, by_path);
        found
    }

    /// Adds a module and those below it.
    fn add(
        &mut self,
        source: &'s Source,
        parent: Option<usize>,
        by_path: &BTreeMap<&str, &'s Source>,
    ) -> usize {
        let number = self.modules.len();
        let uses: Vec<Use> = uses(source)
            .into_iter()
            .filter(|found| !source.lines[found.first - 1].in_tests)
            .collect();
        let names = uses.iter().flat_map(|found| names(&found.tree)).collect();
        self.modules.push(Module {
            source,
            parent,
            children: BTreeMap::new(),
            uses,
            names,
        });
        for (name, _) in source.declared() {
            let below = format!("{}/{name}", source.folder());
            let file = [format!("{below}.rs"), format!("{below}/mod.rs")]
                .iter()
                .find_map(|path| by_path.get(path.as_str()));
            if let Some(file) = file.filter(|file| !file.is_tests) {
                let child = self.add(file, Some(number), by_path);
                self.modules[number].children.insert(name.to_owned(), child);
            }
        }
        number
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::default();
        for (number, module) in self.modules.iter().enumerate() {
            let private = module
                .uses
                .iter()
                .filter(|found| found.visibility.is_empty());
            for found in private {
                for path in leaves(&found.tree) {
                    arrows.add(number, self.target(number, &path), found.first);
                }
            }
            for (line, text) in module.source.numbered() {
                let in_use = module
                    .uses
                    .iter()
                    .any(|found| (found.first..=found.last).contains(&line));
                if text.in_tests || in_use {
                    continue;
                }
                for path in paths(&text.code) {
                    arrows.add(number, self.target(number, path), line);
                }
            }
        }
        arrows
    }

    /// The module that defines what the path, written in the module `from`, means; `None` if it is
    /// another crate's.
    fn target(&self, from: usize, path: &str) -> Option<usize> {
        self.follow(from, path, 8)
    }

    /// A name may be passed on several times, but not for ever: `depth` times at most.
    fn follow(&self, from: usize, path: &str, depth: usize) -> Option<usize> {
        let mut parts = path.split("::").peekable();
        let mut at = match parts.next()? {
            "crate" => 0,
            "self" => from,
            "super" => self.modules[from].parent?,
            name => *self.modules[from].children.get(name)?,
        };
        while let Some(name) = parts.next() {
            if name == "super" {
                at = self.modules[at].parent?;
            } else if let Some(child) = self.modules[at].children.get(name) {
                at = *child;
            } else if let Some(passed_on) = self.modules[at].names.get(name)
                && depth > 0
            {
                let rest: Vec<&str> = parts.collect();
                let path = [&[passed_on.as_str()], &rest[..]].concat().join("::");
                // What another crate defines is the importing file's as far as this crate is
                // concerned.
                return self.follow(at, &path, depth - 1).or(Some(at));
            } else {
                break;
            }
        }
        Some(at)
    }

    /// Tells of the shortest way round.
    fn finding(&self, arrows: &Arrows, circle: &[usize]) -> Finding {
        let way = circle
            .iter()
            .map(|start| arrows.way_round(*start, circle))
            .min_by_key(Vec::len)
            .unwrap_or_default();
        let steps: Vec<String> = way
            .iter()
            .map(|(from, to, line)| {
                format!(
                    "{}:{line} needs {}",
                    self.modules[*from].source.path, self.modules[*to].source.path
                )
            })
            .collect();
        let (first, _, line) = way.first().copied().unwrap_or_default();
        Finding::new(
            self.modules[first].source,
            line,
            "circles",
            format!(
                "{} files need each other: {}. Move what they share into a file below them",
                circle.len(),
                steps.join("; ")
            ),
        )
    }
}

// ===== impl Arrows =====

impl Arrows {
    fn add(&mut self, from: usize, to: Option<usize>, line: usize) {
        if let Some(to) = to.filter(|to| *to != from) {
            self.0.entry(from).or_default().entry(to).or_insert(line);
        }
    }

    fn from(&self, module: usize) -> impl Iterator<Item = (usize, usize)> {
        self.0
            .get(&module)
            .into_iter()
            .flatten()
            .map(|(to, line)| (*to, *line))
    }

    fn reachable(&self, from: usize) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            open.extend(
                self.from(at)
                    .map(|(to, _)| to)
                    .filter(|to| seen.insert(*to)),
            );
        }
        seen
    }

    /// The sets of modules that reach each other.
    fn circles(&self) -> Vec<Vec<usize>> {
        let reachable: BTreeMap<usize, BTreeSet<usize>> = self
            .0
            .keys()
            .map(|module| (*module, self.reachable(*module)))
            .collect();
        let mut circles: Vec<Vec<usize>> = reachable
            .iter()
            .map(|(module, reached)| {
                reached
                    .iter()
                    .filter(|other| {
                        reachable
                            .get(other)
                            .is_some_and(|back| back.contains(module))
                    })
                    .copied()
                    .collect()
            })
            .filter(|circle: &Vec<usize>| !circle.is_empty())
            .collect();
        circles.sort();
        circles.dedup();
        circles
    }

    /// The shortest way from a module back to itself inside of a circle: from, to, line of each
    /// step.
    fn way_round(&self, start: usize, circle: &[usize]) -> Vec<(usize, usize, usize)> {
        let mut open = VecDeque::from([(start, Vec::new())]);
        let mut seen = BTreeSet::new();
        while let Some((at, way)) = open.pop_front() {
            for (to, line) in self.from(at).filter(|(to, _)| circle.contains(to)) {
                let mut way = way.clone();
                way.push((at, to, line));
                if to == start {
                    return way;
                }
                if seen.insert(to) {
                    open.push_back((to, way));
                }
            }
        }
        Vec::new()
    }
}

/// The paths in a line of code, generic arguments left away.
fn paths(code: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(is_name) {
        let before = rest[..start].chars().next_back();
        let text = &rest[start..];
        let mut end = 0;
        loop {
            end += text[end..]
                .find(|c| !is_name(c))
                .unwrap_or(text.len() - end);
            let goes_on = text[end..]
                .strip_prefix("::")
                .is_some_and(|next| next.starts_with(is_name));
            if !goes_on {
                break;
            }
            end += "::".len();
        }
        // `$crate::x` is for other crates, `<T>::x` and `.x` begin with no module.
        if text[..end].contains("::") && !matches!(before, Some('$' | ':' | '.')) {
            found.push(&text[..end]);
        }
        rest = &text[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(&format!("crates/a/src/{path}"), text))
            .collect();
        let mut findings = Vec::new();
        check(&sources, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arrows_that_only_go_down_are_clean() {
        assert_eq!(
            circles(&[
                (
                    "lib.rs",
                    "mod b;\nmod c;\n\npub use self::b::B;\npub use self::c::C;\n"
                ),
                // `crate::C` is c.rs's, though the root passes it on; the tests may look up.
                (
                    "b.rs",
                    "use crate::c::C;\nuse crate::C as D;\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n"
                ),
                ("c.rs", "use std::fmt;\n\nstruct C;\n"),
            ]),
            [""; 0]
        );
    }

    #[test]
    fn a_name_passed_on_by_the_parent_is_no_circle() {
        assert_eq!(
            circles(&[
                ("lib.rs", "mod b;\n"),
                (
                    "b/mod.rs",
                    "mod c;\nmod d;\n\npub(crate) use self::c::C;\npub(crate) use self::d::D;\n"
                ),
                ("b/c.rs", "struct C;\n"),
                (
                    "b/d.rs",
                    "use super::C;\n\nfn f(c: super::C, d: crate::b::C) {}\n"
                ),
            ]),
            [""; 0]
        );
    }

    #[test]
    fn two_files_that_need_each_other_are_red() {
        assert_eq!(
            circles(&[
                ("lib.rs", "mod b;\nmod c;\n"),
                ("b.rs", "\nuse crate::c::C;\n"),
                ("c.rs", "fn f() -> crate::b::B {}\n"),
            ]),
            ["crates/a/src/b.rs:2: circles: 2 files need each other: \
                 crates/a/src/b.rs:2 needs crates/a/src/c.rs; crates/a/src/c.rs:1 needs crates/a/src/b.rs. \
                 Move what they share into a file below them"]
        );
    }

    #[test]
    fn a_circle_of_three_through_a_re_export_is_red() {
        let found = circles(&[
            ("lib.rs", "mod b;\nmod c;\nmod d;\n\npub use b::B;\n"),
            ("b.rs", "use super::c::C;\n"),
            ("c.rs", "use crate::{\n    d,\n};\n"),
            ("d.rs", "use crate::B;\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("3 files need each other"), "{found:#?}");
    }

    #[test]
    fn a_circle_through_a_re_export_by_another_name_is_red() {
        let found = circles(&[
            ("lib.rs", "mod b;\nmod c;\n\npub use b::B as D;\n"),
            ("b.rs", "use crate::c::C;\n"),
            ("c.rs", "use crate::D;\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("2 files need each other"), "{found:#?}");
    }

    #[test]
    fn a_parent_with_code_and_its_child_are_red() {
        let found = circles(&[
            ("main.rs", "mod b;\n"),
            (
                "b/mod.rs",
                "mod c;\n\nstruct B;\n\nfn f() {\n    c::g()\n}\n",
            ),
            ("b/c.rs", "use super::B;\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("crates/a/src/b/mod.rs:6 needs crates/a/src/b/c.rs"));
    }
}
