//! The calls that `billing` makes to assessment-roll.

use civic_auth::TokenMinter;
use civic_client::{Error, ServiceClient, ServiceClientBuilder};
use garde::Validate;
use serde::Deserialize;

/// A client of the assessment roll: one method per endpoint, each answer typed and validated.
#[derive(Clone, Debug)]
pub(crate) struct AssessmentRollClient {
    inner: ServiceClient,
}

/// The members of an assessment that billing needs. The others are not read.
#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assessment {
    #[garde(length(min = 1))]
    pub(crate) id: String,
    #[garde(length(min = 1), ascii)]
    pub(crate) roll_number: String,
    /// The value in dollars.
    #[garde(range(min = 0.0, max = 1e12))]
    pub(crate) assessed_value: f64,
    /// The tax as a share of the value: 0.01 is one per cent.
    #[garde(range(min = 0.0, max = 1.0))]
    pub(crate) tax_rate: f64,
    #[garde(skip)]
    pub(crate) is_exempt: bool,
}

impl AssessmentRollClient {
    /// Creates a client of the service at `ASSESSMENT_ROLL_URL`.
    ///
    /// # Errors
    ///
    /// Fails if the variable is not an `http` URL.
    pub(crate) fn from_env(minter: TokenMinter) -> Result<Self, Error> {
        let inner = ServiceClientBuilder::from_env("ASSESSMENT_ROLL_URL", "http://localhost:3020")
            .minter(minter)
            .build()?;
        Ok(Self { inner })
    }

    /// Returns the assessment of a property, or `None` if the roll does not know the property.
    ///
    /// # Errors
    ///
    /// Fails if the roll cannot be reached, fails, or answers something else than an assessment.
    pub(crate) async fn assessment(&self, property_id: &str) -> Result<Option<Assessment>, Error> {
        self.inner
            .get("/api/assessment-roll/properties/{id}/assessment")
            .param("id", property_id)
            .fetch_optional_validated()
            .await
    }

    /// Asks whether the roll answers at all.
    ///
    /// # Errors
    ///
    /// Fails if the roll cannot be reached or does not answer in time.
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        let asked = self.inner.get("/health").retries(0);
        asked.send().await.map(drop)
    }
}
