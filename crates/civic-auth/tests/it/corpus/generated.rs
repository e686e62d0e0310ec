//! What is too much to write down: every bit of a signature, every byte of a token, and every second
//! around the end of one.

use super::entry::Entry;
use super::judge::judge;
use crate::support::{Claims, NOW};

fn entry(name: String, token: String, verdict: &str) -> Entry {
    Entry {
        family: "generated".to_owned(),
        name,
        token: Some(token),
        verdict: verdict.to_owned(),
        ..Entry::default()
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[tokio::test]
async fn no_bit_of_a_signature_may_change_and_none_may_be_missing() {
    for token in [Claims::service().token(), Claims::user().token()] {
        let (signed, mac) = token.rsplit_once('.').expect("three parts");
        // 43 characters of 6 bits, of which the last 2 carry nothing and must be zero.
        for (at, character) in mac.bytes().enumerate() {
            let value = ALPHABET
                .iter()
                .position(|own| *own == character)
                .expect("base64url");
            for bit in 0..6 {
                let mut changed = mac.as_bytes().to_vec();
                changed[at] = ALPHABET[value ^ (1 << bit)];
                let changed = String::from_utf8(changed).expect("ASCII");
                let token = format!("{signed}.{changed}");
                judge(&entry(
                    format!("bit {bit} of {at}"),
                    token,
                    "wrong_signature",
                ))
                .await;
            }
        }
        for length in 1..mac.len() {
            let token = format!("{signed}.{}", &mac[..length]);
            judge(&entry(
                format!("{length} characters"),
                token,
                "wrong_signature",
            ))
            .await;
        }
    }
}

#[tokio::test]
async fn no_byte_of_a_token_may_change_be_missing_or_be_added() {
    let token = Claims::service().token();
    for at in 0..token.len() {
        let before = &token[..at];
        let (own, after) = (&token[at..=at], &token[at + 1..]);
        let other = if own == "A" { "B" } else { "A" };
        for (what, text) in [
            ("another", format!("{before}{other}{after}")),
            ("none", format!("{before}{after}")),
            ("twice", format!("{before}{own}{own}{after}")),
            ("a dot", format!("{before}.{after}")),
        ] {
            if text == token {
                continue;
            }
            // For which reason depends on the place; that it is refused does not.
            let verifier = crate::support::verifier();
            let verified = verifier.verify(&crate::support::bearer(&text));
            let error = verified.map(drop).expect_err(&text);
            let name = format!("{what} at {at}");
            judge(&entry(name, text, error.cause().as_str())).await;
        }
    }
}

#[tokio::test]
async fn every_second_around_its_life_a_token_is_judged_by_the_clock_alone() {
    for skew in [0, 1, 4, 5, 6, 29, 30] {
        let tolerance = skew.max(5);
        for now in NOW - 40..NOW + 70 {
            let verdict = if now >= NOW + 30 + skew {
                "expired"
            } else if now + tolerance < NOW {
                "issued_in_the_future"
            } else {
                "accepted"
            };
            let name = format!("skew {skew}, {now}");
            let mut entry = entry(name, Claims::service().token(), verdict);
            entry.verifier.now = Some(now);
            entry.verifier.skew_seconds = skew;
            judge(&entry).await;
        }
    }
}
