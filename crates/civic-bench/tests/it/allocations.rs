//! Allocations of our side of each piece of work: they are the same on every machine.

use allocation_counter::measure;
use civic_bench::calls::{Client, Kind, Peer};
use civic_bench::work::GROUPS;
use tokio::runtime;

/// How often a piece is done before it is counted, so that nothing is made for the first time.
const WARM_UP: usize = 3;

/// The most allocations of each piece. When one needs a quarter fewer, write the smaller number
/// here; when one needs more, say in the commit what for.
const BANDS: &[(&str, u64)] = &[
    ("mint a service token", 3),
    ("verify a service token", 0),
    ("verify a user token", 6),
    ("sign with EdDSA", 5),
    ("sign with ES256", 8),
    ("verify EdDSA", 10),
    ("verify ES256", 10),
    ("unwrap 0.2 KB", 3),
    ("unwrap 14 KB", 306),
    ("unwrap 750 KB", 15912),
    ("wrap 0.15 KB", 7),
    ("wrap 14 KB", 7),
    ("wrap 750 KB", 7),
    ("a call without a connection", 60),
    ("route", 34),
    ("+ guard", 40),
    ("+ envelope", 50),
    ("+ deadline", 42),
    ("+ error shape", 43),
    ("+ correlation", 45),
    ("the standard stack of civic-server", 80),
];

#[test]
fn each_piece_of_work_in_memory_allocates_as_often_as_its_band_says() {
    let mut wrong = Vec::new();
    let mut found = 0;
    for group in GROUPS {
        for mut piece in (group.pieces)() {
            let ours = &mut piece.sides[0];
            for _ in 0..WARM_UP {
                ours.work();
            }
            let allocations = measure(|| ours.work()).count_total;
            let band = BANDS.iter().find(|(name, _)| *name == piece.name);
            found += usize::from(band.is_some());
            let is_in_band =
                band.is_some_and(|(_, most)| (*most * 3 / 4..=*most).contains(&allocations));
            if !is_in_band {
                wrong.push(format!("(\"{}\", {allocations}),", piece.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not in the bands of the table:\n{}",
        wrong.join("\n")
    );
    assert_eq!(
        found,
        BANDS.len(),
        "the table has a piece that is not there"
    );
}

/// The most allocations of a call over a socket, on the thread of the client, its connection
/// included.
const CALL: u64 = 70;

#[test]
fn a_call_over_a_socket_allocates_as_often_as_its_band_says() {
    let peer = Peer::start(&[1]);
    let client = Client::new(Kind::Civic, &peer.url());
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let call = |times: u64| {
        runtime.block_on(async {
            for _ in 0..times {
                assert_eq!(client.rows(1).await, 1);
            }
        });
    };
    call(50);
    let allocations = measure(|| call(100)).count_total / 100;
    assert!(
        (CALL * 3 / 4..=CALL).contains(&allocations),
        "not in the band up to {CALL}: {allocations}"
    );
}

#[test]
fn wrapping_allocates_as_often_and_as_much_for_a_large_body_as_for_a_small_one() {
    let mut counted = Vec::new();
    for group in GROUPS {
        for mut piece in (group.pieces)() {
            if piece.name.starts_with("wrap ") {
                piece.sides[0].work();
                let info = measure(|| piece.sides[0].work());
                counted.push((info.count_total, info.bytes_total));
            }
        }
    }
    assert_eq!(counted.len(), 3);
    assert!(
        counted.iter().all(|one| *one == counted[0]),
        "not constant: {counted:?}"
    );
}
