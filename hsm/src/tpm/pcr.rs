//! Reading PCRs, and having the TPM look at them.

use tss_esapi::interface_types::session_handles::PolicySession;
use tss_esapi::structures::{Digest, PcrSelectionList};
use tss_esapi::tss2_esys::{TPML_PCR_SELECTION, TPMS_PCR_SELECTION};

use super::codes::Step;
use super::config::{PcrBank, PcrSelection};
use super::connection::{Connection, Protect};
use super::error::{PcrChange, TpmError};
use super::policy::{BYTES_OF_BITS, PcrValues, bits, selection_of};

/// What one TPM2_PCR_Read returns at most.
pub(super) const MOST_AT_ONCE: usize = 8;

impl Connection {
    /// The values of the selected PCRs, in hex.
    pub(super) fn read_pcrs(&mut self, selection: &PcrSelection) -> Step<PcrValues> {
        let mut values = PcrValues::new();
        for (bank, numbers) in selection.banks() {
            let numbers: Vec<u8> = numbers.iter().copied().collect();
            let bank_values = values.entry(bank.name().to_owned()).or_default();
            for some in numbers.chunks(MOST_AT_ONCE) {
                let list = list([(bank, some)])?;
                let session = self.session(Protect::Origin)?;
                let (_, _, digests) = self
                    .context
                    .execute_with_session(Some(session), |context| context.pcr_read(list))?;
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
pub(super) fn list<'a>(banks: impl IntoIterator<Item = (PcrBank, &'a [u8])>) -> Step<PcrSelectionList> {
    let mut list = TPML_PCR_SELECTION::default();
    for ((bank, numbers), entry) in banks.into_iter().zip(&mut list.pcrSelections) {
        *entry = TPMS_PCR_SELECTION {
            hash: bank.algorithm(),
            sizeofSelect: BYTES_OF_BITS,
            pcrSelect: bits(numbers),
        };
        list.count += 1;
    }
    Ok(list.try_into()?)
}
