//! Where a server gets its connections from, on real sockets.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use civic_server::{Server, Shutdown};
use tokio::net::TcpStream;

use crate::support::wire::Caller;

fn app() -> Router {
    let address = async |ConnectInfo(peer): ConnectInfo<std::net::SocketAddr>| peer.to_string();
    Router::new()
        .route("/", get(async || "hello"))
        .route("/address", get(address))
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_named_with_what_to_do() {
    let server = Server::bind("127.0.0.1", 0).await.unwrap();
    let port = server.local_addr().port();
    let taken = Server::bind("127.0.0.1", port).await.unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let says = format!("cannot listen on 127.0.0.1:{port}: ");
    assert!(taken.to_string().starts_with(&says), "{taken}");
    // What a `main` that returns the error prints says as much.
    assert!(format!("{taken:?}").contains(&says), "{taken:?}");
    assert!(
        taken
            .to_string()
            .ends_with("stop it, or choose another port"),
        "{taken}"
    );
    // An address of documentation (RFC 5737), which no machine has.
    let elsewhere = Server::bind("192.0.2.1", 0).await.unwrap_err();
    let says = "cannot listen on 192.0.2.1:0: ";
    assert!(elsewhere.to_string().starts_with(says), "{elsewhere}");
    assert!(
        elsewhere.to_string().contains("0.0.0.0 is all of them"),
        "{elsewhere}"
    );
}

#[tokio::test]
async fn a_socket_that_listens_already_is_served_and_closed_at_the_end() {
    // An address of its own: another test may get the port as soon as it is free.
    let listener = TcpListener::bind("127.53.9.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::from_listener(listener)
        .unwrap()
        .with_drain_delay(std::time::Duration::ZERO);
    assert_eq!(server.local_addr(), address);
    let shutdown = Shutdown::new();
    let asked = async {
        let mut caller = Caller::new(TcpStream::connect(address).await.unwrap());
        assert_eq!(caller.get("/").await.body, "hello");
        let shown = caller.get("/address").await.body;
        assert!(shown.starts_with("127.0.0.1:"), "{shown}");
        shutdown.drain();
        assert_eq!(caller.rest().await, "");
    };
    let (served, ()) = tokio::join!(server.serve(app(), &shutdown), asked);
    served.unwrap();
    // A process that another test is just starting has the socket until it becomes that program.
    let closed = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), closed)
        .await
        .expect("it is closed");
}

/// Runs this test program again, as the process that systemd has passed a socket to.
#[tokio::test]
async fn the_socket_that_systemd_has_passed_on_is_served() {
    if std::env::var_os("CIVIC_TEST_SOCKET").is_some() {
        let server = Server::from_systemd()
            .unwrap()
            .expect("a socket was passed");
        let shutdown = Shutdown::new();
        let asked = async {
            let mut caller = Caller::new(TcpStream::connect(server_address()).await.unwrap());
            assert_eq!(caller.get("/").await.body, "hello");
            shutdown.drain();
        };
        let serving = server
            .with_drain_delay(std::time::Duration::ZERO)
            .serve(app(), &shutdown);
        tokio::join!(serving, asked).0.unwrap();
        return;
    }
    assert!(
        Server::from_systemd().unwrap().is_none(),
        "none was passed to this process"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The shell puts the socket where systemd does, and says so as systemd does.
    let program = std::env::current_exe().unwrap();
    let child = Command::new("/bin/sh")
        .arg("-c")
        .arg("exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --exact \"$1\"")
        .arg(program)
        .arg("server::the_socket_that_systemd_has_passed_on_is_served")
        .env("CIVIC_TEST_SOCKET", address.to_string())
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{log}");
    assert!(log.contains("1 passed"), "{log}");
}

fn server_address() -> String {
    std::env::var("CIVIC_TEST_SOCKET").unwrap()
}
