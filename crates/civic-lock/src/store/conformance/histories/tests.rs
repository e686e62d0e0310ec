//! Random histories against a real server.

use civic_testkit::redis::RedisServer;

use super::{Both, COMMANDS, HISTORIES, Random, random_command};
use crate::name::LockName;
use crate::store::command::Peek;
use crate::store::conformance::support::settings;
use crate::store::host::{Process, State};
use crate::store::operator::History;
use crate::store::redis::RedisStore;

#[tokio::test]
async fn the_scripts_answer_as_the_pure_step_does_on_random_histories() {
    let server = RedisServer::start().await;
    let redis = RedisStore::new(&server.url(), settings()).expect("a valid URL");
    for seed in 1..=HISTORIES {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let name = LockName::new(format!("history-{seed}")).expect("a valid name");
        let mut both = Both {
            redis: &redis,
            state: State::named(&name),
            name,
            process: Process {
                boot: "boot".to_owned(),
                liveness_file: "file".to_owned(),
            },
            history: vec![format!("history {seed}")],
            now: 0,
        };
        both.run(Peek).await;
        for _ in 0..COMMANDS {
            random_command(&mut both, &mut random).await;
            both.run(Peek).await;
        }
        both.run(History { limit: 100 }).await;
    }
}
