//! PEM (RFC 7468): one block, of the expected kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Returns the bytes of the only block of this kind.
pub(super) fn decode(pem: &str, kind: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {kind}-----"))?;
    let (text, _) = rest.split_once(&format!("-----END {kind}-----"))?;
    let text: Zeroizing<String> =
        Zeroizing::new(text.split_ascii_whitespace().collect::<Vec<_>>().concat());
    STANDARD.decode(&*text).ok().map(Zeroizing::new)
}

/// Writes one block.
pub(super) fn encode(kind: &str, bytes: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode(bytes));
    let mut pem = Zeroizing::new(format!("-----BEGIN {kind}-----\n"));
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {kind}-----\n"));
    pem
}
