//! Why our stack is behind the peer, where it is.

/// Why our stack is behind the peer in a scenario. The report refuses to show that it is behind
/// without one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reasons {
    /// Why the default stack is.
    pub default_stack: Option<&'static str>,
    /// Why the stack with everything on is.
    pub everything: Option<&'static str>,
}

/// Why the default stack is behind where servers fail without saying that they did nothing.
pub(crate) const NOT_REPEATED: &str = "A POST whose attempt failed without an answer, or with 500, may have been \
    executed, and so the default stack does not send it again. It is one word of the caller \
    (`.idempotent(true)` or a key) to have it repeated, which is what *civic, all on* does.";

/// Why the default stack is behind where each further attempt finds a well server with some luck.
pub(crate) const FEWER_RETRIES: &str = "It makes at most 2 retries, where the peer makes 3, so that servers in \
    trouble get less.";

/// Why a stack is behind where a refused call could be repeated at once.
pub(crate) const WAITS_AS_ASKED: &str = "It waits for the second that `Retry-After` asks for. The peer does not read \
    the header and comes back sooner, which is welcome only in a simulation in which the other node \
    is well.";

/// Why a stack is behind where many calls of one client are refused at the same time.
pub(crate) const BUDGET_OF_A_BURST: &str = "The budget of the client lets a fifth of its calls and a hundred more be \
    repeated: 300 of the 800 that were refused. They wait for `Retry-After: 1`, come back scattered \
    over half a second and succeed; the others end with `429`. The peer repeats every call, up to \
    three times. Without the budget (`PeerMemory::without_budget`) *civic, all on* does so too, and as \
    many of its calls succeed. Before a service that is overloaded the same only adds to the load: see \
    the peer's attempts per call in *slowdown_and_error_thresholds*.";

/// Why a stack is behind where almost no call finds room.
pub(crate) const ASKS_ONCE: &str = "Once the node has answered `429`, the client keeps its calls at home and \
    lets one of them ask, a second later. The others wait for that answer, 10 s at most or until \
    their deadline. The peer sends four requests for each call, and so a few more of them meet the \
    moment at which the node is free.";

/// Why a stack is behind where a peer fails for seconds on end and the retries would have outlasted
/// it.
pub(crate) const WITHIN_BUDGET: &str = "Its retries in ten seconds are at most a fifth of the calls and ten per \
    second. The peer makes up to three for every call, and a failing service gets four times its load \
    from it: here the servers cope with that, because their failures cost nothing. Without \
    the budget (`PeerMemory::without_budget`) as many calls of *civic, all on* succeed.";

/// Why a stack is behind the published ones where calls could wait in a queue of the client.
pub(crate) const NEVER_QUEUES: &str = "The published clients let calls wait in a queue of their own until the servers \
    have room, for minutes if need be, and find out by themselves how many of them may be under way: \
    their simulations have no timeouts. Ours lets a call wait only if it is told to, in front of a \
    limit that it is told as well (`max_in_flight`). Without one, the calls that the servers cannot \
    take fail, after their retries or after the wait for a remembered `429`.";

/// Why a stack is behind the published ones where two clients share what one server can take.
pub(crate) const MEETS_ANOTHER_CLIENT: &str = "The published clients let calls wait in a queue of their own until the server \
    has room, and retry a 429 after a quarter of a second. Ours lets a call wait only if it is told \
    to, in front of a limit (`max_in_flight`), and one call per client is too many here: two clients \
    share a node that takes one request, and a 429 holds all calls of the client that gets it back \
    for the second that `Retry-After` asks for.";

/// Why a stack is behind the published ones where many clients share what one server can take.
pub(crate) const SHARES_WITHOUT_A_QUEUE: &str = "The published clients let calls wait in a queue of their own, for half a \
    minute in the mean, and find out by themselves how many of them may be under way. Ours has no \
    limit that finds its own number, and no other one is of use here: ten clients share a node that \
    takes two requests, so that one call per client is too many. A client that was told 429 keeps \
    its calls at home and lets one of them ask, a second later; those that have waited for 10 s, or \
    until their deadline, end with an error that says when to come back.";

/// Why the default stack is behind a published one that knows how a node is for each of its routes.
pub(crate) const COUNTS_PER_NODE: &str = "Each node fails on one route and is well on the other. The published clients do \
    not repeat such a POST either; but conjure has a limit of its own for each node and route, and so \
    learns which node is well for which route. Ours knows each node as a whole (as dialogue does: \
    66.2 %), and each of the two fails half of its calls. A call that may be repeated \
    (`.idempotent(true)` or a key), as in *civic, all on*, reaches the other node.";

/// Why the default stack is behind the published ones where every server fails for seconds.
pub(crate) const FAILS_WITHOUT_A_QUEUE: &str = "Both nodes answer 500 for the first half of the time, and a POST that was \
    answered with 500 may have been executed: the default stack does not send it again, and neither \
    do the published clients. But a quarter of their calls has waited in a queue of the client until \
    the nodes were well again.";

/// Why the default stack is behind the published ones where each client has to find out by itself
/// whether a server is well again.
pub(crate) const ASKS_WHETHER_IT_IS_WELL: &str = "Each of the ten clients asks the node that fails after 2, 4 and 8 s, or half \
    as long again, whether it is well, with a real call. There are no others than POSTs here, and \
    one that was answered with 500 is not repeated; beside calls that may be repeated, those would \
    ask. The published clients come back after half a minute or more, which costs nothing here: the \
    node is as slow as the other one, and one is enough for the load.";

/// Why the default stack is behind the published ones where a server answers later than an attempt
/// waits.
pub(crate) const AHEAD_OF_THE_ANSWER: &str = "The slow node would answer after 10 s and a little more, and an attempt \
    ends after 10 s. The published simulations have no timeouts, and count such an answer as a success. \
    A POST that was given up may have been executed, and so the default stack does not send it again.";

/// Why a stack is behind the published ones where more calls fail at once than the budget lets be
/// repeated.
pub(crate) const BUDGET_BESIDE_A_QUEUE: &str = "The budget of a client lets a fifth of its calls and a hundred more be \
    repeated in ten seconds. The published clients have no budget: they repeat each call up to four \
    times, and let calls wait in a queue until the servers have room.";

/// Why a stack is behind the published ones where the refusals of a server take as long as its
/// answers.
pub(crate) const REFUSED_SLOWLY: &str = "The load is all that the nodes allow together, and a `429` takes 200 s here, as \
    long as an answer. A call gets two or three of them before its retries or its deadline are used up; \
    the published clients let it wait in a queue, for 56 minutes in the mean.";

/// Why a stack is behind the published ones where each question whether a server is well takes a
/// second of its time.
pub(crate) const ASKS_A_SLOW_NODE: &str = "As many calls succeed, and as fast. But each of the ten clients asks the node \
    that fails after 1, 2 and 4 s whether it is well again, and each 503 takes a second of that \
    node's time here. Where calls must not be executed twice (*civic, endpoints*), it asks less \
    often.";
