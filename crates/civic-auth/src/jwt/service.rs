//! The claims of a service as the platform writes them, read without parsing JSON.
//!
//! They are one text but for two numbers, `iat` and `exp`. What deviates from it in any byte is
//! left to the parser, so that the two never disagree: whatever is read here, the parser reads in
//! the same way.

use std::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json::NumericDate;
use super::payload::Payload;
use crate::mint::{
    CONSTANT_CLAIMS, SERVICE_CLAIMS_BEFORE_IAT, SERVICE_EMAIL, SERVICE_MUNICIPALITY, SERVICE_NAME,
    SERVICE_USER_ID,
};
use crate::role::Role;

/// What the claims of every service begin with, encoded. It ends between two groups of four
/// characters.
static BEGINNING: LazyLock<String> =
    LazyLock::new(|| URL_SAFE_NO_PAD.encode(&SERVICE_CLAIMS_BEFORE_IAT[..CONSTANT_CLAIMS]));

/// More digits than any year before 5138 needs, and few enough to be exact.
const MAX_DIGITS: usize = 11;

/// The rest of the constant part, two numbers, and what is between and after them. base64 asks for
/// a little more room than it uses.
const MAX_REST: usize = 64;

/// Reads the claims if they are those of a service, byte for byte.
pub(super) fn read(part: &str) -> Option<Payload> {
    let rest = part.strip_prefix(BEGINNING.as_str())?;
    let mut buffer = [0; MAX_REST];
    let length = URL_SAFE_NO_PAD.decode_slice(rest, &mut buffer).ok()?;
    let rest =
        buffer[..length].strip_prefix(&SERVICE_CLAIMS_BEFORE_IAT.as_bytes()[CONSTANT_CLAIMS..])?;
    let (iat, rest) = number(rest)?;
    let (exp, rest) = number(rest.strip_prefix(b",\"exp\":")?)?;
    (rest == b"}").then_some(Payload {
        user_id: Cow::Borrowed(SERVICE_USER_ID),
        email: Cow::Borrowed(SERVICE_EMAIL),
        role: Cow::Borrowed(Role::ServiceAccount.as_str()),
        municipality_id: Some(Cow::Borrowed(SERVICE_MUNICIPALITY)),
        name: Cow::Borrowed(SERVICE_NAME),
        iat: Some(iat),
        exp,
        nbf: None,
        iss: None,
        jti: None,
        aud: None,
    })
}

/// Reads a whole number above zero, as JSON writes it, and returns what follows it.
fn number(text: &[u8]) -> Option<(NumericDate, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    if digits > MAX_DIGITS || matches!(number, [] | [b'0', ..]) {
        return None;
    }
    let seconds = number
        .iter()
        .fold(0, |seconds, digit| seconds * 10 + u64::from(digit - b'0'));
    Some((NumericDate::new(seconds as f64)?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jwt::compact;

    fn encode(json: &str) -> String {
        URL_SAFE_NO_PAD.encode(json)
    }

    fn claims(rest: &str) -> String {
        encode(&format!("{SERVICE_CLAIMS_BEFORE_IAT}{rest}"))
    }

    fn parse(part: &str) -> Option<Payload> {
        Payload::parse(&compact::decode_text(part)?).ok()
    }

    #[test]
    fn the_claims_of_a_service_are_read_as_the_parser_reads_them() {
        let part = claims("1764187200,\"exp\":1764187230}");
        let read = read(&part).expect("they are those of a service");
        assert_eq!(Some(&read), parse(&part).as_ref());
        assert_eq!(read.exp.floor(), 1_764_187_230);
    }

    #[test]
    fn what_deviates_in_any_byte_is_left_to_the_parser() {
        for rest in [
            "",
            "}",
            "1764187200}",
            "1764187200,\"exp\":1764187230",
            "1764187200,\"exp\":1764187230} ",
            " 1764187200,\"exp\":1764187230}",
            "1764187200, \"exp\":1764187230}",
            "1764187200,\"exp\": 1764187230}",
            "01764187200,\"exp\":1764187230}",
            "0,\"exp\":30}",
            "-1,\"exp\":30}",
            "1.5,\"exp\":30}",
            "1e3,\"exp\":30}",
            "+1,\"exp\":30}",
            "1764187200,\"exp\":176418723000}",
            "18446744073709551616,\"exp\":18446744073709551646}",
            "\"1764187200\",\"exp\":1764187230}",
            "1764187200,\"exp\":1764187230,\"exp\":1764187230}",
            "1764187200,\"exp\":1764187230,\"role\":\"SYSTEM_ADMIN\"}",
            "1764187200,\"nbf\":1764187230}",
        ] {
            assert_eq!(read(&claims(rest)), None, "{rest}");
        }
        let whole = claims("1764187200,\"exp\":1764187230}");
        for position in 0..whole.len() {
            for other in ["A", "-", "_", "9"] {
                let mut changed = whole.clone();
                changed.replace_range(position..=position, other);
                if let Some(read) = read(&changed) {
                    assert_eq!(Some(read), parse(&changed), "{changed}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_here_is_what_the_parser_reads(
            iat in "[0-9]{0,13}",
            exp in "[0-9+.eE-]{0,13}",
            end in r#"[}, ]{0,2}"#,
        ) {
            let part = claims(&format!("{iat},\"exp\":{exp}{end}"));
            if let Some(read) = read(&part) {
                prop_assert_eq!(Some(read), parse(&part));
            }
        }
    }
}
