//! Minting: a new token for each call, with the platform's bytes.

mod claims;
mod minter;
mod token;

pub use self::claims::UserClaims;
pub(crate) use self::claims::{
    CONSTANT_CLAIMS, SERVICE_CLAIMS_BEFORE_IAT, SERVICE_EMAIL, SERVICE_LIFETIME_SECONDS,
    SERVICE_MUNICIPALITY, SERVICE_NAME, SERVICE_USER_ID,
};
pub use self::minter::TokenMinter;
pub use self::token::Token;
