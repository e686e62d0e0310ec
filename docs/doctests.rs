//! Runs the Rust code of `README.md` and of each document in this folder as doc tests.
//!
//! A document that is not listed here is not checked: `cargo xtask ci` refuses one.

#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("service-client.md")]
    struct ServiceClient;

    #[doc = include_str!("base-service-client.md")]
    struct BaseServiceClient;

    #[doc = include_str!("response-envelope.md")]
    struct ResponseEnvelope;

    #[doc = include_str!("distributed-lock.md")]
    struct DistributedLock;

    #[doc = include_str!("security.md")]
    struct Security;
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn the_retry_table_is_that_of_the_client() {
        let table = include_str!("../crates/civic-client/src/layer/retry/policy/table.md");
        let table = without_links(table);
        assert!(
            include_str!("base-service-client.md").contains(&table),
            "write this into base-service-client.md:\n{table}"
        );
    }
}
