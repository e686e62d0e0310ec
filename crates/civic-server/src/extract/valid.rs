//! Values that keep the rules of their type.

use axum::extract::{FromRequest, FromRequestParts, Request};
use civic_envelope::{ErrorDetail, Failure};
use garde::Validate;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::json::Json;
use super::path::Path;
use super::query::Query;
use super::refusal::{field, invalid};

/// A JSON request body that keeps the rules of its type, which are garde's.
///
/// Rejects a request as [`Json`] does, and answers 422 to a body that breaks a rule, with one entry
/// per broken rule in `details`. garde knows the fields by their names in Rust; they are written in
/// camel case, as every name of the platform is: `property_id` is `propertyId`.
///
/// ```
/// use civic_server::{Json, ValidJson};
/// use garde::Validate;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize, Serialize, Validate)]
/// struct Owner {
///     #[garde(length(min = 1, max = 200))]
///     name: String,
/// }
///
/// async fn create(ValidJson(owner): ValidJson<Owner>) -> Json<Owner> {
///     Json(owner)
/// }
/// ```
#[doc(alias = "ValidationPipe")]
#[derive(Clone, Copy, Debug, Default)]
pub struct ValidJson<T>(pub T);

/// The parameters of a query that keep the rules of their type, which are garde's.
///
/// Rejects a request as [`Query`] does, and answers 422 to a query that breaks a rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValidQuery<T>(pub T);

/// The parameters of a path that keep the rules of their type, which are garde's.
///
/// Rejects a request as [`Path`] does, and answers 422 to a path that breaks a rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValidPath<T>(pub T);

impl<T, S> FromRequest<S> for ValidJson<T>
where
    T: DeserializeOwned + Validate,
    T::Context: Default,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Json(value) = Json::<T>::from_request(request, state).await?;
        check(value).map(Self)
    }
}

impl<T, S> FromRequestParts<S> for ValidQuery<T>
where
    T: DeserializeOwned + Validate,
    T::Context: Default,
    S: Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(value) = Query::<T>::from_request_parts(parts, state).await?;
        check(value).map(Self)
    }
}

impl<T, S> FromRequestParts<S> for ValidPath<T>
where
    T: DeserializeOwned + Send + Validate,
    T::Context: Default,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(value) = Path::<T>::from_request_parts(parts, state).await?;
        check(value).map(Self)
    }
}

fn check<T>(value: T) -> Result<T, Failure>
where
    T: Validate,
    T::Context: Default,
{
    match value.validate() {
        Ok(()) => Ok(value),
        Err(report) => Err(invalid(report.iter().map(|(path, error)| {
            ErrorDetail::new(camel_case(&field(&path.to_string())), error.to_string())
        }))),
    }
}

/// Writes `owner.first_name` as `owner.firstName`.
fn camel_case(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut words = path.split('_');
    camel.push_str(words.next().unwrap_or_default());
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
