//! The files that no program of this repository reads: what a workflow, a cluster or an image
//! builder would find in them. And the commands, as someone meets them who types them.

mod commands;
mod container;
mod kubernetes;
mod support;
mod workflows;
