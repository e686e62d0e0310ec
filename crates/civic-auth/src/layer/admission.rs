//! What a guard decides about a request: at once, or after it has waited for newer keys, and for
//! the store of used tokens.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;

use crate::context::RequestContext;
use crate::error::{AuthError, Cause};
use crate::key::KeyRefresh;
use crate::replay::ReplayProtection;
use crate::txn::TransactionTokens;
use crate::verify::{Principal, TokenVerifier};

/// Decides who comes in.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    pub(super) verifier: TokenVerifier,
    pub(super) transactions: Option<TransactionTokens>,
    pub(super) replay: Option<ReplayProtection>,
}

/// What is known about a request at once.
pub(super) enum Decision {
    Made(Verdict),
    Waits(Wait),
}

/// What becomes of a request.
pub(super) enum Verdict {
    Admitted(Principal),
    /// It is refused. Its caller is known if its token has kept every rule.
    Refused(AuthError, Option<Principal>),
}

/// What is waited for.
pub(super) enum Wait {
    /// Newer keys, which may let in a request that would be refused for this.
    Keys(KeyRefresh, AuthError),
    /// Newer keys for the transaction token of this caller. Without them it would be refused for
    /// this.
    TransactionKeys(KeyRefresh, AuthError, Principal),
    /// Whether the token of this caller was used before.
    Store(
        Pin<Box<dyn Future<Output = Result<(), Cause>> + Send>>,
        Principal,
    ),
}

/// A decision that is made later. It has the head of the request meanwhile.
pub(super) struct Deciding(Pin<Box<dyn Future<Output = Decided> + Send>>);

/// A decision, and the head of its request.
pub(super) struct Decided {
    pub(super) head: Request<()>,
    pub(super) verdict: Verdict,
}

// ===== impl Admission =====

impl Admission {
    pub(super) fn decide<B>(&self, request: &Request<B>) -> Decision {
        match self.verifier.verify_request(request) {
            Ok(caller) => self.decide_transaction(caller, request),
            Err(error) => match self.verifier.refresh_keys(error) {
                Some(refresh) => Decision::Waits(Wait::Keys(refresh, error)),
                None => Decision::refused(error),
            },
        }
    }

    /// Waits, and then decides. A request waits once for keys, and once for the store.
    pub(super) fn decide_later(&self, wait: Wait, head: Request<()>) -> Deciding {
        let this = self.clone();
        Deciding(Box::pin(async move {
            let decision = match wait {
                Wait::Store(..) => Decision::Waits(wait),
                Wait::Keys(refresh, _) => {
                    refresh.await;
                    this.decide(&head)
                }
                Wait::TransactionKeys(refresh, _, caller) => {
                    refresh.await;
                    this.decide_transaction(caller, &head)
                }
            };
            let verdict = match decision {
                Decision::Made(verdict) => verdict,
                Decision::Waits(Wait::Keys(_, error)) => Verdict::Refused(error, None),
                Decision::Waits(Wait::TransactionKeys(_, error, _)) => {
                    Verdict::Refused(error, None)
                }
                Decision::Waits(Wait::Store(question, caller)) => match question.await {
                    Ok(()) => Verdict::Admitted(caller),
                    Err(cause) => Verdict::Refused(cause.into(), Some(caller)),
                },
            };
            Decided { head, verdict }
        }))
    }

    /// Adds to a caller for whom it calls.
    fn decide_transaction<B>(&self, mut caller: Principal, request: &Request<B>) -> Decision {
        let Some(tokens) = &self.transactions else {
            return self.decide_use(caller, request);
        };
        let headers = request.headers();
        let id = RequestContext::correlation_id_for(headers, request.extensions());
        let cause = match tokens.admit(&mut caller, headers, id) {
            Ok(transaction) => {
                RequestContext::current().adopt_transaction(transaction);
                return self.decide_use(caller, request);
            }
            Err(cause) => cause,
        };
        let refusal = TransactionTokens::refusal(cause);
        match tokens.refresh_keys(cause) {
            Some(refresh) => Decision::Waits(Wait::TransactionKeys(refresh, refusal, caller)),
            None => Decision::refused(refusal),
        }
    }

    /// Asks whether the token was used before, which is the last question.
    fn decide_use<B>(&self, caller: Principal, request: &Request<B>) -> Decision {
        let question = self.replay.as_ref().and_then(|replay| {
            let until = self.verifier.accepts_until(&caller);
            replay.question(request.method(), &caller, until)
        });
        match question {
            Some(question) => Decision::Waits(Wait::Store(question, caller)),
            None => Decision::Made(Verdict::Admitted(caller)),
        }
    }
}

// ===== impl Decision =====

impl Decision {
    fn refused(error: AuthError) -> Self {
        Self::Made(Verdict::Refused(error, None))
    }
}

// ===== impl Deciding =====

impl Future for Deciding {
    type Output = Decided;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decided> {
        self.0.as_mut().poll(cx)
    }
}
