//! Why a certificate was not accepted, in words for those who run the service.

use std::time::{Duration, SystemTime};

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

/// Returns why the certificate of `host` was not accepted, if that is what the error says.
pub(super) fn refusal(error: &rustls::Error, host: &str) -> Option<String> {
    let rustls::Error::InvalidCertificate(error) = error else {
        return None;
    };
    Some(match error {
        CertificateError::Expired => format!("the certificate of {host} has expired"),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the certificate of {host} expired on {}, and it is {}: renew it, or look at the clock \
             of this machine",
            date(*not_after),
            date(*time)
        ),
        CertificateError::NotValidYet => format!("the certificate of {host} is not valid yet"),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the certificate of {host} is valid from {}, and it is {}: look at the clock of this \
             machine",
            date(*not_before),
            date(*time)
        ),
        CertificateError::NotValidForName => {
            format!("the certificate is not made out for {host}")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let names = names.join(", ");
            let names = if names.is_empty() {
                "for no name"
            } else {
                names.as_str()
            };
            format!(
                "the certificate is not made out for {host}: it is for {names}. Call the service by \
                 that name, or have the certificate made out for this one"
            )
        }
        CertificateError::UnknownIssuer => format!(
            "the certificate of {host} was issued by an authority that is not accepted: name it \
             with TlsConfig::with_authorities, and let the service send the certificates in between"
        ),
        other => format!("the certificate of {host} was not accepted: {other}"),
    })
}

/// A name without the word that says of which kind it is: `x` of `DnsName("x")`.
fn bare(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// The date of an instant, in the form of HTTP.
fn date(time: UnixTime) -> String {
    // Later ones cannot be written.
    let seconds = time.as_secs().min(253_402_300_799);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
