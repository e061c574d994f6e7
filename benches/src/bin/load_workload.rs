//! A workload of `cargo xtask load migration`, which starts two hundred of it; see [`symbolon_benches::migration`].

use symbolon_benches::issuer::AnyError;
use symbolon_benches::migration::workload::{Arguments, run};

// One thread: there are many such programs, and what is measured is not how fast one of them is.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AnyError> {
    run(Arguments::read(std::env::args().skip(1))?).await
}
