//! Who a client is.

use civic_auth::TokenMinter;

use crate::error::Error;

/// Who a client is, as far as its builder has been told.
#[derive(Debug, Default)]
pub(super) enum Identity {
    #[default]
    Undecided,
    Anonymous,
    Service(TokenMinter),
}

impl Identity {
    /// Returns what mints the client's tokens, if it is to send any.
    pub(super) fn minter(self) -> Result<Option<TokenMinter>, Error> {
        match self {
            Self::Service(minter) => Ok(Some(minter)),
            Self::Anonymous => Ok(None),
            Self::Undecided => Err(Error::config(
                "who is the client? Call minter() so that it sends service tokens, or \
                 anonymous() so that it sends none",
            )),
        }
    }
}
