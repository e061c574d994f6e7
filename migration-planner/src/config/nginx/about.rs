//! Which files are worth parsing.

/// Whether anything in it is about TLS.
pub(super) fn speaks_of_tls(bytes: &[u8]) -> bool {
    [&b"ssl"[..], b"https://", b"grpcs://"]
        .iter()
        .any(|word| memchr::memmem::find(bytes, word).is_some())
}

/// What is below a directory called nginx and is no configuration.
pub(super) fn is_program(extension: &str) -> bool {
    matches!(
        extension,
        "c" | "h"
            | "js"
            | "html"
            | "htm"
            | "md"
            | "py"
            | "sh"
            | "pl"
            | "pm"
            | "t"
            | "lua"
            | "go"
            | "rs"
            | "css"
            | "svg"
            | "txt"
            | "json"
            | "yml"
            | "yaml"
            | "xml"
            | "patch"
            | "log"
    )
}
