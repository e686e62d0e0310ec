//! A Rust service with one of the defects that a service may have when it takes a Node service's
//! place: what `--compare` has to find.

mod answer;
mod defects;
mod service;

pub(crate) use self::defects::DEFECTS;
pub(crate) use self::service::Defective;
