//! Tests of the fixtures themselves.

mod log;
mod redis;
