//! Which groups of work there are.

use super::piece::Group;
use super::{client, envelope, route, tokens};

/// Every group of work that runs in memory.
pub const GROUPS: &[Group] = &[
    Group {
        name: "tokens",
        title: "Tokens",
        pieces: tokens::pieces,
    },
    Group {
        name: "envelope",
        title: "The envelope",
        pieces: envelope::pieces,
    },
    Group {
        name: "client",
        title: "The layers of a client",
        pieces: client::pieces,
    },
    Group {
        name: "route",
        title: "A route of a service",
        pieces: route::pieces,
    },
];
