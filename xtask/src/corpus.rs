//! `cargo xtask corpus DIRECTORY`: what the source scanners find, against labels that others made.
//!
//! The directory holds check-outs of sonar-cryptography and cipherscope, each under any name; nothing is fetched.
//! Recall counts a label as found when there is a finding on its line whose name is one of those that
//! `corpus/names.tsv` gives for it. Precision counts a finding as right when a label near it says the same, when it
//! is a part of a composite that does (the hash of a MAC), or when `corpus/reviewed.tsv` says that somebody looked
//! and the label was missing; what is there for each is printed, so that nothing hides in the sum.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;
use crate::workspace::Workspace;

/// Our own corpus: programs that speak of cryptography without calling it, with a few calls among them. A line on which
/// something is to be found says `finds NAME`.
const BAIT: &[(&str, &str)] = &[
    ("Wallet.java", include_str!("corpus/bait/Wallet.java.txt")),
    ("ledger.py", include_str!("corpus/bait/ledger.py.txt")),
    ("table.go", include_str!("corpus/bait/table.go.txt")),
    ("page.c", include_str!("corpus/bait/page.c.txt")),
    ("store.js", include_str!("corpus/bait/store.js.txt")),
    ("notes.ts", include_str!("corpus/bait/notes.ts.txt")),
    ("shelf.rs", include_str!("corpus/bait/shelf.rs.txt")),
];

const NAMES: &str = include_str!("corpus/names.tsv");
const REVIEWED: &str = include_str!("corpus/reviewed.tsv");

/// The least recall and precision.
const ENOUGH: f64 = 0.95;

/// How far from a finding a label may stand: inside of the same call, most often.
const NEAR: u64 = 3;

/// Languages of cipherscope's fixtures that the scanners do not read.
const NOT_READ: &[&str] = &["objc", "php", "swift"];

/// A line with a name on it.
type Named = BTreeSet<(u64, String)>;

/// Labels or findings, by file.
type ByFile = BTreeMap<PathBuf, Named>;

pub(crate) fn corpus(workspace: &Workspace, directory: &Path) -> Result<()> {
    let directory = directory
        .canonicalize()
        .with_context(|| format!("{} is not there", directory.display()))?;
    let names = names()?;
    let findings = findings(workspace, &directory)?;
    let mut files = Vec::new();
    list(&directory, &mut files)?;
    let sonar = sonar(&files)?;
    let cipherscope = cipherscope(&files)?;
    ensure!(
        !sonar.is_empty() || !cipherscope.is_empty(),
        "neither corpus is below {}",
        directory.display()
    );
    let mut short = Vec::new();
    for (corpus, labels) in [("sonar-cryptography", &sonar), ("cipherscope", &cipherscope)] {
        if !labels.is_empty() && recall(corpus, labels, &findings, &names)? < ENOUGH {
            short.push(format!("recall on {corpus}"));
        }
    }
    if !cipherscope.is_empty() && precision(&cipherscope, &findings, &names)? < ENOUGH {
        short.push("precision on cipherscope".to_owned());
    }
    short.extend(bait(workspace)?);
    if !short.is_empty() {
        bail!("less than {ENOUGH}: {}", short.join(", "));
    }
    Ok(())
}

/// Their names with the patterns of ours.
fn names() -> Result<BTreeMap<&'static str, Vec<&'static str>>> {
    let mut names = BTreeMap::new();
    for line in NAMES.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let (Some(theirs), Some(ours)) = (columns.next(), columns.next()) else {
            bail!("names.tsv: no pattern in {line:?}");
        };
        names.insert(theirs, ours.split(' ').collect());
    }
    Ok(names)
}

/// What the scanners find, without what they could not tell.
fn findings(workspace: &Workspace, directory: &Path) -> Result<ByFile> {
    let mut command = workspace.cargo(&[
        "run",
        "--quiet",
        "--package",
        "symbolon-migration-planner",
        "--example",
        "source_findings",
        "--",
    ]);
    command.arg(directory);
    let mut found = ByFile::new();
    for line in process::output(&mut command)?.lines() {
        let mut columns = line.split('\t');
        if let (Some(path), Some(line), Some(name)) = (columns.next(), columns.next(), columns.next())
            && name != "?"
        {
            let named = (line.parse().unwrap_or(0), name.replace(' ', "_"));
            found.entry(PathBuf::from(path)).or_default().insert(named);
        }
    }
    Ok(found)
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// `// Noncompliant {{(Kind) NAME}}`, where `@-1` after the word moves the label by so many lines.
fn sonar(files: &[PathBuf]) -> Result<ByFile> {
    let mut labels = ByFile::new();
    for file in files {
        let path = file.to_string_lossy();
        let kept = ["rules/detection/", "rules/benchmark/"]
            .iter()
            .any(|part| path.contains(part));
        // The tests of their own machinery have labels that name no algorithm.
        if !kept || path.contains("rules/detection/Detection") {
            continue;
        }
        for (number, line) in (1_i64..).zip(fs::read_to_string(file)?.lines()) {
            let Some((before, label)) = line.split_once("Noncompliant") else {
                continue;
            };
            let moved = label.strip_prefix('@').and_then(|rest| rest.split(' ').next());
            // Code that is commented out together with its label.
            if moved.is_none() && before.trim_start().starts_with(['/', '#']) {
                continue;
            }
            let by: i64 = moved
                .map_or(Ok(0), |by| by.trim_start_matches('+').parse())
                .unwrap_or(0);
            let at = u64::try_from(number + by).unwrap_or(0);
            for part in label.split("{{").skip(1) {
                let name = part.split("}}").next().unwrap_or_default();
                let name = name.split_once(") ").map_or(name, |(_, name)| name);
                labels
                    .entry(file.clone())
                    .or_default()
                    .insert((at, name.to_owned()));
            }
        }
    }
    Ok(labels)
}

/// `expected.jsonl` beside each fixture.
fn cipherscope(files: &[PathBuf]) -> Result<ByFile> {
    let mut labels = ByFile::new();
    for file in files.iter().filter(|file| file.ends_with("expected.jsonl")) {
        let Some(root) = file.ancestors().find(|above| above.ends_with("fixtures")) else {
            continue;
        };
        let inside = file.strip_prefix(root)?;
        if NOT_READ.iter().any(|language| inside.starts_with(language)) {
            continue;
        }
        for line in fs::read_to_string(file)?
            .lines()
            .filter(|line| !line.trim().is_empty())
        {
            let label: serde_json::Value = serde_json::from_str(line)?;
            let text = |name: &str| label.get(name).and_then(serde_json::Value::as_str);
            if text("assetType") != Some("algorithm") {
                continue;
            }
            let at = label
                .pointer("/evidence/line")
                .and_then(serde_json::Value::as_u64);
            if let (Some(path), Some(name), Some(at), Some(above)) =
                (text("path"), text("identifier"), at, root.parent())
            {
                labels
                    .entry(above.join(path))
                    .or_default()
                    .insert((at, name.to_owned()));
            }
        }
    }
    Ok(labels)
}

fn recall(
    corpus: &str,
    labels: &ByFile,
    findings: &ByFile,
    names: &BTreeMap<&'static str, Vec<&'static str>>,
) -> Result<f64> {
    let (mut all, mut found) = (0_u32, 0_u32);
    let mut misses: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let none = Named::new();
    for (file, labelled) in labels {
        let seen = findings.get(file).unwrap_or(&none);
        for (line, theirs) in labelled {
            let Some(ours) = names.get(theirs.as_str()) else {
                bail!("names.tsv does not know {theirs:?}");
            };
            all += 1;
            let here: Vec<&str> = on_line(seen, *line);
            if here
                .iter()
                .any(|name| ours.iter().any(|pattern| matches(pattern, name)))
            {
                found += 1;
                continue;
            }
            let near = seen.iter().any(|(at, name)| {
                at.abs_diff(*line) <= NEAR && ours.iter().any(|pattern| matches(pattern, name))
            });
            let cause = match (here.is_empty(), near) {
                (_, true) => "found on a line nearby",
                (true, false) => "nothing found on the line",
                (false, false) => "another name found on the line",
            };
            let what = format!("{}:{line}: {theirs}; ours: {}", file.display(), here.join(", "));
            misses.entry(cause).or_default().push(what);
        }
    }
    let recall = f64::from(found) / f64::from(all.max(1));
    println!("{corpus}: recall {recall:.3} ({found} of {all} labels)");
    for (cause, list) in misses {
        println!("  {cause}: {}", list.len());
        list.iter().for_each(|miss| println!("    {miss}"));
    }
    Ok(recall)
}

fn precision(
    labels: &ByFile,
    findings: &ByFile,
    names: &BTreeMap<&'static str, Vec<&'static str>>,
) -> Result<f64> {
    let reviewed: BTreeSet<&str> = REVIEWED.lines().filter(|line| !line.starts_with('#')).collect();
    let (mut all, mut by_label, mut by_part, mut by_review) = (0_u32, 0_u32, 0_u32, 0_u32);
    let mut wrong = Vec::new();
    for (file, labelled) in labels {
        let Some(seen) = findings.get(file) else { continue };
        let short = file.to_string_lossy();
        let short = short.split("fixtures/").last().unwrap_or_default();
        for (line, name) in seen {
            all += 1;
            let labelled = labelled.iter().any(|(at, theirs)| {
                let ours = names.get(theirs.as_str()).map(Vec::as_slice).unwrap_or_default();
                at.abs_diff(*line) <= NEAR && ours.iter().any(|pattern| matches(pattern, name))
            });
            let part = on_line(seen, *line)
                .iter()
                .any(|whole| whole.ends_with(&format!("-{name}")));
            if labelled {
                by_label += 1;
            } else if part {
                by_part += 1;
            } else if reviewed.contains(format!("{short}\t{line}\t{name}").as_str()) {
                by_review += 1;
            } else {
                wrong.push(format!("{}:{line}: {name}", file.display()));
            }
        }
    }
    let right = by_label + by_part + by_review;
    let precision = f64::from(right) / f64::from(all.max(1));
    println!("cipherscope: precision {precision:.3} ({right} of {all} findings)");
    println!("  {by_label} labelled, {by_part} parts of a composite, {by_review} by review");
    println!("  neither: {}", wrong.len());
    wrong.iter().for_each(|finding| println!("    {finding}"));
    Ok(precision)
}

/// Recall and precision on our own corpus; what is not good enough.
fn bait(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = tempfile::TempDir::new()?;
    let mut labels = ByFile::new();
    for (name, text) in BAIT {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        labels.insert(path, labels_of(text));
    }
    let findings = findings(workspace, folder.path())?;
    let count = |one: &ByFile, other: &ByFile| {
        let (mut all, mut common) = (0_u32, 0_u32);
        for (file, named) in one {
            all += u32::try_from(named.len()).unwrap_or(u32::MAX);
            for label in named {
                match other.get(file).is_some_and(|other| other.contains(label)) {
                    true => common += 1,
                    false => println!("  only on one side: {}:{}: {}", file.display(), label.0, label.1),
                }
            }
        }
        (common, all)
    };
    let mut short = Vec::new();
    for (what, (common, all)) in [
        ("recall", count(&labels, &findings)),
        ("precision", count(&findings, &labels)),
    ] {
        let share = f64::from(common) / f64::from(all.max(1));
        println!("bait of our own: {what} {share:.3} ({common} of {all})");
        if share < ENOUGH {
            short.push(format!("{what} on bait of our own"));
        }
    }
    Ok(short)
}

/// Lines with what is to be found on them.
fn labels_of(text: &str) -> Named {
    let lines = (1_u64..).zip(text.lines());
    lines
        .filter_map(|(number, line)| {
            let (_, name) = line.split_once("finds ")?;
            let name = name.split_whitespace().next()?;
            Some((number, name.to_owned()))
        })
        .collect()
}

fn on_line(seen: &Named, line: u64) -> Vec<&str> {
    seen.iter()
        .filter(|(at, _)| *at == line)
        .map(|(_, name)| name.as_str())
        .collect()
}

/// Whether a name is what a pattern with `*` for anything says.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == name;
    };
    name.strip_prefix(before).is_some_and(|rest| {
        after.is_empty() || (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|tail| matches(after, tail)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name) in [
            ("AES*-GCM*", "AES-256-GCM"),
            ("SHA-256", "SHA-256"),
            ("*Curve448", "EC-Curve448"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("AES*-GCM*", "AES-CBC"), ("SHA-256", "SHA-2567"), ("EC", "ECDSA")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn bait_has_labels_on_its_calls_alone() {
        let labels: usize = BAIT.iter().map(|(_, text)| labels_of(text).len()).sum();
        assert_eq!(labels, 7);
        assert!(labels_of("a\nb // finds AES-GCM\n").contains(&(2, "AES-GCM".to_owned())));
    }

    #[test]
    fn the_data_files_are_whole() {
        assert!(names().unwrap().len() > 100);
        for line in REVIEWED.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(line.split('\t').count(), 3, "{line}");
        }
    }
}
