//! Forged, damaged and odd tokens whose claims are good: every one is refused, with one message for
//! all.

use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use civic_auth::Cause;

use crate::support::{Claims, HEADER, SECRET, accepted, b64, forge, minter, refused, sign};

#[test]
fn the_two_valid_profiles_are_accepted() {
    accepted("minted", minter().mint().as_str());
    accepted("service", &Claims::service().token());
    accepted("user", &Claims::user().token());
    accepted(
        "jsonwebtoken's order",
        &forge(r#"{"typ":"JWT","alg":"HS256"}"#, Claims::user().json()),
    );
    accepted(
        "no typ",
        &forge(r#"{"alg":"HS256"}"#, Claims::user().json()),
    );
    accepted(
        "white space in the header",
        &forge("\t{ \"alg\" : \"HS256\" }\r\n", Claims::user().json()),
    );
    accepted(
        "white space around the claims",
        &forge(HEADER, format!("\n {}\t ", Claims::user().json())),
    );
}

#[test]
fn a_token_of_another_shape_is_refused() {
    let token = Claims::service().token();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, mac] = parts[..] else {
        panic!("three parts")
    };
    let rows = [
        ("dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("three dots", "...".to_owned()),
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{token}.{mac}")),
        ("five parts", format!("{token}.{mac}.{mac}")),
        ("trailing dot", format!("{token}.")),
        ("leading dot", format!(".{token}")),
        ("no signature", format!("{header}.{claims}.")),
        ("detached", format!("{header}..{mac}")),
        ("padding", format!("{token}=")),
        ("padding inside", format!("{header}=.{claims}.{mac}")),
        ("plus", format!("{header}.{claims}+.{mac}")),
        ("slash", format!("{header}.{claims}/.{mac}")),
        ("percent", token.replace('.', "%2e")),
        // Node's decoder ignores it: there, this is the same token.
        (
            "question mark inside",
            format!("{header}.{}?{}.{mac}", &claims[..8], &claims[8..]),
        ),
        ("non-ASCII", format!("{header}.{claims}é.{mac}")),
        (
            "JSON serialisation",
            format!(r#"{{"protected":"{header}","payload":"{claims}","signature":"{mac}"}}"#),
        ),
    ];
    for (name, token) in rows {
        let comma = token.contains(',');
        refused(
            name,
            token,
            if comma {
                Cause::MalformedBearer
            } else {
                Cause::MalformedToken
            },
        );
    }
    refused(
        "not UTF-8",
        [token.as_bytes(), b"\xff"].concat(),
        Cause::MalformedToken,
    );
    refused(
        "inner tab",
        format!("{header}\t.{claims}.{mac}"),
        Cause::MalformedBearer,
    );
}

#[test]
fn a_token_of_4097_bytes_is_refused_before_anything_else() {
    // The name is chosen so that the token has exactly the size asked for.
    let of_size = |bytes: usize| {
        let empty = Claims::user().set("name", r#""""#).json().len();
        let payload = (bytes - HEADER.len().div_ceil(3) * 4 - 2 - 43) * 3 / 4;
        let token = Claims::user()
            .set("name", format!("\"{}\"", "n".repeat(payload - empty)))
            .token();
        assert_eq!(token.len(), bytes);
        token
    };
    accepted("4096 bytes", &of_size(4096));
    refused("4097 bytes", of_size(4097), Cause::TooLarge);
    refused("400 KB", "a".repeat(400_000), Cause::TooLarge);
    refused(
        "1 MB claim",
        Claims::user()
            .set("name", format!("\"{}\"", "n".repeat(1 << 20)))
            .token(),
        Cause::TooLarge,
    );
}

#[test]
fn only_hs256_is_an_algorithm() {
    let claims = Claims::service().json();
    let names = [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""none ""#,
        r#""no\u006ee""#,
        r#""""#,
        r#""hs256""#,
        r#""HS256 ""#,
        r#"" HS256""#,
        r#""HS-256""#,
        r#""HS256\u0000""#,
        r#""HS384""#,
        r#""HS512""#,
        r#""RS256""#,
        r#""PS256""#,
        r#""ES256""#,
        r#""EdDSA""#,
    ];
    for name in names {
        let header = format!(r#"{{"alg":{name},"typ":"JWT"}}"#);
        refused(name, forge(&header, &claims), Cause::WrongAlgorithm);
        refused(
            name,
            format!("{}.{}.AA", b64(&header), b64(&claims)),
            Cause::WrongAlgorithm,
        );
        refused(
            name,
            format!("{}.{}.", b64(&header), b64(&claims)),
            Cause::MalformedToken,
        );
    }
    for value in ["null", "0", "[]", "{}", "true", r#"["HS256"]"#] {
        refused(
            value,
            forge(format!(r#"{{"alg":{value}}}"#), &claims),
            Cause::MalformedHeader,
        );
    }
    refused("absent", forge("{}", &claims), Cause::WrongAlgorithm);
    refused(
        "absent with typ",
        forge(r#"{"typ":"JWT"}"#, &claims),
        Cause::WrongAlgorithm,
    );
    for (name, header) in [
        ("none, then HS256", r#"{"alg":"none","alg":"HS256"}"#),
        ("HS256, then none", r#"{"alg":"HS256","alg":"none"}"#),
        ("HS256 twice", r#"{"alg":"HS256","alg":"HS256"}"#),
        ("escaped twice", r#"{"alg":"HS256","\u0061lg":"HS256"}"#),
    ] {
        refused(name, forge(header, &claims), Cause::MalformedHeader);
    }
    let secret = SECRET.as_bytes();
    let with = |alg: &str| format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
    refused(
        "HS384, valid",
        sign(HMAC_SHA384, secret, with("HS384"), &claims),
        Cause::WrongAlgorithm,
    );
    refused(
        "HS512, valid",
        sign(HMAC_SHA512, secret, with("HS512"), &claims),
        Cause::WrongAlgorithm,
    );
    refused(
        "HS384 MAC under HS256",
        sign(HMAC_SHA384, secret, HEADER, &claims),
        Cause::WrongSignature,
    );
    refused(
        "HS512 MAC under HS256",
        sign(HMAC_SHA512, secret, HEADER, &claims),
        Cause::WrongSignature,
    );
}

#[test]
fn a_key_that_an_attacker_knows_does_not_sign() {
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----";
    let newline = format!("{PEM}\n");
    let trimmed = &SECRET[..31];
    let padded = format!("{SECRET}\n");
    let keys = [
        "",
        "undefined",
        "null",
        PEM,
        &newline,
        "JWT_SECRET",
        trimmed,
        &padded,
    ];
    for key in keys {
        refused(
            key,
            sign(
                HMAC_SHA256,
                key.as_bytes(),
                HEADER,
                Claims::service().json(),
            ),
            Cause::WrongSignature,
        );
    }
    // HMAC pads a short key with zeroes, so a trailing zero is the same key: RFC 2104 section 2.
    let zero = [SECRET.as_bytes(), &[0]].concat();
    accepted(
        "trailing zero",
        &sign(HMAC_SHA256, &zero, HEADER, Claims::service().json()),
    );
}

#[test]
fn a_header_with_a_member_that_would_have_to_be_understood_is_refused() {
    let others = [
        r#""crit":[]"#,
        r#""crit":["exp"]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":false"#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""jwk":{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#,
        r#""jku":"https://keys.example/jwks.json""#,
        r#""x5u":"https://keys.example/cert.pem""#,
        r#""x5c":["AAAA"]"#,
    ];
    for other in others {
        let name = &other[..other.len().min(40)];
        refused(
            name,
            forge(
                format!(r#"{{"alg":"HS256",{other}}}"#),
                Claims::service().json(),
            ),
            Cause::UnsupportedHeader,
        );
    }
    for typ in [
        r#""JOSE""#,
        r#""application/jwt""#,
        r#""txntoken+jwt""#,
        r#""JWT ""#,
        r#""""#,
    ] {
        refused(
            typ,
            forge(
                format!(r#"{{"alg":"HS256","typ":{typ}}}"#),
                Claims::service().json(),
            ),
            Cause::WrongType,
        );
    }
    let malformed: [(&str, &[u8]); 13] = [
        ("typ is a number", br#"{"alg":"HS256","typ":5}"#),
        ("typ is null", br#"{"alg":"HS256","typ":null}"#),
        ("typ twice", br#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#),
        ("kid twice", br#"{"alg":"HS256","kid":"a","kid":"a"}"#),
        ("array", br#"["HS256"]"#),
        ("string", br#""HS256""#),
        ("null", b"null"),
        ("trailing garbage", br#"{"alg":"HS256"}x"#),
        ("two documents", br#"{"alg":"HS256"}{"alg":"HS256"}"#),
        ("BOM", b"\xef\xbb\xbf{\"alg\":\"HS256\"}"),
        ("not UTF-8", b"{\"alg\":\"HS256\",\"x\":\"\xff\"}"),
        ("comment", br#"{"alg":"HS256"/**/}"#),
        ("trailing comma", br#"{"alg":"HS256",}"#),
    ];
    for (name, header) in malformed {
        refused(
            name,
            forge(header, Claims::service().json()),
            Cause::MalformedHeader,
        );
    }
}

#[test]
fn a_header_member_that_need_not_be_understood_is_ignored() {
    let deep = format!(r#""x":{}{}"#, "[".repeat(1400), "]".repeat(1400));
    for other in [
        r#""cty":"JWT""#,
        r#""x5t":"AAAA""#,
        r#""x5t#S256":"AAAA""#,
        r#""nonce":"n""#,
        r#""x":"\ud800""#,
        r#""typ":"jwt""#,
        r#""typ":"at+JWT""#,
        &deep,
    ] {
        let header = format!(r#"{{"alg":"HS256",{other}}}"#);
        accepted(
            &header[..header.len().min(40)],
            &forge(&header, Claims::service().json()),
        );
    }
    refused(
        "a duplicate",
        forge(
            r#"{"alg":"HS256","x":1,"\u0078":2}"#,
            Claims::service().json(),
        ),
        Cause::MalformedHeader,
    );
}

#[test]
fn a_key_id_that_is_not_in_the_ring_is_refused() {
    let long = format!("\"{}\"", "k".repeat(2000));
    for kid in [
        r#""../../dev/null""#,
        r#""' OR 1=1""#,
        r#""\u0000""#,
        r#""""#,
        &long,
    ] {
        refused(
            &kid[..kid.len().min(40)],
            forge(
                format!(r#"{{"alg":"HS256","kid":{kid}}}"#),
                Claims::service().json(),
            ),
            Cause::UnknownKey,
        );
    }
    for kid in ["5", "null", "[]"] {
        refused(
            kid,
            forge(
                format!(r#"{{"alg":"HS256","kid":{kid}}}"#),
                Claims::service().json(),
            ),
            Cause::MalformedHeader,
        );
    }
}

#[test]
fn only_the_one_exact_signature_is_accepted() {
    let token = Claims::service().token();
    let (signed, mac) = token.rsplit_once('.').expect("three parts");
    let other = Claims::user().token();
    let (_, other_mac) = other.rsplit_once('.').expect("three parts");
    let (header, claims) = signed.split_once('.').expect("two parts");

    // 43 characters carry 258 bits, two more than a MAC has: their value must be zero.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet
        .iter()
        .position(|byte| *byte == mac.as_bytes()[42])
        .expect("base64url");
    for spare in 1..4 {
        let mac = format!("{}{}", &mac[..42], char::from(alphabet[last + spare]));
        refused(
            "spare bits",
            format!("{signed}.{mac}"),
            Cause::WrongSignature,
        );
    }
    for length in 1..43 {
        refused(
            "truncated",
            format!("{signed}.{}", &mac[..length]),
            Cause::WrongSignature,
        );
    }
    for (name, mac) in [
        ("33 bytes", format!("{mac}A")),
        ("64 bytes", format!("{mac}{mac}")),
        ("another token's", other_mac.to_owned()),
    ] {
        refused(name, format!("{signed}.{mac}"), Cause::WrongSignature);
    }
    refused(
        "another token's claims",
        format!("{header}.{}.{mac}", b64(Claims::user().json())),
        Cause::WrongSignature,
    );
    refused(
        "swapped",
        format!("{claims}.{header}.{mac}"),
        Cause::WrongAlgorithm,
    );

    let decoded = aws_lc_rs::hmac::sign(
        &aws_lc_rs::hmac::Key::new(HMAC_SHA256, SECRET.as_bytes()),
        format!("{HEADER}.{}", Claims::service().json()).as_bytes(),
    );
    refused(
        "MAC over the decoded text",
        format!("{signed}.{}", b64(decoded)),
        Cause::WrongSignature,
    );
}
