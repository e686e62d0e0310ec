//! Random histories against a real server.

use civic_testkit::redis::RedisServer;

use super::{Both, COMMANDS, HISTORIES, Random, random_command, random_once_command};
use crate::name::LockName;
use crate::store::command::Peek;
use crate::store::conformance::support::settings;
use crate::store::operator::History;
use crate::store::redis::RedisStore;

#[tokio::test]
async fn the_scripts_answer_as_the_pure_step_does_on_random_histories() {
    let server = RedisServer::start().await;
    let redis = RedisStore::new(&server.url(), settings()).expect("a valid URL");
    for seed in 1..=HISTORIES {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let name = LockName::new(format!("history-{seed}")).expect("a valid name");
        let mut both = Both::new(&redis, name, seed);
        both.run(Peek).await;
        for _ in 0..COMMANDS {
            random_command(&mut both, &mut random).await;
            both.run(Peek).await;
        }
        both.run(History { limit: 100 }).await;
    }
}

#[tokio::test]
async fn the_scripts_answer_as_the_pure_step_does_on_random_histories_of_executions() {
    let server = RedisServer::start().await;
    let redis = RedisStore::new(&server.url(), settings()).expect("a valid URL");
    for seed in 1..=HISTORIES {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let name = LockName::new(format!("once:history-{seed}")).expect("a valid name");
        let mut both = Both::new(&redis, name, seed);
        both.run(Peek).await;
        // Few, so that histories do not all end with a finished execution.
        for _ in 0..COMMANDS / 3 {
            random_once_command(&mut both, &mut random).await;
        }
    }
}
