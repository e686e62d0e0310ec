//! A published key set, as the services that fetch it see it.

use civic_auth::KeySource as _;
use civic_client::jwks::{JwksEvent, JwksSourceBuilder};
use civic_client::{ServiceClient, UrlTemplate};
use serde::Serialize;
use tokio::sync::mpsc::unbounded_channel;

use crate::output;
use crate::start_error::{StartError, chain};
use crate::target::Target;

/// A key that services can use.
#[derive(Debug, Serialize)]
struct Line<'a> {
    kid: Option<&'a str>,
    alg: &'static str,
}

/// Fetches the set, and prints its keys.
pub(super) async fn run(target: &Target) -> Result<(), StartError> {
    if !target.query.is_empty() {
        return Err(StartError::Config(
            "services fetch a key set by its path alone: give a URL without a query".to_owned(),
        ));
    }
    let refused = |error: civic_client::Error| StartError::refused(&error);
    let client = ServiceClient::builder(&target.origin).anonymous();
    let client = client.build().map_err(refused)?;
    let (failed, mut failures) = unbounded_channel();
    // The issuer is what a service would believe the keys of; it is not part of the set.
    let source = JwksSourceBuilder::new(client, "checked")
        .path(UrlTemplate::dynamic(target.path.clone()))
        .observer(move |event| {
            if let JwksEvent::Failed { error, .. } = event {
                // No one listens any more once there are keys.
                let _ = failed.send(chain(*error));
            }
        })
        .start()
        .map_err(refused)?;
    tokio::select! {
        () = source.ready() => {}
        Some(reason) = failures.recv() => return Err(StartError::Peer(reason)),
    }
    let keys = source.current();
    for key in keys.iter().flat_map(|keys| keys.iter()) {
        output::print(&Line {
            kid: key.id(),
            alg: key.algorithm().as_str(),
        })?;
    }
    Ok(())
}
