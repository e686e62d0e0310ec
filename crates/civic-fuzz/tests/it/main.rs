//! Each target over its seeds, and whether the list of the targets is whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use civic_fuzz::{Target, targets};

/// At how many places a seed is cut, and half as often changed. Miri is some thousand times slower.
const PLACES: usize = if cfg!(miri) { 2 } else { 200 };

/// What is written there, beside the byte with another last bit.
const OTHERS: &[u8] = if cfg!(miri) {
    &[0xff]
} else {
    &[0, b' ', b'"', b'%', 0xff]
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .collect()
}

/// Runs `check` for each seed of each target. What is printed is seen if it panics.
fn each_seed(check: impl Fn(&Target, &[u8])) {
    for target in targets() {
        let seeds = folder("seeds").join(target.name());
        let names = names_in(&seeds);
        assert!(!names.is_empty(), "{} has no seeds", target.name());
        for name in names {
            println!("{}: {name}", target.name());
            check(target, &fs::read(seeds.join(name)).expect("a seed"));
        }
    }
}

#[test]
fn every_seed_keeps_the_promise_of_its_target() {
    each_seed(Target::run);
}

#[test]
fn every_beginning_of_a_seed_keeps_the_promise_of_its_target() {
    each_seed(|target, seed| {
        // Of a long one, not all: the rest is for the search.
        let step = seed.len() / PLACES + 1;
        for end in (0..seed.len()).step_by(step) {
            target.run(&seed[..end]);
        }
    });
}

#[test]
fn every_seed_with_one_other_byte_keeps_the_promise_of_its_target() {
    each_seed(|target, seed| {
        let step = 2 * seed.len() / PLACES + 1;
        let mut changed = seed.to_vec();
        for at in (0..seed.len()).step_by(step) {
            for &byte in OTHERS.iter().chain([&(seed[at] ^ 1)]) {
                changed[at] = byte;
                target.run(&changed);
            }
            changed[at] = seed[at];
        }
    });
}

#[cfg(feature = "native")]
#[test]
fn the_readme_names_every_target_and_its_dictionary_and_no_other() {
    let readme = fs::read_to_string(folder("README.md")).expect("a file");
    let mut listed = BTreeSet::new();
    let mut dictionaries = BTreeSet::new();
    for row in readme.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, _, dictionary] = cells[..] else {
            panic!("four cells: {row}")
        };
        let unquoted = |cell: &str| cell.trim_matches('`').to_owned();
        assert!(listed.insert(unquoted(name)), "twice: {name}");
        if !dictionary.is_empty() {
            dictionaries.insert(unquoted(dictionary));
        }
    }
    let targets: BTreeSet<String> = targets().map(|target| target.name().to_owned()).collect();
    assert_eq!(listed, targets);
    assert_eq!(names_in(&folder("seeds")), targets);
    assert_eq!(names_in(&folder("dictionaries")), dictionaries);
}

#[test]
fn a_target_is_found_by_its_name_alone() {
    assert_eq!(Target::find("unwrap").map(Target::name), Some("unwrap"));
    for name in ["", "un", "unwrap ", "Unwrap"] {
        assert!(Target::find(name).is_none(), "{name:?}");
    }
}
