//! A `Linted` cannot be put together from its parts.

fn main() {
    let tbs: Vec<u8> = Vec::new();
    let _ = symbolon_issuance::Linted { tbs };
}
