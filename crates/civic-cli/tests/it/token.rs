//! `civic token`: what an operator needs when a call is refused.

use serde_json::Value;

use crate::support::{Finished, SECRET, civic, run};

fn mint(arguments: &[&str]) -> String {
    let minted = run(&mut civic(&[&["token", "mint"], arguments].concat()));
    assert_eq!(minted.code, Some(0), "{}", minted.stderr);
    minted.stdout.trim().to_owned()
}

fn inspect(token: &str) -> (Finished, Vec<Value>) {
    let finished = run(&mut civic(&["token", "inspect", token]));
    let lines = finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (finished, lines)
}

fn broken(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .filter(|line| line["outcome"] == "broken")
        .map(|line| line["rule"].as_str().unwrap())
        .collect()
}

#[test]
fn a_minted_token_is_the_only_thing_on_stdout() {
    let finished = run(&mut civic(&["token", "mint"]));
    assert_eq!(finished.code, Some(0));
    assert_eq!(finished.stderr, "");
    let token = finished.stdout.strip_suffix('\n').unwrap();
    assert_eq!(token.split('.').count(), 3);
    assert!(!token.contains(char::is_whitespace));
}

#[test]
fn a_good_token_keeps_every_rule_and_exits_0() {
    for token in [
        mint(&[]),
        mint(&["--role", "TAX_CLERK"]),
        format!("Bearer {}", mint(&[])),
    ] {
        let (finished, lines) = inspect(&token);
        assert_eq!(finished.code, Some(0), "{}", finished.stdout);
        let (verdict, rules) = lines.split_last().unwrap();
        assert_eq!(verdict["verdict"], "accepted");
        assert!(rules.len() >= 8);
        assert!(rules.iter().all(|rule| rule["outcome"] == "kept"));
    }
}

#[test]
fn a_refused_token_breaks_the_rule_that_is_named_and_exits_1() {
    let stranger = run(civic(&["token", "mint"]).env("JWT_SECRET", SECRET.replace('0', "f")));
    for (name, token, rule) in [
        ("31 seconds", mint(&["--lifetime", "31"]), "lifetime"),
        (
            "ended",
            mint(&["--role", "TAX_CLERK", "--lifetime", "0"]),
            "exp",
        ),
        (
            "another key",
            stranger.stdout.trim().to_owned(),
            "signature",
        ),
        ("no token", "nonsense".to_owned(), "shape"),
        (
            "half a service",
            mint(&[
                "--role",
                "TAX_CLERK",
                "--user-id",
                "00000000-0000-0000-0000-000000000000",
            ]),
            "profile",
        ),
    ] {
        let (finished, lines) = inspect(&token);
        assert_eq!(finished.code, Some(1), "{name}");
        assert_eq!(broken(&lines), [rule], "{name}: {}", finished.stdout);
        assert_eq!(lines.last().unwrap()["verdict"], "refused");
    }
}

#[test]
fn an_inspection_shows_claims_and_neither_signature_nor_secret() {
    let token = mint(&["--role", "TREASURER"]);
    let (finished, lines) = inspect(&token);
    let claims: Value =
        serde_json::from_str(lines.last().unwrap()["claims"].as_str().unwrap()).unwrap();
    assert_eq!(claims["role"], "TREASURER");
    assert!(!finished.stdout.contains(token.rsplit('.').next().unwrap()));
    assert!(!finished.stdout.contains(SECRET));
}

#[test]
fn a_role_that_the_platform_does_not_have_is_exit_code_2() {
    let finished = run(&mut civic(&["token", "mint", "--role", "KING"]));
    assert_eq!(finished.code, Some(2));
    assert_eq!(finished.stdout, "");
    let finished = run(civic(&["token", "mint"]).env("JWT_SECRET", "short"));
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("JWT_SECRET"));
}
