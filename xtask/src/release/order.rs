//! Which crate is published after which.

/// The names in an order in which each comes after those that it depends on.
pub(super) fn order<'a>(crates: &[(&'a str, Vec<&str>)]) -> Result<Vec<&'a str>, String> {
    let mut done: Vec<&'a str> = Vec::new();
    while done.len() < crates.len() {
        let next = crates.iter().find(|(name, dependencies)| {
            !done.contains(name) && dependencies.iter().all(|name| done.contains(name))
        });
        match next {
            Some((name, _)) => done.push(*name),
            None => {
                let rest: Vec<&str> = crates
                    .iter()
                    .map(|(name, _)| *name)
                    .filter(|name| !done.contains(name))
                    .collect();
                return Err(format!(
                    "these crates wait for each other, or for one that is not published: {}",
                    rest.join(", ")
                ));
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_comes_after_those_that_it_depends_on() {
        let crates = [
            ("client", vec!["auth", "envelope"]),
            ("auth", vec!["envelope"]),
            ("envelope", vec![]),
        ];
        assert_eq!(order(&crates), Ok(vec!["envelope", "auth", "client"]));
    }

    #[test]
    fn a_crate_that_waits_for_an_unpublished_one_is_named() {
        let error = order(&[("a", vec![]), ("b", vec!["testkit"])]).expect_err("it waits");
        assert!(error.ends_with("not published: b"), "{error}");
    }
}
