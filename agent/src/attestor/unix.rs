//! `unix`: a process on this machine, by what the kernel says of it.
//!
//! | selector | from |
//! |---|---|
//! | `uid:1000`, `gid:1000` | the socket, as they were when the process connected |
//! | `user:web`, `group:www` | those, looked up in the system's accounts |
//! | `supplementary_gid:27`, `supplementary_group:sudo` | the process |
//! | `path:/usr/bin/web` | the file it runs, as seen from its own root |
//! | `sha256:<hex>` | the content of that file |

mod binary;
mod peer;
mod process;

use std::collections::BTreeSet;

use nix::unistd::{Gid, Group, Uid, User};

use self::binary::BinaryHashes;
pub(crate) use self::peer::{Peer, PeerError};
use super::Asked;
use crate::cache::Selector;

/// The type of these selectors.
pub(crate) const TYPE: &str = "unix";

/// Finds out about processes. Blocks: files are read, and accounts may be looked up over a network.
#[derive(Debug)]
pub(crate) struct UnixAttestor {
    hashes: BinaryHashes,
}

impl UnixAttestor {
    pub(crate) fn new() -> Self {
        Self {
            hashes: BinaryHashes::new(),
        }
    }

    /// What can be said of the process behind `peer`, as far as it is asked for.
    ///
    /// # Errors
    /// [`PeerError`] if it has ended: whatever was found then may be about another one.
    pub(crate) fn attest(&self, peer: &Peer, asked: &Asked) -> Result<BTreeSet<Selector>, PeerError> {
        let mut found = Findings(BTreeSet::new());
        found.add("uid", peer.uid());
        found.add("gid", peer.gid());
        let wants = |kind| asked.for_kind(TYPE, kind);
        if wants("user") {
            found.add_named("user", peer.uid(), user_name);
        }
        if wants("group") {
            found.add_named("group", peer.gid(), group_name);
        }
        if wants("supplementary_gid") || wants("supplementary_group") {
            for gid in process::supplementary_groups(peer)? {
                found.add("supplementary_gid", gid);
                if wants("supplementary_group") {
                    found.add_named("supplementary_group", gid, group_name);
                }
            }
        }
        if wants("path")
            && let Some(path) = process::path(peer)?
        {
            found.add("path", path);
        }
        if wants("sha256")
            && let Some(hash) = self.hashes.of(peer)?
        {
            found.add("sha256", hash);
        }
        peer.check_alive()?;
        Ok(found.0)
    }
}

struct Findings(BTreeSet<Selector>);

impl Findings {
    fn add(&mut self, kind: &str, value: impl std::fmt::Display) {
        self.0.insert((TYPE.to_owned(), format!("{kind}:{value}")));
    }

    /// An account that cannot be looked up has no name; a selector that asks for one is then not met.
    fn add_named(&mut self, kind: &str, id: u32, name: fn(u32) -> nix::Result<Option<String>>) {
        match name(id) {
            Ok(Some(name)) => self.add(kind, name),
            Ok(None) => {}
            Err(error) => tracing::warn!(kind, id, %error, "an account cannot be looked up"),
        }
    }
}

fn user_name(uid: u32) -> nix::Result<Option<String>> {
    Ok(User::from_uid(Uid::from_raw(uid))?.map(|user| user.name))
}

fn group_name(gid: u32) -> nix::Result<Option<String>> {
    Ok(Group::from_gid(Gid::from_raw(gid))?.map(|group| group.name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn asked(kinds: &[&str]) -> Asked {
        let selectors: Vec<Selector> = kinds
            .iter()
            .map(|kind| (TYPE.to_owned(), format!("{kind}:x")))
            .collect();
        Asked::by(selectors.iter())
    }

    fn of_this_process(kinds: &[&str]) -> BTreeSet<String> {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = Peer::of(&ours).unwrap();
        let found = UnixAttestor::new().attest(&peer, &asked(kinds)).unwrap();
        assert!(found.iter().all(|(of, _)| of == TYPE));
        found.into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn uid_and_gid_are_always_known_and_the_rest_on_request() {
        let (uid, gid) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        assert_eq!(
            of_this_process(&[]),
            [format!("gid:{gid}"), format!("uid:{uid}")].into()
        );
    }

    #[test]
    fn this_process_is_described_as_it_is() {
        let found = of_this_process(&["user", "group", "supplementary_gid", "path", "sha256"]);
        let exe = std::env::current_exe().unwrap();
        assert!(found.contains(&format!("path:{}", exe.display())), "{found:?}");
        let hash = symbolon_crypto::digest::sha256(&std::fs::read(&exe).unwrap());
        assert!(
            found.contains(&format!("sha256:{}", hex::encode(hash))),
            "{found:?}"
        );
        let uid = rustix::process::geteuid().as_raw();
        if let Some(name) = user_name(uid).unwrap() {
            assert!(found.contains(&format!("user:{name}")));
        }
        for gid in rustix::process::getgroups().unwrap() {
            assert!(found.contains(&format!("supplementary_gid:{}", gid.as_raw())));
        }
    }
}
