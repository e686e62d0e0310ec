//! The scripts, one transition each. The head of each file lists its keys, arguments and replies.

use std::sync::OnceLock;

/// A script and, once it was needed, the name by which the server caches it.
#[derive(Debug)]
pub(crate) struct Script {
    pub(super) text: &'static str,
    pub(super) sha: OnceLock<String>,
}

/// Joins each script from the prelude, the parts that it uses and its own file. It has no other
/// parts: the server makes a function anew whenever a script runs, used or not.
macro_rules! scripts {
    ($($name:ident: $file:literal $(, $part:literal)*;)*) => {
        $(pub(super) static $name: Script = Script {
            text: concat!(
                include_str!("scripts/prelude.lua"),
                $("\n", include_str!(concat!("scripts/parts/", $part, ".lua")),)*
                "\n",
                include_str!(concat!("scripts/", $file, ".lua")),
            ),
            sha: OnceLock::new(),
        };)*

        #[cfg(test)]
        static ALL: &[(&str, &Script)] = &[$(($file, &$name)),*];
    };
}

scripts! {
    ABANDON: "abandon", "answer", "announce";
    ACQUIRE: "acquire";
    ADMIT_FENCE: "admit_fence", "answer";
    BREAK: "break", "answer", "announce", "bump";
    CLAIM: "claim", "now", "int", "answer", "bump", "settled", "sightings", "ttl_of", "values_of";
    CLAIM_DUE: "claim_due", "answer", "bump", "ttl_of", "values_of";
    COMPLETE: "complete", "answer", "announce", "remember";
    COMPLETE_DUE: "complete_due", "answer", "announce", "remember";
    HAND_OVER: "hand_over", "answer", "announce";
    HISTORY: "history", "answer";
    MISS: "miss", "int", "answer", "remember", "settled";
    ONCE_BEGIN: "once_begin", "now", "answer", "bump", "execution", "fields_of", "ttl_of",
        "unbegun", "values_of";
    ONCE_COMPLETE: "once_complete", "now", "answer", "announce", "execution", "let_go";
    ONCE_FORGET: "once_forget", "answer", "announce", "execution", "let_go";
    ONCE_PEEK: "once_peek", "answer", "execution", "fields_of", "ttl_of";
    ONCE_RESOLVE: "once_resolve", "now", "answer", "execution", "fields_of", "ttl_of";
    ONCE_UNBEGIN: "once_unbegin", "answer", "announce", "execution", "let_go", "unbegun";
    PAUSE: "pause", "now", "answer";
    PEEK: "peek", "answer", "settled", "ttl_of";
    RECORD: "record", "answer", "remember";
    REGISTER: "register", "now", "int", "answer";
    RELEASE: "release";
    RENEW: "renew";
    RESET: "reset", "now", "int", "answer", "announce", "sightings";
    RESUME: "resume", "answer", "announce";
    RUN_NOW: "run_now", "now", "answer", "announce";
    SIGHT: "sight", "now", "int", "answer", "see", "sightings";
    UNCLAIM: "unclaim", "answer", "announce";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What the script does, without its comments and its texts.
    fn code(script: &Script) -> String {
        let lines = script.text.lines();
        let code = lines.map(|line| line.split_once("--").map_or(line, |(code, _)| code));
        let code = code.collect::<Vec<_>>().join("\n");
        code.split('\'').step_by(2).collect()
    }

    /// The names of its functions, and of the clock in milliseconds.
    fn names(code: &str) -> BTreeSet<&str> {
        let functions = code
            .lines()
            .filter_map(|line| line.strip_prefix("local function "))
            .filter_map(|rest| rest.split_once('('))
            .map(|(name, _)| name);
        let clock = code.contains("local now = ").then_some("now");
        functions.chain(clock).collect()
    }

    fn uses(code: &str, name: &str) -> usize {
        code.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .filter(|word| *word == name)
            .count()
    }

    #[test]
    fn a_script_has_every_part_that_it_uses_and_makes_no_function_that_it_does_not_use() {
        let codes: Vec<_> = ALL
            .iter()
            .map(|(file, script)| (file, code(script)))
            .collect();
        let every: BTreeSet<&str> = codes.iter().flat_map(|(_, code)| names(code)).collect();
        assert!(every.len() > 10, "{every:?}");
        for (file, code) in &codes {
            let own = names(code);
            for name in &every {
                let definitions = usize::from(own.contains(name));
                let is_used = uses(code, name) > definitions;
                assert_eq!(is_used, definitions == 1, "{file}: {name}");
            }
        }
    }

    #[test]
    fn an_acquire_a_renewal_and_a_release_make_no_function() {
        for script in [&ACQUIRE, &RELEASE, &RENEW] {
            assert!(!script.text.contains("local function"), "{}", script.text);
        }
    }

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
                let (rest, _) = after.split_once("granted").unwrap_or((after, ""));
                assert!(!rest.contains("redis."), "{file}: {rest}");
                seen += 1;
            }
        }
        assert_eq!(seen, 4, "acquire, claim, claim_due and once_begin");
    }
}
