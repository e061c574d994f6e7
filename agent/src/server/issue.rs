//! X.509-SVIDs for workloads, in batches.

use std::collections::BTreeSet;

use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::server::svid::v1::{BatchNewX509svidRequest, NewX509svidParams};
use symbolon_api::spire::api::types;
use symbolon_api::{MAX_BATCH, MAX_MESSAGE, forms};
use symbolon_pki::suite::Form;
use tonic::{Code, Request, Status};

use super::{CallError, ServerLink};

/// Most bytes of requests in one batch. Answers are up to twice as long where an intermediate comes with each leaf, and
/// must stay below the limit of a message.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// What is asked for: an SVID of one entry, in one form.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The entry.
    pub(crate) entry_id: String,
    /// The form.
    pub(crate) form: Form,
    /// The request (PKCS#10, DER), for a key of that form.
    pub(crate) csr: Vec<u8>,
}

/// A chain, leaf first, as the server sent it.
pub(crate) type Answer = Result<Vec<Vec<u8>>, CallError>;

/// Has all of these issued: one answer for each, in their order. A failed call is the answer of all that it was for.
pub(crate) async fn issue(link: &ServerLink, asks: &[Ask]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(asks.len());
    let mut rest = asks;
    while let Some((batch, later)) = split_batch(rest) {
        answers.extend(issue_batch(link, batch).await);
        rest = later;
    }
    answers
}

/// Takes as many as fit one call; `None` if there are none left.
fn split_batch(asks: &[Ask]) -> Option<(&[Ask], &[Ask])> {
    let mut bytes = 0_usize;
    let fits = |ask: &&Ask| {
        bytes = bytes.saturating_add(ask.csr.len());
        bytes <= MAX_BATCH_BYTES
    };
    let count = asks.iter().take(MAX_BATCH).take_while(fits).count();
    (!asks.is_empty()).then(|| asks.split_at(count.max(1)))
}

async fn issue_batch(link: &ServerLink, batch: &[Ask]) -> Vec<Answer> {
    match call(link, batch).await {
        Ok(answers) => answers,
        Err(error) if error.is_too_large() && batch.len() > 1 => {
            let (first, second) = batch.split_at(batch.len() / 2);
            let mut answers = Box::pin(issue_batch(link, first)).await;
            answers.extend(Box::pin(issue_batch(link, second)).await);
            answers
        }
        Err(error) => {
            let status = match error {
                CallError::Status(status) => *status,
                other => Status::unavailable(other.to_string()),
            };
            batch.iter().map(|_| Err(status.clone().into())).collect()
        }
    }
}

async fn call(link: &ServerLink, batch: &[Ask]) -> Result<Vec<Answer>, CallError> {
    let params = batch.iter().map(|ask| NewX509svidParams {
        entry_id: ask.entry_id.clone(),
        csr: ask.csr.clone(),
        // Absent is classical for every server; stock ones know no other word for it.
        form: match ask.form {
            Form::Classical => String::new(),
            other => other.name().to_owned(),
        },
    });
    let mut request = Request::new(BatchNewX509svidRequest {
        params: params.collect(),
    });
    let wanted: BTreeSet<&str> = batch.iter().map(|ask| ask.form.name()).collect();
    if wanted.iter().any(|form| *form != Form::Classical.name()) {
        forms::request(request.metadata_mut(), wanted).map_err(CallError::answer)?;
    }
    let results = link
        .call(async |channel| {
            let mut client = SvidClient::new(channel)
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE);
            Ok(client.batch_new_x509svid(request).await?.into_inner().results)
        })
        .await?;
    if results.len() != batch.len() {
        let (asked, answered) = (batch.len(), results.len());
        return Err(CallError::answer(format!(
            "{asked} SVIDs were asked for and {answered} answered"
        )));
    }
    let answers = results
        .into_iter()
        .map(|result| answer(result.status, result.svid));
    Ok(answers.collect())
}

fn answer(status: Option<types::Status>, svid: Option<types::X509svid>) -> Answer {
    match (status, svid) {
        (Some(status), _) if status.code != i32::from(Code::Ok) => {
            Err(Status::new(Code::from(status.code), status.message).into())
        }
        (_, Some(svid)) if !svid.cert_chain.is_empty() => Ok(svid.cert_chain),
        _ => Err(CallError::answer("it has neither an SVID nor an error")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(count: usize, bytes: usize) -> Vec<Ask> {
        let ask = |n: usize| Ask {
            entry_id: n.to_string(),
            form: Form::Classical,
            csr: vec![0; bytes],
        };
        (0..count).map(ask).collect()
    }

    fn sizes(asks: &[Ask]) -> Vec<usize> {
        let mut sizes = Vec::new();
        let mut rest = asks;
        while let Some((batch, later)) = split_batch(rest) {
            sizes.push(batch.len());
            rest = later;
        }
        sizes
    }

    #[test]
    fn batches_are_bounded_in_number_and_bytes() {
        assert_eq!(sizes(&asks(1001, 300)), [500, 500, 1]);
        assert_eq!(sizes(&asks(300, 5408)), [193, 107]);
        assert_eq!(sizes(&asks(2, MAX_BATCH_BYTES + 1)), [1, 1], "one always goes");
        assert!(sizes(&[]).is_empty());
    }

    #[test]
    fn an_item_is_an_svid_or_an_error() {
        let svid = |chain: Vec<Vec<u8>>| {
            Some(types::X509svid {
                cert_chain: chain,
                ..types::X509svid::default()
            })
        };
        let status = |code: Code| {
            Some(types::Status {
                code: code.into(),
                message: "why".to_owned(),
            })
        };
        assert_eq!(answer(status(Code::Ok), svid(vec![vec![1]])).unwrap(), [[1]]);
        assert_eq!(answer(None, svid(vec![vec![1]])).unwrap(), [[1]]);
        assert!(matches!(
            answer(status(Code::Ok), svid(vec![])),
            Err(CallError::Answer(_))
        ));
        assert!(matches!(answer(None, None), Err(CallError::Answer(_))));
        let refused = answer(status(Code::NotFound), svid(vec![vec![1]])).unwrap_err();
        assert!(matches!(refused, CallError::Status(status) if status.code() == Code::NotFound));
    }
}
