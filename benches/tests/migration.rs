//! A few workloads through a migration to hybrid SVIDs and back. `cargo xtask load migration` does it at length.

use std::path::PathBuf;
use std::time::Duration;

use symbolon_benches::migration::{Load, run};

#[tokio::test(flavor = "multi_thread")]
async fn workloads_go_hybrid_and_back_and_through_a_rotation_without_a_failed_handshake() {
    let report = run(&Load {
        workload: PathBuf::from(env!("CARGO_BIN_EXE_symbolon-load-workload")),
        workloads: 6,
        rotations: 1,
        rate: 12.0,
        family_rate: 2.0,
        // How fast a machine is that does other things as well is not for a test to say.
        least: 0.0,
        // Renewed after half of it: a machine may stand still for twenty seconds, and nobody's SVID or token ends.
        life: Duration::from_secs(60),
        quiet: Duration::from_secs(2),
        // Nor does a handshake fail then, and no flood follows.
        timeout: Duration::from_secs(120),
        catches_up: false,
        patience: Duration::from_secs(180),
    })
    .await
    .unwrap();
    println!("{}", report.table());
    assert_eq!(
        report.faults(),
        [""; 0],
        "{:?} {:?}",
        report.troubles,
        report.complaints
    );
}
