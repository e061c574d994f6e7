//! Macros of C, which the grammar leaves as text.

/// The one name that a macro stands for.
pub(super) fn only_name(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(is_of_name)).then_some(text)
}

/// The names in the text of a macro that are called there, not those in its strings and comments.
pub(super) fn called_names(text: &str) -> Vec<String> {
    let code = code_of(text);
    let mut names = Vec::new();
    let mut rest = code.as_str();
    while let Some((before, after)) = rest.split_once('(') {
        let before = before.trim_end();
        let start = before
            .bytes()
            .rposition(|byte| !is_of_name(byte))
            .map_or(0, |at| at + 1);
        names.extend(
            before
                .get(start..)
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        );
        rest = after;
    }
    names
}

/// C without its strings, characters and comments.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('"' | '\'', _) => {
                while let Some(inside) = chars.next().filter(|inside| *inside != c) {
                    if inside == '\\' {
                        chars.next();
                    }
                }
                code.push(c);
            }
            ('/', Some('/')) => {
                let _line = chars.by_ref().find(|c| *c == '\n');
            }
            ('/', Some('*')) => {
                chars.next();
                let mut star = false;
                for inside in chars.by_ref() {
                    if star && inside == '/' {
                        break;
                    }
                    star = inside == '*';
                }
            }
            _ => code.push(c),
        }
    }
    code
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
