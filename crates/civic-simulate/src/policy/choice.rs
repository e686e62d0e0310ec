//! Which clients there are.

use super::civic::{self, Civic};
use super::client::Client;
use super::reqwest_retry::{self, ReqwestRetry};
use super::setting::Setting;
use crate::network::Topology;

/// A way to call a service.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Policy {
    /// civic-client's default stack, its real layers over the simulated network.
    CivicDefault,
    /// The same with everything switched on that is not on by default.
    CivicEverything,
    /// One attempt and no more.
    NoRetry,
    /// The default strategy of reqwest-retry, rebuilt.
    ReqwestRetry,
    /// [`CivicEverything`](Self::CivicEverything) without a budget for retries. It is no column of
    /// the report: it tells what the budget costs where the report says that it is the budget.
    CivicWithoutBudget,
    /// [`CivicDefault`](Self::CivicDefault) with the servers as its endpoints.
    CivicBalanced,
    /// [`CivicEverything`](Self::CivicEverything) with the servers as its endpoints.
    CivicBalancedEverything,
    /// [`CivicBalanced`](Self::CivicBalanced) with a limit on the calls under way, in front of
    /// which calls wait. It is run where the published clients let calls wait as well.
    CivicWaiting,
}

// ===== impl Policy =====

impl Policy {
    /// The policies of the report, in the order of its columns.
    pub const ALL: [Self; 4] = [
        Self::CivicDefault,
        Self::CivicEverything,
        Self::NoRetry,
        Self::ReqwestRetry,
    ];

    /// The policies that the report holds against [`Policy::PEER`].
    pub const OURS: [Self; 2] = [Self::CivicDefault, Self::CivicEverything];

    /// The policies that choose the server by themselves, which the report holds against what was
    /// published.
    pub const BALANCED: [Self; 2] = [Self::CivicBalanced, Self::CivicBalancedEverything];

    /// The policy that ours are held against.
    pub const PEER: Self = Self::ReqwestRetry;

    /// Returns the heading of the policy's column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CivicDefault => "civic",
            Self::CivicEverything => "civic, all on",
            Self::CivicWithoutBudget => "civic, no budget",
            Self::CivicBalanced => "civic, endpoints",
            Self::CivicBalancedEverything => "civic, all on, endpoints",
            Self::CivicWaiting => "civic, waiting, endpoints",
            Self::NoRetry => "no retries",
            Self::ReqwestRetry => "reqwest-retry",
        }
    }

    /// Returns the colour of the policy in charts. The colours can be told apart by colour-blind
    /// readers as well.
    #[must_use]
    pub const fn colour(self) -> &'static str {
        match self {
            Self::CivicDefault => "#0072b2",
            Self::CivicEverything => "#56b4e9",
            Self::CivicWithoutBudget => "#009e73",
            Self::CivicBalanced => "#cc79a7",
            Self::CivicBalancedEverything => "#e69f00",
            Self::CivicWaiting => "#f0e442",
            Self::NoRetry => "#999999",
            Self::ReqwestRetry => "#d55e00",
        }
    }

    /// Returns what the policy does, in a sentence.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::CivicDefault => civic::DEFAULT,
            Self::CivicEverything => civic::EVERYTHING,
            Self::CivicWithoutBudget => civic::WITHOUT_BUDGET,
            Self::CivicBalanced => civic::BALANCED,
            Self::CivicBalancedEverything => civic::BALANCED_EVERYTHING,
            Self::CivicWaiting => civic::WAITING,
            Self::NoRetry => {
                "One attempt per call, with the same timeout per attempt as the others."
            }
            Self::ReqwestRetry => reqwest_retry::DESCRIPTION,
        }
    }

    /// Returns who chooses the server of an attempt.
    #[must_use]
    pub const fn topology(self) -> Topology {
        match self {
            Self::CivicDefault
            | Self::CivicEverything
            | Self::CivicWithoutBudget
            | Self::NoRetry
            | Self::ReqwestRetry => Topology::OneName,
            Self::CivicBalanced | Self::CivicBalancedEverything | Self::CivicWaiting => {
                Topology::NamePerNode
            }
        }
    }

    /// Starts a client process.
    ///
    /// # Errors
    ///
    /// The client refuses its settings.
    pub fn client(self, setting: Setting) -> Result<Client, String> {
        match self {
            Self::CivicDefault => Civic::default_stack(setting).map(Client::civic),
            Self::CivicEverything => Civic::everything(setting).map(Client::civic),
            Self::CivicWithoutBudget => Civic::without_budget(setting).map(Client::civic),
            Self::CivicBalanced => Civic::default_stack(setting).map(Client::civic),
            Self::CivicBalancedEverything => Civic::everything(setting).map(Client::civic),
            Self::CivicWaiting => Civic::waiting(setting).map(Client::civic),
            Self::NoRetry => Ok(Client::no_retry(setting)),
            Self::ReqwestRetry => Ok(Client::reqwest_retry(ReqwestRetry::new(setting))),
        }
    }
}
