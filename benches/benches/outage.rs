//! A load of 1,000 requests on the real server while the token with its keys goes away and comes back.
//!
//! `cargo xtask load outage` runs it with what it needs, and fails when something does not hold; see
//! [`symbolon_benches::outage`].

use std::path::PathBuf;
use std::process::ExitCode;

use symbolon_benches::issuer::AnyError;
use symbolon_benches::outage::{Outage, run};
use symbolon_test_tokens::{Kind, Token};

const AT_ONCE: usize = 16;

#[tokio::main]
async fn main() -> Result<ExitCode, AnyError> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    let programs =
        std::env::var_os("SYMBOLON_BIN_DIR").ok_or("SYMBOLON_BIN_DIR does not say where `symbolon` is")?;
    let mut arguments = std::env::args().skip_while(|argument| argument != "--requests");
    let requests = arguments.nth(1).map_or(Ok(1000), |count| count.parse())?;
    for (what, kind) in [
        ("SoftHSM, whose storage is moved away and back", Kind::SoftHsm),
        (
            "a token behind p11-kit server, which is killed and started again",
            Kind::Remote,
        ),
    ] {
        let token = Token::new(kind, "the load").ok_or("it cannot be measured here")?;
        println!("\n{what}: {requests} requests, {AT_ONCE} at once");
        let report = run(&Outage {
            program: PathBuf::from(&programs).join("symbolon"),
            token: &token,
            requests,
            at_once: AT_ONCE,
        })
        .await?;
        let failed: usize = report.errors.values().sum();
        println!(
            "  {:>5}  certificates, each on record as issued, and no others",
            report.certificates
        );
        println!(
            "  {failed:>5}  errors; on record as never issued: {}",
            report.only_intended
        );
        for (error, count) in &report.errors {
            println!("         {count} × {error}");
        }
        println!(
            "  {:>5}  requests more asked whether service had resumed, which it had after {:.2?}",
            report.probes, report.resumed_after
        );
        println!("         the slowest request took {:.2?}", report.slowest);
    }
    Ok(ExitCode::SUCCESS)
}
