//! Functions of any library whose result can be told from what they are given.

/// Functions that make bytes of a length: the last part of the name, and the argument that is the length.
pub(super) const BYTE_MAKERS: &[(&str, usize)] = &[
    ("urandom", 0),
    ("token_bytes", 0),
    ("randomBytes", 0),
    ("randombytes", 0),
    ("get_random_bytes", 0),
    ("bytes", 0),
    ("bytearray", 0),
    ("alloc", 0),
    ("allocUnsafe", 0),
    ("Uint8Array", 0),
    ("random", 0),
    ("make", 1),
];

/// Functions that give their object, or else their first argument, in another type.
pub(super) const CONVERSIONS: &[&str] = &[
    "getBytes",
    "toCharArray",
    "as_bytes",
    "as_ref",
    "as_str",
    "as_slice",
    "to_vec",
    "to_owned",
    "to_string",
    "into",
    "clone",
    "encode",
    "decode",
    "from",
    "String",
    "unwrap",
    "expect",
    "toString",
    "valueOf",
    "strip",
    "trim",
    "lower",
    "upper",
    "toUpperCase",
    "toLowerCase",
    "concat",
    "intern",
    "freeze",
    "Prehashed",
    "NonMemoableDigest",
    "name",
    "getValue",
    "value",
    "to_bytes",
    "ShortenedDigest",
];

/// Functions that look a setting up and have its default as the second argument.
pub(super) const SETTINGS: &[&str] = &["getProperty", "getOrDefault", "getenv", "get", "getString"];
