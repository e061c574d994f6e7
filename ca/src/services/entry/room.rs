//! Batches of entries: as many as stock commands send from one file, and no more than one reply can answer.

use prost::Message as _;
use symbolon_api::spire::api::types;
use tonic::Status;

use crate::services::MAX_REPLY;
use crate::services::paging::framed;

/// The most entries in a batch. SPIRE has no bound but the message's length; its commands send whole files.
const MAX_ENTRIES: usize = 5_000;

/// What the answer to an item takes at most when it has no entry in it.
const STATUS: usize = 160;

/// What an entry grows by when it is registered: its id, its moments, its revision.
const ADDED: usize = 128;

/// What is left of a reply for entries.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Room {
    /// The room that is left when every item has been answered with a status.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the field, for more items than a batch may have.
    pub(super) fn of(field: &str, items: usize) -> Result<Self, Status> {
        if items > MAX_ENTRIES {
            let message = format!("{field} has {items} items; a batch has at most {MAX_ENTRIES}");
            return Err(Status::invalid_argument(message));
        }
        Ok(Self(MAX_REPLY.saturating_sub(items * STATUS)))
    }

    /// Whether there is room to answer with this entry, once it is registered; asked before anything is done about it.
    ///
    /// # Errors
    /// `ResourceExhausted`, for the item.
    pub(super) fn ensure(&self, entry: &types::Entry) -> Result<(), Status> {
        if framed(entry.encoded_len()) + ADDED <= self.0 {
            return Ok(());
        }
        Err(Status::resource_exhausted(
            "the reply is full; send this entry in another batch",
        ))
    }

    /// Takes the room that an answer needs. An entry that turned out longer than there is room is left out: what was asked
    /// for has been done.
    pub(super) fn take(&mut self, entry: &mut Option<types::Entry>) {
        let length = entry.as_ref().map_or(0, |entry| framed(entry.encoded_len()));
        match self.0.checked_sub(length) {
            Some(left) => self.0 = left,
            None => *entry = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(length: usize) -> types::Entry {
        types::Entry {
            hint: "x".repeat(length),
            ..types::Entry::default()
        }
    }

    #[test]
    fn a_reply_holds_what_it_has_room_for() {
        let mut room = Room::of("entries", 3).unwrap();
        let half = entry(MAX_REPLY / 2);
        room.ensure(&half).unwrap();
        room.take(&mut Some(half.clone()));
        let refused = room.ensure(&half).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        let mut longer = Some(half);
        room.take(&mut longer);
        assert_eq!(longer, None);
        room.ensure(&entry(1000)).unwrap();
    }

    #[test]
    fn a_batch_has_a_bound() {
        Room::of("ids", MAX_ENTRIES).unwrap();
        let refused = Room::of("ids", MAX_ENTRIES + 1).unwrap_err();
        assert!(refused.message().contains("ids has 5001 items"), "{refused}");
    }
}
