//! pgeval through its binary, as a user or a script meets it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod all;
mod bad_inputs;
mod datasets;
mod edges;
mod external_weights;
mod fit;
mod gate;
mod help;
mod latents;
mod ms_ssim;
mod network;
mod opened_once;
mod page;
mod preparation;
mod stats;
mod support;
mod swd;
mod zips;
