//! The book's table of suites says what the code does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use symbolon_crypto::Component;
use symbolon_pki::describe::component_words;
use symbolon_pki::suite::Suite;

/// As the book has it, one row a suite.
fn table() -> String {
    let mut table = String::from(
        "| suite | made of | OID of its signatures | TLS code point | public key | signature | offered |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for suite in Suite::ALL {
        let components = suite.components();
        let made_of: Vec<_> = components.iter().map(|part| words(*part)).collect();
        let bytes = |of: fn(Component) -> usize| components.iter().map(|part| of(*part)).sum::<usize>();
        let at_most = match components.iter().any(|part| part.is_ecdsa()) {
            true => "≤ ",
            false => "",
        };
        let offered = match suite {
            _ if !suite.is_for_svids() => "for roots",
            _ if Suite::DEFAULTS.contains(&suite) => "by default",
            _ => "by name",
        };
        writeln!(
            table,
            "| `{suite}` | {} | {} | {} | {} | {at_most}{} | {offered} |",
            made_of.join(", "),
            suite.signature_oid(),
            code_point(suite),
            bytes(Component::public_key_len),
            bytes(Component::max_signature_len),
        )
        .unwrap();
    }
    table
}

fn words(component: Component) -> String {
    match component.is_slh_dsa() {
        // The last letter is small: SLH-DSA-SHA2-128s (FIPS 205, table 2).
        true => {
            let name = component.name();
            let (upper, last) = name.split_at(name.len() - 1);
            upper.to_uppercase() + last
        }
        false => component_words(component).to_owned(),
    }
}

fn code_point(suite: Suite) -> String {
    match (suite, suite.composite_arc()) {
        (_, Some(arc)) => format!("0xFE{arc:02X}"),
        (Suite::EcdsaP256, _) => "0x0403".to_owned(),
        (Suite::EcdsaP384, _) => "0x0503".to_owned(),
        (Suite::Ed25519, _) => "0x0807".to_owned(),
        (Suite::MlDsa44, _) => "0x0904".to_owned(),
        (Suite::MlDsa65, _) => "0x0905".to_owned(),
        (Suite::MlDsa87, _) => "0x0906".to_owned(),
        _ => String::new(),
    }
}

#[test]
fn the_books_table_of_suites_is_the_codes() {
    let page = include_str!("../../docs/src/forms.md");
    let (_, rest) = page.split_once("<!-- suites -->\n").unwrap();
    let (found, _) = rest.split_once("<!-- end of suites -->").unwrap();
    let expected = table();
    assert_eq!(found, expected, "the table should be:\n{expected}");
}
