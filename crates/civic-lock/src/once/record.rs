//! What was recorded of an execution that is finished.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};
use crate::store::once::{Author, Execution};
use crate::store::payload::Payload;

/// What was recorded under a key of an execution that is finished.
///
/// Its `Debug` form shows how long the result is, and nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub struct OnceRecord {
    pub(super) result: Payload,
    pub(super) completed: u64,
    pub(super) until: u64,
    pub(super) attempt: u32,
    pub(super) fence: u64,
    pub(super) holder: String,
    pub(super) author: Author,
}

impl OnceRecord {
    /// Returns the result, as it was given to [`OnceRun::complete`](crate::OnceRun::complete). It
    /// is empty if there [is none](Self::has_result).
    #[must_use]
    pub fn result(&self) -> &[u8] {
        self.result.as_bytes()
    }

    /// Returns whether there is a result, which may be empty.
    ///
    /// Returns `false` if the work has ended
    /// [without one](crate::OnceRun::complete_without_result), or if an operator has ended the
    /// execution.
    #[must_use]
    pub fn has_result(&self) -> bool {
        self.author == Author::Holder
    }

    /// Returns when the end was recorded, by the store's clock.
    #[must_use]
    pub fn completed_at(&self) -> SystemTime {
        instant(self.completed)
    }

    /// Returns when the record ends, by the store's clock, unless someone looks at it before. From
    /// then on, the work may be begun again.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        instant(self.until)
    }

    /// Returns which attempt has come to this end.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the fencing token of that attempt.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Returns the holder that has begun that attempt, and has finished it unless an operator
    /// [has](Self::is_resolved).
    #[must_use]
    pub fn completed_by(&self) -> &str {
        &self.holder
    }

    /// Returns whether an operator has ended the execution. There is no result then.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.author == Author::Operator
    }

    /// Reads the result as JSON. What an operator has ended counts as `null`, which is the result
    /// of work that returns nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Unreadable`] if there is no result, or if it is not of this type. The
    /// error says where, and quotes nothing of the result.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let result = match self.author {
            Author::Holder => self.result(),
            Author::Operator => b"null",
            Author::HolderWithoutResult => {
                return Err(Error::new(
                    ErrorKind::Unreadable,
                    "the work has ended, and its result was not recorded",
                ));
            }
        };
        serde_json::from_slice(result).map_err(|error| {
            Error::new(
                ErrorKind::Unreadable,
                format!(
                    "line {} column {} of {} bytes",
                    error.line(),
                    error.column(),
                    result.len()
                ),
            )
        })
    }
}

impl From<Execution> for OnceRecord {
    fn from(execution: Execution) -> Self {
        Self {
            completed: execution.completed.unwrap_or_default(),
            until: execution.until,
            attempt: execution.attempt,
            fence: execution.fence,
            holder: execution.holder,
            author: execution.author,
            result: execution.result,
        }
    }
}

impl fmt::Debug for OnceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceRecord")
            .field("result", &self.result)
            .field("completed_at", &self.completed_at())
            .field("attempt", &self.attempt)
            .field("fence", &self.fence)
            .field("completed_by", &self.holder)
            .field("author", &self.author)
            .finish_non_exhaustive()
    }
}

/// The instant of a number of milliseconds since the epoch.
pub(super) fn instant(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(result: &[u8], author: Author) -> OnceRecord {
        OnceRecord {
            result: Payload::new(result),
            completed: 1,
            until: 2,
            attempt: 1,
            fence: 7,
            holder: "a".to_owned(),
            author,
        }
    }

    #[test]
    fn an_unreadable_result_is_told_by_its_place_and_never_quoted() {
        let record = record(br#"{"name":"Ada Lovelace"}"#, Author::Holder);
        let error = record.json::<Vec<u8>>().expect_err("an object");
        assert_eq!(error.kind(), ErrorKind::Unreadable);
        assert!(error.to_string().contains("line 1 column"), "{error}");
        for text in [format!("{error} {error:?}"), format!("{record:?}")] {
            assert!(!text.contains("Ada"), "{text}");
        }
    }

    #[test]
    fn what_an_operator_has_ended_reads_as_null() {
        let record = record(b"", Author::Operator);
        assert!(record.is_resolved() && !record.has_result());
        record.json::<()>().expect("null is a unit");
        assert_eq!(record.json::<Option<u8>>().expect("null is none"), None);
        assert!(record.json::<u8>().is_err());
    }

    #[test]
    fn a_result_that_was_not_recorded_is_never_taken_for_nothing() {
        let record = record(b"", Author::HolderWithoutResult);
        assert!(!record.is_resolved() && !record.has_result());
        let error = record.json::<Option<u8>>().expect_err("no result");
        assert_eq!(error.kind(), ErrorKind::Unreadable);
        assert!(error.to_string().contains("not recorded"), "{error}");
    }
}
