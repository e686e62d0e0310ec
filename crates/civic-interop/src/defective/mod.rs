//! A Rust service with one of the defects that a service may have when it takes a Node service's
//! place: what `--compare` has to find.
//!
//! | part | what it is |
//! |---|---|
//! | `answers` | answers that are wrong, each a change of a right one |
//! | `lapse` | questions that a guard fails to ask |
//! | `defect` | both |
//! | `service` | the service |

mod answer;
mod answers;
mod defect;
mod lapse;
mod service;

pub(crate) use self::defect::Defect;
pub(crate) use self::service::Defective;
