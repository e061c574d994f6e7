//! Variables that a `map` makes: which files a certificate's path comes to.

use std::cell::Cell;
use std::collections::HashMap;

use super::syntax::Directive;

/// The most values of one variable.
const MAX_VALUES: usize = 256;
/// The most values that are put in, over all servers: many servers with long maps would come to more than a file has.
const MAX_PUT_IN: usize = 50_000;

/// The values of each variable that is mapped in this file.
#[derive(Default)]
pub(super) struct Maps {
    values: HashMap<String, Vec<String>>,
    put_in: Cell<usize>,
}

/// The maps of `http` or `stream`, or of a file that is included there.
pub(super) fn of(directives: &[Directive]) -> Maps {
    let mut maps = Maps::default();
    let inner = directives
        .iter()
        .filter(|directive| matches!(directive.name.as_str(), "http" | "stream"))
        .flat_map(|directive| directive.block.iter().flatten());
    for directive in directives.iter().chain(inner) {
        if let ("map", [_, variable], Some(rows)) = (
            directive.name.as_str(),
            directive.args.as_slice(),
            &directive.block,
        ) {
            let rows = rows.iter().filter_map(|row| match row.args.as_slice() {
                [value] if row.name != "include" && !value.is_empty() => Some(value.clone()),
                _ => None,
            });
            let values = maps.values.entry(variable.clone()).or_default();
            values.extend(rows.take(MAX_VALUES));
        }
    }
    maps
}

impl Maps {
    /// What a path that is nothing but a mapped variable comes to.
    pub(super) fn values(&self, path: &str) -> Option<&[String]> {
        let plain = path.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let values = match plain {
            Some(name) => self.values.get(&format!("${name}")),
            None if path.starts_with('$') => self.values.get(path),
            None => None,
        };
        let values = values.filter(|values| !values.is_empty())?;
        self.put_in.set(self.put_in.get() + values.len());
        (self.put_in.get() <= MAX_PUT_IN).then_some(values.as_slice())
    }
}
