//! Lists, page by page.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use civic_auth::RequestContext;
use civic_client::{Body, Error, ErrorKind, Pages, ServiceClient, TotalShift};
use futures_core::Stream as _;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::service_fn;

use crate::support::{ends, exact};

/// A list of numbers from 0, in the platform's shape.
#[derive(Clone, Debug, Default)]
struct Numbers(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    total: u64,
    /// What comes instead of a page, once, the first one first.
    instead: Vec<(u64, Instead)>,
    asked: Vec<String>,
    ids: Vec<String>,
    /// How long a page may be.
    longest: Option<u64>,
    /// How many calls the peer takes in a window of a minute.
    per_minute: Option<usize>,
    window: Option<(Instant, usize)>,
    /// The header that says until when. Otherwise it is `retry-after`.
    says_so_with: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Instead {
    Status(u16),
    Page(u64),
    Nothing,
    Limit(u64),
    HasNext(bool),
    TotalPages(u64),
    Everything,
}

impl Numbers {
    fn new(total: u64) -> Self {
        let numbers = Self::default();
        numbers.state().total = total;
        numbers
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn instead(self, page: u64, instead: Instead) -> Self {
        self.state().instead.push((page, instead));
        self
    }

    fn with_longest(self, limit: u64) -> Self {
        self.state().longest = Some(limit);
        self
    }

    /// The numbers of the pages that were asked for.
    fn asked(&self) -> Vec<u64> {
        let state = self.state();
        let asked = state.asked.iter();
        asked.map(|query| parameter(query, "page")).collect()
    }

    fn client(&self) -> ServiceClient {
        let numbers = self.clone();
        let peer = service_fn(move |request: Request<Body>| {
            let response = numbers.answer(&request);
            async move { Ok::<_, Infallible>(response) }
        });
        exact("http://peer").build_in_process(peer).unwrap()
    }

    fn answer(&self, request: &Request<Body>) -> Response<Full<bytes::Bytes>> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let (page, limit) = (parameter(&query, "page"), parameter(&query, "limit"));
        let mut state = self.state();
        let limit = limit.min(state.longest.unwrap_or(limit));
        let id = request.headers()["x-correlation-id"].to_str().unwrap();
        state.ids.push(id.to_owned());
        state.asked.push(query);
        if let Some(max) = state.per_minute {
            let now = Instant::now();
            let minute = Duration::from_secs(60);
            let (start, count) = match state.window {
                Some((start, count)) if now < start + minute => (start, count),
                _ => (now, 0),
            };
            state.window = Some((start, count + 1));
            if count >= max {
                let left = (start + minute - now).as_millis().div_ceil(1000);
                let name = state.says_so_with.unwrap_or("retry-after");
                let response = Response::builder()
                    .status(429)
                    .header(name, left.to_string());
                return response.body(Full::default()).unwrap();
            }
        }
        let instead = state.instead.iter().position(|(of, _)| *of == page);
        let instead = instead.map(|index| state.instead.remove(index).1);
        let first = (page - 1) * limit;
        let mut items: Vec<_> = (first..state.total.min(first + limit)).collect();
        let mut pages = state.total.div_ceil(limit);
        let (mut says, mut says_limit, mut next) = (page, limit, page < pages);
        match instead {
            Some(Instead::Status(status)) => {
                let response = Response::builder().status(status);
                return response.body(Full::default()).unwrap();
            }
            Some(Instead::Page(other)) => says = other,
            Some(Instead::Nothing) => items.clear(),
            Some(Instead::Limit(other)) => says_limit = other,
            Some(Instead::HasNext(other)) => next = other,
            Some(Instead::TotalPages(other)) => (pages, next) = (other, page < other),
            Some(Instead::Everything) => items = (0..state.total).collect(),
            None => {}
        }
        let previous = page > 1;
        let total = state.total;
        let list = format!(
            r#"{{"items":{items:?},"pagination":{{"page":{says},"limit":{says_limit},"totalItems":{total},"totalPages":{pages},"hasNextPage":{next},"hasPreviousPage":{previous}}}}}"#
        );
        Response::new(Full::from(format!(
            r#"{{"success":true,"data":{list},"timestamp":"2026-02-24T12:00:00.000Z"}}"#
        )))
    }
}

fn parameter(query: &str, name: &str) -> u64 {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(of, _)| *of == name).expect("it is asked for");
    value.parse().unwrap()
}

/// All that comes, with the shifts that are told.
async fn all(mut pages: Pages<'_, u64>) -> Result<(Vec<u64>, Vec<TotalShift>), Error> {
    let (mut items, mut shifts) = (Vec::new(), Vec::new());
    while let Some(page) = ends(pages.next()).await {
        let page = page?;
        shifts.extend(page.shift());
        items.extend(page.into_items());
    }
    Ok((items, shifts))
}

#[tokio::test(start_paused = true)]
async fn every_page_comes_once_and_in_its_order_with_the_filters_of_the_list() {
    for look_ahead in [0, 1, 3, 100] {
        for (total, pages) in [(0, 1), (1, 1), (10, 1), (11, 2), (95, 10)] {
            let numbers = Numbers::new(total);
            let client = numbers.client();
            let list = client.get("/numbers").query("sortBy", "id");
            let list = list.pages::<u64>().limit(10).look_ahead(look_ahead);
            let (items, shifts) = all(list).await.unwrap();
            assert_eq!(items, (0..total).collect::<Vec<_>>());
            assert_eq!(shifts, []);
            let asked = numbers.asked();
            assert_eq!(
                asked,
                (1..=pages).collect::<Vec<_>>(),
                "{look_ahead}, {total}"
            );
            let state = numbers.state();
            assert_eq!(state.asked[0], "sortBy=id&page=1&limit=10");
            assert!(
                state.ids.iter().all(|id| *id == state.ids[0]),
                "one correlation id"
            );
        }
    }
}

#[tokio::test]
async fn a_page_has_100_items_and_says_where_it_is() {
    let numbers = Numbers::new(250);
    let client = numbers.client();
    let mut pages = client.get("/numbers").pages::<u64>();
    assert_eq!(pages.next_page(), 1);
    let page = pages.next().await.unwrap().unwrap();
    assert_eq!(page.items().len(), 100);
    assert_eq!(
        (page.number(), page.total_pages(), page.total_items()),
        (1, 3, 250)
    );
    assert_eq!(pages.next_page(), 2);
    let rest = client.get("/numbers").pages::<u64>().starting_at(3);
    let (items, _) = all(rest).await.unwrap();
    assert_eq!(items, (200..250).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn so_many_pages_are_fetched_ahead_and_no_more() {
    for (look_ahead, expected) in [(0, 1), (1, 2), (3, 4), (100, 9)] {
        let numbers = Numbers::new(1000);
        let client = numbers.client();
        let mut pages = client.get("/numbers").pages::<u64>().limit(10);
        pages = pages.look_ahead(look_ahead);
        pages.next().await.unwrap().unwrap();
        // The caller works with the page.
        sleep(Duration::from_secs(60)).await;
        assert_eq!(numbers.asked().len(), expected, "{look_ahead}");
        pages.next().await.unwrap().unwrap();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(numbers.asked().len(), expected + 1, "{look_ahead}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_comes_again_and_none_is_lost() {
    for look_ahead in [0, 3] {
        let numbers = Numbers::new(95).instead(4, Instead::Status(404));
        let client = numbers.client();
        let mut pages = client.get("/numbers").pages::<u64>().limit(10);
        pages = pages.look_ahead(look_ahead);
        let mut items = Vec::new();
        let mut failed = 0;
        while let Some(page) = ends(pages.next()).await {
            match page {
                Ok(page) => items.extend(page.into_items()),
                Err(error) => {
                    assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
                    assert_eq!(pages.next_page(), 4);
                    failed += 1;
                }
            }
        }
        assert_eq!(items, (0..95).collect::<Vec<_>>());
        assert_eq!(failed, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_is_retried_as_any_call() {
    let numbers = Numbers::new(30)
        .instead(2, Instead::Status(503))
        .instead(2, Instead::Status(500));
    let client = numbers.client();
    let start = Instant::now();
    let (items, _) = all(client.get("/numbers").pages().limit(10)).await.unwrap();
    assert_eq!(items.len(), 30);
    assert_eq!(start.elapsed(), Duration::from_millis(1500));
}

#[tokio::test]
async fn a_total_that_shifts_is_told_with_the_page_that_says_so() {
    let numbers = Numbers::new(30);
    let client = numbers.client();
    let mut pages = client
        .get("/numbers")
        .pages::<u64>()
        .limit(10)
        .look_ahead(0);
    assert_eq!(pages.next().await.unwrap().unwrap().shift(), None);
    for (before, now) in [(30, 31), (31, 29)] {
        numbers.state().total = now;
        let page = pages.next().await.unwrap().unwrap();
        let shift = page.shift().unwrap();
        assert_eq!((shift.before, shift.now), (before, now));
    }
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn a_list_that_makes_no_sense_is_an_error_and_does_not_go_on_for_ever() {
    let cases = [
        (
            Instead::HasNext(false),
            "of page 2 that none follows it, and that there are 3 pages",
        ),
        (Instead::TotalPages(2), "there are 2 pages of 10 for 30"),
        (Instead::TotalPages(4), "there are 4 pages of 10 for 30"),
        (
            Instead::Everything,
            "page 2 has 30 items, and the peer says that its limit is 10",
        ),
        (
            Instead::Page(1),
            "page 2 was asked for, and the peer answered page 1",
        ),
        (Instead::Nothing, "page 2 has no items"),
        (Instead::Limit(5), "page 2 has another limit"),
    ];
    for (instead, says) in cases {
        let numbers = Numbers::new(30).instead(2, instead);
        let client = numbers.client();
        let error = all(client.get("/numbers").pages().limit(10))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        let text = error.to_string();
        assert!(
            text.starts_with("GET /numbers -> protocol: ") && text.contains(says),
            "{text}"
        );
        assert!(error.correlation_id().is_some());
    }
}

#[tokio::test]
async fn a_last_page_that_says_that_another_follows_it_is_an_error() {
    let numbers = Numbers::new(30).instead(3, Instead::HasNext(true));
    let client = numbers.client();
    let error = all(client.get("/numbers").pages().limit(10))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(
        error.to_string().contains("of page 3 that one follows it"),
        "{error}"
    );
}

#[tokio::test]
async fn a_list_goes_on_in_another_stream_only_with_the_limit_that_its_pages_had() {
    let numbers = Numbers::new(300).with_longest(50);
    let client = numbers.client();
    let mut pages = client.get("/numbers").pages::<u64>();
    for number in 1..=3 {
        let page = pages.next().await.unwrap().unwrap();
        assert_eq!((page.number(), page.items().len()), (number, 50));
    }
    let next = pages.next_page();
    let resumed = client.get("/numbers").pages::<u64>().starting_at(next);
    let error = all(resumed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(
        error.to_string().contains("ask with a limit() of 50"),
        "{error}"
    );
    let resumed = client.get("/numbers").pages().starting_at(next).limit(50);
    let (items, _) = all(resumed).await.unwrap();
    assert_eq!(items, (150..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_wrong_with_the_request_is_the_first_thing_that_comes_and_the_last() {
    let numbers = Numbers::new(30);
    let client = numbers.client();
    let get = || client.get("/numbers");
    let cases = [
        (get().pages().limit(0), "from 1 to 100"),
        (get().pages().limit(101), "from 1 to 100"),
        (get().pages().starting_at(0), "counted from 1"),
        (get().query("page", 2).pages(), "starting_at()"),
        (get().query("limit", 2).pages(), "limit()"),
        (client.post("/numbers").pages(), "needs a GET"),
        (client.get("/numbers/{id}").pages(), "id"),
        (get().header("a b", "c").pages(), "header"),
    ];
    for (mut pages, says) in cases {
        let _: &mut Pages<'_, u64> = &mut pages;
        let error = pages.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request);
        assert!(error.to_string().contains(says), "{error}");
        assert!(pages.next().await.is_none());
    }
    assert_eq!(numbers.asked(), [0_u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_within_the_rate_limit_of_the_peer() {
    let numbers = Numbers::new(100_000);
    numbers.state().per_minute = Some(100);
    let client = numbers.client();
    let start = Instant::now();
    let (items, _) = all(client.get("/numbers").pages()).await.unwrap();
    assert_eq!(items, (0..100_000).collect::<Vec<_>>());
    let minutes = start.elapsed().as_secs() / 60;
    assert!((9..=11).contains(&minutes), "{minutes} minutes");
    // One call per window finds out that it is over.
    let refused = numbers.asked().len() - 1000;
    assert!(refused <= 20, "{refused} calls were refused");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_waited_for_whichever_header_says_how_long() {
    for name in ["retry-after", "x-ratelimit-reset"] {
        let numbers = Numbers::new(500);
        numbers.state().per_minute = Some(2);
        numbers.state().says_so_with = Some(name);
        let client = numbers.client();
        let start = Instant::now();
        // One after the other, as a caller without look-ahead.
        let pages = client.get("/numbers").pages().look_ahead(0);
        let (items, _) = all(pages).await.unwrap();
        assert_eq!(items, (0..500).collect::<Vec<_>>());
        assert_eq!(start.elapsed().as_secs() / 60, 2, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_not_waited_for_beyond_the_deadline_of_the_request_being_served() {
    let numbers = Numbers::new(300);
    numbers.state().per_minute = Some(2);
    let client = numbers.client();
    let deadline = Instant::now() + Duration::from_secs(30);
    let context = RequestContext::default().with_deadline(deadline);
    let error = context
        .scope(all(client.get("/numbers").pages()))
        .await
        .unwrap_err();
    assert!(error.retry_after().is_some(), "{error:?}");
    assert!(Instant::now() < deadline);
    let error = all(client
        .get("/numbers")
        .deadline(Duration::from_secs(5))
        .pages());
    assert!(error.await.unwrap_err().retry_after().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_leaves_no_call_behind() {
    let hanging = service_fn(|_: Request<Body>| async {
        sleep(Duration::from_secs(5)).await;
        Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::default()))
    });
    let client = exact("http://peer").build_in_process(hanging).unwrap();
    let mut pages = client.get("/numbers").pages::<u64>();
    let second = Duration::from_secs(1);
    assert!(tokio::time::timeout(second, pages.next()).await.is_err());
    let metrics = tokio::runtime::Handle::current().metrics();
    assert!(metrics.num_alive_tasks() > 0);
    drop(pages);
    sleep(second).await;
    assert_eq!(metrics.num_alive_tasks(), 0);
}

#[tokio::test]
async fn pages_are_a_stream_of_futures_core() {
    let numbers = Numbers::new(3);
    let client = numbers.client();
    let mut pages = client.get("/numbers").pages::<u64>().limit(2);
    let mut count = 0;
    while let Some(page) = std::future::poll_fn(|cx| Pin::new(&mut pages).poll_next(cx)).await {
        count += page.unwrap().items().len();
    }
    assert_eq!(count, 3);
}
