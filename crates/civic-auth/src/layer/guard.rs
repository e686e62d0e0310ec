//! What becomes of a request when it is decided whether it comes in.

use std::sync::Arc;

use http::Request;
use http_body::Body;
use tower_service::Service;

use super::admission::{Admission, Verdict};
use super::audit::Audit;
use super::refusals::Refusals;
use super::verdict::VerdictFuture;
use crate::error::Cause;

/// Decides who comes in, and passes on whom it admits.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) admission: Admission,
    pub(super) anonymous: Anonymous,
    pub(super) refusals: Arc<Refusals>,
}

/// What becomes of a request without any token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Anonymous {
    Refused,
    Admitted,
}

impl Guard {
    /// Calls the inner service, or refuses.
    pub(super) fn conclude<S, B>(
        &self,
        inner: &mut S,
        mut request: Request<B>,
        mut audit: Option<Audit>,
        verdict: Verdict,
    ) -> VerdictFuture<S::Future, B>
    where
        S: Service<Request<B>>,
        B: Body,
    {
        match verdict {
            Verdict::Admitted(caller) => {
                if let Some(audit) = &mut audit {
                    audit.caller(&caller);
                }
                request.extensions_mut().insert(caller);
            }
            Verdict::Refused(error, _)
                if error.cause() == Cause::NothingSent && self.anonymous == Anonymous::Admitted => {
            }
            Verdict::Refused(error, caller) => {
                self.refusals.note(error.cause(), &self.admission.verifier);
                if let Some(mut audit) = audit {
                    if let Some(caller) = &caller {
                        audit.caller(caller);
                    }
                    audit.refused(error);
                }
                return VerdictFuture::refused(error, request);
            }
        }
        VerdictFuture::audited(inner.call(request), audit)
    }
}
