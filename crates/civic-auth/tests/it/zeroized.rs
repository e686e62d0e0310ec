//! A secret is overwritten in memory when it is dropped. Looked for in the memory of this process.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use civic_auth::{KeyRing, KeySet, Secret, TokenMinter, TokenVerifier, TransactionTokens};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::support::bearer;

/// What a byte of the secret is mixed with, so that what is looked for is not in memory itself.
const MASK: u8 = 0x5a;

/// A piece that is read at once; pieces overlap by the length of a secret.
const PIECE: usize = 64 * 1024;

/// How often the secret is in the writable memory of this process.
fn copies(masked: &[u8; 32]) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("the list of mappings");
    let memory = File::open("/proc/self/mem").expect("the memory of this process");
    let mut piece = vec![0; PIECE];
    let mut found = 0;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(rights)) = (fields.next(), fields.next()) else {
            continue;
        };
        let Some((from, to)) = range.split_once('-').filter(|_| rights.starts_with("rw")) else {
            continue;
        };
        let parse = |text| u64::from_str_radix(text, 16).expect("an address");
        let (mut at, end) = (parse(from), parse(to));
        while at < end {
            let length = PIECE.min(usize::try_from(end - at).expect("an address"));
            // A mapping may be gone meanwhile.
            let Ok(read) = memory.read_at(&mut piece[..length], at) else {
                break;
            };
            found += piece[..read]
                .windows(32)
                .filter(|window| window.iter().zip(masked).all(|(a, b)| a ^ MASK == *b))
                .count();
            // What was read is a copy of its own.
            piece.fill(0);
            at += PIECE as u64 - 31;
        }
    }
    found
}

#[test]
fn a_dropped_secret_and_what_was_made_of_it_are_nowhere_in_memory() {
    let random = Uuid::new_v4().simple().to_string();
    let mut masked = [0; 32];
    for (masked, byte) in masked.iter_mut().zip(random.bytes()) {
        *masked = byte ^ MASK;
    }
    drop(Zeroizing::new(random));
    // On the heap: an array would be moved over the stack, and leave copies there.
    let plain: Vec<u8> = masked.iter().map(|byte| byte ^ MASK).collect();
    let plain = Zeroizing::new(plain);
    let secret = Secret::new(plain.as_slice()).expect("a secret");
    drop(plain);
    let ring = KeyRing::new(secret.clone()).with_previous(secret);
    let minter = TokenMinter::new(ring.clone());
    let verifier = TokenVerifier::new(KeySet::from(ring.clone()));
    let tokens = TransactionTokens::from_secrets(ring.clone(), "x");
    assert!(verifier.verify(&bearer(minter.mint().as_str())).is_ok());
    assert!(copies(&masked) > 0, "the search finds what is there");

    drop((ring, minter, verifier, tokens));
    assert_eq!(copies(&masked), 0);
}
