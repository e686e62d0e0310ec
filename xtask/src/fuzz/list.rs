//! The targets, as the table in the README of civic-fuzz lists them.
//!
//! A test of civic-fuzz compares the table with its targets. To read it here, nothing has to be
//! built.

use std::fs;

use crate::sh;

/// The folder of civic-fuzz.
pub(super) const FOLDER: &str = "crates/civic-fuzz";

/// A row of the table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    /// What the target is given.
    pub(super) input: String,
    /// The file in `dictionaries`, if it has one.
    pub(super) dictionary: Option<String>,
}

/// Reads the table.
pub(super) fn read() -> Result<Vec<Row>, String> {
    let path = sh::root().join(FOLDER).join("README.md");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let rows = rows(&text);
    if rows.is_empty() {
        return Err(format!("{} has no table of targets", path.display()));
    }
    Ok(rows)
}

/// Returns the rows of these names, and all of them for `all`.
pub(super) fn select<'r>(rows: &'r [Row], names: &[String]) -> Result<Vec<&'r Row>, String> {
    if let Some(unknown) = names
        .iter()
        .find(|name| *name != "all" && rows.iter().all(|row| row.name != **name))
    {
        let all: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        return Err(format!(
            "there is no target `{unknown}`; the targets are {}",
            all.join(", ")
        ));
    }
    Ok(rows
        .iter()
        .filter(|row| names.iter().any(|name| name == "all" || *name == row.name))
        .collect())
}

fn rows(text: &str) -> Vec<Row> {
    let table = text.lines().filter(|line| line.starts_with("| `"));
    table
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [name, input, _, dictionary] = cells[..] else {
                return None;
            };
            let unquoted = |cell: &str| cell.trim_matches('`').to_owned();
            Some(Row {
                name: unquoted(name),
                input: input.replace('`', ""),
                dictionary: Some(unquoted(dictionary)).filter(|name| !name.is_empty()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
# Title

| target | input | promise | dictionary |
|---|---|---|---|
| `token` | any bytes as a `token` | no one comes in | `token.dict` |
| `path` | any path | it is one | |
";

    #[test]
    fn each_row_of_the_table_is_a_target() {
        let rows = rows(TABLE);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["token", "path"]);
        assert_eq!(rows[0].input, "any bytes as a token");
        assert_eq!(rows[0].dictionary.as_deref(), Some("token.dict"));
        assert_eq!(rows[1].dictionary, None);
    }

    #[test]
    fn targets_are_chosen_by_name_and_all_of_them_by_one_word() {
        let rows = rows(TABLE);
        let select = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let selected = select(&rows, &names)?;
            Ok::<_, String>(selected.into_iter().map(|row| row.name.clone()).collect())
        };
        let all: Vec<String> = vec!["token".into(), "path".into()];
        assert_eq!(select(&["all"]), Ok(all));
        assert_eq!(select(&["path"]), Ok(vec!["path".to_owned()]));
        let error = select(&["path", "oath"]).expect_err("no target");
        assert_eq!(
            error,
            "there is no target `oath`; the targets are token, path"
        );
    }

    #[test]
    fn the_table_of_the_repository_can_be_read() {
        let rows = read().expect("a table");
        assert!(rows.iter().any(|row| row.name == "token"));
    }
}
