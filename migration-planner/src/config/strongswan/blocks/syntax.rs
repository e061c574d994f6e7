//! The syntax of `swanctl.conf`: sections in braces, settings, templates.

use std::collections::BTreeMap;

use crate::config::text;
use crate::inventory::{Fragment, Reason};

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 16;
/// The most templates of one section.
const MAX_TEMPLATES: usize = 16;

/// One setting with the sections around it.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) path: Vec<String>,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) line: u64,
}

/// All that stands in a file.
pub(super) struct Read {
    pub(super) settings: Vec<Setting>,
    /// The sections of the second level with their lines.
    pub(super) sections: Vec<(Vec<String>, u64)>,
    /// By section: those whose settings it takes over.
    pub(super) templates: BTreeMap<Vec<String>, Vec<Vec<String>>>,
}

/// All settings, and all sections of the second level with their lines.
pub(super) fn settings(text: &str, found: &mut Fragment) -> Read {
    let mut templates = BTreeMap::new();
    let mut settings: Vec<Setting> = Vec::new();
    let mut sections: Vec<(Vec<String>, u64)> = Vec::new();
    let mut path: Vec<(String, u64)> = Vec::new();
    let mut too_deep = 0_usize;
    for line in text::joined(text) {
        let mut rest = text::before_comment(&line.text, '#').trim();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('}') {
                match too_deep {
                    0 if path.pop().is_none() => {
                        found.unread(
                            Reason::Malformed,
                            Some(line.number),
                            "a brace that closes nothing",
                        );
                    }
                    0 => {}
                    _ => too_deep -= 1,
                }
                rest = after.trim_start();
                continue;
            }
            let brace = rest.find('{');
            let equals = rest.find('=');
            let opens = brace.filter(|brace| equals.is_none_or(|equals| *brace < equals));
            if let Some(at) = opens {
                let (name, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
                // `name : one, two { … }` takes over the settings of other sections.
                let (name, others) = name.split_once(':').unwrap_or((name, ""));
                let name = name.trim();
                let others: Vec<Vec<String>> = others
                    .split(',')
                    .map(str::trim)
                    .filter(|other| !other.is_empty())
                    .take(MAX_TEMPLATES)
                    .map(|other| other.split('.').take(MAX_DEPTH).map(str::to_owned).collect())
                    .collect();
                rest = after.get(1..).unwrap_or_default().trim_start();
                if path.len() >= MAX_DEPTH {
                    if too_deep == 0 {
                        found.unread(Reason::TooDeep, Some(line.number), "sections nested this deeply");
                    }
                    too_deep += 1;
                    continue;
                }
                path.push((name.to_owned(), line.number));
                if !others.is_empty() {
                    templates.insert(path.iter().map(|(name, _)| name.clone()).collect(), others);
                }
                if path.len() == 2 {
                    sections.push((path.iter().map(|(name, _)| name.clone()).collect(), line.number));
                }
                continue;
            }
            let Some((key, value)) = rest.split_once('=') else {
                match rest.strip_prefix("include ") {
                    Some(value) => settings.push(Setting {
                        path: Vec::new(),
                        key: "include".to_owned(),
                        value: text::unquoted(value).to_owned(),
                        line: line.number,
                    }),
                    None => found.unread(
                        Reason::Malformed,
                        Some(line.number),
                        "a line that assigns nothing",
                    ),
                }
                break;
            };
            // On one line the brace that closes may follow, unless the value is quoted.
            let value = value.trim();
            let (value, after) = match value.strip_prefix('"').map(|inner| (inner, quote_end(inner))) {
                Some((inner, Some(end))) => {
                    let (text, rest) = inner.split_at_checked(end).unwrap_or((inner, ""));
                    (
                        text,
                        rest.find('}').and_then(|at| rest.get(at..)).unwrap_or_default(),
                    )
                }
                Some((inner, None)) => (inner, ""),
                None => value
                    .find('}')
                    .and_then(|at| value.split_at_checked(at))
                    .unwrap_or((value, "")),
            };
            settings.push(Setting {
                path: path.iter().map(|(name, _)| name.clone()).collect(),
                key: key.trim().to_owned(),
                value: text::unquoted(value).to_owned(),
                line: line.number,
            });
            rest = after.trim_start();
        }
    }
    if let Some((_, line)) = path.first() {
        found.unread(Reason::Malformed, Some(*line), "a section without its end");
    }
    Read {
        settings,
        sections,
        templates,
    }
}

/// Where a quote ends.
fn quote_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|letter: char| {
        let is_end = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        is_end
    })
}
