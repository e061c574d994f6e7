//! Records of issued certificates, and the file that `symbolon cert export` writes.

use serde::Deserialize;
use symbolon_pki::pem;

/// The largest export read, in bytes.
pub const MAX_LEN: usize = 1 << 30;

const END: &[u8] = b"-----END CERTIFICATE-----";

/// One certificate that an authority has on its record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// The identity in it, where the record tells.
    pub spiffe_id: Option<String>,
    /// `authority`, `server`, `agent` or `workload`, where the record tells.
    pub profile: Option<String>,
    /// `classical`, `ml-dsa` or `composite`, where the record tells.
    pub form: Option<String>,
    /// Who signed it: the hexadecimal key identifier of the authority, where the record tells.
    pub authority_id: Option<String>,
    /// The certificate in DER.
    pub der: Vec<u8>,
}

/// Why an export could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A line that is no record.
    #[error("line {line} of the export is no record of a certificate: {problem}")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no certificate in it at all.
    #[error(
        "the export holds no certificate: it is what `symbolon cert export --all` writes, PEM, or one JSON object a \
         line with --output json"
    )]
    Nothing,
    /// It is larger than [`MAX_LEN`].
    #[error("the export has {0} bytes, more than the {MAX_LEN} that are read")]
    TooLong(usize),
}

/// A line of an export in JSON. What else stands there is for others.
#[derive(Deserialize)]
struct Line {
    spiffe_id: Option<String>,
    profile: Option<String>,
    form: Option<String>,
    authority_id: Option<String>,
    pem: Option<String>,
}

/// Reads an export: PEM, one certificate after the other, or JSON, one record a line, which tells more.
///
/// # Errors
/// [`ExportError`] when it is neither. A record of a certificate that was never signed is passed over.
pub fn read(bytes: &[u8]) -> Result<Vec<Record>, ExportError> {
    if bytes.len() > MAX_LEN {
        return Err(ExportError::TooLong(bytes.len()));
    }
    let is_json = bytes.trim_ascii_start().starts_with(b"{");
    let records = if is_json {
        let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
        let mut records = Vec::new();
        for (text, line) in lines.filter(|(text, _)| !text.trim_ascii().is_empty()) {
            records.extend(from_json(text, line)?);
        }
        records
    } else {
        from_pem(bytes, 1)?
    };
    if records.is_empty() {
        return Err(ExportError::Nothing);
    }
    Ok(records)
}

fn from_json(text: &[u8], line: usize) -> Result<Option<Record>, ExportError> {
    let read: Line = serde_json::from_slice(text).map_err(|error| ExportError::Line {
        line,
        problem: error.to_string(),
    })?;
    let Some(text) = &read.pem else { return Ok(None) };
    let certificate = from_pem(text.as_bytes(), line)?.pop();
    Ok(certificate.map(|certificate| Record {
        spiffe_id: read.spiffe_id,
        profile: read.profile,
        form: read.form,
        authority_id: read.authority_id,
        ..certificate
    }))
}

fn from_pem(bytes: &[u8], line: usize) -> Result<Vec<Record>, ExportError> {
    let problem = |error: pem::PemError| ExportError::Line {
        line,
        problem: error.to_string(),
    };
    let mut records = Vec::new();
    // One certificate at a time: an export may be larger than PEM is read at once.
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, END) {
        let (one, after) = rest.split_at_checked(at + END.len()).unwrap_or((rest, &[]));
        rest = after;
        for block in pem::blocks(one).map_err(problem)? {
            let block = block.map_err(problem)?;
            if block.label == pem::CERTIFICATE {
                records.push(Record {
                    der: block.der.to_vec(),
                    ..Record::default()
                });
            }
        }
    }
    Ok(records)
}
