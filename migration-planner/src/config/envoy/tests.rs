use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn listeners_and_clusters() {
    let sample = include_str!("bootstrap.yaml");
    finds(
        &Envoy,
        "bootstrap.yaml",
        sample,
        include_str!("bootstrap.yaml.outline"),
    );
    stands(&Envoy, "bootstrap.yaml", sample, &[]);
}

#[test]
fn json_with_the_other_spelling() {
    let sample = include_str!("envoy.json");
    finds(&Envoy, "envoy.json", sample, include_str!("envoy.json.outline"));
    stands(&Envoy, "envoy.json", sample, &[]);
}
