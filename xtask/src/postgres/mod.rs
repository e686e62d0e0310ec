//! `cargo xtask postgres`: the recipe of `docs/one-effect.md` against a real PostgreSQL server.
//!
//! The document says how a fence, a key and an effect commit in one transaction. The statements
//! that it shows are the ones that run here: 1000 effects, each asked for by two callers at the
//! same time, whose transactions are aborted and whose connections are cut at every step.

mod caller;
mod random;
mod recipe;
pub(crate) mod server;
mod session;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use civic_progress::Progress;

use self::caller::{ACCOUNT, Caller, Counts, FENCE};
use self::random::Random;
use self::recipe::Recipe;
use self::server::Server;
use self::session::Session;
use crate::arguments::{Names, Syntax};
use crate::command::{Command, Help};
use crate::sh;

pub(crate) const COMMAND: Command = Command {
    name: "postgres",
    summary: "the recipe for one effect in a database, against a real PostgreSQL server",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask postgres [--seed N] [--effects N]

Starts a PostgreSQL server in a temporary folder, and runs the statements of docs/one-effect.md: each
effect is asked for by two callers at the same time with the same key. Some transactions are rolled
back, some connections are cut before the commit and some after it, and some callers come with a
fence that is too old. Afterwards each key has had one effect, every caller has the answer of that
effect, and no old fence has written.

Options:
  --seed N      which faults happen when. Defaults to one that is printed
  --effects N   how many keys. Defaults to 1000

Needs the programs of a PostgreSQL server, version 12 or later: in $CIVIC_POSTGRES_BIN, in
/usr/lib/postgresql/*/bin, or on the PATH. Without them the exit code is 2. As root, the server runs
as the user `postgres`, or else as `nobody`.
";

/// The command's arguments.
const SYNTAX: Syntax = Syntax {
    command: "postgres",
    flags: &[],
    options: &["--seed", "--effects"],
    names: Names::None,
    help: HELP,
};

/// The exit code of a command that cannot run here.
const MISSING: i32 = 2;

/// How many pairs of callers there are. Each pair asks for the same effects.
const PAIRS: usize = 2;

fn run(args: &[String]) -> Result<(), String> {
    let (seed, effects) = options(args)?;
    let document = sh::root().join("docs/one-effect.md");
    let text = std::fs::read_to_string(&document)
        .map_err(|error| format!("{}: {error}", document.display()))?;
    let recipe = Recipe::read(&text)?;
    let programs = match server::programs() {
        Ok(programs) => programs,
        Err(missing) => {
            // Not a failure of what is checked, so that a caller can tell the two apart.
            eprintln!("xtask: {missing}");
            std::process::exit(MISSING);
        }
    };
    let server = Server::start(&programs)?;
    println!("    {}, seed {seed}", server.version());
    let mut session = server.session()?;
    session.run(recipe.tables())?;
    recipe.prepare(&mut session)?;
    session.run(&format!(
        "INSERT INTO account (id, cents, fence) VALUES ('{ACCOUNT}', 0, {FENCE});"
    ))?;

    let mut answers = Vec::new();
    let mut counts = Counts::default();
    let progress = Progress::new();
    let done = AtomicU64::new(0);
    let answered = || {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        progress.show(done, effects as u64 * 2, "answers");
    };
    let results = thread::scope(|scope| {
        let callers: Vec<_> = (0..PAIRS * 2)
            .map(|index| {
                let pair = index / 2;
                let keys = (0..effects).filter(move |key| key % PAIRS == pair);
                let caller = Caller::new(&server, &recipe, Random::new(seed, index as u64));
                scope.spawn(move || caller.ask_for(keys.map(key), answered))
            })
            .collect();
        let joined = callers.into_iter().map(thread::ScopedJoinHandle::join);
        joined.collect::<Vec<_>>()
    });
    for result in results {
        let (own, answered) = result.map_err(|_| "a caller has panicked".to_owned())??;
        counts.add(&own);
        answers.extend(answered);
    }
    drop(progress);
    check(&mut session, effects, &answers)?;
    println!("{counts}");
    println!("    {effects} keys, {effects} effects, and every caller has the answer of its key");
    Ok(())
}

/// The key of an effect, in the form that the layer gives to a handler.
fn key(number: usize) -> String {
    format!("{number:064x}")
}

/// Compares what the callers were told with what is in the database.
fn check(
    session: &mut Session,
    effects: usize,
    answers: &[(String, String)],
) -> Result<(), String> {
    let state = session.run(&format!(
        "SELECT (SELECT cents FROM account WHERE id = '{ACCOUNT}') || ' ' || \
         (SELECT fence FROM account WHERE id = '{ACCOUNT}') || ' ' || \
         (SELECT count(*) FROM executed) || ' ' || \
         (SELECT count(DISTINCT answer) FROM executed);"
    ))?;
    // Each effect is one cent, and answers what the account then has: none is given twice.
    let expected = format!("{effects} {FENCE} {effects} {effects}");
    if state.rows != [expected.clone()] {
        return Err(format!(
            "cents, fence, keys and different answers are {:?}, not {expected:?}",
            state.rows
        ));
    }
    let stored: BTreeMap<String, String> = session
        .run("SELECT key || ' ' || answer FROM executed;")?
        .rows
        .iter()
        .filter_map(|row| row.split_once(' '))
        .map(|(key, answer)| (key.to_owned(), answer.to_owned()))
        .collect();
    if answers.len() != effects * 2 {
        return Err(format!(
            "{} of {} callers have an answer",
            answers.len(),
            effects * 2
        ));
    }
    match answers
        .iter()
        .find(|(key, answer)| stored.get(key) != Some(answer))
    {
        None => Ok(()),
        Some((key, answer)) => Err(format!(
            "a caller of {key} was told {answer:?}, and {:?} is stored",
            stored.get(key)
        )),
    }
}

/// The seed, and the number of effects.
fn options(args: &[String]) -> Result<(u64, usize), String> {
    let given = SYNTAX.read(args)?;
    let seed = given.number("--seed")?;
    Ok((
        seed.unwrap_or_else(|| u64::from(std::process::id())),
        given.number("--effects")?.unwrap_or(1000),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<(u64, usize), String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        options(&words)
    }

    #[test]
    fn seed_and_effects_are_numbers_of_one_or_more() {
        assert_eq!(of("--seed 7 --effects 20"), Ok((7, 20)));
        assert_eq!(of("").map(|(_, effects)| effects), Ok(1000));
        for wrong in [
            "--seed",
            "--seed x",
            "--effects 0",
            "--effects -1",
            "--else 1",
            "7",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_document_has_the_statements_that_are_run() {
        let recipe = Recipe::read(include_str!("../../../docs/one-effect.md"));
        assert!(recipe.is_ok(), "{:?}", recipe.err());
    }
}
