//! The headers that are believed of services only.

use http::header::Entry;
use http::{HeaderMap, HeaderName};

/// For whom a service calls. The guard itself reads it, and of services only.
const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// The headers that services of the fleet believe of each other.
const INTERNAL: [HeaderName; 4] = [
    HeaderName::from_static("x-request-timeout-ms"),
    HeaderName::from_static("x-retry-attempt"),
    HeaderName::from_static("x-fence"),
    TXN_TOKEN,
];

/// The internal headers of a request, until it is known whether a service has sent them.
#[derive(Clone, Debug, Default)]
pub(super) struct Withheld(HeaderMap);

impl Withheld {
    /// Takes them out of the headers.
    pub(super) fn take(headers: &mut HeaderMap) -> Self {
        let mut withheld = HeaderMap::new();
        for name in INTERNAL {
            if let Entry::Occupied(entry) = headers.entry(name) {
                let (name, values) = entry.remove_entry_mult();
                for value in values {
                    withheld.append(&name, value);
                }
            }
        }
        Self(withheld)
    }

    /// Puts back what the guard reads.
    pub(super) fn reveal(&self, headers: &mut HeaderMap) {
        for value in self.0.get_all(TXN_TOKEN) {
            headers.append(TXN_TOKEN, value.clone());
        }
    }

    /// Puts all of them back.
    pub(super) fn restore(self, headers: &mut HeaderMap) {
        // Whatever the guard was shown is among them.
        headers.remove(TXN_TOKEN);
        headers.extend(self.0);
    }

    /// Removes what the guard was shown.
    pub(super) fn hide(headers: &mut HeaderMap) {
        headers.remove(TXN_TOKEN);
    }
}
