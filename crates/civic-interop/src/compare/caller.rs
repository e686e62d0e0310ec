//! Who asks the two services.

use std::time::{Duration, SystemTime};

use civic_auth::{Role, Secret, TokenMinter, UserClaims};
use uuid::Uuid;

use super::reads::Credential;

/// The variable with a token for both services.
const TOKEN: &str = "CIVIC_TOKEN";

/// The variable with the platform's secret, from which tokens are minted.
const SECRET: &str = "JWT_SECRET";

/// How long before its request an expired token was minted.
pub(crate) const MINTED_BEFORE: Duration = Duration::from_secs(60 * 60);

/// How long the token of a user is valid.
const LIFETIME: Duration = Duration::from_secs(30);

/// Says who asks the two services.
#[derive(Debug)]
pub(crate) enum Caller {
    /// Someone who knows the platform's secret, with a fresh token for each read.
    Service(Box<Minters>),
    /// The holder of this token.
    Holder(String),
    /// Without a token, only what is public and what is refused can be compared.
    Stranger,
}

/// What mints the tokens that a secret is needed for, good and bad ones.
#[derive(Debug)]
pub(crate) struct Minters {
    good: TokenMinter,
    expired: TokenMinter,
    /// With a secret that neither service knows.
    foreign: TokenMinter,
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
        Self::service(Secret::new(&secret).map_err(|error| format!("{SECRET}: {error}"))?)
    }

    /// A service with the platform's secret.
    pub(crate) fn service(secret: Secret) -> Result<Self, String> {
        let foreign = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let foreign = Secret::new(&foreign).map_err(|error| error.to_string())?;
        Ok(Self::Service(Box::new(Minters {
            good: TokenMinter::new(secret.clone()),
            expired: TokenMinter::new(secret).with_clock(|| SystemTime::now() - MINTED_BEFORE),
            foreign: TokenMinter::new(foreign),
        })))
    }

    /// Whether it can send a request with this credential.
    pub(super) fn has(&self, credential: Credential) -> bool {
        match (self, credential) {
            (_, Credential::Bad | Credential::Missing) | (Self::Service(_), _) => true,
            (Self::Holder(_), credential) => credential == Credential::Good,
            (Self::Stranger, _) => false,
        }
    }

    /// The token of one read, if there is one.
    pub(super) fn token(&self, credential: Credential) -> Option<String> {
        match (self, credential) {
            (_, Credential::Bad) => Some("e30.e30.e30".to_owned()),
            (Self::Holder(token), Credential::Good) => Some(token.clone()),
            (Self::Service(minters), credential) => minters.token(credential),
            _ => None,
        }
    }
}

// ===== impl Minters =====

impl Minters {
    fn token(&self, credential: Credential) -> Option<String> {
        let token = match credential {
            Credential::Good => self.good.mint(),
            Credential::Expired => self.expired.mint(),
            Credential::Foreign => self.foreign.mint(),
            Credential::LowestRole => {
                let reader = UserClaims::new("u-1", "reader@civic.example", Role::ReadOnly);
                self.good
                    .mint_for(&reader.with_municipality("town-1"), LIFETIME)
            }
            Credential::Bad | Credential::Missing => return None,
        };
        Some(token.as_str().to_owned())
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

    #[test]
    fn a_caller_sends_the_credentials_that_it_has() {
        let of = |caller: &Caller| -> Vec<Credential> {
            let all = Credential::ALL.into_iter();
            all.filter(|credential| caller.has(*credential)).collect()
        };
        let service = caller(&[(SECRET, "0123456789abcdef0123456789abcdef")]).expect("valid");
        assert_eq!(of(&service), Credential::ALL);
        let mut tokens = Vec::new();
        for credential in Credential::ALL {
            let token = service.token(credential);
            assert_eq!(token.is_none(), credential == Credential::Missing);
            tokens.push(token);
        }
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), Credential::ALL.len(), "each is another one");

        let holder = caller(&[(TOKEN, "a.b.c")]).expect("valid");
        assert_eq!(
            of(&holder),
            [Credential::Good, Credential::Missing, Credential::Bad]
        );
        assert_eq!(holder.token(Credential::Good).as_deref(), Some("a.b.c"));
        assert_eq!(
            of(&Caller::Stranger),
            [Credential::Missing, Credential::Bad]
        );
    }
}
