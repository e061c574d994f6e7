use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn a_broker() {
    let sample = include_str!("server.properties");
    finds(
        &Kafka,
        "server.properties",
        sample,
        include_str!("server.properties.outline"),
    );
    stands(
        &Kafka,
        "server.properties",
        sample,
        &[b"changeit123", b"hunter2secret"],
    );
}
