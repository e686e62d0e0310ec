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

/// Why a stack is behind where many calls are refused at the same time.
pub(crate) const RETURNS_TOGETHER: &str = "Calls that were refused together with `Retry-After: 1` come back together, \
    scattered over a tenth of that second. The peer does not read the header and scatters its first \
    retry over a whole second.";
