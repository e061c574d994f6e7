//! An agent in this process, with this process as its workload: against a real server, and against one that misbehaves.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail like tests"
)]

mod bad_input;
mod denied;
mod distrust;
mod evidence;
mod faults;
mod federated;
mod forms;
mod life;
mod migration;
mod outage;
mod selectors;
mod stand_in;
mod support;
mod tokens;
mod watched;
mod x509pop;
