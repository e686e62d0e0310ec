//! Who asks the two services.

use civic_auth::{Secret, TokenMinter};

/// The variable with a token for both services.
const TOKEN: &str = "CIVIC_TOKEN";

/// The variable with the platform's secret, from which a service token is minted.
const SECRET: &str = "JWT_SECRET";

/// Says who asks the two services.
#[derive(Debug)]
pub(crate) enum Caller {
    /// A service, with a fresh token for each read.
    Service(Box<TokenMinter>),
    /// The holder of this token.
    Holder(String),
    /// Without a token, only what is public and what is refused can be compared.
    Stranger,
}

// ===== impl Caller =====

impl Caller {
    /// Reads who asks from variables, of which an empty one is not set.
    pub(super) fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variable = |name| {
            let value = variable(name)?.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        if let Some(token) = variable(TOKEN) {
            return Ok(Self::Holder(token));
        }
        let Some(secret) = variable(SECRET) else {
            return Ok(Self::Stranger);
        };
        let secret = Secret::new(&secret).map_err(|error| format!("{SECRET}: {error}"))?;
        Ok(Self::service(secret))
    }

    /// A service with the platform's secret.
    pub(crate) fn service(secret: Secret) -> Self {
        Self::Service(Box::new(TokenMinter::new(secret)))
    }

    /// The token of one read, if there is one.
    pub(super) fn token(&self) -> Option<String> {
        match self {
            Self::Service(minter) => Some(minter.mint().as_str().to_owned()),
            Self::Holder(token) => Some(token.clone()),
            Self::Stranger => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(variables: &[(&str, &str)]) -> Result<Caller, String> {
        Caller::from_env(|name| {
            variables
                .iter()
                .find(|(own, _)| *own == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_token_comes_before_the_secret_and_an_empty_one_is_none() {
        let secret = (SECRET, "0123456789abcdef0123456789abcdef");
        assert!(matches!(
            caller(&[(TOKEN, "a.b.c"), secret]),
            Ok(Caller::Holder(token)) if token == "a.b.c"
        ));
        assert!(matches!(
            caller(&[(TOKEN, ""), secret]),
            Ok(Caller::Service(_))
        ));
        assert!(matches!(caller(&[]), Ok(Caller::Stranger)));
        let error = caller(&[(SECRET, "short")]).expect_err("it is too short");
        assert!(error.starts_with("JWT_SECRET: "), "{error}");
        assert!(!error.contains("short\""), "{error}");
    }
}
