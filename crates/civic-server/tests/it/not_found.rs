//! A thing that does not exist, a route that does not, and a method that does not, told apart by
//! our own client.

use axum::Router;
use axum::routing::get;
use civic_client::{ErrorKind, ServiceClient};
use civic_server::{Failure, Json, Server, Service, Shutdown};
use http::StatusCode;
use serde_json::Value;

use crate::support::{PREFIX, minter, verifier};

#[tokio::test]
async fn a_missing_thing_a_missing_route_and_a_wrong_method_are_told_apart_by_our_client() {
    let missing = async || Err::<Json<Value>, _>(Failure::new(StatusCode::NOT_FOUND, "No bill 7"));
    let routes = Router::new()
        .route("/empty", get(async || StatusCode::NOT_FOUND))
        .route("/missing", get(missing))
        .route("/bills", get(async || Json(1)));
    let app = Service::new(PREFIX, verifier())
        .unwrap()
        .guarded(routes)
        .into_router();
    let server = Server::bind("127.0.0.1", 0).await.unwrap();
    let client = ServiceClient::builder(&format!("http://{}{PREFIX}", server.local_addr()))
        .minter(minter())
        .build()
        .unwrap();
    let shutdown = Shutdown::new();
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(app, &shutdown).await }
    });

    for path in ["/empty", "/missing"] {
        let thing: Option<Value> = client.get(path).fetch_optional().await.unwrap();
        assert_eq!(thing, None, "{path}");
    }
    let no_route = client
        .get("/nowhere")
        .fetch_optional::<Value>()
        .await
        .unwrap_err();
    assert_eq!(no_route.kind(), ErrorKind::Status);
    assert_eq!(no_route.status(), Some(StatusCode::NOT_FOUND));
    let no_method = client
        .delete("/bills")
        .fetch_optional::<Value>()
        .await
        .unwrap_err();
    assert_eq!(no_method.status(), Some(StatusCode::METHOD_NOT_ALLOWED));
    shutdown.abort();
    serving.await.unwrap().unwrap();
}
