//! One row an occurrence, for spreadsheets.

use std::io::Write;

use super::component::quantum;
use crate::inventory::{Asset, Detail, Inventory};

const COLUMNS: &str =
    "id,kind,name,quantum,classical_bits,owners,exposure,location,line,offset,symbol,context";

/// Writes every place of every asset, and after them every thing that could not be read, as RFC 4180 CSV.
///
/// # Errors
/// What the writer reports.
pub fn write_csv(inventory: &Inventory, out: &mut dyn Write) -> std::io::Result<()> {
    write!(out, "{COLUMNS}\r\n")?;
    for asset in inventory.assets() {
        let (quantum, bits) = strength(inventory, asset);
        let owners = asset.owners.iter().cloned().collect::<Vec<_>>().join("; ");
        let start = [
            asset.id().as_str(),
            asset.detail.kind(),
            &asset.name,
            quantum,
            &bits,
            &owners,
            asset.exposure.as_deref().unwrap_or_default(),
        ]
        .map(cell)
        .join(",");
        if asset.evidence.is_empty() {
            write!(out, "{start},,,,,\r\n")?;
        }
        for place in asset.evidence.iter() {
            let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
            let (line, offset) = (number(place.line), number(place.offset));
            let end = [
                place.location.as_str(),
                &line,
                &offset,
                place.symbol.as_deref().unwrap_or_default(),
                place.context.as_deref().unwrap_or_default(),
            ]
            .map(cell)
            .join(",");
            write!(out, "{start},{end}\r\n")?;
        }
    }
    for unread in inventory.unread.iter() {
        let line = unread.line.map(|line| line.to_string()).unwrap_or_default();
        let row = [
            "",
            "unread",
            unread.reason.name(),
            "",
            "",
            "",
            "",
            &unread.location,
            &line,
            "",
            &unread.scanner,
        ]
        .map(cell)
        .join(",");
        write!(out, "{row},{}\r\n", cell(&unread.detail))?;
    }
    Ok(())
}

/// Of the asset itself, or the weakest of what it depends on directly.
fn strength(inventory: &Inventory, asset: &Asset) -> (&'static str, String) {
    let own = std::iter::once(asset);
    let near = inventory
        .edges_from(asset.id())
        .filter_map(|edge| inventory.get(&edge.to));
    let algorithms = own.chain(near).filter_map(|asset| match &asset.detail {
        Detail::Algorithm(algorithm) => Some(algorithm),
        _ => None,
    });
    // The order of the enumeration is not one of weakness; unknown is worse than anything that is known to hold.
    let weakness = |word: &str| {
        ["broken", "unknown", "symmetric", "resistant"]
            .iter()
            .position(|known| *known == word)
    };
    let worst = match &asset.detail {
        Detail::Algorithm(algorithm) => Some(algorithm),
        _ => algorithms.min_by_key(|algorithm| weakness(quantum(algorithm.quantum))),
    };
    match worst {
        Some(algorithm) => (
            quantum(algorithm.quantum),
            algorithm
                .classical_bits
                .map(|bits| bits.to_string())
                .unwrap_or_default(),
        ),
        None => ("", String::new()),
    }
}

/// Quoted where needed. What a spreadsheet would take for a formula is preceded by an apostrophe: names come from
/// strangers.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("plain"), "plain");
    }
}
