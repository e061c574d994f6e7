//! Component primitives (sign, verify, generate) and the held-key trait; knows no formats.
