//! What the tests of these scanners share: a fragment as text that can be compared.

use crate::inventory::{Asset, Detail, Fragment};
use crate::scan::Scanner;
use crate::scan::conformance::{run, show};

/// What a scanner finds in a file, one line a thing, in the order in which it was told. Algorithms are left out; see
/// [`place_of`].
pub(super) fn outline(scanner: &dyn Scanner, name: &str, text: &str) -> Vec<String> {
    let found = show(scanner, name, text.as_bytes());
    let mut lines = Vec::new();
    for asset in found.assets() {
        lines.extend(asset_lines(asset));
    }
    for unread in found.unread_entries() {
        let line = unread.line.unwrap_or_default();
        lines.push(format!(
            "unread {} @{line} {}",
            unread.reason.name(),
            unread.detail
        ));
    }
    lines
}

fn asset_lines(asset: &Asset) -> Vec<String> {
    let line = asset
        .evidence
        .iter()
        .next()
        .and_then(|place| place.line)
        .unwrap_or_default();
    let first = match &asset.detail {
        Detail::Algorithm(_) => return Vec::new(),
        Detail::Service(detail) => {
            let endpoints: Vec<&str> = detail.endpoints.iter().map(String::as_str).collect();
            let asks = match detail.authenticated {
                None => "",
                Some(true) => " asks",
                Some(false) => " does-not-ask",
            };
            format!("service {} @{line} [{}]{asks}", asset.name, endpoints.join(" "))
        }
        Detail::Protocol(detail) => {
            let suites: Vec<&str> = detail
                .suites
                .iter()
                .map(|suite| suite.name.trim_start_matches("TLS_"))
                .collect();
            let mut text = format!("{} @{line} {{{}}}", asset.name, suites.join(" "));
            text.push_str(&format!(" groups[{}]", detail.groups.join(" ")));
            text.push_str(&format!(" schemes[{}]", detail.signature_schemes.join(" ")));
            for (list, values) in &detail.lists {
                text.push_str(&format!(" {list}[{}]", values.join(" ")));
            }
            text
        }
        Detail::Key(detail) => format!("key {} @{line} {:?}", asset.name, detail.protection),
        other => format!("{} {} @{line}", other.kind(), asset.name),
    };
    let facts = asset
        .facts
        .iter()
        .filter(|(name, _)| *name != "refers-to" && *name != "not-stated");
    let facts = facts.flat_map(|(name, values)| values.iter().map(move |value| format!("  {name}={value}")));
    std::iter::once(first).chain(facts).collect()
}

/// What a scanner finds is what stands in `expected`.
pub(super) fn finds(scanner: &dyn Scanner, name: &str, sample: &str, expected: &str) {
    let outline = outline(scanner, name, sample).join("\n");
    assert_eq!(outline, expected.trim_end(), "{name}");
}

/// The line on which an algorithm was first seen.
pub(super) fn place_of(found: &Fragment, algorithm: &str) -> Option<u64> {
    let asset = found
        .assets()
        .iter()
        .find(|asset| asset.name == algorithm && asset.detail.kind() == "algorithm");
    asset?.evidence.iter().next()?.line
}

/// Runs the conformance suite, and shows the scanner what is hostile in any format of text.
pub(super) fn stands(scanner: &dyn Scanner, name: &str, sample: &str, secrets: &[&[u8]]) {
    run(scanner, name, sample.as_bytes(), secrets).unwrap();
    let crlf = sample.replace('\n', "\r\n");
    let marked = format!("\u{feff}{sample}");
    let plain = outline(scanner, name, sample);
    assert_eq!(outline(scanner, name, &crlf), plain, "with CRLF");
    assert_eq!(outline(scanner, name, &marked), plain, "with a byte order mark");
    for unit in [
        "{",
        "}",
        "[",
        "\"",
        "'",
        "\\\n",
        "a: &a [*a, *a]\n",
        "- ",
        "<x>\n",
        "${a}",
        "ssl_ciphers '",
        "%",
        "\t",
    ] {
        let text = format!("{sample}\n{}", unit.repeat((100 << 10) / unit.len()));
        let began = std::time::Instant::now();
        show(scanner, name, text.as_bytes());
        assert!(
            began.elapsed().as_secs() < 20,
            "{} took {:?} over {unit:?}",
            scanner.name(),
            began.elapsed()
        );
    }
}
