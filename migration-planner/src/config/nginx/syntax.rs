//! nginx' syntax: directives that end in a semicolon or have a block.

use super::MAX_DEPTH;

/// The most words of one directive: a `map` or a list of names may be long.
const MAX_ARGS: usize = 4096;

/// One directive.
#[derive(Debug, Default)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) line: u64,
    /// Whether a semicolon ends it.
    pub(super) ended: bool,
    /// What is in its braces.
    pub(super) block: Option<Vec<Self>>,
}

impl Directive {
    /// Whether it is one that nothing but nginx has in this form.
    pub(super) fn is_nginx(&self) -> bool {
        let inside = |name: &str| {
            self.block
                .iter()
                .flatten()
                .any(|directive| directive.name == name && directive.ended)
        };
        match self.name.as_str() {
            "server" => inside("listen") || inside("server_name"),
            "http" | "stream" | "mail" => {
                self.block.iter().flatten().any(Self::is_nginx) || inside("include")
            }
            "location" => inside("proxy_pass"),
            name => {
                self.ended
                    && ["ssl_", "proxy_ssl_", "grpc_ssl_"]
                        .iter()
                        .any(|prefix| name.starts_with(prefix))
            }
        }
    }
}

/// What is wrong, with its line.
pub(super) type Problem = (u64, String);

/// Reads all of it. What is wrong is told, and what follows is read.
pub(super) fn parse(text: &str) -> (Vec<Directive>, Vec<Problem>) {
    let mut problems = Vec::new();
    // The innermost block is last.
    let mut open: Vec<Directive> = vec![Directive::default()];
    let mut current = Directive::default();
    let mut words = Words {
        text,
        at: 0,
        line: 1,
        hopeless: Vec::new(),
    };
    let mut too_deep = 0_usize;
    while let Some((word, line)) = words.next() {
        match word {
            Word::Text(word) if current.line == 0 => {
                current.name = word;
                current.line = line;
            }
            Word::Text(word) => {
                if current.args.len() < MAX_ARGS {
                    current.args.push(word);
                }
            }
            Word::End => {
                if current.line != 0 {
                    current.ended = true;
                    push(&mut open, std::mem::take(&mut current));
                }
            }
            Word::Open if current.name.ends_with("_by_lua_block") => {
                words.skip_program();
                current = Directive::default();
            }
            Word::Open => {
                let mut directive = std::mem::take(&mut current);
                if directive.line == 0 {
                    directive.line = line;
                }
                if open.len() > MAX_DEPTH {
                    if too_deep == 0 {
                        problems.push((line, format!("blocks nested deeper than {MAX_DEPTH}")));
                    }
                    too_deep += 1;
                    continue;
                }
                directive.block = Some(Vec::new());
                open.push(directive);
            }
            Word::Close => {
                if current.line != 0 {
                    problems.push((current.line, "a directive without its semicolon".to_owned()));
                    push(&mut open, std::mem::take(&mut current));
                }
                if too_deep > 0 {
                    too_deep -= 1;
                    continue;
                }
                match open.pop() {
                    Some(done) if !open.is_empty() => push(&mut open, done),
                    root => {
                        open.extend(root);
                        problems.push((line, "a brace that closes nothing".to_owned()));
                    }
                }
            }
            Word::Unclosed => problems.push((line, "a quote without its end".to_owned())),
        }
        if problems.len() > 1000 {
            problems.push((line, "too much is wrong; the rest was not read".to_owned()));
            break;
        }
    }
    if current.line != 0 {
        problems.push((current.line, "a directive without its semicolon".to_owned()));
        push(&mut open, current);
    }
    while open.len() > 1 {
        if let Some(done) = open.pop() {
            problems.push((done.line, "a block without its end".to_owned()));
            push(&mut open, done);
        }
    }
    let root = open.pop().and_then(|root| root.block);
    (root.unwrap_or_default(), problems)
}

fn push(open: &mut [Directive], directive: Directive) {
    if let Some(parent) = open.last_mut() {
        parent.block.get_or_insert_default().push(directive);
    }
}

enum Word {
    Text(String),
    End,
    Open,
    Close,
    Unclosed,
}

struct Words<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    /// Quotes that nothing closes any more, so that the rest is not searched again for each.
    hopeless: Vec<u8>,
}

impl Words<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn next(&mut self) -> Option<(Word, u64)> {
        loop {
            match self.peek()? {
                byte if byte.is_ascii_whitespace() => self.step(),
                b'#' => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.step();
                    }
                }
                _ => break,
            }
        }
        let line = self.line;
        let word = match self.peek()? {
            b';' => Word::End,
            b'{' => Word::Open,
            b'}' => Word::Close,
            quote @ (b'"' | b'\'') => {
                self.step();
                return Some((self.quoted(quote), line));
            }
            _ => return Some((self.plain(), line)),
        };
        self.step();
        Some((word, line))
    }

    fn plain(&mut self) -> Word {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.step(),
                // `${name}` is part of the word.
                b'$' if self.text.as_bytes().get(self.at + 1) == Some(&b'{') => {
                    while self.peek().is_some_and(|byte| byte != b'}' && byte != b'\n') {
                        self.step();
                    }
                    if self.peek() != Some(b'}') {
                        break;
                    }
                }
                b';' | b'{' | b'}' => break,
                byte if byte.is_ascii_whitespace() => break,
                _ => {}
            }
            self.step();
        }
        let end = self.at.min(self.text.len());
        Word::Text(self.text.get(start..end).unwrap_or_default().to_owned())
    }

    fn quoted(&mut self, quote: u8) -> Word {
        let (start, line) = (self.at, self.line);
        if self.hopeless.contains(&quote) {
            return Word::Unclosed;
        }
        while let Some(byte) = self.peek() {
            if byte == b'\\' {
                self.step();
            } else if byte == quote {
                let text = self.text.get(start..self.at).unwrap_or_default();
                self.step();
                return Word::Text(text.replace(
                    &format!("\\{}", char::from(quote)),
                    &char::from(quote).to_string(),
                ));
            }
            self.step();
        }
        // It is read as if the quote were not there.
        self.hopeless.push(quote);
        (self.at, self.line) = (start, line);
        Word::Unclosed
    }

    /// A block of Lua: to the brace that closes it. Strings and comments end with their line at the latest.
    fn skip_program(&mut self) {
        let mut depth = 1_usize;
        while let Some(byte) = self.peek() {
            self.step();
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b'"' | b'\'' => {
                    while self.peek().is_some_and(|next| next != byte && next != b'\n') {
                        self.at += usize::from(self.peek() == Some(b'\\'));
                        self.step();
                    }
                    self.step();
                }
                b'-' if self.peek() == Some(b'-') => {
                    while self.peek().is_some_and(|next| next != b'\n') {
                        self.step();
                    }
                }
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}
