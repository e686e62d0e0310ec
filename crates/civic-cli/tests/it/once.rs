//! `civic once`, as an operator uses it, on both stores.

use civic_lock::{Delivery, LockService, OnceBegun, OnceRun};
use civic_testkit::redis::{RedisServer, Reply};

use crate::support::store::{Answer, Store};

async fn begin(locks: &LockService, key: &str) -> OnceRun {
    let request = locks.once(key).delivery(Delivery::AtMostOnce);
    match request.begin().await {
        OnceBegun::Started(run) => run,
        other => panic!("{key}: {other:?}"),
    }
}

/// The key and the state of each line.
fn keys(answer: &Answer) -> Vec<(&str, &str)> {
    let mut rows = Vec::new();
    for line in &answer.lines {
        let text = |member: &str| line[member].as_str().unwrap_or_default();
        rows.push((text("key"), text("state")));
    }
    rows
}

#[tokio::test]
async fn once_ls_shows_each_execution_and_no_result() {
    for store in Store::both().await {
        let none = store.civic(&["once", "ls"]).await;
        assert_eq!(
            (none.code, none.lines.len()),
            (Some(0), 0),
            "{}",
            none.stderr
        );
        let locks = store.locks();
        let run = begin(&locks, "done").await;
        run.complete(b"Ada Lovelace").await.expect("it is recorded");
        begin(&locks, "free")
            .await
            .forget()
            .await
            .expect("an answer");
        let runs = begin(&locks, "runs").await;
        drop(begin(&locks, "doubt").await);
        let in_doubt = |answer: &Answer| keys(answer) == [("doubt", "in-doubt")];
        let doubt = store
            .until(&["once", "ls", "--state", "in-doubt"], in_doubt)
            .await;
        assert_eq!(doubt.lines[0]["attempt"], 1);

        let all = store.civic(&["once", "ls"]).await;
        let expected = [
            ("done", "done"),
            ("doubt", "in-doubt"),
            ("free", "free"),
            ("runs", "running"),
        ];
        assert_eq!(keys(&all), expected);
        assert!(!all.stdout.contains("Ada"), "{}", all.stdout);
        assert_eq!(all.lines[3]["holder"], runs.lease().holder());
        assert_eq!(all.lines[3]["fence"], runs.lease().fence());
        assert_eq!(all.lines[3]["delivery"], "at_most_once");
        assert!(all.lines[3]["ttlMs"].is_u64() && all.lines[0]["ttlMs"].is_null());
        let page = store
            .civic(&["once", "ls", "--limit", "2", "--after", "done"])
            .await;
        assert_eq!(keys(&page), expected[1..3]);
    }
}

#[tokio::test]
async fn once_ls_lists_the_names_of_the_store_once_however_many_there_are() {
    const MANY: usize = 2500;
    const FILL: &str = "for i = 1, ARGV[1] do redis.call('HSET', string.format('{lock:once:%05d}:once', i), \
         'version', '1', 'phase', 'done', 'holder', 'a', 'attempt', '1', 'fence', '7', \
         'delivery', 'at_least_once', 'fingerprint', '', 'begun', '1', 'until', '2', \
         'retain', '1', 'completed', '1', 'author', 'holder', 'result', '') end";
    let server = RedisServer::start().await;
    server
        .command(&["EVAL", FILL, "0", &MANY.to_string()])
        .await;
    let store = Store::Redis(server);
    let scans = async |limit: &str| {
        let Store::Redis(server) = &store else {
            unreachable!("it is Redis")
        };
        let answer = loop {
            server.command(&["CONFIG", "RESETSTAT"]).await;
            let answer = store.civic_once(&["once", "ls", "--limit", limit]).await;
            if !answer.stderr.contains("did not answer in time") {
                break answer;
            }
        };
        let Reply::Text(info) = server.command(&["INFO", "commandstats"]).await else {
            panic!("no INFO")
        };
        let calls = info.lines().find_map(|line| {
            let calls = line.strip_prefix("cmdstat_scan:calls=")?;
            calls.split(',').next()?.parse::<usize>().ok()
        });
        (answer.lines.len(), calls.expect("it scans"))
    };
    let (few, once) = scans("1").await;
    let (all, calls) = scans("5000").await;
    assert_eq!((few, all), (1, MANY));
    assert_eq!(calls, once, "the names are listed again for each page");
}

#[tokio::test]
async fn once_show_prints_a_result_only_if_it_is_asked_for() {
    for store in Store::both().await {
        let unknown = store.civic(&["once", "show", "payment"]).await;
        assert_eq!((unknown.code, &*unknown.stdout), (Some(1), ""));
        let locks = store.locks();
        let run = begin(&locks, "payment").await;
        let none = store.civic(&["once", "show", "payment", "--result"]).await;
        assert_eq!((none.code, &*none.stdout), (Some(1), ""), "it runs");
        run.complete("{\"name\":\"Ada\"}\n".as_bytes())
            .await
            .expect("it is recorded");
        let shown = store.civic(&["once", "show", "payment"]).await;
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        assert_eq!(keys(&shown), [("payment", "done")]);
        assert!(!shown.stdout.contains("Ada"), "{}", shown.stdout);
        let result = store.civic(&["once", "show", "payment", "--result"]).await;
        assert_eq!(result.stdout, "{\"name\":\"Ada\"}\n", "as it is");
    }
}

#[tokio::test]
async fn once_resolve_ends_the_attempt_that_was_seen_and_no_other() {
    for store in Store::both().await {
        let locks = store.locks();
        let resolve = async |holder: &str, attempt: &str, end: &str| {
            let arguments = [
                "once",
                "resolve",
                "payment",
                "--holder",
                holder,
                "--attempt",
                attempt,
                end,
            ];
            let answer = store.civic(&arguments).await;
            let event = answer.lines[0]["event"]
                .as_str()
                .expect("a name")
                .to_owned();
            (answer.code, event, answer)
        };
        let (code, event, _) = resolve("a", "1", "--free").await;
        assert_eq!((code, &*event), (Some(1), "unknown"));
        let run = begin(&locks, "payment").await;
        let holder = run.lease().holder().to_owned();
        let (code, event, _) = resolve(&holder, "1", "--free").await;
        assert_eq!((code, &*event), (Some(1), "running"));
        drop(run);
        store
            .until(&["once", "show", "payment"], |answer| {
                keys(answer) == [("payment", "in-doubt")]
            })
            .await;
        let (code, event, answer) = resolve("another", "1", "--free").await;
        assert_eq!((code, &*event), (Some(1), "changed"));
        assert_eq!(answer.lines[0]["holder"], *holder);
        let (code, event, _) = resolve(&holder, "1", "--free").await;
        assert_eq!((code, &*event), (Some(0), "resolved"));
        drop(begin(&locks, "payment").await);
        let second = store
            .until(&["once", "show", "payment"], |answer| {
                keys(answer) == [("payment", "in-doubt")]
            })
            .await;
        assert_eq!(second.lines[0]["attempt"], 2);
        let holder = second.lines[0]["holder"].as_str().expect("a holder");
        let (code, event, _) = resolve(holder, "2", "--done").await;
        assert_eq!((code, &*event), (Some(0), "resolved"));
        let ended = store.civic(&["once", "show", "payment"]).await;
        assert_eq!(keys(&ended), [("payment", "resolved")]);
    }
}
