//! The resolver that speaks DNS, against a name server on a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use civic_client::transport::{HickoryResolver, Resolve};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use tokio::net::UdpSocket;

use crate::support::{call, exact};

/// A name server that knows `roll.test`, at 127.0.0.1 for `ttl` seconds, and how often it was asked
/// for its IPv4 address.
async fn name_server(ttl: u32) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut query = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut query).await.unwrap();
            let query = &query[..length];
            // The name ends with an empty label; type and class follow.
            let end = 12 + query[12..].iter().position(|&byte| byte == 0).unwrap() + 1;
            let question = &query[12..end + 4];
            let is_known = question[..end - 12].to_ascii_lowercase() == *b"\x04roll\x04test\0";
            let is_a = question[end - 12..end - 10] == [0, 1];
            let answers = u8::from(is_known && is_a);
            count.fetch_add(answers.into(), Ordering::SeqCst);
            let mut answer = query[..2].to_vec();
            // An authoritative answer; 3 stands for "no such name".
            answer.extend([0x85, if is_known { 0x80 } else { 0x83 }]);
            answer.extend([0, 1, 0, answers, 0, 0, 0, 0]);
            answer.extend(question);
            if answers > 0 {
                answer.extend([0xC0, 12, 0, 1, 0, 1]);
                answer.extend(ttl.to_be_bytes());
                answer.extend([0, 4, 127, 0, 0, 1]);
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    (addr, asked)
}

#[tokio::test]
async fn a_name_is_found_with_the_ttl_of_its_name_server() {
    // Some of the time may have passed already.
    for (ttl, expected) in [(60, 1..=60), (86_400, 61..=300)] {
        let (server, _) = name_server(ttl).await;
        let resolver = HickoryResolver::with_name_servers([server]).unwrap();
        let found = resolver.resolve("roll.test").await.unwrap();
        assert_eq!(found.ips(), [std::net::Ipv4Addr::LOCALHOST]);
        let ttl = found.ttl().unwrap().as_millis().div_ceil(1000);
        assert!(expected.contains(&ttl), "{ttl}");
    }
}

#[tokio::test]
async fn a_client_reaches_its_peer_by_the_name_that_the_name_server_knows() {
    let (server, asked) = name_server(60).await;
    let peer = Upstream::start([Step::status(204).close()]).await;
    let client = exact(&format!("http://roll.test:{}", peer.addr().port()))
        .resolver(HickoryResolver::with_name_servers([server]).unwrap())
        .build()
        .unwrap();
    for _ in 0..3 {
        call(&client, &Method::POST).await.unwrap();
    }
    assert_eq!(peer.attempts().len(), 3);
    // A busy machine may be asked a second time, but not for each call.
    let asked = asked.load(Ordering::SeqCst);
    assert!((1..3).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_error_and_no_name_server_is_one_at_once() {
    let (server, _) = name_server(60).await;
    let resolver = HickoryResolver::with_name_servers([server]).unwrap();
    resolver.resolve("other.test.").await.unwrap_err();
    HickoryResolver::with_name_servers([]).unwrap_err();
}
