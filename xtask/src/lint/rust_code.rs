//! Rust source reduced to its code, so that a word in a comment or a string is not taken for one that does
//! something.

/// The source with comments and the contents of string, byte and character literals blanked out. Lines stay where
/// they are.
pub(super) fn code_only(source: &str) -> String {
    let mut scanner = Scanner {
        rest: source,
        code: String::with_capacity(source.len()),
    };
    while scanner.step() {}
    scanner.code
}

/// The words (identifiers and keywords) of one line of code.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !(character.is_alphanumeric() || character == '_'))
        .filter(|word| !word.is_empty())
}

struct Scanner<'a> {
    rest: &'a str,
    code: String,
}

impl Scanner<'_> {
    /// Takes in the next comment, literal or character; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        let after_word = self
            .code
            .chars()
            .last()
            .is_some_and(|last| last.is_alphanumeric() || last == '_');
        if self.rest.starts_with("//") {
            self.blank(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.blank(block_comment(self.rest));
        } else if let Some(length) = raw_string(self.rest).filter(|_| !after_word) {
            self.blank(length);
        } else if first == '"' {
            self.blank(quoted(self.rest, '"'));
        } else if let Some(length) = character(self.rest) {
            self.blank(length);
        } else {
            self.code.push(first);
            self.rest = &self.rest[first.len_utf8()..];
        }
        true
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.code.extend(
            gone.chars()
                .map(|character| if character == '\n' { '\n' } else { ' ' }),
        );
        self.rest = rest;
    }
}

/// Length of the block comment at the start; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while position < text.len() {
        if text[position..].starts_with("/*") {
            depth += 1;
            position += 2;
        } else if text[position..].starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += text[position..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Length of the raw string at the start (`r"…"`, `br#"…"#`, …), when there is one.
fn raw_string(text: &str) -> Option<usize> {
    let after_prefix = text
        .strip_prefix("br")
        .or_else(|| text.strip_prefix("cr"))
        .or_else(|| text.strip_prefix('r'))?;
    let hashes = after_prefix.len() - after_prefix.trim_start_matches('#').len();
    let body = after_prefix[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - body.len();
    Some(
        body.find(&end)
            .map_or(text.len(), |position| start + position + end.len()),
    )
}

/// Length of the literal at the start, from quote to quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (position, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return position + character.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Length of the character literal at the start, when it is one and not a lifetime.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let first = body.chars().next()?;
    let is_literal = first == '\\' || body[first.len_utf8()..].starts_with('\'');
    is_literal.then(|| quoted(text, '\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_code_and_lines_stay() {
        let source = "let a = 1; // unsafe\n/* unsafe /* nested */ unsafe */ let b = \"unsafe \\\" unsafe\";\n\
                      let c = r#\"unsafe \" unsafe\"#; let d = 'u'; let e: &'static str = \"\";\nunsafe {}\n";
        let code = code_only(source);
        assert_eq!(code.lines().count(), source.lines().count());
        let found: Vec<usize> = (1..)
            .zip(code.lines())
            .filter(|(_, line)| words(line).any(|word| word == "unsafe"))
            .map(|(number, _)| number)
            .collect();
        assert_eq!(found, [4]);
        assert!(code.contains("&'static str"));
    }

    #[test]
    fn a_quote_in_a_character_opens_no_string() {
        assert_eq!(
            code_only("let q = '\"'; unsafe").trim_end(),
            "let q =    ; unsafe"
        );
        assert_eq!(
            code_only("let q = '\\''; unsafe").trim_end(),
            "let q =     ; unsafe"
        );
    }

    #[test]
    fn an_identifier_that_ends_in_r_opens_no_raw_string() {
        assert_eq!(code_only("for\"x\" unsafe"), "for    unsafe");
    }

    #[test]
    fn what_does_not_end_is_taken_to_the_end() {
        for source in ["/* open", "\"open", "r#\"open\"", "'\\", "// open"] {
            assert_eq!(code_only(source).trim(), "", "{source}");
        }
    }
}
