use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn an_interface_and_its_peers() {
    let sample = include_str!("wg0.conf");
    finds(&WireGuard, "wg0.conf", sample, include_str!("wg0.conf.outline"));
    stands(
        &WireGuard,
        "wg0.conf",
        sample,
        &[
            b"YNqHbfBQKaGvzefSSbufuZKjTIHQadqlyERi1V562lY=",
            b"FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=",
        ],
    );
}

#[test]
fn networkd() {
    let sample = include_str!("wg1.netdev");
    finds(
        &WireGuard,
        "wg1.netdev",
        sample,
        include_str!("wg1.netdev.outline"),
    );
    stands(&WireGuard, "wg1.netdev", sample, &[]);
}

#[test]
fn network_manager() {
    let sample = include_str!("wg2.nmconnection");
    finds(
        &WireGuard,
        "wg2.nmconnection",
        sample,
        include_str!("wg2.nmconnection.outline"),
    );
    stands(
        &WireGuard,
        "wg2.nmconnection",
        sample,
        &[b"YNqHbfBQKaGvzefSSbufuZKjTIHQadqlyERi1V562lY="],
    );
}

#[test]
fn a_peers_key_is_the_same_key_wherever_it_stands() {
    let ids = |name: &str, bytes: &[u8]| -> Vec<AssetId> {
        let found = crate::scan::conformance::show(&WireGuard, name, bytes);
        let keys = found
            .assets()
            .iter()
            .filter(|asset| asset.detail.kind() == "public-key");
        keys.map(|asset| asset.id().clone()).collect()
    };
    let one = ids("wg0.conf", include_bytes!("wg0.conf"));
    assert_eq!(
        one.first(),
        ids("wg1.netdev", include_bytes!("wg1.netdev")).first()
    );
    assert_eq!(one.len(), 2);
}
