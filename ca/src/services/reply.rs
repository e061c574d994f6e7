//! The reply to a batch, which is never longer than a reply may be.

use prost::Message;
use symbolon_api::spire::api::types;

use super::MAX_REPLY;
use super::paging::framed;

/// What is set aside for an item's status, in bytes: what is wrong with an item is told in a sentence or two.
const STATUS: usize = 2 * 1024;

/// What is left of a reply for what its items have become.
#[derive(Debug)]
pub(super) struct Reply(usize);

impl Reply {
    /// The room that is left when each of so many items has been answered with a status.
    pub(super) fn of(items: usize) -> Self {
        Self(MAX_REPLY.saturating_sub(items * STATUS))
    }

    /// Takes the room that an item needs, or leaves it out: what was asked for has been done, and its status says so. A reply
    /// that was too long would be an error, and say that nothing was done.
    pub(super) fn take<M: Message>(
        &mut self,
        (status, item): (Option<types::Status>, Option<M>),
    ) -> (Option<types::Status>, Option<M>) {
        let length = item.as_ref().map_or(0, |item| framed(item.encoded_len()));
        match self.0.checked_sub(length) {
            Some(left) => {
                self.0 = left;
                (status, item)
            }
            None => (status, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::ok;

    fn bundle(bytes: usize) -> types::Bundle {
        types::Bundle {
            trust_domain: "x".repeat(bytes),
            ..types::Bundle::default()
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_was_done_all_the_same() {
        let mut reply = Reply::of(500);
        let answers: Vec<_> = [1 << 20, 1 << 20, 3 << 20, 1 << 10]
            .map(|bytes| reply.take((Some(ok()), Some(bundle(bytes)))))
            .into();
        let sent: Vec<bool> = answers.iter().map(|(_, bundle)| bundle.is_some()).collect();
        assert_eq!(sent, [true, true, false, true]);
        assert!(answers.iter().all(|(status, _)| status.is_some()));
        let longest: usize = answers
            .iter()
            .flat_map(|(_, bundle)| bundle)
            .map(Message::encoded_len)
            .sum();
        assert!(longest + 500 * STATUS < MAX_REPLY, "{longest}");
    }
}
