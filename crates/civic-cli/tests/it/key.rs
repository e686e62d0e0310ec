//! `civic key`, and tokens from standard input.

use std::io::Write as _;
use std::process::{Command, Stdio};

use civic_auth::{SigningKey, TokenMinter, VerifyingKey};
use serde_json::Value;

use crate::support::{SECRET, civic, run};

/// Runs a command with this text on standard input: exit code, stdout and stderr.
fn fed(command: &mut Command, input: &str) -> (Option<i32>, String, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn generated(arguments: &[&str]) -> String {
    let finished = run(&mut civic(&[&["key", "generate"], arguments].concat()));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stdout
}

#[test]
fn a_generated_key_signs_and_its_public_half_verifies() {
    for (arguments, algorithm) in [(&[][..], "EdDSA"), (&["--algorithm", "p256"], "ES256")] {
        let pem = generated(arguments);
        let key = SigningKey::from_pem(&pem).expect("a key");
        assert_eq!(key.algorithm().as_str(), algorithm);
        let (code, jwk, _) = fed(&mut civic(&["key", "public", "--id", "billing-1"]), &pem);
        assert_eq!(code, Some(0));
        assert_eq!(
            VerifyingKey::from_jwk(&jwk).expect("a key").id(),
            Some("billing-1")
        );
        let (_, public, _) = fed(&mut civic(&["key", "public", "--pem"]), &pem);
        VerifyingKey::from_pem(&public).expect("a key");
        assert!(!jwk.contains("PRIVATE") && !public.contains("PRIVATE"));
    }
}

#[test]
fn what_is_no_private_key_is_exit_code_2_and_is_not_printed() {
    for input in ["", "hunter2 is no key"] {
        let (code, stdout, stderr) = fed(&mut civic(&["key", "public"]), input);
        assert_eq!((code, &*stdout), (Some(2), ""));
        assert!(stderr.contains("civic key generate"), "{stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
    let (code, _, stderr) = fed(
        &mut civic(&["key", "public", "--id", "a b"]),
        &generated(&[]),
    );
    assert_eq!(code, Some(2), "{stderr}");
}

#[test]
fn a_token_is_inspected_from_standard_input_with_all_keys() {
    let old = run(&mut civic(&["token", "mint"])).stdout;
    let rotated = |arguments: &[&str]| {
        let mut command = civic(arguments);
        command
            .env("JWT_SECRET", SECRET.replace('0', "f"))
            .env("JWT_SECRET_PREVIOUS", SECRET);
        command
    };
    for arguments in [&["token", "inspect"][..], &["token", "inspect", "-"]] {
        let (code, stdout, stderr) = fed(&mut rotated(arguments), &format!("Bearer {old}"));
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        let signature = old.trim().rsplit('.').next().expect("three parts");
        assert!(!stdout.contains(signature), "{stdout}");
    }

    let pem = generated(&[]);
    let (_, jwk, _) = fed(&mut civic(&["key", "public", "--id", "b"]), &pem);
    let bound = jwk.trim().replace('}', r#","issuer":"billing"}"#);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!(r#"{{"keys":[{bound}]}}"#)).expect("it is written");
    let path = file.path().to_str().expect("text");
    let minter = TokenMinter::new(SigningKey::from_pem(&pem).expect("a key"));
    let billing = minter.clone().with_issuer("billing");
    for (token, code, broken) in [
        (billing.mint(), Some(0), None),
        (minter.mint(), Some(1), Some("issuer")),
    ] {
        let mut command = civic(&["token", "inspect", "--keys", path]);
        let (found, stdout, _) = fed(&mut command, token.as_str());
        assert_eq!(found, code, "{stdout}");
        let mut lines = stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let rule = lines.find(|line| line["outcome"] == "broken");
        assert_eq!(rule.as_ref().and_then(|line| line["rule"].as_str()), broken);
    }
}
