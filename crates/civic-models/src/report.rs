//! Writes what was found, as tables.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::catalogue::{Entry, Mutation};
use crate::check::{Counterexample, Explored, Subject};
use crate::rules::Rules;

/// What is written beside the tables.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Paths {
    /// The paths of promises that do not hold.
    #[default]
    OfFailures,
    /// The paths that break a promise once a rule is left out as well.
    All,
}

/// Writes the tables of one model after another, as it checks them.
#[derive(Debug)]
pub struct Report<W> {
    out: W,
    paths: Paths,
    failures: Vec<String>,
}

// ===== impl Report =====

impl<W: Write> Report<W> {
    /// Creates a report that goes to `out`.
    pub fn new(out: W, paths: Paths) -> Self {
        Self {
            out,
            paths,
            failures: Vec::new(),
        }
    }

    /// Checks one model, and writes its tables.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written to. What the models show is no error: see
    /// [`finish`](Self::finish).
    pub fn check(&mut self, entry: &Entry) -> io::Result<()> {
        writeln!(self.out, "## Model: {}\n", entry.name)?;
        writeln!(self.out, "| scope | bounds | states | depth | time |")?;
        writeln!(self.out, "|---|---|---:|---:|---:|")?;
        let mut broken = Vec::new();
        for scope in &entry.scopes {
            broken.extend(self.explore(entry.name, scope.as_ref())?);
        }
        for found in &broken {
            self.path(&format!("Broken: {}", found.property), found)?;
        }
        writeln!(
            self.out,
            "\n| what is left out or changed | scope | broken promise | faults | steps | time |"
        )?;
        writeln!(self.out, "|---|---|---|---:|---:|---:|")?;
        let mut found = Vec::new();
        for mutation in &entry.mutations {
            let counterexample = self.find(entry.name, mutation)?;
            found.extend(counterexample.map(|it| (mutation.rule, it)));
        }
        if self.paths == Paths::All {
            for (rule, found) in &found {
                self.path(&format!("{rule}: {}", found.property), found)?;
            }
        }
        writeln!(self.out)
    }

    /// Writes the last lines, and returns what does not hold, one line each.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written to.
    pub fn finish(mut self, took: Duration) -> io::Result<Vec<String>> {
        let took = seconds(took);
        if self.failures.is_empty() {
            writeln!(
                self.out,
                "Every promise holds, and each broken rule is found. {took}"
            )?;
        } else {
            writeln!(self.out, "After {took}:")?;
            for line in &self.failures {
                writeln!(self.out, "  - {line}")?;
            }
        }
        self.out.flush()?;
        Ok(self.failures)
    }

    fn explore(&mut self, model: &str, scope: &dyn Subject) -> io::Result<Vec<Counterexample>> {
        let Explored {
            states,
            depth,
            took,
            broken,
        } = scope.explore();
        let name = scope.name();
        let (bounds, took) = (scope.bounds(), seconds(took));
        writeln!(
            self.out,
            "| {name} | {bounds} | {states} | {depth} | {took} |"
        )?;
        for goal in scope.unreachable() {
            let line = format!("{model}, {name}: this never happens: {goal}");
            self.failures.push(line);
        }
        for found in &broken {
            let line = format!("{model}, {name}: this does not hold: {}", found.property);
            self.failures.push(line);
        }
        Ok(broken)
    }

    fn find(&mut self, model: &str, mutation: &Mutation) -> io::Result<Option<Counterexample>> {
        let Mutation {
            rule,
            scope,
            property,
        } = mutation;
        let begun = Instant::now();
        let found = scope.find(Rules::without(*rule), property);
        let (name, took) = (scope.name(), seconds(begun.elapsed()));
        let (faults, steps) = match &found {
            Some(found) => (found.faults.to_string(), found.steps.len().to_string()),
            None => {
                let line = format!("{model}, {name}: not found without {rule:?}: {property}");
                self.failures.push(line);
                (String::new(), "not found".to_owned())
            }
        };
        writeln!(
            self.out,
            "| {rule} | {name} | {property} | {faults} | {steps} | {took} |"
        )?;
        Ok(found)
    }

    /// Writes a path, the passing of time in one line.
    fn path(&mut self, title: &str, found: &Counterexample) -> io::Result<()> {
        writeln!(self.out, "\n{title}\n")?;
        let passes = |step: &str| step.starts_with("time passes: ");
        for (number, step) in (1..).zip(&found.steps) {
            let next = found.steps.get(number);
            if !(passes(step) && next.is_some_and(|next| passes(next))) {
                writeln!(self.out, "{number:4}. {step}")?;
            }
        }
        Ok(())
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
