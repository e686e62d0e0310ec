//! `civic key`, and tokens from standard input.

use std::io::Write as _;
use std::process::{Command, Stdio};

use civic_auth::{KeySet, SigningKey, TokenMinter, VerifyingKey};
use civic_testkit::upstream::{Step, Upstream};
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

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("it is written");
    }
    folder
}

#[test]
fn the_public_keys_of_files_and_variables_are_one_set_without_a_secret() {
    let (first, second, third) = (
        generated(&[]),
        generated(&["--algorithm", "p256"]),
        generated(&[]),
    );
    let (_, public, _) = fed(&mut civic(&["key", "public", "--pem"]), &second);
    let (_, jwk, _) = fed(&mut civic(&["key", "public", "--id", "of-a-set"]), &third);
    let oct = r#"{"kty":"oct","kid":"shared","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#;
    let set = format!(r#"{{"keys":[{oct},{}]}}"#, jwk.trim());
    let folder = folder(&[
        ("billing-1.pem", &first),
        ("p.pub.pem", &public),
        ("set.json", &set),
    ]);
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let arguments = [
        "key",
        "jwks",
        &path("billing-1.pem"),
        &format!("billing-2={}", path("p.pub.pem")),
        &path("set.json"),
        "--env",
        "of-a-variable=BILLING_KEY",
    ];
    let mut command = civic(&arguments);
    let finished = run(command.env("BILLING_KEY", third.replace('\n', "\\n")));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let keys = KeySet::from_jwks(finished.stdout.as_bytes()).expect("a set");
    let ids: Vec<_> = keys.iter().filter_map(VerifyingKey::id).collect();
    assert_eq!(ids, ["billing-1", "billing-2", "of-a-set", "of-a-variable"]);
    let algorithms: Vec<_> = keys.iter().map(|key| key.algorithm().as_str()).collect();
    assert_eq!(algorithms, ["EdDSA", "ES256", "EdDSA", "EdDSA"]);
    for word in ["MDEyMzQ1", "oct", "PRIVATE", r#""d""#] {
        assert!(
            !finished.stdout.contains(word),
            "{word}: {}",
            finished.stdout
        );
    }
}

#[test]
fn a_set_that_cannot_be_made_is_exit_code_2_and_nothing_is_printed() {
    let pem = generated(&[]);
    let oct = r#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#;
    let folder = folder(&[
        ("a.pem", &pem),
        ("shared.json", oct),
        ("junk", "hunter2"),
        ("a b.pem", &pem),
    ]);
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (key, shared, junk, spaced) = (
        path("a.pem"),
        path("shared.json"),
        path("junk"),
        path("a b.pem"),
    );
    for (arguments, words) in [
        (&[][..], "Usage:"),
        (&["/no/such/file"], "/no/such/file"),
        (&[&*junk], "JSON Web Key Set"),
        (&[&*shared], "a shared secret has none"),
        (&[&*spaced], "a key id"),
        (&[&*key, &*key], "two keys have the id a"),
        (&["--env", "BILLING_KEY"], "ID=VARIABLE"),
        (
            &["--env", "b=NO_SUCH_VARIABLE"],
            "NO_SUCH_VARIABLE is not set",
        ),
        (&["--env", "b=JWT_SECRET"], "JWT_SECRET"),
    ] {
        let finished = run(&mut civic(&[&["key", "jwks"], arguments].concat()));
        assert_eq!(
            (finished.code, &*finished.stdout),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(
            finished.stderr.contains(words),
            "{arguments:?}: {}",
            finished.stderr
        );
        assert!(!finished.stderr.contains("hunter2") && !finished.stderr.contains(SECRET));
    }
}

const SET_PATH: &str = "/.well-known/jwks.json";

/// The peer runs on the test's own runtime; the tool blocks its main thread, which is none of the
/// workers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_set_is_checked_as_services_see_it() {
    let folder = folder(&[
        ("billing-1.pem", &generated(&[])),
        ("billing-2.pem", &generated(&["--algorithm", "p256"])),
    ]);
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let printed = run(&mut civic(&[
        "key",
        "jwks",
        &path("billing-1.pem"),
        &path("billing-2.pem"),
    ]));
    let peer = Upstream::start([Step::json(printed.stdout)]).await;
    let url = format!("{}{SET_PATH}", peer.url());
    let checked = run(&mut civic(&["key", "jwks", "--check", &url]));
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert_eq!(
        checked.stdout,
        "{\"kid\":\"billing-1\",\"alg\":\"EdDSA\"}\n{\"kid\":\"billing-2\",\"alg\":\"ES256\"}\n"
    );
    let asked = &peer.attempts()[0];
    assert_eq!(asked.target, SET_PATH);
    assert_eq!(
        asked.header("authorization"),
        None,
        "a publisher needs no token"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_no_service_could_use_is_exit_code_1_with_the_reason() {
    for (step, words) in [
        (Step::status(404), "404"),
        (Step::json("{}"), "JSON Web Key Set"),
        (Step::json(r#"{"keys":[]}"#), "key"),
        (
            Step::status(200).header("content-type", "text/html"),
            "content type",
        ),
    ] {
        let peer = Upstream::start([step]).await;
        let url = format!("{}{SET_PATH}", peer.url());
        let checked = run(&mut civic(&["key", "jwks", "--check", &url]));
        assert_eq!((checked.code, &*checked.stdout), (Some(1), ""), "{words}");
        let mut lines = checked.stderr.lines();
        let reason = lines.find_map(|line| line.strip_prefix("civic: "));
        assert!(
            reason.is_some_and(|reason| reason.contains(words)),
            "{}",
            checked.stderr
        );
    }
}

#[test]
fn a_check_that_services_would_not_make_is_exit_code_2() {
    for (url, words) in [
        ("http://billing.town.example/jwks.json", "https"),
        ("http://localhost:1/jwks.json?version=2", "without a query"),
        ("billing", "an absolute URL"),
    ] {
        let refused = run(&mut civic(&["key", "jwks", "--check", url]));
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{url}");
        assert!(refused.stderr.contains(words), "{url}: {}", refused.stderr);
    }
    let url = "http://localhost:1/jwks.json";
    let both = run(&mut civic(&["key", "jwks", "a.pem", "--check", url]));
    assert_eq!(both.code, Some(2), "{}", both.stderr);
}
