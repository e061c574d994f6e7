//! How methods ask the services that vouch for nodes: metadata servers on the node, and key sets and the APIs of clusters
//! from the server. What goes over the wire is said here; the wire itself belongs to whoever runs a half.

use std::error::Error;
use std::fmt::{self, Debug};

use async_trait::async_trait;
use zeroize::Zeroizing;

/// What is done to the place asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// It is read.
    Get,
    /// Something is handed in.
    Post,
    /// A session is asked for.
    Put,
}

/// A request.
pub struct Request {
    /// What is done.
    pub verb: Verb,
    /// Where: `http` or `https`.
    pub url: String,
    /// Header fields. Their values may be secrets.
    pub fields: Vec<(&'static str, Zeroizing<String>)>,
    /// What is sent along. May be a secret.
    pub body: Zeroizing<Vec<u8>>,
    /// Longest answer that is read, in bytes.
    pub most: usize,
}

impl Request {
    pub(crate) fn get(url: String, most: usize) -> Self {
        Self {
            verb: Verb::Get,
            url,
            fields: Vec::new(),
            body: Zeroizing::default(),
            most,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, Zeroizing::new(value.to_owned())));
        self
    }
}

impl Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("verb", &self.verb)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Nobody was asked: as many questions to one service are under way as may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("as many questions to it are under way as may be")]
pub struct Busy;

/// Who asks. An implementation bounds the time and how many questions are under way, follows no redirect and goes through no
/// proxy.
#[async_trait]
pub trait HttpClient: Send + Sync + Debug {
    /// Asks once.
    ///
    /// # Errors
    /// [`Busy`], or why there is no answer. One with any status is an answer.
    async fn send(&self, request: Request) -> Result<Response, Box<dyn Error + Send + Sync>>;
}

/// Text as a part of a URL's path or query: all but letters, digits, `-`, `.`, `_` and `~` is encoded.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_character_is_encoded() {
        assert_eq!(
            percent_encoded("https://a b/é?"),
            "https%3A%2F%2Fa%20b%2F%C3%A9%3F"
        );
        assert_eq!(percent_encoded("a-b.c_d~9"), "a-b.c_d~9");
    }

    #[test]
    fn requests_do_not_show_what_they_carry() {
        let request = Request::get("https://example.com/".to_owned(), 1).with("authorization", "hunter2");
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
