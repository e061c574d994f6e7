//! Reading PCRs, and the policy that binds an object to their values.

use tss_esapi::constants::SessionType;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::PolicySession;
use tss_esapi::structures::{Digest, PcrSelectionList};
use tss_esapi::tss2_esys::{TPML_PCR_SELECTION, TPMS_PCR_SELECTION};

use symbolon_crypto::digest::sha256;

use super::codes::Step;
use super::config::{PcrBank, PcrSelection};
use super::connection::Connection;
use super::error::{PcrChange, TpmError};
use super::records::PcrValues;

/// What one TPM2_PCR_Read returns at most.
const MOST_AT_ONCE: usize = 8;

impl Connection {
    /// The values of the selected PCRs, in hex.
    pub(super) fn read_pcrs(&mut self, selection: &PcrSelection) -> Step<PcrValues> {
        let mut values = PcrValues::new();
        for (bank, numbers) in selection.banks() {
            let numbers: Vec<u8> = numbers.iter().copied().collect();
            let bank_values = values.entry(bank.name().to_owned()).or_default();
            for some in numbers.chunks(MOST_AT_ONCE) {
                let list = list([(bank, some)])?;
                let (_, _, digests) = self
                    .context
                    .execute_without_session(|context| context.pcr_read(list))?;
                if digests.len() != some.len() {
                    let missing = some.get(digests.len()).or(some.first());
                    return Err(TpmError::NoSuchPcr {
                        pcr: format!("{}:{}", bank.name(), missing.copied().unwrap_or_default()),
                    }
                    .into());
                }
                let digests = digests.value().iter().map(|digest| hex::encode(digest.value()));
                bank_values.extend(some.iter().copied().zip(digests));
            }
        }
        Ok(values)
    }

    /// The digest of the policy that the PCRs have these values, computed by the TPM.
    pub(super) fn pcr_policy(&mut self, values: &PcrValues) -> Step<Digest> {
        let concatenated: String = values.values().flat_map(|bank| bank.values()).cloned().collect();
        let concatenated = hex::decode(concatenated).map_err(|_| TpmError::Policy)?;
        let expected = Digest::try_from(sha256(&concatenated).as_slice())?;
        let session = self.start_session(None, SessionType::Trial)?;
        let policy = PolicySession::try_from(session)?;
        let list = list_of(values)?;
        let digest = self.context.execute_without_session(|context| {
            context.policy_pcr(policy, expected, list)?;
            context.policy_get_digest(policy)
        });
        self.flush_session(session)?;
        Ok(digest?)
    }

    /// Has the policy session look at the PCRs as they are.
    pub(super) fn apply_pcr_policy(&mut self, session: PolicySession, values: &PcrValues) -> Step<()> {
        let list = list_of(values)?;
        Ok(self
            .context
            .execute_without_session(|context| context.policy_pcr(session, Digest::default(), list))?)
    }

    /// Why the policy of an object sealed to `sealed` is not satisfied.
    pub(super) fn explain(&mut self, sealed: &PcrValues) -> Step<TpmError> {
        let now = self.read_pcrs(&selection_of(sealed)?)?;
        let mut changes = Vec::new();
        for (bank, values) in sealed {
            for (number, value) in values {
                let found = now.get(bank).and_then(|bank| bank.get(number));
                if found != Some(value) {
                    changes.push(PcrChange {
                        pcr: format!("{bank}:{number}"),
                        sealed: value.clone(),
                        now: found.cloned().unwrap_or_default(),
                    });
                }
            }
        }
        Ok(if changes.is_empty() {
            TpmError::Policy
        } else {
            TpmError::PcrsChanged { changes }
        })
    }
}

/// Which PCRs a key is sealed to.
fn selection_of(values: &PcrValues) -> Step<PcrSelection> {
    let banks: Vec<String> = values
        .iter()
        .map(|(bank, values)| {
            let numbers: Vec<String> = values.keys().map(u8::to_string).collect();
            format!("{bank}:{}", numbers.join(","))
        })
        .collect();
    Ok(banks.join("+").parse().map_err(|_| TpmError::Policy)?)
}

fn list_of(values: &PcrValues) -> Step<PcrSelectionList> {
    let selection = selection_of(values)?;
    let banks: Vec<(PcrBank, Vec<u8>)> = selection
        .banks()
        .map(|(bank, numbers)| (bank, numbers.iter().copied().collect()))
        .collect();
    list(banks.iter().map(|(bank, numbers)| (*bank, numbers.as_slice())))
}

/// A selection as the TPM takes it, the banks in the order given, which goes into the policy: the wrapper's own
/// builder has no order.
fn list<'a>(banks: impl IntoIterator<Item = (PcrBank, &'a [u8])>) -> Step<PcrSelectionList> {
    let mut list = TPML_PCR_SELECTION::default();
    for ((bank, numbers), entry) in banks.into_iter().zip(&mut list.pcrSelections) {
        let mut bits = [0_u8; 4];
        for number in numbers {
            if let Some(byte) = bits.get_mut(usize::from(number / 8)) {
                *byte |= 1 << (number % 8);
            }
        }
        let hash = match bank {
            PcrBank::Sha256 => HashingAlgorithm::Sha256,
            PcrBank::Sha384 => HashingAlgorithm::Sha384,
            PcrBank::Sha512 => HashingAlgorithm::Sha512,
        };
        *entry = TPMS_PCR_SELECTION {
            hash: hash.into(),
            // 24 PCRs, the number that every platform has.
            sizeofSelect: 3,
            pcrSelect: bits,
        };
        list.count += 1;
    }
    Ok(list.try_into()?)
}
