//! What has to be said in other protocols before TLS begins.

use super::line::{Fault, Line};

/// The longest line, and the longest answer without lines, that is read.
const LONGEST: usize = 16 << 10;
/// The most lines of one answer.
const MOST_LINES: usize = 200;

/// How TLS begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opening {
    /// At once.
    AtOnce,
    Smtp,
    Imap,
    Pop3,
    Ftp,
    Ldap,
    Postgres,
    MySql,
    Xmpp,
}

/// Schemes with the port that is meant without one, and how TLS begins.
pub(super) const SCHEMES: &[(&str, u16, Opening)] = &[
    ("tls", 443, Opening::AtOnce),
    ("https", 443, Opening::AtOnce),
    ("smtps", 465, Opening::AtOnce),
    ("imaps", 993, Opening::AtOnce),
    ("pop3s", 995, Opening::AtOnce),
    ("ldaps", 636, Opening::AtOnce),
    ("ftps", 990, Opening::AtOnce),
    ("smtp", 25, Opening::Smtp),
    ("imap", 143, Opening::Imap),
    ("pop3", 110, Opening::Pop3),
    ("ftp", 21, Opening::Ftp),
    ("ldap", 389, Opening::Ldap),
    ("postgres", 5432, Opening::Postgres),
    ("postgresql", 5432, Opening::Postgres),
    ("mysql", 3306, Opening::MySql),
    ("xmpp", 5222, Opening::Xmpp),
];

/// Says what is to be said; after it the next bytes on the line are TLS.
pub(super) fn open(opening: Opening, line: &mut Line, host: &str) -> Result<(), Fault> {
    match opening {
        Opening::AtOnce => Ok(()),
        Opening::Smtp => smtp(line),
        Opening::Imap => imap(line),
        Opening::Pop3 => pop3(line),
        Opening::Ftp => ftp(line),
        Opening::Ldap => ldap(line),
        Opening::Postgres => postgres(line),
        Opening::MySql => mysql(line),
        Opening::Xmpp => xmpp(line, host),
    }
}

fn refused(protocol: &str, answer: &str) -> Fault {
    Fault::Refused(format!(
        "the {protocol} server does not begin TLS: {}",
        printable(answer)
    ))
}

fn strange(protocol: &str, answer: &str) -> Fault {
    Fault::Other(format!("the answer is not {protocol}: {}", printable(answer)))
}

/// The beginning of what a server said, for a person.
pub(super) fn printable(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    format!("{short:?}")
}

/// RFC 3207.
fn smtp(line: &mut Line) -> Result<(), Fault> {
    reply(line, "SMTP", "220")?;
    line.send(b"EHLO symbolon.invalid\r\n")?;
    let offered = reply(line, "SMTP", "250")?;
    if !offered
        .iter()
        .any(|word| word.trim().eq_ignore_ascii_case("STARTTLS"))
    {
        return Err(refused("SMTP", "STARTTLS is not among what it offers"));
    }
    line.send(b"STARTTLS\r\n")?;
    reply(line, "SMTP", "220").map(drop)
}

/// RFC 4217.
fn ftp(line: &mut Line) -> Result<(), Fault> {
    reply(line, "FTP", "220")?;
    line.send(b"AUTH TLS\r\n")?;
    reply(line, "FTP", "234").map(drop)
}

/// The lines of a reply as SMTP and FTP have it: `250-` begins one of several lines, `250 ` is the last. Between them
/// FTP has text of any kind.
fn reply(line: &mut Line, protocol: &str, wanted: &str) -> Result<Vec<String>, Fault> {
    let mut lines: Vec<String> = Vec::new();
    for _ in 0..MOST_LINES {
        let text = line.receive_line(LONGEST)?;
        let (code, rest) = text.split_at_checked(3).unwrap_or_default();
        if lines.is_empty() && code != wanted {
            let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
            return Err(match is_code {
                true => refused(protocol, &text),
                false => strange(protocol, &text),
            });
        }
        lines.push(rest.get(1..).unwrap_or_default().to_owned());
        if code == wanted && !rest.starts_with('-') {
            return Ok(lines);
        }
    }
    Err(strange(protocol, "a reply that does not end"))
}

/// RFC 9051 §6.2.1.
fn imap(line: &mut Line) -> Result<(), Fault> {
    let greeting = line.receive_line(LONGEST)?;
    if greeting.starts_with("* BYE") {
        return Err(refused("IMAP", &greeting));
    }
    if !greeting.starts_with("* OK") {
        return Err(strange("IMAP", &greeting));
    }
    line.send(b"a1 STARTTLS\r\n")?;
    for _ in 0..MOST_LINES {
        let text = line.receive_line(LONGEST)?;
        if let Some(answer) = text.strip_prefix("a1 ") {
            return if answer.to_ascii_uppercase().starts_with("OK") {
                Ok(())
            } else {
                Err(refused("IMAP", &text))
            };
        }
        if !text.starts_with("* ") {
            return Err(strange("IMAP", &text));
        }
    }
    Err(strange("IMAP", "an answer that does not end"))
}

/// RFC 2595 §4.
fn pop3(line: &mut Line) -> Result<(), Fault> {
    let greeting = line.receive_line(LONGEST)?;
    if greeting.starts_with("-ERR") {
        return Err(refused("POP3", &greeting));
    }
    if !greeting.starts_with("+OK") {
        return Err(strange("POP3", &greeting));
    }
    line.send(b"STLS\r\n")?;
    let answer = line.receive_line(LONGEST)?;
    if answer.starts_with("+OK") {
        Ok(())
    } else {
        Err(refused("POP3", &answer))
    }
}

/// RFC 4511 §4.14: an extended request whose name is StartTLS.
fn ldap(line: &mut Line) -> Result<(), Fault> {
    const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
    line.send(REQUEST)?;
    let head = line.receive_exact(2)?;
    let (tag, length) = (head.first().copied(), head.get(1).copied().unwrap_or(0));
    let length = match length {
        0x81 => usize::from(line.receive_exact(1)?.first().copied().unwrap_or(0)),
        0x82 => {
            let bytes = line.receive_exact(2)?;
            bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte))
        }
        0x84 => {
            let bytes = line.receive_exact(4)?;
            bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte))
        }
        short => usize::from(short),
    };
    if tag != Some(0x30) || !(5..=LONGEST).contains(&length) {
        return Err(Fault::Other("the answer is not LDAP".to_owned()));
    }
    let body = line.receive_exact(length)?;
    // Message number 1, an extended response, and in it the result.
    let response = body.strip_prefix(&[0x02, 0x01, 0x01, 0x78]);
    let after_length = response.and_then(|rest| {
        let skip = match rest.first()? {
            long @ 0x81..=0x84 => 1 + usize::from(long & 0x7f),
            _ => 1,
        };
        rest.get(skip..)
    });
    match after_length.and_then(|rest| rest.strip_prefix(&[0x0a, 0x01])) {
        Some([0, ..]) => Ok(()),
        Some([code, ..]) => Err(refused("LDAP", &format!("result code {code}"))),
        _ => Err(Fault::Other("the answer is not LDAP's to StartTLS".to_owned())),
    }
}

/// PostgreSQL's SSLRequest.
fn postgres(line: &mut Line) -> Result<(), Fault> {
    line.send(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])?;
    match line.receive_exact(1)?.first() {
        Some(b'S') => Ok(()),
        Some(b'N') => Err(refused("PostgreSQL", "SSL is off")),
        Some(b'E') => Err(refused("PostgreSQL", "an error message")),
        _ => Err(Fault::Other("the answer is not PostgreSQL's".to_owned())),
    }
}

/// MySQL's SSL request packet, after the server's greeting.
fn mysql(line: &mut Line) -> Result<(), Fault> {
    const SSL: u16 = 0x0800;
    let head = line.receive_exact(4)?;
    let length = head
        .iter()
        .take(3)
        .rev()
        .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
    if !(1..=LONGEST).contains(&length) {
        return Err(Fault::Other("the answer is not MySQL's".to_owned()));
    }
    let greeting = line.receive_exact(length)?;
    match greeting.first() {
        Some(10) => {}
        Some(0xff) => return Err(refused("MySQL", &String::from_utf8_lossy(&greeting))),
        _ => return Err(Fault::Other("the answer is not MySQL's".to_owned())),
    }
    // Version up to a zero, connection number, eight bytes, a zero; then what it can.
    let version = greeting.iter().position(|byte| *byte == 0).unwrap_or(length);
    let can = greeting
        .get(version + 14..version + 16)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u16::from_le_bytes);
    if can & SSL == 0 {
        return Err(refused("MySQL", "SSL is not among what it can"));
    }
    // CLIENT_SSL, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION; 16 MiB; utf8mb4.
    let mut request = vec![32, 0, 0, 1, 0x00, 0x8a, 0x00, 0x00, 0, 0, 0, 1, 45];
    request.extend([0; 23]);
    line.send(&request)
}

/// RFC 6120 §5.
fn xmpp(line: &mut Line, host: &str) -> Result<(), Fault> {
    let stream = format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
         to='{host}' version='1.0'>"
    );
    line.send(stream.as_bytes())?;
    let features = until(
        line,
        &["</stream:features>", "<stream:features/>", "</stream:stream>"],
    )?;
    if !features.contains("urn:ietf:params:xml:ns:xmpp-tls") {
        return Err(refused("XMPP", "STARTTLS is not among its features"));
    }
    line.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")?;
    let answer = until(line, &[">"])?;
    if answer.contains("<proceed") {
        Ok(())
    } else {
        Err(refused("XMPP", &answer))
    }
}

/// What comes up to one of these texts.
fn until(line: &mut Line, ends: &[&str]) -> Result<String, Fault> {
    let mut text = Vec::new();
    while text.len() < LONGEST {
        text.extend(line.receive_exact(1)?);
        if ends.iter().any(|end| text.ends_with(end.as_bytes())) {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
    }
    Err(strange("XMPP", &String::from_utf8_lossy(&text)))
}

#[cfg(test)]
mod tests;
