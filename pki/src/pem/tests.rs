use super::*;

fn labels(input: &str) -> Vec<Result<String, String>> {
    blocks(input.as_bytes())
        .unwrap()
        .into_iter()
        .map(|block| block.map(|block| block.label).map_err(|error| error.to_string()))
        .collect()
}

#[test]
fn a_bad_block_hides_no_other() {
    let one = encode(CERTIFICATE, b"one");
    let two = encode(CERTIFICATE, b"two");
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    let not_base64 = "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n";
    let text = format!("some words\n{}{cut}{not_base64}between\n{}", *one, *two);
    assert_eq!(
        labels(&text),
        [
            Ok("CERTIFICATE".into()),
            Err("line 5: the CERTIFICATE block that begins here has no END marker".into()),
            Err("line 7: the PUBLIC KEY block that begins here is not valid base64".into()),
            Ok("CERTIFICATE".into()),
        ]
    );
}

#[test]
fn markers_that_do_not_match_or_are_damaged_are_named() {
    assert_eq!(
        labels("-----BEGIN A-----\nAAAA\n-----END B-----\n-----BEGIN C--\n-----BEGIN D-----"),
        [
            Err("line 1: the A block that begins here has no END marker".into()),
            Err("line 4: the BEGIN marker is damaged".into()),
            Err("line 5: the D block that begins here has no END marker".into()),
        ]
    );
    assert!(matches!(blocks(b"nothing here"), Err(PemError::NoBlock)));
    assert!(matches!(
        blocks(&vec![b'x'; MAX_PEM_LEN + 1]),
        Err(PemError::TooLong { .. })
    ));
}

#[test]
fn other_peoples_line_ends_and_widths_are_read() {
    let text = "-----BEGIN X-----\r\nAAEC\r\nAwQF\r\n-----END X-----\r\n";
    let block = blocks(text.as_bytes()).unwrap().remove(0).unwrap();
    assert_eq!(block.der.as_slice(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn encrypted_blocks_say_so() {
    for text in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
    ] {
        let error = blocks(text.as_bytes()).unwrap().remove(0).unwrap_err();
        assert!(matches!(error, PemError::Encrypted { line: 1, .. }), "{error}");
    }
}

#[test]
fn what_is_missing_is_named_with_what_is_there() {
    let text = format!(
        "{}{}",
        *encode(PUBLIC_KEY, b"x"),
        *encode("TRUSTED CERTIFICATE", b"y")
    );
    let error = private_key(text.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no PRIVATE KEY block in this file (found: PUBLIC KEY, TRUSTED CERTIFICATE)"
    );
    assert!(matches!(
        certificates(text.as_bytes()),
        Err(PemError::Missing { .. })
    ));
    assert!(matches!(
        certificate_request(text.as_bytes()),
        Err(PemError::Missing { .. })
    ));
}

#[test]
fn a_block_never_shows_its_bytes_when_debugged() {
    let block = blocks(encode(PRIVATE_KEY, b"\xde\xad").as_bytes())
        .unwrap()
        .remove(0)
        .unwrap();
    let shown = format!("{block:?}");
    assert_eq!(shown, r#"Block { label: "PRIVATE KEY", line: 1, len: 2 }"#);
}
