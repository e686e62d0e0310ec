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
}
