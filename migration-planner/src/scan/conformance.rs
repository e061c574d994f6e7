//! What every scanner has to stand: run by the tests of each.

use super::{Budget, File, Piece, Scanner};
use crate::inventory::{Access, Fragment};
use std::time::Duration;

/// Shows a file to a scanner, as a scan would.
pub fn show(scanner: &dyn Scanner, name: &str, bytes: &[u8]) -> Fragment {
    let mut found = Fragment::at(name);
    found.on_behalf_of(scanner.name());
    let file = File {
        path: name,
        name: name.rsplit('/').next().unwrap_or(name),
        bytes,
        access: Access {
            mode: 0o600,
            uid: 0,
            gid: 0,
        },
        // However slow the machine is, the answer is the same.
        budget: Budget::starting_now(Duration::MAX),
    };
    scanner.scan(&Piece::File(file), &mut found);
    found
}

/// Shows a scanner a good sample and what can happen to it: cut off anywhere, any byte changed, repeated, with
/// rubbish before and after. It must survive all of that, give the same answer twice, and never show `secrets`.
///
/// # Errors
/// What it did wrong, in a sentence.
pub fn run(scanner: &dyn Scanner, name: &str, sample: &[u8], secrets: &[&[u8]]) -> Result<(), String> {
    let who = scanner.name();
    if who.is_empty()
        || !who
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        return Err(format!(
            "{who:?} is no good name: lower case letters, digits and dashes"
        ));
    }
    let good = show(scanner, name, sample);
    if good.assets().is_empty() {
        return Err(format!("{who} finds nothing in the good sample {name}"));
    }
    if show(scanner, name, sample) != good {
        return Err(format!("{who} gives two answers about {name}"));
    }
    let written = serde_json::to_string(&good).map_err(|error| error.to_string())?;
    for secret in secrets {
        let forms = [
            String::from_utf8_lossy(secret).into_owned(),
            hex::encode(secret),
            base64(secret),
        ];
        if let Some(form) = forms
            .iter()
            .find(|form| form.len() > 3 && written.contains(form.as_str()))
        {
            return Err(format!(
                "{who} shows a secret of {name}: {} characters of it",
                form.len()
            ));
        }
    }
    // About 400 variants, spread over the sample.
    let step = sample.len() / 400 + 1;
    for at in (0..sample.len()).step_by(step) {
        show(scanner, name, sample.get(..at).unwrap_or_default());
        for change in [0x01, 0x80, 0xff] {
            let mut broken = sample.to_vec();
            if let Some(byte) = broken.get_mut(at) {
                *byte ^= change;
            }
            show(scanner, name, &broken);
        }
    }
    for around in [
        &[0_u8; 64][..],
        &[0xff; 64],
        b"\n\n-----BEGIN ",
        b"\x30\x84\xff\xff\xff\xff",
        b"{\"",
        b"\r\n",
    ] {
        show(scanner, name, &[around, sample].concat());
        show(scanner, name, &[sample, around].concat());
        show(scanner, name, &around.repeat(4096));
    }
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
