//! What is refused at construction, and what the environment decides.

use std::time::Duration;

use civic_lock::{Backend, ErrorKind, LockService, Outcome};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::support::holder::HolderProcess;
use crate::support::lock::{MINUTE, invalid, unavailable};
use crate::support::store::Fixture;

#[test]
fn a_url_that_cannot_be_understood_is_refused_without_quoting_it() {
    for url in [
        "",
        "redis",
        "http://user:hunter2@localhost",
        "redis://",
        "redis-sentinel://user:hunter2@localhost",
        "redis-galaxy://user:hunter2@localhost",
        "redis+unix:///tmp/redis.sock",
        "redis://user:hunter2@localhost/x",
    ] {
        let error = LockService::redis(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
    }
}

#[test]
fn every_scheme_is_understood() {
    for url in [
        "redis://localhost",
        "redis://user:hunter2@localhost:6379/3",
        "REDIS://localhost",
        "valkey://localhost:6379",
        "redis-cluster://localhost:7000?node=localhost:7001",
        "valkey-cluster://localhost:7000",
        "redis-sentinel://localhost:26379?sentinelServiceName=civic&node=localhost:26380",
        "valkey-sentinel://localhost:26379?sentinelServiceName=civic",
    ] {
        let service = LockService::redis(url).expect(url);
        assert_eq!(service.backend(), Backend::Redis);
        assert!(!format!("{service:?}").contains("hunter2"), "{url}");
    }
    let builder = LockService::builder().redis_url("redis://user:hunter2@localhost");
    assert!(!format!("{builder:?}").contains("hunter2"));
}

#[test]
fn a_command_timeout_outside_of_its_bounds_is_refused() {
    for timeout in [Duration::ZERO, Duration::from_millis(9), MINUTE * 2] {
        let builder = LockService::builder()
            .redis_url("redis://localhost")
            .command_timeout(timeout);
        let error = builder.build().expect_err("out of bounds");
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[tokio::test]
async fn a_name_or_a_ttl_that_is_wrong_runs_nothing() {
    let store = Fixture::host();
    let service = store.replica();
    for (name, ttl, kind) in [
        ("", MINUTE, ErrorKind::Name),
        ("a{b", MINUTE, ErrorKind::Name),
        ("a}b", MINUTE, ErrorKind::Name),
        ("a", Duration::ZERO, ErrorKind::Config),
        ("a", Duration::MAX, ErrorKind::Config),
    ] {
        assert_eq!(invalid(service.try_acquire(name, ttl).await), kind);
        let outcome = service.with_lock(name, ttl, async |_| unreachable!()).await;
        assert!(matches!(outcome, Outcome::Invalid(error) if error.kind() == kind));
    }
}

/// A server that only listens: what it hears, and what came of the service.
async fn heard_through(scheme: &str) -> (Vec<u8>, Result<ErrorKind, ErrorKind>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    let url = format!("{scheme}://user:hunter2@127.0.0.1:{port}");
    let hears = tokio::spawn(async move {
        let mut bytes = Vec::new();
        if let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read_buf(&mut bytes).await;
        }
        bytes
    });
    let built = LockService::builder()
        .redis_url(url)
        .command_timeout(Duration::from_secs(2))
        .build();
    let service = match built {
        Err(error) => {
            // A service that has not connected when the listener ends never will.
            hears.abort();
            return (hears.await.unwrap_or_default(), Err(error.kind()));
        }
        Ok(service) => service,
    };
    let kind = unavailable(service.try_acquire("nightly", MINUTE).await);
    (hears.await.expect("no panic"), Ok(kind))
}

#[tokio::test]
async fn without_tls_a_password_goes_over_the_wire() {
    // Shows that the listener would hear it.
    let (heard, _) = heard_through("redis").await;
    assert!(String::from_utf8_lossy(&heard).contains("hunter2"));
}

#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn a_tls_url_without_tls_is_refused_before_anything_is_sent() {
    for scheme in ["rediss", "valkeys", "REDISS", "rediss-cluster"] {
        let (heard, built) = heard_through(scheme).await;
        assert_eq!(heard, b"", "{scheme}");
        assert_eq!(built, Err(ErrorKind::Config), "{scheme}");
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_tls_url_greets_with_tls_and_not_with_a_password() {
    for scheme in ["rediss", "valkeys", "REDISS"] {
        let (heard, built) = heard_through(scheme).await;
        assert_eq!(heard.first(), Some(&0x16), "{scheme}: a handshake");
        assert!(
            !String::from_utf8_lossy(&heard).contains("hunter2"),
            "{scheme}"
        );
        assert!(built.is_ok(), "{scheme}");
    }
}

/// A real server with a certificate that only `SSL_CERT_FILE` vouches for, so in a process of its
/// own. The key belongs to nothing else.
#[cfg(feature = "tls")]
#[tokio::test]
async fn a_lock_is_taken_over_tls_and_only_from_a_server_that_is_trusted() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/lock/tls");
    let file = |name: &str| format!("{folder}/{name}");
    let port = civic_testkit::redis::free_port().to_string();
    let server = civic_testkit::redis::RedisServer::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &file("server.pem"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
        "--tls-auth-clients",
        "no",
    ])
    .await;
    let url = format!("rediss://localhost:{port}");
    let trusting = [
        ("TEST_TTL", "60000"),
        ("TEST_REDIS", url.as_str()),
        ("SSL_CERT_FILE", &file("ca.pem")),
    ];
    let (holder, _) = HolderProcess::start("hold", &trusting).line("held ").await;
    let key = server.command(&["EXISTS", "lock:nightly"]).await;
    assert_eq!(key.int(), 1);
    drop(holder);

    server.command(&["FLUSHALL"]).await;
    let output = HolderProcess::start("hold", &trusting[..2]).output().await;
    assert!(!output.contains("held"), "{output}");
    let key = server.command(&["EXISTS", "lock:nightly"]).await;
    assert_eq!(key.int(), 0);
}

#[tokio::test]
async fn without_redis_url_the_host_is_used_with_one_warning() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().join("locks").display().to_string();
    let directory = ("CIVIC_LOCK_DIR", folder.as_str());
    let output = HolderProcess::start("environment", &[directory])
        .output()
        .await;
    assert!(output.contains("built Host"), "{output}");
    assert_eq!(
        output.matches("REDIS_URL is not set").count(),
        1,
        "{output}"
    );
    let chosen = [directory, ("CIVIC_LOCK_STORE", "host")];
    let output = HolderProcess::start("environment", &chosen).output().await;
    assert!(output.contains("built Host"), "{output}");
    assert!(!output.contains("WARN"), "{output}");
}

#[tokio::test]
async fn an_empty_redis_url_never_makes_every_replica_its_own_lock() {
    let output = HolderProcess::start("environment", &[("REDIS_URL", "")])
        .output()
        .await;
    assert!(output.contains("refused Config"), "{output}");
    assert!(output.contains("REDIS_URL is set, but empty"), "{output}");
    let production = [("NODE_ENV", "production")];
    let output = HolderProcess::start("environment", &production)
        .output()
        .await;
    assert!(output.contains("refused Config"), "{output}");
}

#[tokio::test]
async fn what_a_main_prints_names_the_variable_and_what_is_wrong_with_it() {
    for (variable, value, says) in [
        (
            "REDIS_URL",
            "foo",
            "REDIS_URL: the URL of Redis must be redis",
        ),
        (
            "REDIS_URL",
            "redis://user:hunter2@localhost:99999",
            "REDIS_URL: the URL of Redis has a port that is not a number from 1 to 65535",
        ),
        (
            "REDIS_URL",
            "redis://:1",
            "REDIS_URL: the URL of Redis names no host, as in redis://localhost:6379",
        ),
        (
            "REDIS_URL",
            "",
            "REDIS_URL is set, but empty. Set it, for example: export REDIS_URL=redis://",
        ),
        (
            "CIVIC_LOCK_STORE",
            "file",
            "CIVIC_LOCK_STORE is neither redis nor host: set it to one of them",
        ),
    ] {
        let output = HolderProcess::start("environment", &[(variable, value)])
            .output()
            .await;
        let printed = format!("Error: invalid setting: {says}");
        assert!(output.contains(&printed), "{printed}\n{output}");
        assert!(!output.contains("hunter2"), "{output}");
    }
}

#[tokio::test]
async fn redis_url_is_used_without_a_warning() {
    let environment = [
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("TEST_REQUIRE_REDIS", ""),
    ];
    let output = HolderProcess::start("environment", &environment)
        .output()
        .await;
    assert!(output.contains("built Redis"), "{output}");
    assert!(!output.contains("WARN"), "{output}");
}

#[tokio::test]
async fn required_redis_is_never_replaced_by_the_host() {
    let environment = [("TEST_REQUIRE_REDIS", "")];
    let output = HolderProcess::start("environment", &environment)
        .output()
        .await;
    assert!(output.contains("refused Config"), "{output}");
}
