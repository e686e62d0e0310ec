//! Fences: a Node callee that compares them as the documents show, beside a Rust one.

use std::convert::Infallible;
use std::time::Duration;

use civic_lock::{Acquisition, FenceLayer, LockService};
use civic_testkit::redis::RedisServer;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use crate::findings::Findings;
use crate::process::Process;
use crate::stage::Stage;

/// A name with everything that has to be encoded.
const NAME: &str = "account:R 1,ä=100%";

/// Longer than the check takes.
const TTL: Duration = Duration::from_secs(60);

/// The two callees.
struct Callees {
    node: Process,
    rust: FenceLayer,
}

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let redis = RedisServer::start().await;
    let locks = LockService::redis(redis.url()).map_err(|error| error.to_string())?;
    let mut callees = Callees {
        node: stage.node("fenced.mjs", &[("REDIS_URL", &redis.url())])?,
        rust: FenceLayer::new(&locks, |_, lock| lock.as_str().starts_with("account:")),
    };

    let far = "account:R%201%2C%C3%A4%3D100%25=9000000000000000000";
    let refused = callees.node(Some(far)).await?;
    let (first, second) = (hold(&locks, NAME).await?, hold(&locks, NAME).await?);
    let early = callees.node(Some(&first)).await?;
    findings.promise(
        "A Node callee reads the fence that a Rust holder sends, and 9·10^18 locks no one out",
        refused["status"] == 400
            && early["status"] == 200
            && first.ends_with(&format!(
                "={}",
                early["fences"][NAME].as_str().unwrap_or("?")
            )),
        format_args!("{refused}, then {early}"),
    );

    let late = callees.node(Some(&second)).await?;
    let statuses = [
        callees.node(Some(&first)).await?["status"].clone(),
        json!(callees.rust(&first).await?),
        json!(callees.rust(&second).await?),
    ];
    findings.promise(
        "A fence that a Node callee has let in keeps older ones out of Node and of Rust",
        late["status"] == 200 && statuses == [json!(409), json!(409), json!(200)],
        format_args!("{late}, then {statuses:?}"),
    );

    let third = hold(&locks, NAME).await?;
    let statuses = [
        json!(callees.rust(&third).await?),
        callees.node(Some(&second)).await?["status"].clone(),
        callees.node(Some(&third)).await?["status"].clone(),
    ];
    findings.promise(
        "A fence that a Rust callee has let in keeps older ones out of Node",
        statuses == [json!(200), json!(409), json!(200)],
        format_args!("{statuses:?}"),
    );

    let mut differences = Vec::new();
    for header in [
        "account:a",
        "account:a=",
        "account:a=-1",
        "account:a=1.5",
        "account:a=0x1",
        "=1",
        "",
        "account:a=1,",
        "account:a=1,account:a=2",
        "account%=1",
        "account:%zz=1",
        "account:%FF=1",
        "account:a b=1",
        "account:a=0",
        "other=1",
        "account:a=99999999999999999999",
        "account:b=1,account:c=2",
        " account:d=1",
        "account:e=18446744073709551615",
    ] {
        let node = callees.node(Some(header)).await?["status"].clone();
        let rust = callees.rust(header).await?;
        if node != json!(rust) {
            differences.push(format!("{header:?}: {node} by Node, {rust} by Rust"));
        }
    }
    findings.no_differences(
        "Both callees read the header alike",
        "19 headers",
        &differences,
    );
    let without = callees.node(None).await?;
    findings.promise(
        "A request without a fence is let in",
        without["status"] == 200,
        without,
    );
    callees.node.stop().await;
    Ok(())
}

/// Holds the lock once, and returns the value of its header.
async fn hold(locks: &LockService, name: &str) -> Result<String, String> {
    match locks.try_acquire(name, TTL).await {
        Acquisition::Acquired(guard) => {
            let (_, value) = guard.lease().fence_header();
            guard.release().await;
            value
                .to_str()
                .map(str::to_owned)
                .map_err(|error| error.to_string())
        }
        other => Err(format!("{name} was not acquired: {other:?}")),
    }
}

// ===== impl Callees =====

impl Callees {
    async fn node(&mut self, header: Option<&str>) -> Result<Value, String> {
        self.node.ask("admit", json!({ "header": header })).await
    }

    async fn rust(&self, header: &str) -> Result<u16, String> {
        let mut request = Request::new(());
        let value = HeaderValue::from_str(header).map_err(|error| error.to_string())?;
        let name = HeaderName::from_static("x-fence");
        request.headers_mut().insert(name, value);
        let service = self.rust.layer(service_fn(async |_| {
            Ok::<_, Infallible>(Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
        }));
        let Ok(response) = service.oneshot(request).await;
        let status: StatusCode = response.status();
        Ok(status.as_u16())
    }
}
