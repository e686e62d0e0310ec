//! The clients that are compared.

mod attempt;
mod choice;
mod civic;
mod client;
mod reqwest_retry;
mod setting;

pub use self::choice::Policy;
pub use self::client::Client;
pub use self::setting::{Call, Setting};
