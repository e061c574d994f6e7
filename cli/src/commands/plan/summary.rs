//! What a scan came to, in a few lines on standard error.

use std::collections::BTreeMap;

use indicatif::{HumanBytes, HumanCount};
use symbolon_migration_planner::algorithm::Quantum;
use symbolon_migration_planner::inventory::{Detail, Inventory, Reason};

/// Prints it. `not_found` are named targets that are not there.
pub(super) fn print(inventory: &Inventory, not_found: &[String]) {
    anstream::eprint!("{}", text(inventory));
    for target in not_found {
        anstream::eprintln!("warning: {target} is not there");
    }
}

fn text(inventory: &Inventory) -> String {
    let mut text = String::new();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let mut quantum: BTreeMap<&str, u64> = BTreeMap::new();
    for asset in inventory.assets() {
        *kinds.entry(asset.detail.kind()).or_default() += 1;
        if let Detail::Algorithm(algorithm) = &asset.detail {
            let word = match algorithm.quantum {
                Quantum::Broken => "broken by a quantum computer",
                Quantum::Resistant => "resistant",
                Quantum::Symmetric => "symmetric",
                Quantum::Unknown => "unknown",
            };
            *quantum.entry(word).or_default() += 1;
        }
    }
    let mut line = |label: &str, words: String| text.push_str(&format!("{label:<12}{words}\n"));
    line("found", list(&kinds));
    if !quantum.is_empty() {
        line("algorithms", list(&quantum));
    }
    for (subject, tally) in inventory.coverage.iter().filter(|(_, tally)| tally.attempted > 0) {
        let bytes = match tally.bytes {
            0 => String::new(),
            bytes => format!(", {}", HumanBytes(bytes)),
        };
        let (read, all) = (HumanCount(tally.read), HumanCount(tally.attempted));
        line(subject.name(), format!("{read} of {all} read{bytes}"));
    }
    // Links lead to what is scanned where it is, and what was left out was left out on purpose.
    let counts = inventory.unread.counts();
    let by_choice = |reason: &Reason| matches!(reason, Reason::SymbolicLink | Reason::NotAskedFor);
    for (label, chosen) in [("not read", false), ("passed over", true)] {
        let some: BTreeMap<&str, u64> = counts
            .iter()
            .filter(|(reason, _)| by_choice(reason) == chosen)
            .map(|(reason, count)| (reason.name(), *count))
            .collect();
        if !some.is_empty() {
            line(label, list(&some));
        }
    }
    text
}

fn list(counts: &BTreeMap<&str, u64>) -> String {
    if counts.is_empty() {
        return "nothing".to_owned();
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(what, count)| format!("{} {what}", HumanCount(*count)))
        .collect();
    parts.join(", ")
}
