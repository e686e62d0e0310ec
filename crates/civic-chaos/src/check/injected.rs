//! A fault that was injected.

use super::span::Span;
use crate::fault::Fault;

/// A fault that was injected.
#[derive(Debug)]
pub(crate) struct Injected {
    pub(crate) fault: Fault,
    pub(crate) life: Option<u32>,
    pub(crate) group: Option<usize>,
    pub(crate) span: Span,
}
