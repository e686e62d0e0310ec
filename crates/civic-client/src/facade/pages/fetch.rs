//! The call for one page.

use std::time::Duration;

use civic_auth::RequestContext;
use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::facade::answer::Answer;
use crate::facade::pages::list::List;
use crate::facade::prepare::Prepared;
use crate::facade::request::RequestBuilder;

/// The longest time that a peer is believed which asks for time: no window of a limit is longer
/// than what a client remembers of one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often in a row the peer is given the time that it asks for, for one page.
const MAX_PAUSES: u32 = 5;

/// One page, as it is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) page: u64,
    pub(super) limit: u64,
}

impl Asked {
    /// Makes the call for the page ready, out of that for the list.
    pub(super) fn of(self, list: &RequestBuilder<'_>) -> Result<Prepared, Error> {
        list.another()
            .query("page", self.page)
            .query("limit", self.limit)
            .prepare()
    }
}

/// Fetches a page, which `read` makes of the answer. If the peer's rate limit is used up, it is
/// waited for, unless there is a deadline.
pub(super) async fn fetch<T>(
    prepared: Prepared,
    deadline: Deadline,
    read: fn(&Answer) -> Result<List<T>, Error>,
) -> Result<List<T>, Error> {
    let mut pauses = 0;
    loop {
        let answer = prepared.another().exchange().await;
        let error = match answer.and_then(Answer::whole) {
            Ok(answer) => match answer.success() {
                Ok(answer) => return read(&answer),
                Err(error) => error,
            },
            Err(error) => error,
        };
        match pause(&error) {
            Some(pause) if pauses < MAX_PAUSES && deadline.allows(pause) => {
                pauses += 1;
                sleep(pause).await;
            }
            _ => return Err(error),
        }
    }
}

/// Returns how long the peer has to be left alone; `None` if that is not why the call has failed.
fn pause(error: &Error) -> Option<Duration> {
    let is_limit = error.kind() == ErrorKind::RateLimited
        || error.status() == Some(StatusCode::TOO_MANY_REQUESTS);
    let pause = error.retry_after().filter(|_| is_limit)?;
    (pause <= LONGEST_PAUSE).then_some(pause)
}

/// Until when pages may be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deadline {
    None,
    /// That of the request being served.
    At(Instant),
    /// Each call has one of its own, and has waited itself as long as it may.
    OfEachCall,
}

impl Deadline {
    /// Returns that of the calls for a list.
    pub(super) fn of(list: &RequestBuilder<'_>) -> Self {
        let serving = RequestContext::try_current();
        match (
            list.draft.deadline,
            serving.and_then(|context| context.deadline()),
        ) {
            (Some(_), _) => Self::OfEachCall,
            (None, Some(deadline)) => Self::At(deadline),
            (None, None) => Self::None,
        }
    }

    fn allows(self, pause: Duration) -> bool {
        match self {
            Self::None => true,
            Self::At(deadline) => Instant::now() + pause < deadline,
            Self::OfEachCall => false,
        }
    }
}
