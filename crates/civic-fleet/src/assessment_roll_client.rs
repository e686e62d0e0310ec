//! What `billing` asks of assessment-roll.

use civic_auth::TokenMinter;
use civic_client::{Error, ServiceClient, ServiceClientBuilder};
use garde::Validate;
use serde::Deserialize;

/// A client of the assessment roll: one method an endpoint, each answer typed and validated.
#[derive(Clone, Debug)]
pub(crate) struct AssessmentRollClient {
    inner: ServiceClient,
}

/// What billing needs of an assessment; the rest of the answer is not read.
#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assessment {
    #[garde(length(min = 1))]
    pub(crate) id: String,
    #[garde(length(min = 1), ascii)]
    pub(crate) roll_number: String,
    /// In dollars.
    #[garde(range(min = 0.0, max = 1e12))]
    pub(crate) assessed_value: f64,
    /// A share of the value: 0.01 is one per cent.
    #[garde(range(min = 0.0, max = 1.0))]
    pub(crate) tax_rate: f64,
    #[garde(skip)]
    pub(crate) is_exempt: bool,
}

impl AssessmentRollClient {
    /// A client of the service at `ASSESSMENT_ROLL_URL`.
    ///
    /// # Errors
    ///
    /// The variable is not an `http` URL.
    pub(crate) fn from_env(minter: TokenMinter) -> Result<Self, Error> {
        let inner = ServiceClientBuilder::from_env("ASSESSMENT_ROLL_URL", "http://localhost:3020")
            .minter(minter)
            .build()?;
        Ok(Self { inner })
    }

    /// The assessment of a property, or `None` when the roll does not have it.
    ///
    /// # Errors
    ///
    /// The roll cannot be reached, fails, or answers what is no assessment.
    pub(crate) async fn assessment(&self, property_id: &str) -> Result<Option<Assessment>, Error> {
        self.inner
            .get("/api/assessment-roll/properties/{id}/assessment")
            .param("id", property_id)
            .fetch_optional_validated()
            .await
    }
}
