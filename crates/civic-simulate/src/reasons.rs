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
