//! Pages of a list, none of them longer than a reply may be.

use std::future::Future;

use prost::Message;
use symbolon_api::MAX_PAGE;
use tonic::Status;

use super::MAX_REPLY;
use crate::datastore::{Page, PageRequest, PageToken, Result as StoreResult};

/// The part of a list that a request asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The most items; `None` for as many as fit.
    limit: Option<usize>,
    after: Option<PageToken>,
}

impl Wanted {
    /// Reads `page_size` and `page_token`.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the field.
    pub(super) fn read(page_size: i32, page_token: &str) -> Result<Self, Status> {
        let limit = match usize::try_from(page_size) {
            Ok(0) => None,
            Ok(size) => Some(size.min(MAX_PAGE)),
            Err(_) => return Err(Status::invalid_argument(format!("page_size is {page_size}"))),
        };
        let after =
            match page_token {
                "" => None,
                token => Some(token.parse().map_err(|_| {
                    Status::invalid_argument("page_token is not one that this list gave out")
                })?),
            };
        Ok(Self { limit, after })
    }
}

/// Fetches a page with `fetch`, turns its records into messages with `message`, and stops where the reply would
/// become too long. Returns the messages and the token of the next page.
///
/// # Errors
/// The datastore's; `ResourceExhausted` for a single item that is longer than a reply.
pub(super) async fn page<R, M, F>(
    wanted: Wanted,
    message: impl Fn(R) -> M,
    fetch: impl Fn(PageRequest) -> F,
) -> Result<(Vec<M>, String), Status>
where
    M: Message,
    F: Future<Output = StoreResult<Page<R>>>,
{
    let mut messages: Vec<M> = Vec::new();
    let mut length = 0;
    let mut after = wanted.after;
    // Pages of the datastore are taken whole, because only their ends have tokens; where one does not fit, the
    // next try is for a smaller one.
    let mut chunk = MAX_PAGE;
    loop {
        let room = wanted
            .limit
            .map_or(chunk, |limit| chunk.min(limit - messages.len()));
        let mut request = PageRequest::first(u32::try_from(room).unwrap_or(u32::MAX));
        if let Some(token) = after {
            request = request.after(token);
        }
        let found = fetch(request).await?;
        let more: Vec<M> = found.items.into_iter().map(&message).collect();
        let added: usize = more.iter().map(|message| framed(message.encoded_len())).sum();
        if length + added > MAX_REPLY {
            if chunk > 1 && more.len() > 1 {
                chunk = (more.len() / 2).max(1);
                continue;
            }
            if messages.is_empty() {
                return Err(Status::resource_exhausted(
                    "one item alone is longer than a reply may be",
                ));
            }
            return Ok((messages, text(after)));
        }
        messages.extend(more);
        length += added;
        after = found.next;
        if after.is_none() || wanted.limit == Some(messages.len()) {
            return Ok((messages, text(after)));
        }
    }
}

fn text(token: Option<PageToken>) -> String {
    token.map(|token| token.to_string()).unwrap_or_default()
}

/// What a message of this length takes as an item of another: its tag and its length go before it.
pub(super) fn framed(length: usize) -> usize {
    length + 6
}

#[cfg(test)]
mod tests {
    use symbolon_api::spire::api::types::JoinToken;

    use super::*;

    /// A list of `count` items of `length` bytes each.
    async fn walk(count: u64, length: usize, size: i32) -> Result<Vec<usize>, Status> {
        let mut sizes = Vec::new();
        let mut token = String::new();
        loop {
            let wanted = Wanted::read(size, &token)?;
            let message = |item: u64| JoinToken {
                value: "x".repeat(length),
                expires_at: item as i64,
            };
            let fetch = |request: PageRequest| async move {
                let first = request
                    .token()
                    .map_or(0, |token| token.to_string().parse::<u64>().unwrap());
                let end = count.min(first + u64::from(request.size()));
                let next = (end < count).then(|| end.to_string().parse().unwrap());
                Ok(Page {
                    items: (first..end).collect(),
                    next,
                })
            };
            let (messages, next) = page(wanted, message, fetch).await?;
            let before: usize = sizes.iter().sum();
            let expected = (before..).map(|item| item as i64);
            assert!(
                messages
                    .iter()
                    .map(|message| message.expires_at)
                    .zip(expected)
                    .all(|(a, b)| a == b)
            );
            assert!(messages.iter().map(|m| framed(m.encoded_len())).sum::<usize>() <= MAX_REPLY);
            sizes.push(messages.len());
            token = next;
            if token.is_empty() {
                return Ok(sizes);
            }
        }
    }

    #[tokio::test]
    async fn pages_have_the_size_asked_for_and_miss_nothing() {
        assert_eq!(walk(10, 1, 4).await.unwrap(), [4, 4, 2]);
        assert_eq!(walk(10, 1, 0).await.unwrap(), [10]);
        assert_eq!(walk(1200, 1, 0).await.unwrap(), [1200]);
        assert_eq!(walk(1200, 1, i32::MAX).await.unwrap(), [500, 500, 200]);
        assert_eq!(walk(0, 1, 5).await.unwrap(), [0]);
    }

    #[tokio::test]
    async fn a_reply_stays_below_what_clients_take() {
        let sizes = walk(50, 300_000, 0).await.unwrap();
        assert_eq!(sizes.iter().sum::<usize>(), 50);
        assert!(sizes.iter().all(|size| (1..=13).contains(size)), "{sizes:?}");
        let status = walk(2, symbolon_api::MAX_MESSAGE, 0).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    }

    #[test]
    fn what_no_list_gave_out_is_refused() {
        for (size, token, field) in [
            (-1, "", "page_size"),
            (5, "x", "page_token"),
            (5, "-3", "page_token"),
        ] {
            let status = Wanted::read(size, token).unwrap_err();
            assert!(status.message().starts_with(field), "{status}");
        }
    }
}
