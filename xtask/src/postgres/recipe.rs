//! The statements of the document.

use super::session::Session;

/// The names of the statements, and the types of their parameters.
const STATEMENTS: [(&str, &str); 4] = [
    ("take_key", "text"),
    ("effect", "text, bigint, bigint"),
    ("keep_answer", "text, text"),
    ("answer_of", "text"),
];

/// The statements of the document.
#[derive(Debug)]
pub(super) struct Recipe {
    tables: String,
    /// In the order of [`STATEMENTS`].
    statements: Vec<String>,
}

impl Recipe {
    /// Finds the tables, and each statement by the name in its first line, `-- name: …`.
    pub(super) fn read(document: &str) -> Result<Self, String> {
        let blocks: Vec<&str> = document
            .split("```sql\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .collect();
        let named = |name: &str| {
            let first = format!("-- {name}: ");
            let mut found = blocks.iter().filter(|block| block.starts_with(&first));
            match (found.next(), found.next()) {
                (Some(block), None) => Ok((*block).to_owned()),
                (None, _) => Err(format!(
                    "docs/one-effect.md has no SQL that begins with `{first}`"
                )),
                (Some(_), Some(_)) => {
                    Err(format!("docs/one-effect.md has `{first}` more than once"))
                }
            }
        };
        Ok(Self {
            tables: named("tables")?,
            statements: STATEMENTS
                .iter()
                .map(|(name, _)| named(name))
                .collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn tables(&self) -> &str {
        &self.tables
    }

    /// Prepares the statements in a session, each under its name.
    pub(super) fn prepare(&self, session: &mut Session) -> Result<(), String> {
        for ((name, types), statement) in STATEMENTS.iter().zip(&self.statements) {
            session.run(&format!("PREPARE {name} ({types}) AS\n{statement}"))?;
        }
        Ok(())
    }
}
