//! Any bytes as the body of a response, in frames of any length, through the client's layer that
//! reads whole bodies and undoes gzip: the frames make no difference, nothing is longer than the
//! cap, and what was decompressed is what flate2's own reader makes of it.
//!
//! The first byte of the input chooses the status, the coding and the end, the second one the
//! length of the frames.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use civic_client::{CollectBodyLayer, Error, ErrorKind};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::{Request, Response};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

use crate::target::support::{End, Frames, block_on};

const CAP: usize = 1024;

/// How the body is coded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    /// The bytes are the body.
    Plain,
    /// The bytes are what the peer calls gzip.
    Claimed,
    /// The body is the gzip of the bytes.
    Compressed,
    /// The same, in two members.
    TwoMembers,
}

pub(super) fn run(data: &[u8]) {
    let [choice, pattern, bytes @ ..] = data else {
        return;
    };
    let status = if choice % 2 == 0 { 200 } else { 404 };
    let coding = match choice / 2 % 4 {
        0 => Coding::Plain,
        1 => Coding::Claimed,
        2 => Coding::Compressed,
        _ => Coding::TwoMembers,
    };
    let end = [End::Clean, End::Trailers, End::Broken][usize::from(choice / 8 % 3)];
    let body = match coding {
        Coding::Plain | Coding::Claimed => bytes.to_vec(),
        Coding::Compressed => gzip(bytes),
        Coding::TwoMembers => {
            let (first, second) = bytes.split_at(bytes.len() / 2);
            [gzip(first), gzip(second)].concat()
        }
    };
    let whole = collect(&body, 0, status, coding, end);
    let cut = collect(&body, *pattern, status, coding, end);
    match (&cut, &whole) {
        // Of a body that is both broken and too long, the frames decide which of the two is found
        // first.
        (Err(_), Err(_)) => {}
        _ => assert_eq!(cut, whole, "the frames make no difference"),
    }

    let is_gzip = coding != Coding::Plain;
    match whole {
        Ok(read) => {
            assert!(read.len() <= CAP);
            if status == 404 {
                if !is_gzip {
                    assert_eq!(read[..], body[..body.len().min(CAP)]);
                }
                return;
            }
            assert_ne!(end, End::Broken, "half a body is none");
            if !is_gzip {
                assert_eq!(read[..], body[..]);
            } else if body.is_empty() {
                assert!(read.is_empty());
            } else {
                assert_eq!(Some(&read[..]), decompressed(&body).as_deref());
            }
        }
        Err(kind) => {
            assert_eq!(
                status, 200,
                "the status of an error counts, whatever its body"
            );
            match kind {
                ErrorKind::Transport => assert!(end == End::Broken || is_gzip),
                ErrorKind::BodyTooLarge if !is_gzip => assert!(body.len() > CAP),
                ErrorKind::BodyTooLarge => {
                    // Or a member whose header is longer than any should be.
                    let fits = decompressed(&body).is_some_and(|content| content.len() <= CAP);
                    assert!(!fits || body.len() > CAP + CAP / 64);
                }
                ErrorKind::Decode => assert_eq!(coding, Coding::Claimed),
                other => panic!("{other:?}"),
            }
            if matches!(coding, Coding::Compressed | Coding::TwoMembers) && end != End::Broken {
                assert_eq!(kind, ErrorKind::BodyTooLarge);
                assert!(bytes.len() > CAP, "what can be read is read");
            }
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// What flate2's reader makes of it, if it is whole.
fn decompressed(body: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut decoder = MultiGzDecoder::new(body).take(CAP as u64 + 1);
    decoder.read_to_end(&mut content).ok()?;
    Some(content)
}

fn collect(
    body: &[u8],
    pattern: u8,
    status: u16,
    coding: Coding,
    end: End,
) -> Result<Bytes, ErrorKind> {
    let upstream = service_fn(move |_: Request<()>| {
        let mut response = Response::builder().status(status);
        if coding != Coding::Plain {
            response = response.header("content-encoding", "gzip");
        }
        let body = Frames::cut(body, pattern, end);
        std::future::ready(Ok::<_, Error>(response.body(body).expect("a response")))
    });
    let layer = CollectBodyLayer::new()
        .with_max_success(CAP)
        .with_max_error(CAP)
        .with_gzip();
    block_on(async {
        let response = layer.layer(upstream).oneshot(Request::new(())).await;
        response
            .map(Response::into_body)
            .map_err(|error| error.kind())
    })
}
