//! `--check` reads the history of an earlier run.

use std::process::Output;

use crate::{chaos, stderr, stdout};

/// A hammer on the store of one machine, whose fences are 7 and 8.
const HISTORY: [&str; 10] = [
    r#"{"at":1,"what":"clock","wallOffset":0}"#,
    r#"{"at":2,"what":"group","group":0,"name":"host-hammer","kind":"hammer","backend":"host","db":0,"lock":"it","replicas":1,"ttlMs":2000,"jobMs":0,"intervalMs":0,"graceMs":0,"maxAttempts":1000,"commandTimeoutMs":1000,"pollCapMs":5000}"#,
    r#"{"at":3,"what":"start","life":1,"replica":"host-hammer-0","group":0,"pid":1,"skewMs":0,"deployment":0,"intervalMs":0}"#,
    r#"{"at":1000000000,"what":"hold","life":1,"edge":"enter","fence":7}"#,
    r#"{"at":1100000000,"what":"hold","life":1,"edge":"leave","fence":7}"#,
    r#"{"at":1200000000,"what":"hold","life":1,"edge":"enter","fence":8}"#,
    r#"{"at":1300000000,"what":"hold","life":1,"edge":"leave","fence":8}"#,
    r#"{"at":2000000000,"what":"end"}"#,
    r#"{"at":2000000001,"what":"signal","life":1,"signal":"term"}"#,
    r#"{"at":2100000000,"what":"exit","life":1,"forced":false}"#,
];

fn check(history: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("history.jsonl"), history).unwrap();
    chaos(&["--check", folder.path().to_str().unwrap()])
}

#[test]
fn a_history_that_keeps_every_promise_is_exit_code_0() {
    let output = check(&HISTORY.join("\n"));
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert!(stdout(&output).contains("every promise was kept"));
}

#[test]
fn a_history_with_a_broken_promise_is_exit_code_1_and_shows_the_records() {
    let output = check(&HISTORY.join("\n").replace("\"fence\":8", "\"fence\":6"));
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    for said in [
        "I1 is broken",
        "a fence that does not grow",
        "\"fence\":6",
        "not every promise",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_last_line_that_was_cut_is_left_out() {
    let output = check(&format!("{}\n{{\"at\":22000", HISTORY.join("\n")));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_file_that_is_no_history_is_an_error_and_not_a_good_history() {
    for (name, history, said) in [
        ("empty", String::new(), "no record"),
        ("text", "this is no history".to_owned(), "no record"),
        ("a bad line", HISTORY.join("\nnonsense\n"), "line 2"),
    ] {
        let output = check(&history);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stdout(&output));
        assert!(
            stderr(&output).contains(said),
            "{name}: {}",
            stderr(&output)
        );
    }
    let missing = chaos(&["--check", "/nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).contains("/nowhere/history.jsonl"),
        "{}",
        stderr(&missing)
    );
}

/// Two requests of one caller, of which the second one ended in doubt.
const POSTS: &str = r#"{"posts":2,"loses":false,"warned":0,"silent":1,
    "effects":[{"n":0,"effect":"a"}],
    "ends":[{"n":0,"how":{"end":"answer","of":0,"effect":"a","replayed":false}},
            {"n":1,"how":{"end":"in-doubt","code":"Outcome in doubt"}}],
    "again":[{"n":0,"how":{"end":"answer","of":0,"effect":"a","replayed":true}},
             {"n":1,"how":{"end":"in-doubt","code":"Outcome in doubt"}}],
    "callers":{"kills":1,"stops":0},"proxies":{"kills":1,"stops":0},
    "services":{"kills":1,"stops":1},"serverKills":1}"#;

fn check_posts(facts: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let redis = folder.path().join("redis");
    std::fs::create_dir(&redis).unwrap();
    std::fs::write(redis.join("posts.json"), facts).unwrap();
    let folder = folder.path().to_str().unwrap();
    chaos(&[
        "once",
        "--part",
        "posts",
        "--backend",
        "redis",
        "--check",
        folder,
    ])
}

#[test]
fn facts_of_posts_that_keep_every_promise_are_exit_code_0_with_their_counts() {
    let output = check_posts(POSTS);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for said in [
        "| effects | 1 |",
        "| ended with the answer | 1 |",
        "| ended in doubt | 1 |",
        "every promise was kept",
    ] {
        assert!(stdout(&output).contains(said), "{}", stdout(&output));
    }
}

#[test]
fn facts_of_posts_with_a_second_effect_are_exit_code_1_and_say_which() {
    let second = r#"{"n":0,"effect":"a"},{"n":0,"effect":"b"}"#;
    let output = check_posts(&POSTS.replace(r#"{"n":0,"effect":"a"}"#, second));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for said in ["O1 is broken", "request 0 has 2 effects", "--part posts"] {
        assert!(stdout(&output).contains(said), "{}", stdout(&output));
    }
}

#[test]
fn facts_that_are_missing_or_none_are_an_error_and_not_good_facts() {
    let output = check_posts("nonsense");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("posts.json"),
        "{}",
        stderr(&output)
    );
    let missing = chaos(&["once", "--check", "/nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).contains("/nowhere"),
        "{}",
        stderr(&missing)
    );
}
