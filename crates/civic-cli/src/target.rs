//! The URL of a call, in the parts that a client takes.

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// A URL in the parts that a client takes: origin, path and query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) origin: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
}

// ===== impl Target =====

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected an absolute URL, such as http://localhost:3020/api/x";
        let authority = url.find("://").ok_or(EXPECTED)? + "://".len();
        // A fragment is for the caller alone and never sent.
        let url = url.split('#').next().unwrap_or_default();
        let end = url[authority..]
            .find(['/', '?'])
            .map_or(url.len(), |at| authority + at);
        let (origin, rest) = url.split_at(end);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| Ok((decoded(name)?, decoded(value)?)))
            .collect::<Result<_, Self::Err>>()?;
        Ok(Self {
            origin: origin.to_owned(),
            path: as_path(path),
            query,
        })
    }
}

/// Returns the path as it was given, with every byte percent-encoded that a path must not have:
/// braces, spaces, letters of other alphabets.
fn as_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len().max(1));
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    if encoded.is_empty() {
        encoded.push('/');
    }
    encoded
}

/// Decodes a part of the query, because the client encodes what it is given.
fn decoded(text: &str) -> Result<String, &'static str> {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8();
    text.map(Cow::into_owned)
        .map_err(|_| "the query is not UTF-8 once it is percent-decoded: encode it as UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> (String, String, Vec<(String, String)>) {
        let target: Target = url.parse().unwrap();
        (target.origin, target.path, target.query)
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_url_is_taken_apart_and_its_path_stays_as_given() {
        let origin = "http://localhost:3020".to_owned();
        assert_eq!(
            target("http://localhost:3020"),
            (origin.clone(), "/".to_owned(), vec![])
        );
        assert_eq!(
            target("http://localhost:3020/a/b%2Fc/?page=2&q=x%20y+z&flag#end"),
            (
                origin.clone(),
                "/a/b%2Fc/".to_owned(),
                vec![pair("page", "2"), pair("q", "x y z"), pair("flag", "")]
            )
        );
        assert_eq!(
            target("http://localhost:3020?x=1"),
            (origin.clone(), "/".to_owned(), vec![pair("x", "1")])
        );
        assert_eq!(
            target("http://localhost:3020/{id}/é"),
            (origin, "/%7Bid%7D/%C3%A9".to_owned(), vec![])
        );
        assert!("/api/x".parse::<Target>().is_err());
    }

    #[test]
    fn a_query_that_would_be_sent_changed_is_refused() {
        for url in [
            "http://h/?q=%FF",
            "http://h/?%C3=1",
            "http://h/x?a=1&b=%E2%82",
        ] {
            let refused = url.parse::<Target>();
            assert!(refused.is_err_and(|error| error.contains("UTF-8")), "{url}");
        }
    }
}
