//! Records and handshake messages in the clear (RFC 8446 §5.1, §4), from whatever bytes a server sends.

/// The longest record body that anybody may send (RFC 5246 §6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2048;
/// The longest handshake message that is put together: the largest chains are below it.
const MAX_MESSAGE: usize = 256 << 10;

/// One thing that the server said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Said {
    /// A handshake message: its type and its body.
    Handshake(u8, Vec<u8>),
    /// An alert by its number, and whether it ends the connection.
    Alert { fatal: bool, code: u8 },
    /// A record whose content is encrypted, or says nothing here.
    Opaque,
}

/// Why the bytes are not TLS; the text says what they look like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NotTls(pub(crate) String);

/// Turns bytes into what was said. Holds no more than one record and one message.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    messages: Vec<u8>,
    alerts: Vec<u8>,
}

impl Decoder {
    /// Takes bytes as they came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next thing said, or `None` when more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Said>, NotTls> {
        loop {
            if let Some(&[level, code]) = self.alerts.first_chunk::<2>() {
                self.alerts.drain(..2);
                let fatal = level != 1;
                return Ok(Some(Said::Alert { fatal, code }));
            }
            if let Some(message) = self.message()? {
                return Ok(Some(message));
            }
            let Some((kind, body)) = self.record()? else {
                return Ok(None);
            };
            match (kind, body.as_slice()) {
                (22, []) => return Err(NotTls("an empty handshake record".to_owned())),
                (22, _) => self.messages.extend(body),
                // Several in one record, or one in two, are rare and allowed up to TLS 1.2; longer ones are encrypted.
                (21, [_] | [_, _] | [_, _, _, _]) => self.alerts.extend(body),
                _ => return Ok(Some(Said::Opaque)),
            }
        }
    }

    fn record(&mut self) -> Result<Option<(u8, Vec<u8>)>, NotTls> {
        let start = self.bytes.get(..self.bytes.len().min(3)).unwrap_or_default();
        let plausible = match *start {
            [] => true,
            [kind] => (20..=23).contains(&kind),
            [kind, 3, ..] => (20..=23).contains(&kind),
            _ => false,
        };
        if !plausible {
            return Err(NotTls(looks_like(&self.bytes)));
        }
        let Some(&[kind, _, _, high, low]) = self.bytes.first_chunk::<5>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_RECORD {
            return Err(NotTls(format!(
                "a record of {length} bytes, more than any may have"
            )));
        }
        if self.bytes.len() < 5 + length {
            return Ok(None);
        }
        let body = self.bytes.drain(..5 + length).skip(5).collect();
        Ok(Some((kind, body)))
    }

    fn message(&mut self) -> Result<Option<Said>, NotTls> {
        let Some(&[kind, high, middle, low]) = self.messages.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE {
            return Err(NotTls(format!("a handshake message of {length} bytes")));
        }
        if self.messages.len() < 4 + length {
            return Ok(None);
        }
        let body = self.messages.drain(..4 + length).skip(4).collect();
        Ok(Some(Said::Handshake(kind, body)))
    }
}

/// What bytes that are not TLS look like, for a person.
fn looks_like(bytes: &[u8]) -> String {
    const BEGINNINGS: [(&[u8], &str); 6] = [
        (b"HTTP/", "an HTTP answer"),
        (b"SSH-", "an SSH banner"),
        (
            b"220",
            "the greeting of a mail or file server, which may know STARTTLS",
        ),
        (b"* OK", "an IMAP greeting, which may know STARTTLS"),
        (b"+OK", "a POP3 greeting, which may know STARTTLS"),
        (b"<", "HTML or XML"),
    ];
    for (beginning, name) in BEGINNINGS {
        if bytes.starts_with(beginning) {
            return name.to_owned();
        }
    }
    let start = bytes.get(..bytes.len().min(16)).unwrap_or_default();
    if start
        .iter()
        .all(|byte| (0x20..0x7f).contains(byte) || b"\r\n\t".contains(byte))
    {
        return format!("text: {:?}", String::from_utf8_lossy(start));
    }
    format!(
        "bytes that begin with {}",
        hex::encode(start.get(..8).unwrap_or(start))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3][..], &length, body].concat()
    }

    fn all(bytes: &[u8]) -> Result<Vec<Said>, NotTls> {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        let mut said = Vec::new();
        while let Some(next) = decoder.next()? {
            said.push(next);
        }
        Ok(said)
    }

    #[test]
    fn messages_are_put_together_from_records_and_taken_apart() {
        let messages = [&[2, 0, 0, 3, 7, 8, 9][..], &[14, 0, 0, 0]].concat();
        let expected = vec![Said::Handshake(2, vec![7, 8, 9]), Said::Handshake(14, vec![])];
        assert_eq!(all(&record(22, &messages)).unwrap(), expected);
        let split: Vec<u8> = messages.iter().flat_map(|byte| record(22, &[*byte])).collect();
        assert_eq!(all(&split).unwrap(), expected);
        let alert = record(21, &[2, 70]);
        assert_eq!(
            all(&alert).unwrap(),
            vec![Said::Alert {
                fatal: true,
                code: 70
            }]
        );
        assert_eq!(all(&record(23, b"secret")).unwrap(), vec![Said::Opaque]);
        // A warning and an end: in one record, and in pieces, between the pieces of a message.
        let warned = |code, fatal| Said::Alert { fatal, code };
        let both = record(21, &[1, 112, 2, 40]);
        assert_eq!(all(&both).unwrap(), vec![warned(112, false), warned(40, true)]);
        let pieces = [
            record(22, &[14, 0]),
            record(21, &[1]),
            record(21, &[112]),
            record(22, &[0, 0]),
        ];
        assert_eq!(
            all(&pieces.concat()).unwrap(),
            vec![warned(112, false), Said::Handshake(14, vec![])]
        );
    }

    #[test]
    fn other_protocols_are_named() {
        for (bytes, name) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "an HTTP answer"),
            (b"SSH-2.0-x\r\n", "an SSH banner"),
            (b"220 mail", "STARTTLS"),
            (b"hello there", "text: \"hello there\""),
            (&[0, 1, 2, 3], "bytes that begin with 00010203"),
            (&[22, 2, 0], "bytes that begin with 160200"),
            (&[22, 3, 3, 0xff, 0xff], "more than any may have"),
            (&[22, 3, 3, 0, 0], "an empty handshake record"),
            (&[22, 3, 3, 0, 4, 2, 0xff, 0, 0], "a handshake message of"),
        ] {
            let error = all(bytes).unwrap_err();
            assert!(error.0.contains(name), "{error:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_in_any_pieces_say_the_same(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
            good in proptest::bool::ANY,
            cut in 0_usize..600,
        ) {
            let bytes = if good { record(22, &bytes) } else { bytes };
            let cut = cut.min(bytes.len());
            let mut decoder = Decoder::default();
            let mut said = Vec::new();
            let mut failed = None;
            for piece in [&bytes[..cut], &bytes[cut..]] {
                decoder.push(piece);
                while failed.is_none() {
                    match decoder.next() {
                        Ok(Some(next)) => said.push(next),
                        Ok(None) => break,
                        Err(error) => failed = Some(error),
                    }
                }
            }
            match all(&bytes) {
                Ok(whole) => proptest::prop_assert_eq!((whole, None), (said, failed)),
                Err(_) => proptest::prop_assert!(failed.is_some()),
            }
        }
    }
}
