//! How a request is described, and what of it reaches the peer.

use std::collections::BTreeMap;

use civic_auth::CorrelationId;
use civic_client::{Error, ErrorKind, ServiceClient, ServiceClientBuilder, UrlTemplate};
use civic_testkit::upstream::{Attempt, Step, Upstream};
use serde::Serialize;

use crate::support::{exact, peer};

fn last(peer: &Upstream) -> Attempt {
    peer.attempts().pop().unwrap()
}

fn anonymous(peer: &Upstream) -> ServiceClientBuilder {
    ServiceClient::builder(&peer.url()).anonymous()
}

/// Compiles only as long as neither statement needs a type to be inferred.
async fn for_its_effect(client: &ServiceClient) -> Result<(), Error> {
    client.post("/bills").json(&1).send().await?;
    client.delete("/bills/{id}").param("id", 1).send().await?;
    Ok(())
}

#[tokio::test]
async fn a_call_that_is_sent_for_its_effect_needs_no_type() {
    let (peer, client) = peer([Step::envelope(r#"{"id":7}"#), Step::status(204)]).await;
    for_its_effect(&client).await.unwrap();
    assert_eq!(peer.attempts().len(), 2);
}

#[tokio::test]
async fn an_answer_shows_its_headers_beside_its_value_and_hides_both_from_debug() {
    let step = Step::envelope("\"secret\"").header("location", "/bills/secret");
    let (_peer, client) = peer([Step::status(502), step]).await;
    let id = CorrelationId::parse("of-the-call").unwrap();
    let request = client.put("/bills/{id}").param("id", 7).retries(1);
    let answer = request.correlation_id(id.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["location"], "/bills/secret");
    assert_eq!(answer.attempts(), 2);
    assert_eq!(answer.correlation_id(), Some(&id));
    assert_eq!(answer.json::<String>().unwrap(), "secret");
    let error = answer.json::<u8>().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 2));
    let debug = format!("{answer:?}");
    assert!(debug.contains("/bills/{id}"), "{debug}");
    assert!(!debug.contains("secret"), "{debug}");
    assert!(answer.into_response().body().starts_with(b"{"));
}

#[tokio::test]
async fn a_request_that_is_sent_for_its_effect_is_an_error_where_the_peer_refused() {
    let refused = r#"{"success":false,"message":"no","timestamp":"t"}"#;
    let html = Step::status(200).body("<html>");
    let (_peer, client) = peer([Step::json(refused), html]).await;
    for kind in [ErrorKind::Refused, ErrorKind::Decode] {
        let error = client.post("/").send().await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    page: u32,
    limit: Option<u32>,
    sort_by: &'static str,
    tag: Vec<&'static str>,
}

const PAGE: Page = Page {
    page: 2,
    limit: None,
    sort_by: "a&b",
    tag: Vec::new(),
};

#[tokio::test]
async fn query_parameters_are_values_options_lists_or_the_fields_of_a_struct() {
    let (peer, client) = peer([Step::status(204)]).await;
    let request = client
        .get("/")
        .query("page", None::<u32>)
        .query("limit", Some(10))
        .query("exempt", true)
        .query("tag", ["a", "b c"])
        .query("name", String::from("Zoë"));
    request.send().await.unwrap();
    let expected = "/?limit=10&exempt=true&tag=a&tag=b%20c&name=Zo%C3%AB";
    assert_eq!(last(&peer).target, expected);

    let request = client.get("/").query("first", 1).query_from(&PAGE);
    request.send().await.unwrap();
    assert_eq!(last(&peer).target, "/?first=1&page=2&sortBy=a%26b");

    let map = BTreeMap::from([("a", 1)]);
    client.get("/").query_from(&map).send().await.unwrap();
    assert_eq!(last(&peer).target, "/?a=1");

    client.get("/").query("q", None::<u8>).send().await.unwrap();
    assert_eq!(last(&peer).target, "/");
}

#[tokio::test]
async fn a_query_that_cannot_be_written_sends_nothing_and_names_the_field() {
    let (peer, client) = peer([Step::status(204)]).await;
    let nested = BTreeMap::from([("filter", BTreeMap::from([("name", "secret")]))]);
    let cases = [
        (client.get("/").query("q", &nested), "`q`"),
        (client.get("/").query("q", [[1]]), "`q`"),
        (client.get("/").query_from(&nested), "`filter`"),
        (client.get("/").query_from("page=1"), "a struct or a map"),
        (client.post("/").form(&7), "a struct or a map"),
    ];
    for (request, why) in cases {
        let error = request.send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request);
        let text = format!("{error} {error:?}");
        assert!(text.contains(why), "{why}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn a_request_can_be_described_in_several_statements() {
    let (peer, client) = peer([Step::status(204)]).await;
    let mut request = client.get("/things/{id}").param("id", 7);
    for tag in ["a", "b"] {
        request = request.query("tag", tag);
    }
    if last_page() {
        request = request.query("page", 9);
    }
    request.send().await.unwrap();
    assert_eq!(last(&peer).target, "/things/7?tag=a&tag=b&page=9");
}

fn last_page() -> bool {
    true
}

#[tokio::test]
async fn a_template_that_is_known_only_at_run_time_is_marked_as_such() {
    let (peer, client) = peer([Step::status(500)]).await;
    let route = format!("/{}/{{id}}", "things");
    let request = client.post(UrlTemplate::dynamic(route)).param("id", "a/b");
    let error = request.send().await.unwrap_err();
    assert_eq!(last(&peer).target, "/things/a%2Fb");
    assert!(
        error.to_string().starts_with("POST /things/{id} -> "),
        "{error}"
    );
}

#[tokio::test]
async fn bodies_are_json_forms_or_bytes_each_with_its_own_content_type() {
    let (peer, client) = peer([Step::status(204)]).await;
    client.post("/").form(&PAGE).send().await.unwrap();
    let form = last(&peer);
    assert_eq!(form.body, "page=2&sortBy=a%26b");
    assert_eq!(
        form.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );

    client.put("/").body("a,b").send().await.unwrap();
    let bytes = last(&peer);
    assert_eq!(bytes.body, "a,b");
    let octets = Some("application/octet-stream");
    assert_eq!(bytes.header("content-type"), octets);

    client.put("/").body("").send().await.unwrap();
    assert_eq!(last(&peer).header("content-type"), None);

    let csv = client.put("/").header("content-type", "text/csv");
    csv.body(vec![b'1']).send().await.unwrap();
    assert_eq!(last(&peer).header("content-type"), Some("text/csv"));
    let patch = client
        .patch("/")
        .header("content-type", "application/merge-patch+json");
    patch.json(&PAGE.page).send().await.unwrap();
    assert_eq!(
        last(&peer).header("content-type"),
        Some("application/merge-patch+json")
    );
}

#[tokio::test]
async fn default_headers_are_on_every_request_unless_the_call_has_its_own() {
    let peer = Upstream::start([Step::status(204)]).await;
    let client = exact(&peer.url())
        .default_header("x-tenant", "north")
        .default_header("x-api-key", "secret-key")
        .build()
        .unwrap();
    client.get("/").send().await.unwrap();
    assert_eq!(last(&peer).header("x-tenant"), Some("north"));
    let request = client.get("/").header("x-tenant", "south");
    request.send().await.unwrap();
    let attempt = last(&peer);
    assert_eq!(attempt.header("x-tenant"), Some("south"));
    assert_eq!(attempt.headers.get_all("x-tenant").iter().count(), 1);
    assert_eq!(attempt.header("x-api-key"), Some("secret-key"));
}

#[test]
fn a_default_header_that_no_call_may_set_is_refused_when_the_client_is_built() {
    let builder = || ServiceClient::builder("http://localhost").anonymous();
    let cases = [
        (builder().default_header("host", "elsewhere"), "host cannot"),
        (
            builder().default_header("bad name", "x"),
            "name of a header",
        ),
        (
            builder().default_header("x-ok", "secret\n"),
            "x-ok is illegal",
        ),
    ];
    for (builder, why) in cases {
        assert!(!format!("{builder:?}").contains("secret"), "{builder:?}");
        // Another default header does not hide the one that is wrong.
        let error = builder.default_header("x-fine", "y").build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
}

#[test]
fn a_client_and_its_builder_do_not_print_their_default_headers() {
    let builder = ServiceClient::builder("http://localhost")
        .anonymous()
        .default_header("authorization", "Bearer secret")
        .default_header("x-api-key", "secret");
    let mut printed = format!("{builder:?}");
    printed += &format!("{:?}", builder.build().unwrap());
    assert!(!printed.contains("secret"), "{printed}");
}

#[tokio::test]
async fn an_anonymous_client_can_send_a_token_of_another_platform() {
    let peer = Upstream::start([Step::status(204)]).await;
    let client = anonymous(&peer).build().unwrap();
    let request = client.get("/").bearer_auth("foreign");
    assert!(!format!("{request:?}").contains("foreign"));
    request.send().await.unwrap();
    assert_eq!(last(&peer).header("authorization"), Some("Bearer foreign"));

    // A client with a minter stays who it is.
    let (peer, client) = self::peer([Step::status(204)]).await;
    client.get("/").bearer_auth("foreign").send().await.unwrap();
    let sent = last(&peer);
    assert!(!sent.header("authorization").unwrap().contains("foreign"));
}

#[tokio::test]
async fn a_header_may_be_sent_more_than_once_and_replaces_the_clients_default() {
    let peer = Upstream::start([Step::status(204)]).await;
    let client = exact(&peer.url())
        .default_header("x-tag", "default")
        .default_header("x-tenant", "north")
        .build()
        .unwrap();
    let request = client.post("/").header("x-tag", "a").header("x-tag", "b");
    let request = request
        .header("content-type", "text/plain")
        .header("content-type", "text/csv")
        .header("x-correlation-id", "one")
        .header("x-correlation-id", "two")
        .body("x");
    request.send().await.unwrap();
    let attempts = peer.attempts();
    let values = |name: &str| -> Vec<String> {
        let all = attempts[0].headers.get_all(name).iter();
        all.map(|value| value.to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(values("x-tag"), ["a", "b"]);
    assert_eq!(values("x-tenant"), ["north"]);
    assert_eq!(values("content-type"), ["text/csv"]);
    assert_eq!(values("x-correlation-id"), ["two"]);
}
