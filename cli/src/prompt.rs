//! Asking a person for a PIN or a passphrase on the terminal, without showing it.
//!
//! The terminal is asked itself, not standard input: that may be a pipe, and what it holds is somebody else's.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use symbolon_hsm::location::Wanted;
use symbolon_hsm::{Passphrase, PassphraseError};
use zeroize::Zeroizing;

/// The terminal of this process.
const TERMINAL: &str = "/dev/tty";

/// Asks for what a key store wants, twice if it is about to be set.
///
/// # Errors
/// As [`secret`]; also when the two differ.
pub(crate) fn wanted(wanted: &Wanted) -> Result<Passphrase, PassphraseError> {
    let first = secret(&wanted.to_string())?;
    if wanted.is_new && secret("The same again")?.expose() != first.expose() {
        let differ = io::Error::new(io::ErrorKind::InvalidInput, "the two are not the same");
        return Err(PassphraseError::Prompt(differ));
    }
    Ok(first)
}

/// Asks for a secret: `question` is what the person reads, as in `PIN of the token ca`.
///
/// # Errors
/// [`PassphraseError::Prompt`] when there is no terminal or the person gives up, [`PassphraseError::Length`] when they
/// give nothing.
pub(crate) fn secret(question: &str) -> Result<Passphrase, PassphraseError> {
    let terminal = OpenOptions::new().read(true).write(true).open(TERMINAL);
    let asked = terminal.map_err(no_terminal).and_then(|mut terminal| {
        // Silent before it asks: whoever answers at once would else see, and show, what they type.
        let silence = Silence::begin(&terminal)?;
        write!(&terminal, "{question}: ")?;
        let typed = read(&mut &terminal);
        drop(silence);
        writeln!(terminal)?;
        typed
    });
    Passphrase::new(asked.map_err(PassphraseError::Prompt)?)
}

fn no_terminal(error: io::Error) -> io::Error {
    let words =
        format!("there is no terminal ({error}); name a source that needs none: file:PATH or env:NAME");
    io::Error::new(error.kind(), words)
}

/// What is typed up to the end of the line, and not a byte more. The terminal edits nothing and sends no signals
/// meanwhile, so that nobody can leave it silent by interrupting: the keys for that are ours to understand.
fn read(terminal: &mut impl io::Read) -> io::Result<Zeroizing<Vec<u8>>> {
    const INTERRUPT: u8 = 3;
    const END_OF_FILE: u8 = 4;
    const BACKSPACE: [u8; 2] = [8, 127];
    const ERASE_LINE: u8 = 21;
    // Room for the longest from the start: a vector that grows leaves copies behind.
    let mut secret = Zeroizing::new(Vec::with_capacity(Passphrase::MAX_LEN + 1));
    let mut next = [0];
    // Byte by byte: what comes after this line is not ours.
    loop {
        match terminal.read_exact(&mut next) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(given_up()),
            read => read?,
        }
        let [byte] = next;
        match byte {
            b'\n' | b'\r' => return Ok(secret),
            INTERRUPT | END_OF_FILE => return Err(given_up()),
            byte if BACKSPACE.contains(&byte) => {
                // A character may have several bytes.
                while secret.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            ERASE_LINE => secret.clear(),
            // What is too long to be one is refused by its length.
            byte if secret.len() <= Passphrase::MAX_LEN => secret.push(byte),
            _ => {}
        }
    }
}

fn given_up() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "nothing was entered")
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Drain, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> io::Result<Vec<u8>> {
        read(&mut &*keys).map(|secret| secret.to_vec())
    }

    #[test]
    fn a_line_is_edited_as_on_any_terminal() {
        assert_eq!(typed(b"1234\r").unwrap(), b"1234");
        assert_eq!(typed(b"12x\x7f34\n more").unwrap(), b"1234");
        assert_eq!(typed("pä\u{8}in\n".as_bytes()).unwrap(), b"pin");
        assert_eq!(typed(b"wrong\x151234\n").unwrap(), b"1234");
        assert_eq!(typed(b"\x7f\n").unwrap(), b"");
        assert_eq!(
            typed(&[&[b'x'; 3000][..], b"\n"].concat()).unwrap().len(),
            Passphrase::MAX_LEN + 1
        );
    }

    #[test]
    fn whoever_gives_up_gives_nothing() {
        for keys in [&b"12\x03"[..], b"12\x04", b"12", b""] {
            assert_eq!(typed(keys).unwrap_err().kind(), io::ErrorKind::Interrupted);
        }
    }
}
