//! What a section has from its templates.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::syntax::{Read, Setting};

/// The most sections that are looked through for one: templates of templates could be without number.
const MAX_VISITS: usize = 1000;
/// The most settings of one section with its templates.
const MAX_SETTINGS: usize = 4096;

/// The longest way to a section.
const MAX_PATH: usize = 16;

/// All settings by the sections that they stand in.
pub(super) struct Templates<'a> {
    by_path: BTreeMap<&'a [String], Vec<&'a Setting>>,
    templates: &'a BTreeMap<Vec<String>, Vec<Vec<String>>>,
}

impl<'a> Templates<'a> {
    pub(super) fn of(read: &'a Read) -> Self {
        let mut by_path: BTreeMap<&[String], Vec<&Setting>> = BTreeMap::new();
        for setting in &read.settings {
            by_path.entry(setting.path.as_slice()).or_default().push(setting);
        }
        Self {
            by_path,
            templates: &read.templates,
        }
    }

    /// All settings of a section, its own before those of its templates, in the order of their lines.
    pub(super) fn all(&self, top: &str, name: &str) -> Vec<Setting> {
        let path = [top.to_owned(), name.to_owned()];
        let mut all = Vec::new();
        let (mut known, mut visits) = (BTreeSet::new(), MAX_VISITS);
        self.collect(&path, &path, &mut visits, &mut known, &mut all);
        all.sort_by_key(|setting| setting.line);
        all
    }

    /// What stands below `from`, as if it stood below `to`.
    fn collect(
        &self,
        from: &[String],
        to: &[String],
        visits: &mut usize,
        known: &mut BTreeSet<(Vec<String>, String)>,
        all: &mut Vec<Setting>,
    ) {
        let moved = |path: &[String]| {
            let below = path.get(from.len()..).unwrap_or_default();
            [to, below].concat()
        };
        let range = (Bound::Included(from), Bound::Unbounded);
        let below = self.by_path.range::<[String], _>(range);
        for (path, settings) in below.take_while(|(path, _)| path.starts_with(from)) {
            let path = moved(path);
            // What stands last holds.
            for setting in settings.iter().rev() {
                if all.len() < MAX_SETTINGS && known.insert((path.clone(), setting.key.clone())) {
                    all.push(Setting {
                        path: path.clone(),
                        ..(*setting).clone()
                    });
                }
            }
        }
        let with_templates = self.templates.range::<[String], _>(range);
        for (path, others) in with_templates.take_while(|(path, _)| path.starts_with(from)) {
            // Of two templates the one that is named last holds.
            for other in others.iter().rev() {
                // A template may be named inside itself: paths grow then, and are cut off.
                let to = moved(path);
                if *visits == 0 || all.len() >= MAX_SETTINGS || to.len() > MAX_PATH {
                    return;
                }
                *visits -= 1;
                self.collect(other, &to, visits, known, all);
            }
        }
    }
}
