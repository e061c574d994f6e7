//! The constructor that lints is not for everybody either: what is expected must be what was asked.

fn main() {
    let _ = symbolon_issuance::Linted::lint;
}
