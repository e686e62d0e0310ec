//! The pages of a list, as a stream.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{fmt, mem};

use civic_auth::{RequestContext, new_correlation_id};
use futures_core::Stream;
#[cfg(feature = "garde")]
use garde::Validate;
use http::Method;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::facade::answer::Answer;
use crate::facade::pages::fetch::{Asked, Deadline, fetch};
use crate::facade::pages::list::{List, Pagination};
use crate::facade::pages::page::{Page, TotalShift};
use crate::facade::request::RequestBuilder;
use crate::not_retried::NotRetried;

/// The most items that a page of the platform has.
const MAX_LIMIT: u64 = 100;

/// The most pages that are fetched ahead.
const MAX_LOOK_AHEAD: usize = 8;

/// The pages of a list, as a stream.
///
/// [`RequestBuilder::pages`] returns it. It is a [`Stream`] of pages and errors; with
/// [`next`](Self::next), no other crate is needed:
///
/// ```
/// # use civic_client::{Error, ServiceClient};
/// # use serde::Deserialize;
/// #[derive(Deserialize)]
/// struct Property { id: String }
///
/// # async fn example(client: &ServiceClient) -> Result<(), Error> {
/// let mut pages = client.get("/properties").query("sortBy", "id").pages::<Property>();
/// while let Some(page) = pages.next().await {
///     let page = page?;
///     if let Some(shift) = page.shift() {
///         println!("the list had {} items and has {}", shift.before, shift.now);
///     }
///     for property in page.into_items() {
///         println!("{}", property.id);
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What it does
///
/// - **Look-ahead.** While the caller works with a page, the next one is fetched, by a task that
///   ends with the stream. See [`look_ahead`](Self::look_ahead).
/// - **A page that fails is not lost.** After an error the stream goes on with the same page: the
///   caller decides whether to go on, at once or later. [`next_page`](Self::next_page) says which
///   page that is, and [`starting_at`](Self::starting_at) begins there, in another process too.
/// - **The peer's rate limit is kept.** Where a call without a deadline would end because the limit
///   is used up for longer than 10 s, the page waits, for at most a minute at a time. A list of
///   100 000 items at 100 calls per minute takes ten minutes.
/// - **A total that shifts is told**, by [`Page::shift`].
/// - **The structure of the items always counts.** Their rules count in
///   [`pages_validated`](RequestBuilder::pages_validated).
/// - **A peer that answers another page than was asked for** is
///   [`ErrorKind::Protocol`]: one that ignores `page` would go on for ever. So is a page that
///   contradicts itself (more items than its limit, none though others follow it, a `hasNextPage`
///   or a `totalPages` that does not fit its other numbers), and one with another limit than the
///   page before. A stream that begins behind page 1 needs the limit that it asks for: the same
///   number would be another page with another limit. From page 1 on, a peer may have a limit of
///   its own.
///
/// All of its calls carry the same correlation id.
#[must_use = "no page is fetched until the stream is polled"]
pub struct Pages<'a, T> {
    list: RequestBuilder<'a>,
    limit: u64,
    look_ahead: usize,
    next: u64,
    /// What the last page said.
    last: Option<Pagination>,
    state: State,
    /// The calls for `next` and the pages behind it, in their order.
    ahead: VecDeque<Task<T>>,
    /// Makes a page of an answer.
    read: fn(&Answer) -> Result<List<T>, Error>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    New,
    UnderWay,
    Ended,
}

/// A call for a page. It ends when this is dropped.
struct Task<T>(JoinHandle<Result<List<T>, Error>>);

impl<'a> RequestBuilder<'a> {
    /// Reads a list page by page, in the platform's shape: `{"items":[…],"pagination":{…}}`, asked
    /// for with `page` and `limit`.
    ///
    /// The request is a GET, and describes the list: its filters and its order, without `page` and
    /// `limit`. Each page is a call of its own, with the retries, the timeout and the
    /// [`deadline`](Self::deadline) of this one. What is wrong with the request is the first thing
    /// that comes.
    pub fn pages<T>(self) -> Pages<'a, T>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.pages_read_by(Answer::json)
    }

    /// Does what [`pages`](Self::pages) does, and checks the rules of the items' type.
    ///
    /// Under [`Validation::Enforce`](crate::Validation::Enforce), a page with an item that breaks
    /// them is an error, [`ErrorKind::Validation`], which says which item it was (`[3].name`). As
    /// with any other error, the next call asks for the same page again: a caller that wants the
    /// rest of the list begins behind it, with [`starting_at`](Pages::starting_at). Under
    /// [`Validation::Warn`](crate::Validation::Warn) there is one line in the log per page.
    #[cfg(feature = "garde")]
    pub fn pages_validated<T>(self) -> Pages<'a, T>
    where
        T: DeserializeOwned + Send + Validate + 'static,
        T::Context: Default,
    {
        self.pages_read_by(|answer| {
            let List { items, pagination } = answer.json()?;
            let items = answer.validate(items)?;
            Ok(List { items, pagination })
        })
    }

    fn pages_read_by<T>(self, read: fn(&Answer) -> Result<List<T>, Error>) -> Pages<'a, T> {
        Pages {
            list: self,
            limit: MAX_LIMIT,
            look_ahead: 1,
            next: 1,
            last: None,
            state: State::New,
            ahead: VecDeque::new(),
            read,
        }
    }
}

// ===== impl Pages =====

impl<T> Pages<'_, T> {
    /// Sets how many items a page has, from 1 to 100. Another number is an error of the first page.
    ///
    /// Defaults to 100.
    pub fn limit(mut self, items: u64) -> Self {
        self.limit = items;
        self
    }

    /// Sets with which page to begin, counted from 1.
    ///
    /// Defaults to 1.
    pub fn starting_at(mut self, page: u64) -> Self {
        self.next = page;
        self
    }

    /// Sets how many pages are fetched ahead while the caller works with one, at most 8. The pages
    /// come in their order all the same.
    ///
    /// With 0, a page is fetched when it is asked for. A page that is fetched ahead is in memory
    /// until it is asked for.
    ///
    /// Defaults to 1.
    pub fn look_ahead(mut self, pages: usize) -> Self {
        self.look_ahead = pages.min(MAX_LOOK_AHEAD);
        self
    }

    /// Returns the number of the page that comes next, or that has failed and is asked for again.
    #[must_use]
    pub const fn next_page(&self) -> u64 {
        self.next
    }
}

impl<T: DeserializeOwned + Send + 'static> Pages<'_, T> {
    /// Returns the next page; `None` after the last one.
    ///
    /// # Errors
    ///
    /// The page could not be fetched, as with [`RequestBuilder::fetch`], or is not the one that
    /// follows. The next call asks for the same page again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped: the page comes with the next call. Its call goes
    /// on meanwhile; it ends when the stream is dropped.
    pub async fn next(&mut self) -> Option<Result<Page<T>, Error>> {
        poll_fn(|cx| self.poll_page(cx)).await
    }

    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Page<T>, Error>>> {
        if self.state == State::New {
            self.state = State::UnderWay;
            if let Err(error) = self.begin() {
                self.state = State::Ended;
                return Poll::Ready(Some(Err(error)));
            }
        }
        if self.state == State::Ended {
            return Poll::Ready(None);
        }
        if let Err(error) = self.ask(1) {
            self.state = State::Ended;
            return Poll::Ready(Some(Err(error)));
        }
        let Some(task) = self.ahead.front_mut() else {
            return Poll::Ready(None);
        };
        let fetched = match ready!(Pin::new(&mut task.0).poll(cx)) {
            Ok(fetched) => fetched,
            // The runtime is shutting down, or the deserialisation of an item has panicked.
            Err(error) => Err(Error::new(ErrorKind::Decode).with_source(error)),
        };
        self.ahead.pop_front();
        let page = fetched.and_then(|list| self.judge(list));
        match &page {
            // What is wrong with the request was found with the first page.
            Ok(_) if self.state == State::UnderWay => drop(self.ask(self.look_ahead)),
            Ok(_) => {}
            // They would come after a page that is asked for again.
            Err(_) => self.ahead.clear(),
        }
        Poll::Ready(Some(page))
    }

    /// Checks what the caller has said, before the first page.
    fn begin(&mut self) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::request(why));
        let method = match &mut self.list.draft.parts {
            Ok(parts) => parts.method.clone(),
            Err(error) => return Err(mem::replace(error, Error::request("the request is wrong"))),
        };
        if method != Method::GET {
            return refuse("pages() needs a GET request");
        }
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return refuse("the limit of pages() is from 1 to 100 items");
        }
        if self.next == 0 {
            return refuse("pages are counted from 1");
        }
        let is_own = |(name, _): &(String, String)| name == "page" || name == "limit";
        if self.list.draft.query.iter().any(is_own) {
            return refuse(
                "pages() sets the query parameters page and limit itself; use its starting_at() \
                 and limit()",
            );
        }
        let id = self.list.draft.correlation_id.take();
        let id = id.or_else(|| RequestContext::current().correlation_id().cloned());
        self.list.draft.correlation_id = Some(id.unwrap_or_else(new_correlation_id));
        Ok(())
    }

    /// Asks for pages until `count` are under way or fetched, but for none behind the last one.
    fn ask(&mut self, count: usize) -> Result<(), Error> {
        while self.ahead.len() < count {
            let page = self.next + self.ahead.len() as u64;
            let exists = match self.last {
                None => self.ahead.is_empty(),
                Some(last) => page <= last.total_pages || page == self.next,
            };
            if !exists {
                break;
            }
            let limit = self.limit;
            let prepared = Asked { page, limit }.of(&self.list)?;
            let deadline = Deadline::of(&self.list);
            let fetching = fetch(prepared, deadline, self.read).in_current_span();
            let context = RequestContext::current();
            self.ahead
                .push_back(Task(tokio::spawn(context.scope(fetching))));
        }
        Ok(())
    }

    /// Returns the page, if it is the one that follows.
    fn judge(&mut self, list: List<T>) -> Result<Page<T>, Error> {
        let List { items, pagination } = list;
        let wrong = |what: String| {
            let error = Error::new(ErrorKind::Protocol)
                .with_detail(what)
                .with_call(Method::GET, self.list.draft.template.clone())
                .with_not_retried(Some(NotRetried::NotRetryable));
            Err(match &self.list.draft.correlation_id {
                Some(id) => error.with_correlation_id(id.clone()),
                None => error,
            })
        };
        if pagination.page != self.next {
            return wrong(format!(
                "page {} was asked for, and the peer answered page {}",
                self.next, pagination.page
            ));
        }
        if self.last.is_some_and(|last| last.limit != pagination.limit) {
            return wrong(format!(
                "page {} has another limit than the page before",
                self.next
            ));
        }
        // Which pages came before depends on how long they were.
        if self.last.is_none() && self.next > 1 && pagination.limit != self.limit {
            return wrong(format!(
                "page {} has a limit of {}, and {} was asked for: counted so, it is not the page \
                 that follows; ask with a limit() of {}",
                self.next, pagination.limit, self.limit, pagination.limit
            ));
        }
        if items.len() as u64 > pagination.limit {
            return wrong(format!(
                "page {} has {} items, and the peer says that its limit is {}",
                self.next,
                items.len(),
                pagination.limit
            ));
        }
        if items.is_empty() && pagination.has_next_page {
            return wrong(format!(
                "page {} has no items, and the peer says that others follow it",
                self.next
            ));
        }
        if pagination.has_next_page != (pagination.page < pagination.total_pages) {
            let follows = if pagination.has_next_page {
                "one"
            } else {
                "none"
            };
            return wrong(format!(
                "the peer says of page {} that {follows} follows it, and that there are {} pages",
                self.next, pagination.total_pages
            ));
        }
        // A list without items has no page, or one that is empty.
        let needed = pagination.total_items.div_ceil(pagination.limit.max(1));
        if pagination.total_pages.max(1) != needed.max(1) {
            return wrong(format!(
                "the peer says that there are {} pages of {} for {} items",
                pagination.total_pages, pagination.limit, pagination.total_items
            ));
        }
        let shift = self
            .last
            .filter(|last| last.total_items != pagination.total_items)
            .map(|last| TotalShift {
                before: last.total_items,
                now: pagination.total_items,
            });
        if pagination.has_next_page {
            self.next += 1;
        } else {
            self.state = State::Ended;
        }
        self.last = Some(pagination);
        Ok(Page::new(items, pagination, shift))
    }
}

impl<T> fmt::Debug for Pages<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("list", &self.list)
            .field("limit", &self.limit)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned + Send + 'static> Stream for Pages<'_, T> {
    type Item = Result<Page<T>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_page(cx)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
