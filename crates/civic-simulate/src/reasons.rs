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
pub(crate) const RETURNS_TOGETHER: &str = "The budget of the client lets a fifth of its calls and a hundred more be \
    repeated, and the others end with `429`. What is repeated waits for `Retry-After: 1` and comes \
    back scattered over a tenth of that second. The peer repeats every call up to three times and \
    does not read the header.";

/// Why a stack is behind where a peer fails for seconds on end and the retries would have outlasted
/// it.
pub(crate) const WITHIN_BUDGET: &str = "Its retries in ten seconds are at most a fifth of the calls and ten per \
    second. The peer makes up to three for every call, and a failing service gets four times its load \
    from it: here the servers cope with that, because their failures cost nothing.";
