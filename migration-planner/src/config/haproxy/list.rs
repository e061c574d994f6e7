//! Lists of certificates (`crt-list`).

use super::{File, Fragment, Names, Options, Reason, Service, text};

/// `cert.pem [ciphers X curves Y] name …`, a line for each certificate.
pub(super) fn read(text: &str, file: &File<'_>, found: &mut Fragment) {
    for line in text::lines(text) {
        let plain = line.text.trim();
        if plain.is_empty() || plain.starts_with('#') {
            continue;
        }
        if line.number % 256 == 0 && file.budget.is_spent() {
            return found.unread(Reason::TimedOut, Some(line.number), "the lines from here on");
        }
        let (path, rest) = plain.split_once(char::is_whitespace).unwrap_or((plain, ""));
        let rest = rest.trim_start();
        // Names before the options are taken as well, with a warning.
        let (before, options) = rest.split_once('[').map_or((rest, None), |(a, b)| (a, Some(b)));
        let (inner, names) = match options.map(|rest| rest.split_once(']')) {
            Some(Some((inner, names))) => (inner, names),
            Some(None) => {
                found.unread(Reason::Malformed, Some(line.number), "a bracket without its end");
                continue;
            }
            None => ("", ""),
        };
        let words: Vec<&str> = inner.split_whitespace().collect();
        let mut options = Options::default();
        options.read(&words, line.number, ["", "", ""], found);
        options.files.push((Names::Certificate, path.to_owned(), "crt"));
        let mut service = Service::new("HAProxy certificate", path, line.number);
        service.authenticated = options.verify.as_ref().map(|verify| verify != "none");
        // HAProxy has no comments at the end of a line, and people write them.
        for name in before
            .split_whitespace()
            .chain(names.split_whitespace())
            .take_while(|name| !name.starts_with('#'))
            .filter(|name| !name.starts_with('!'))
            .take(256)
        {
            service.fact("server-name", name);
        }
        options.tell(Options::default(), service, line.number, found);
    }
}
