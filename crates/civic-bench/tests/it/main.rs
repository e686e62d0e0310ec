//! What must not become dearer unnoticed, without a clock.

mod allocations;
