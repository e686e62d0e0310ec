//! Lists in the platform's shape, and answers with `meta`.

use axum::Router;
use axum::routing::get;
use civic_server::{Failure, Json, Meta, Page, Paginated, SortOrder};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PREFIX, request, send, service};

fn app() -> Router {
    let list = async |page: Page<10>| {
        let items = (1..=23).skip(page.offset()).take(page.limit()).collect();
        Json(Paginated::<u32>::new(items, &page, 23))
    };
    let sorted = async |page: Page| {
        let field = page.sort_by(&["name", "createdAt"])?;
        let order = page.sort_order() == SortOrder::Ascending;
        Ok::<_, Failure>(Json(json!([field, order, page.limit()])))
    };
    let with_meta = async || (Meta(json!({"from": "the archive"})), Json([1, 2]));
    service(
        Router::new()
            .route("/list", get(list))
            .route("/sorted", get(sorted))
            .route("/meta", get(with_meta)),
    )
}

async fn ask(path: &str) -> Answer {
    send(&app(), request(Method::GET, &format!("{PREFIX}{path}"))).await
}

#[tokio::test]
async fn a_list_says_where_its_items_are_in_the_whole() {
    for (query, first, count, pagination) in [
        ("", Some(1), 10, (1, 10, 3, true, false)),
        ("?page=2", Some(11), 10, (2, 10, 3, true, true)),
        ("?page=3", Some(21), 3, (3, 10, 3, false, true)),
        ("?page=4", None, 0, (4, 10, 3, false, true)),
        ("?limit=100", Some(1), 23, (1, 100, 1, false, false)),
        (
            "?page=1e1&limit=1&other=x",
            Some(10),
            1,
            (10, 1, 23, true, true),
        ),
        (
            "?page=4294967295",
            None,
            0,
            (4_294_967_295_u32, 10, 3, false, true),
        ),
    ] {
        let answer = ask(&format!("/list{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
        let data = &answer.json()["data"];
        let items = data["items"].as_array().unwrap();
        assert_eq!(items.len(), count, "{query}");
        assert_eq!(items.first().and_then(Value::as_u64), first, "{query}");
        let (page, limit, total_pages, next, previous) = pagination;
        assert_eq!(
            data["pagination"],
            json!({
                "page": page, "limit": limit, "totalItems": 23, "totalPages": total_pages,
                "hasNextPage": next, "hasPreviousPage": previous,
            }),
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_members_of_a_list_have_the_platforms_order() {
    let answer = ask("/list?limit=1").await;
    let body = std::str::from_utf8(&answer.body).unwrap();
    let expected = concat!(
        r#"{"success":true,"data":{"items":[1],"pagination":{"page":1,"limit":1,"totalItems":23,"#,
        r#""totalPages":23,"hasNextPage":true,"hasPreviousPage":false}},"timestamp":""#
    );
    assert!(body.starts_with(expected), "{body}");
}

#[tokio::test]
async fn a_bad_page_is_422_in_the_words_of_the_platforms_validator() {
    const NAN: &str = "Invalid input: expected number, received NaN";
    const ARRAY: &str = "Invalid input: expected number, received array";
    for (query, field, message) in [
        ("page=0", "page", "Too small: expected number to be >=1"),
        ("page=", "page", "Too small: expected number to be >=1"),
        ("page=-2", "page", "Too small: expected number to be >=1"),
        (
            "page=1.5",
            "page",
            "Invalid input: expected int, received number",
        ),
        ("page=two", "page", NAN),
        ("page=NaN", "page", NAN),
        ("page=inf", "page", NAN),
        ("page=1&page=2", "page", ARRAY),
        (
            "page=1e12",
            "page",
            "Too big: expected number to be <=4294967295",
        ),
        ("limit=101", "limit", "Too big: expected number to be <=100"),
        ("limit=0", "limit", "Too small: expected number to be >=1"),
        (
            "sortOrder=up",
            "sortOrder",
            r#"Invalid option: expected one of "asc"|"desc""#,
        ),
        (
            "sortBy=a&sortBy=b",
            "sortBy",
            "Invalid input: expected string, received array",
        ),
    ] {
        let answer = ask(&format!("/list?{query}")).await;
        answer.assert_invalid(&[(field, message)]);
    }
    ask("/list?page=x&limit=1000").await.assert_invalid(&[
        ("page", NAN),
        ("limit", "Too big: expected number to be <=100"),
    ]);
}

#[tokio::test]
async fn a_field_to_sort_by_is_one_of_those_that_the_handler_names() {
    for (query, data) in [
        ("", json!([null, true, 20])),
        ("?sortBy=name&sortOrder=desc", json!(["name", false, 20])),
        (
            "?sortBy=createdAt&sortOrder=asc&limit=5",
            json!(["createdAt", true, 5]),
        ),
    ] {
        assert_eq!(
            ask(&format!("/sorted{query}")).await.json()["data"],
            data,
            "{query}"
        );
    }
    ask("/sorted?sortBy=name;drop").await.assert_invalid(&[(
        "sortBy",
        r#"Invalid option: expected one of "name"|"createdAt""#,
    )]);
}

#[tokio::test]
async fn an_answer_has_the_meta_that_its_handler_gives() {
    let answer = ask("/meta").await;
    let json = answer.json();
    assert_eq!(json["data"], json!([1, 2]));
    assert_eq!(json["meta"], json!({"from": "the archive"}));
    let body = std::str::from_utf8(&answer.body).unwrap();
    assert!(
        body.ends_with(r#","meta":{"from":"the archive"}}"#),
        "{body}"
    );
}

#[tokio::test]
async fn a_meta_that_cannot_be_json_is_500() {
    let broken = std::collections::HashMap::from([((), ())]);
    let app = service(Router::new().route("/x", get(async move || (Meta(broken), Json(1)))));
    let answer = send(&app, request(Method::GET, &format!("{PREFIX}/x"))).await;
    answer.assert_error(500, "Internal server error");
}
