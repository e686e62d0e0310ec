//! Any bytes as a token: no panic, `verify` and `inspect` agree, and only what was minted is
//! accepted.
//!
//! An input that begins with a zero byte is a list of edits of the minted token, three bytes per
//! edit: two for the position, and one for the new byte. A zero removes the byte at that position.

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use civic_auth::{Secret, TokenMinter, TokenVerifier};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

const NOW: Duration = Duration::from_secs(1_740_000_000);

static VERIFIER: LazyLock<TokenVerifier> =
    LazyLock::new(|| TokenVerifier::new(secret()).with_clock(|| UNIX_EPOCH + NOW));

/// The only token of this key that has been minted and is valid now.
static MINTED: LazyLock<String> = LazyLock::new(|| {
    let minter = TokenMinter::new(secret()).with_clock(|| UNIX_EPOCH + NOW);
    minter.mint().as_str().to_owned()
});

fn secret() -> Secret {
    Secret::new("0123456789abcdef0123456789abcdef").expect("a usable secret")
}

fn edited(edits: &[u8]) -> Vec<u8> {
    let mut token = MINTED.clone().into_bytes();
    for edit in edits.chunks_exact(3) {
        let position = usize::from(u16::from_be_bytes([edit[0], edit[1]]));
        match (token.get_mut(position), edit[2]) {
            (None, _) => {}
            (Some(_), 0) => drop(token.remove(position)),
            (Some(byte), new) => *byte = new,
        }
    }
    token
}

pub(super) fn run(data: &[u8]) {
    let token;
    let data = match data {
        [0, edits @ ..] => {
            token = edited(edits);
            &token[..]
        }
        data => data,
    };
    let inspected = str::from_utf8(data).ok().map(|text| {
        let inspection = VERIFIER.inspect(text);
        let printed = inspection.to_string();
        assert!(
            !printed
                .chars()
                .any(|character| character.is_control() && character != '\n')
        );
        inspection.is_accepted()
    });

    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", data].concat()) else {
        return;
    };
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let accepted = VERIFIER.verify(&headers).is_ok();
    // A header value may have white space around it, which is not the token's.
    let token = data.trim_ascii();
    assert_eq!(accepted, token == MINTED.as_bytes());
    if token == data {
        assert_eq!(accepted, inspected == Some(true));
    }
}
