//! A list, page by page: how a service gives it, and how a client reads it.
//!
//! ```sh
//! cargo run --package civic-server --example pagination
//! ```
//!
//! It prints:
//!
//! ```text
//! {"items":["prop-03","prop-04"],"pagination":{"page":2,"limit":2,"totalItems":5,"totalPages":3,"hasNextPage":true,"hasPreviousPage":true}}
//! page 1 of 3: prop-01 prop-02
//! page 2 of 3: prop-03 prop-04
//! page 3 of 3: prop-05
//! ?page=0 is refused: Validation failed: page: Too small: expected number to be >=1
//! ```

use std::error::Error;

use axum::Router;
use axum::routing::get;
use civic_auth::{Secret, TokenMinter, TokenVerifier};
use civic_client::ServiceClient;
use civic_server::{Json, Page, Paginated, Service};

/// `?page=2&limit=50`: the extractor has checked both.
async fn properties(page: Page) -> Json<Paginated<String>> {
    // A database would do this with OFFSET and LIMIT, and count.
    let all = (1..=5).map(|number| format!("prop-{number:02}"));
    let items = all.skip(page.offset()).take(page.limit()).collect();
    Json(Paginated::new(items, &page, 5))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let app = Service::new("/api/roll", TokenVerifier::new(secret.clone()))?
        .guarded(Router::new().route("/properties", get(properties)))
        .into_router();
    let client = ServiceClient::builder("http://roll")
        .minter(TokenMinter::new(secret))
        .build_in_process(app)?;
    let list = || client.get("/api/roll/properties");

    // One page, as it is on the wire.
    let page = list().query("page", 2).query("limit", 2).send().await?;
    println!("{}", page.json::<Box<serde_json::value::RawValue>>()?);

    // All of them: each page is a call of its own, with its own retries.
    let mut pages = list().pages::<String>().limit(2);
    while let Some(page) = pages.next().await {
        let page = page?;
        println!(
            "page {} of {}: {}",
            page.number(),
            page.total_pages(),
            page.items().join(" ")
        );
    }

    let refused = list().query("page", 0).send().await.err();
    let refused = refused.ok_or("there is no page 0")?;
    println!(
        "?page=0 is refused: {}",
        refused.message().unwrap_or_default()
    );
    Ok(())
}
