//! How a TPM store is configured: which TPM, which PCRs, where keys live.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::Passphrase;

/// What [`open`](super::open) needs to know.
#[derive(Clone, Debug)]
pub struct TpmConfig {
    /// Which TPM.
    pub tcti: Tcti,
    /// The PCRs that new ML-DSA seeds are sealed to. Each key remembers its own: a change concerns later keys only.
    pub pcrs: PcrSelection,
    /// Where new ECDSA keys live.
    pub placement: Placement,
    /// How the TPM is shown that a signature is wanted by who may.
    pub authorization: Authorization,
    /// The password of the owner hierarchy, if one was set. Asked for only when something is made or removed in
    /// the TPM's own memory: the storage root key when there is none yet, persistent keys.
    pub owner_auth: Option<Passphrase>,
    /// How long a call may take, waiting for its turn included.
    pub deadline: Duration,
}

impl TpmConfig {
    /// How long a call may take where nothing else is said.
    pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

    /// A configuration with every default: PCR 7 of the SHA-256 bank, keys as wrapped blobs, signatures by session,
    /// no owner password, ten seconds.
    pub fn new(tcti: Tcti) -> Self {
        Self {
            tcti,
            pcrs: PcrSelection::default(),
            placement: Placement::Wrapped,
            authorization: Authorization::Session,
            owner_auth: None,
            deadline: Self::DEADLINE,
        }
    }
}

/// Where the private half of an ECDSA key lies. In neither case does it leave the TPM unencrypted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// In the store's directory, wrapped under the TPM's storage root key, and loaded for use. Any number of keys.
    #[default]
    Wrapped,
    /// Also in the TPM's own memory, which has room for a handful and spares the loading.
    Persistent,
}

/// How a key's password, which its file has, is shown to the TPM for each signature. Everything secret besides, the
/// making and unsealing of keys above all, always goes through a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authorization {
    /// It is proven by an HMAC in a session salted with the storage root key: nobody on the way to the TPM learns it,
    /// or gets another digest signed. It costs libtss2 some two milliseconds a signature.
    #[default]
    Session,
    /// It is sent as it is. For a TPM without a bus that anybody could listen on (firmware, a virtual machine's), and
    /// many signatures a second.
    Password,
}

/// Which TPM, and how it is reached: `device:/dev/tpmrm0`, `swtpm:host=HOST,port=PORT`, `mssim:host=HOST,port=PORT`
/// or `tabrmd[:bus_name=NAME,bus_type=system|session]`.
///
/// `/dev/tpmrm0` is the kernel's resource manager, which lets programs share the TPM; `/dev/tpm0` is the bare chip,
/// which one program at a time can use. A swtpm is reached by TCP alone, on two ports in a row.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tcti(String);

impl Tcti {
    /// As configuration writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Tcti {
    /// `device:/dev/tpmrm0`: the machine's own TPM, by the kernel's resource manager.
    fn default() -> Self {
        Self("device:/dev/tpmrm0".to_owned())
    }
}

/// A text that names no TPM.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{text:?} does not say how to reach a TPM ({reason}); write device:/dev/tpmrm0, swtpm:host=HOST,port=PORT, \
     mssim:host=HOST,port=PORT or tabrmd"
)]
pub struct TctiError {
    text: String,
    reason: &'static str,
}

impl FromStr for Tcti {
    type Err = TctiError;

    fn from_str(text: &str) -> Result<Self, TctiError> {
        let wrong = |reason| TctiError {
            text: text.to_owned(),
            reason,
        };
        let (kind, options) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "device" if options.starts_with('/') && !options.contains('\0') => {}
            "device" => return Err(wrong("a device is an absolute path")),
            "swtpm" | "mssim" => check_options(options, &["host", "port"], |name, value| match name {
                "port" => value
                    .parse::<u16>()
                    .is_ok_and(|port| port != 0 && port != u16::MAX),
                _ => is_host(value),
            })
            .map_err(wrong)?,
            "tabrmd" => check_options(options, &["bus_name", "bus_type"], |name, value| match name {
                "bus_type" => matches!(value, "system" | "session"),
                _ => value.contains('.') && is_host(value),
            })
            .map_err(wrong)?,
            _ => return Err(wrong("no such kind of connection")),
        }
        Ok(Self(text.to_owned()))
    }
}

/// libtss2 and its wrapper ignore options that they do not know, and so would reach another TPM than was meant.
fn check_options(
    options: &str,
    names: &[&str],
    is_good: impl Fn(&str, &str) -> bool,
) -> Result<(), &'static str> {
    let mut seen = BTreeSet::new();
    for option in options.split(',').filter(|_| !options.is_empty()) {
        let (name, value) = option.split_once('=').ok_or("an option is NAME=VALUE")?;
        if !names.contains(&name) {
            return Err("it has an unknown option");
        }
        if !seen.insert(name) {
            return Err("it has an option twice");
        }
        if !is_good(name, value) {
            return Err("it has an option of a wrong value");
        }
    }
    Ok(())
}

fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
    !text.is_empty() && text.len() <= 253 && text.chars().all(allowed)
}

/// A bank of PCRs: the hash they are kept in. SHA-1 banks are not offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub(super) enum PcrBank {
    Sha256,
    Sha384,
    Sha512,
}

impl PcrBank {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// TPM_ALG_ID (TPM 2.0 Library, part 2, table of algorithm identifiers).
    pub(super) const fn algorithm(self) -> u16 {
        match self {
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
            Self::Sha512 => 0x000d,
        }
    }

    /// How many bytes a PCR of it has.
    pub(super) const fn value_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// PCRs by bank, at least one: `sha256:7`, `sha256:0,2,7+sha384:14`. The numbers are 0 to 23.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PcrSelection(BTreeMap<PcrBank, BTreeSet<u8>>);

impl PcrSelection {
    /// The highest PCR that every TPM has.
    pub(super) const LAST: u8 = 23;

    pub(super) fn banks(&self) -> impl Iterator<Item = (PcrBank, &BTreeSet<u8>)> {
        self.0.iter().map(|(&bank, numbers)| (bank, numbers))
    }
}

impl Default for PcrSelection {
    /// `sha256:7`: the secure boot policy, which an update of firmware or kernel leaves alone.
    fn default() -> Self {
        Self(BTreeMap::from([(PcrBank::Sha256, BTreeSet::from([7]))]))
    }
}

/// A text that selects no PCRs.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} selects no PCRs ({reason}); write the like of sha256:7 or sha256:0,2,7+sha384:14")]
pub struct PcrSelectionError {
    text: String,
    reason: &'static str,
}

impl FromStr for PcrSelection {
    type Err = PcrSelectionError;

    fn from_str(text: &str) -> Result<Self, PcrSelectionError> {
        let wrong = |reason| PcrSelectionError {
            text: text.to_owned(),
            reason,
        };
        let mut banks = BTreeMap::new();
        for part in text.split('+') {
            let (bank, numbers) = part
                .split_once(':')
                .ok_or_else(|| wrong("a bank and its PCRs are joined by ':'"))?;
            let bank = PcrBank::ALL
                .into_iter()
                .find(|known| known.name() == bank)
                .ok_or_else(|| wrong("the banks are sha256, sha384 and sha512"))?;
            let numbers: BTreeSet<u8> = numbers
                .split(',')
                .map(|number| {
                    number
                        .parse()
                        .ok()
                        .filter(|&number| number <= Self::LAST)
                        .ok_or_else(|| wrong("PCRs are numbered 0 to 23"))
                })
                .collect::<Result<_, _>>()?;
            if banks.insert(bank, numbers).is_some() {
                return Err(wrong("a bank is named twice"));
            }
        }
        Ok(Self(banks))
    }
}

impl fmt::Display for PcrSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (bank, numbers)) in self.banks().enumerate() {
            let numbers: Vec<String> = numbers.iter().map(u8::to_string).collect();
            let plus = if index == 0 { "" } else { "+" };
            write!(f, "{plus}{}:{}", bank.name(), numbers.join(","))?;
        }
        Ok(())
    }
}

impl fmt::Display for Tcti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Tcti {
    type Error = TctiError;

    fn try_from(text: String) -> Result<Self, TctiError> {
        text.parse()
    }
}

impl From<Tcti> for String {
    fn from(tcti: Tcti) -> Self {
        tcti.0
    }
}

impl TryFrom<String> for PcrSelection {
    type Error = PcrSelectionError;

    fn try_from(text: String) -> Result<Self, PcrSelectionError> {
        text.parse()
    }
}

impl From<PcrSelection> for String {
    fn from(selection: PcrSelection) -> Self {
        selection.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tpm_is_named_in_four_ways() {
        for good in [
            "device:/dev/tpmrm0",
            "swtpm",
            "swtpm:host=127.0.0.1,port=2321",
            "swtpm:port=2321,host=localhost",
            "mssim:host=::1",
            "tabrmd",
            "tabrmd:bus_name=com.intel.tss2.Tabrmd,bus_type=system",
        ] {
            let tcti: Tcti = good.parse().expect(good);
            assert_eq!(tcti.to_string(), good);
        }
        for bad in [
            "",
            "device",
            "device:tpm0",
            "swtpm:path=/run/swtpm.sock",
            "swtpm:port=0",
            "swtpm:port=65535",
            "swtpm:port=1,port=2",
            "swtpm:host=",
            "swtpm:host",
            "swtpm:host=a b",
            "tabrmd:bus_type=other",
            "cmd:tpm2_send",
            "libtss2-tcti-device.so",
        ] {
            let error = bad.parse::<Tcti>().expect_err(bad).to_string();
            assert!(error.contains("device:/dev/tpmrm0"), "{error}");
        }
    }

    #[test]
    fn pcrs_are_selected_by_bank() {
        for (text, canonical) in [
            ("sha256:7", "sha256:7"),
            ("sha256:7,0,7", "sha256:0,7"),
            ("sha384:14+sha256:23,2", "sha256:2,23+sha384:14"),
        ] {
            let selection: PcrSelection = text.parse().expect(text);
            assert_eq!(selection.to_string(), canonical);
        }
        assert_eq!(PcrSelection::default().to_string(), "sha256:7");
        for bad in [
            "",
            "7",
            "sha256",
            "sha256:",
            "sha256:24",
            "sha256:-1",
            "sha1:7",
            "sha256:7+",
            "sha256:1+sha256:2",
        ] {
            bad.parse::<PcrSelection>().expect_err(bad);
        }
    }
}
