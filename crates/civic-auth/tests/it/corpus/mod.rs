//! The corpus: requests that attack the guard, and what becomes of each.
//!
//! `corpus.json` has them as data: a family, a name, what is sent, and the verdict, which is
//! `accepted`, `public`, or the word of the [`Cause`](civic_auth::Cause) for which it is refused.
//! What depends on a key, on the time or on every byte of a token is generated. Each is asked of
//! `verify`, of the layer, which answers every refused token alike, and of `inspect`.

mod entry;
mod expand;
mod generated;
mod judge;

use std::collections::{BTreeMap, BTreeSet};

use civic_auth::Secret;
use serde::Deserialize;

use self::entry::Entry;
use self::expand::expand;
use self::judge::judge;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    secrets: Vec<SecretEntry>,
    requests: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretEntry {
    name: String,
    secret: String,
    verdict: String,
}

fn corpus() -> Corpus {
    serde_json::from_str(include_str!("corpus.json")).expect("the corpus is JSON")
}

#[tokio::test]
async fn every_request_of_the_corpus_is_judged_for_the_reason_that_it_names() {
    // All that are judged otherwise are listed, and not only the first.
    let mut wrong = Vec::new();
    for entry in corpus().requests {
        let title = entry.title();
        let judged = tokio::spawn(async move { judge(&entry).await });
        if judged.await.is_err() {
            wrong.push(title);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_family_of_the_corpus_has_siblings_and_every_name_is_its_own() {
    let mut families: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in corpus().requests {
        let names = families.entry(entry.family.clone()).or_default();
        assert!(names.insert(entry.name.clone()), "twice: {}", entry.title());
    }
    let least = [
        ("algorithm", 90),
        ("base64", 20),
        ("claims", 100),
        ("confusion", 60),
        ("cookie", 45),
        ("header", 100),
        ("json", 60),
        ("keys", 15),
        ("mac", 10),
        ("names", 70),
        ("public path", 20),
        ("shape", 20),
        ("time", 100),
        ("transport", 35),
    ];
    let known: BTreeSet<&str> = least.iter().map(|(family, _)| *family).collect();
    assert_eq!(
        families.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        known
    );
    for (family, least) in least {
        let count = families[family].len();
        assert!(count >= least, "{family} has {count}");
    }
}

#[test]
fn every_secret_of_the_corpus_is_usable_or_refused_for_the_reason_that_it_names() {
    for SecretEntry {
        name,
        secret,
        verdict,
    } in corpus().secrets
    {
        let secret = expand(&secret);
        let judged = match Secret::new(&secret) {
            Ok(_) => "usable".to_owned(),
            Err(error) => {
                let shown = format!("{error} {error:?}");
                let long = secret.len() > 8;
                let text = String::from_utf8_lossy(&secret).into_owned();
                assert!(
                    !long || !shown.contains(&text),
                    "{name}: the secret is shown"
                );
                format!("{:?}", error.kind())
            }
        };
        assert_eq!(judged, verdict, "{name}");
    }
}
