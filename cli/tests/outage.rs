//! A server whose token goes away under load and comes back. `cargo xtask load outage` does the same at length.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use symbolon_benches::outage::{Outage, run};
use symbolon_test_tokens::{Kind, Token};

async fn bears_it(kind: Kind, test: &str) {
    let Some(token) = Token::new(kind, test) else {
        return;
    };
    let report = run(&Outage {
        program: PathBuf::from(env!("CARGO_BIN_EXE_symbolon")),
        token: &token,
        requests: 240,
        at_once: 12,
    })
    .await;
    println!("{:?}", report.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_bears_that_the_storage_of_its_token_goes_away_and_comes_back() {
    bears_it(
        Kind::SoftHsm,
        "a_server_bears_that_the_storage_of_its_token_goes_away_and_comes_back",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_bears_that_the_server_of_its_token_is_killed_and_started_again() {
    bears_it(
        Kind::Remote,
        "a_server_bears_that_the_server_of_its_token_is_killed_and_started_again",
    )
    .await;
}
