//! The scripts, one transition each. The head of each file lists its keys, arguments and replies.

use std::sync::OnceLock;

/// A script and, once it was needed, the name by which the server caches it.
#[derive(Debug)]
pub(crate) struct Script {
    pub(super) text: &'static str,
    pub(super) sha: OnceLock<String>,
}

macro_rules! scripts {
    ($($name:ident: $($file:literal),+;)*) => {
        $(pub(super) static $name: Script = Script {
            text: concat!(
                include_str!("scripts/prelude.lua"),
                $("\n", include_str!(concat!("scripts/", $file))),+
            ),
            sha: OnceLock::new(),
        };)*

        #[cfg(test)]
        static ALL: &[(&str, &Script)] = &[$((concat!($($file),+), &$name)),*];
    };
}

scripts! {
    ABANDON: "abandon.lua";
    ACQUIRE: "acquire.lua";
    ADMIT_FENCE: "admit_fence.lua";
    BREAK: "break.lua";
    CLAIM: "schedules.lua", "claim.lua";
    CLAIM_DUE: "claim_due.lua";
    COMPLETE: "complete.lua";
    COMPLETE_DUE: "complete_due.lua";
    HAND_OVER: "hand_over.lua";
    HISTORY: "history.lua";
    MISS: "miss.lua";
    ONCE_BEGIN: "once.lua", "once_begin.lua";
    ONCE_COMPLETE: "once.lua", "once_complete.lua";
    ONCE_FORGET: "once.lua", "once_forget.lua";
    ONCE_PEEK: "once.lua", "once_peek.lua";
    ONCE_RESOLVE: "once.lua", "once_resolve.lua";
    ONCE_UNBEGIN: "once.lua", "once_unbegin.lua";
    PAUSE: "pause.lua";
    PEEK: "peek.lua";
    RECORD: "record.lua";
    REGISTER: "register.lua";
    RELEASE: "release.lua";
    RENEW: "renew.lua";
    RESET: "schedules.lua", "reset.lua";
    RESUME: "resume.lua";
    RUN_NOW: "run_now.lua";
    SIGHT: "schedules.lua", "sight.lua";
    UNCLAIM: "unclaim.lua";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_script_says_what_it_takes_and_what_it_answers() {
        for (file, script) in ALL {
            let text = script.text;
            assert!(text.contains("\n-- KEYS[1]"), "{file} lists its keys");
            assert!(text.contains("\n-- Reply: '"), "{file} lists its replies");
            assert_eq!(
                text.matches("redis.call('TIME')").count(),
                1,
                "{file}: TIME is not frozen in a script, so it is read once"
            );
        }
    }

    #[test]
    fn the_key_of_a_lock_is_written_last_so_that_half_a_script_leaves_no_lock() {
        let mut seen = 0;
        for (file, script) in ALL {
            for (_, after) in script
                .text
                .match_indices("redis.call('SET', KEYS[1]")
                .map(|(at, set)| script.text.split_at(at + set.len()))
            {
                let (rest, _) = after
                    .split_once("return answer('granted'")
                    .unwrap_or((after, ""));
                assert!(!rest.contains("redis."), "{file}: {rest}");
                seen += 1;
            }
        }
        assert_eq!(seen, 4, "acquire, claim, claim_due and once_begin");
    }
}
