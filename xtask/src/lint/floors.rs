//! The floors of the map: what a crate's normal and build dependencies may be.

use cargo_metadata::{DependencyKind, Package};

/// Every crate of the project with its floor. A crate stands on lower floors only, never on its own or a higher
/// one. `None`: outside the house (tests, benches, developer commands): it may depend on every crate, and no
/// crate on it.
const FLOORS: &[(&str, Option<u8>)] = &[
    ("symbolon-api", Some(0)),
    ("symbolon-crypto", Some(0)),
    ("symbolon-host", Some(0)),
    ("symbolon-hsm", Some(1)),
    ("symbolon-pki", Some(1)),
    ("symbolon-attestation", Some(2)),
    ("symbolon-issuance", Some(2)),
    ("symbolon-tls", Some(2)),
    ("symbolon-federation", Some(3)),
    ("symbolon-migration-planner", Some(3)),
    ("symbolon-agent", Some(4)),
    ("symbolon-ca", Some(4)),
    ("symbolon-cli", Some(5)),
    ("symbolon-benches", None),
    ("symbolon-fuzz", None),
    ("symbolon-interop", None),
    ("symbolon-test-tokens", None),
    ("symbolon-wycheproof", None),
    ("xtask", None),
];

/// A dependency of one crate of the workspace on another that tests alone do not account for.
#[derive(Debug)]
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    kind: DependencyKind,
}

/// What is wrong, one sentence each.
pub(super) fn violations(members: &[&Package]) -> Vec<String> {
    let names: Vec<&str> = members.iter().map(|package| package.name.as_str()).collect();
    let edges: Vec<Edge<'_>> = members
        .iter()
        .flat_map(|package| {
            package
                .dependencies
                .iter()
                .map(move |dependency| (package, dependency))
        })
        .filter(|(_, dependency)| names.contains(&dependency.name.as_str()))
        .filter(|(_, dependency)| dependency.kind != DependencyKind::Development)
        .map(|(package, dependency)| Edge {
            from: package.name.as_str(),
            to: dependency.name.as_str(),
            kind: dependency.kind,
        })
        .collect();
    [misplaced(&names), folders(members), wrong_way(&edges)].concat()
}

/// Crates that the table does not know, and rows of the table without a crate.
fn misplaced(names: &[&str]) -> Vec<String> {
    let unknown = names
        .iter()
        .filter(|name| floor(name).is_none())
        .map(|name| format!("{name} has no floor: place it in xtask/src/lint/floors.rs and in the map"));
    let stale = FLOORS
        .iter()
        .filter(|(name, _)| !names.contains(name))
        .map(|(name, _)| {
            format!("{name} has a floor in xtask/src/lint/floors.rs but is not in the workspace")
        });
    unknown.chain(stale).collect()
}

/// A crate's folder is its name without the project's.
fn folders(members: &[&Package]) -> Vec<String> {
    members
        .iter()
        .filter_map(|package| {
            let name = package.name.as_str();
            let expected = name.strip_prefix("symbolon-").unwrap_or(name);
            let folder = package.manifest_path.parent()?.file_name()?;
            (folder != expected).then(|| format!("{name} lives in {folder}/, it should be {expected}/"))
        })
        .collect()
}

fn wrong_way(edges: &[Edge<'_>]) -> Vec<String> {
    edges
        .iter()
        .filter_map(|edge| {
            let fault = match (floor(edge.from)?, floor(edge.to)?) {
                (None, _) => return None,
                (Some(_), None) => "which is outside the house".to_owned(),
                (Some(from), Some(to)) if from > to => return None,
                (Some(from), Some(to)) => format!("floor {from} on floor {to}"),
            };
            Some(format!(
                "{} has a {} dependency on {}: {fault}",
                edge.from,
                kind(edge.kind),
                edge.to
            ))
        })
        .collect()
}

fn floor(name: &str) -> Option<Option<u8>> {
    FLOORS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, floor)| *floor)
}

fn kind(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Build => "build",
        _ => "normal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge<'a>(from: &'a str, to: &'a str) -> Edge<'a> {
        Edge {
            from,
            to,
            kind: DependencyKind::Normal,
        }
    }

    #[test]
    fn only_down_is_allowed() {
        assert!(wrong_way(&[edge("symbolon-cli", "symbolon-pki")]).is_empty());
        let up = wrong_way(&[edge("symbolon-pki", "symbolon-issuance")]);
        assert_eq!(
            up,
            ["symbolon-pki has a normal dependency on symbolon-issuance: floor 1 on floor 2"]
        );
        let sideways = wrong_way(&[edge("symbolon-agent", "symbolon-ca")]);
        assert_eq!(sideways.len(), 1);
    }

    #[test]
    fn nothing_stands_on_what_is_outside_the_house() {
        assert!(wrong_way(&[edge("symbolon-benches", "symbolon-issuance")]).is_empty());
        assert_eq!(wrong_way(&[edge("symbolon-cli", "symbolon-interop")]).len(), 1);
    }

    #[test]
    fn an_unplaced_crate_and_a_stale_row_are_told() {
        let mut names: Vec<&str> = FLOORS.iter().map(|(name, _)| *name).collect();
        assert!(misplaced(&names).is_empty());
        names.push("symbolon-shed");
        assert!(misplaced(&names)[0].starts_with("symbolon-shed has no floor"));
        names.retain(|name| *name != "symbolon-api");
        assert_eq!(misplaced(&names).len(), 2);
    }
}
