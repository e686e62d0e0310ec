//! Runs the Rust code of the documents at the root of the repository and in this folder, at any
//! depth, as doc tests.
//!
//! `build.rs` finds them: a new document is run without a line here. The doc test of a document
//! bears its name, such as `documents::docs_service_client`.

#[cfg(doctest)]
mod documents {
    include!(concat!(env!("OUT_DIR"), "/documents.rs"));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// Replaces each link by its text: in a document there is nothing to link to.
    fn without_links(text: &str) -> String {
        let (mut plain, mut rest) = (String::new(), text);
        while let Some((before, link)) = rest.split_once("[`")
            && let Some((name, after)) = link.split_once("`](")
            && let Some((_, after)) = after.split_once(')')
        {
            plain += &format!("{before}`{name}`");
            rest = after;
        }
        plain + rest
    }

    /// The names in a text that begin as metrics do.
    fn metrics(text: &str) -> BTreeSet<&str> {
        let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
        text.split(|character| !is_part(character))
            .filter(|word| word.starts_with("civic_job_") || word.starts_with("civic_lock_"))
            .collect()
    }

    #[test]
    fn the_alert_rules_use_only_metrics_that_the_documented_program_emits() {
        let rules = include_str!("alerts/civic-jobs.yml");
        let document = include_str!("job-metrics.md");
        // The program checks that it emits each of these.
        let (_, checked) = document.split_once("for metric in [").expect("the list");
        let (checked, _) = checked.split_once(']').expect("the end of the list");
        let (used, emitted) = (metrics(rules), metrics(checked));
        assert!(used.is_subset(&emitted), "{used:?} of {emitted:?}");
        assert!(used.contains("civic_job_next_due_timestamp_seconds"));
        // Every rule is whole: a name, an expression, and what to say.
        let count = |part: &str| {
            rules
                .lines()
                .filter(|line| line.trim_start().starts_with(part))
                .count()
        };
        let rules = count("- alert: ");
        assert!(rules > 0);
        for part in [
            "expr: ",
            "labels:",
            "severity: ",
            "annotations:",
            "summary: ",
        ] {
            assert_eq!(count(part), rules, "{part}");
        }
    }

    #[test]
    fn the_recipe_for_node_is_the_one_that_is_checked_with_node() {
        let recipe = include_str!("../crates/civic-fleet/interop/fence.mjs");
        assert!(
            include_str!("one-effect.md").contains(&format!("```js\n{recipe}```\n")),
            "write crates/civic-fleet/interop/fence.mjs into one-effect.md"
        );
    }

    #[test]
    fn the_retry_table_is_that_of_the_client() {
        let table = include_str!("../crates/civic-client/src/layer/retry/policy/table.md");
        let table = without_links(table);
        assert!(
            include_str!("base-service-client.md").contains(&table),
            "write this into base-service-client.md:\n{table}"
        );
    }
    /// Adds the environment variables of this project that the sources in a folder name, outside of
    /// their tests.
    fn add_variables(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                add_variables(&path, names);
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let literals = code.split('"').filter(|literal| {
                let is_ours = ["CIVIC_", "JWT_", "REDIS_"]
                    .iter()
                    .any(|prefix| literal.starts_with(prefix));
                let is_name = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
                is_ours && literal.bytes().all(is_name)
            });
            names.extend(literals.map(str::to_owned));
        }
    }

    #[test]
    fn the_tables_of_operations_have_every_variable_that_is_read() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        let mut names = BTreeSet::new();
        for name in [
            "auth", "cli", "client", "envelope", "fleet", "lock", "server",
        ] {
            add_variables(&crates.join(format!("civic-{name}/src")), &mut names);
        }
        assert!(names.contains("JWT_SECRET") && names.contains("REDIS_URL"));
        let operations = include_str!("operations.md");
        let missing: Vec<_> = names
            .iter()
            .filter(|name| !operations.contains(&format!("`{name}`")))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
