//! Keys of servers below that are not passed up, or not all of them.

use symbolon_ca::authorities::{AuthoritiesError, Step};
use symbolon_ca::datastore::{AppendedAuthorities, DatastoreError, FederationStore as _, MAX_PUBLISHED};
use symbolon_pki::bundle::JwtAuthority;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock as _;

use crate::run::Run;
use crate::stand::{HOUR, Stand};
use crate::support::{TestClock, id};

/// A server below that publishes a key here.
struct Below<'a> {
    run: &'a Run,
    clock: &'a TestClock,
    path: &'a str,
}

impl Below<'_> {
    fn key(&self, key_id: &str) -> JwtAuthority {
        let spki = PrivateKey::generate(Suite::EcdsaP256)
            .unwrap()
            .public_key()
            .unwrap()
            .spki_der();
        let mut key = JwtAuthority::from_spki_der(key_id, &spki).unwrap();
        key.expires_at = Some(self.clock.now() + HOUR);
        key
    }

    async fn publish(&self, key: JwtAuthority) -> Result<(), AuthoritiesError> {
        let added = AppendedAuthorities {
            jwt: vec![key],
            ..AppendedAuthorities::default()
        };
        let (publisher, now) = (id(self.path), self.clock.now());
        self.run.authorities.pass_up(&publisher, &added).await?;
        let published = self.run.datastore.publish_authorities(&publisher, &added, now);
        published.await.unwrap();
        self.run.authorities.publish_appended().await
    }
}

#[tokio::test]
async fn what_is_not_taken_here_is_not_made_known_above() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let below = Below {
        run: &run,
        clock: &clock,
        path: "/nested",
    };
    let revoked = below.key("revoked");
    below.publish(revoked.clone()).await.unwrap();
    for step in [Step::Taint, Step::Revoke] {
        run.authorities
            .step_appended(Family::Jwt, step, "revoked")
            .await
            .unwrap();
    }
    let forget = || {
        let mut published = stand.published.lock().unwrap();
        published.retain(|key| key.key_id != "revoked");
    };
    forget();
    let refused = below.publish(revoked).await.unwrap_err();
    assert!(
        matches!(
            refused,
            AuthoritiesError::Datastore(DatastoreError::AlreadyExists { .. })
        ),
        "{refused}"
    );
    assert!(!stand.key_ids().contains(&"revoked".to_owned()));
    // The name of another key, and one more than its share.
    let own = run.authorities.jwt().unwrap().key_id().to_owned();
    let above = stand.key_ids();
    below.publish(below.key(&own)).await.unwrap_err();
    assert_eq!(stand.key_ids(), above);
    let mut count = 0;
    while count < MAX_PUBLISHED - 1 {
        count += 1;
        below.publish(below.key(&format!("key-{count}"))).await.unwrap();
    }
    let above = stand.key_ids();
    let refused = below.publish(below.key("one-more")).await.unwrap_err();
    assert!(
        matches!(
            refused,
            AuthoritiesError::Datastore(DatastoreError::Conflict { .. })
        ),
        "{refused}"
    );
    assert_eq!(stand.key_ids(), above);
}

#[tokio::test]
async fn servers_below_leave_room_above_for_this_servers_own_keys() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    *stand.most_keys.lock().unwrap() = Some(MAX_PUBLISHED);
    let first = Below {
        run: &run,
        clock: &clock,
        path: "/first",
    };
    let second = Below {
        path: "/second",
        ..first
    };
    let known = first.key("first-0");
    first.publish(known.clone()).await.unwrap();
    for number in 1..MAX_PUBLISHED - 6 {
        let below = if number % 2 == 0 { &first } else { &second };
        below.publish(below.key(&format!("key-{number}"))).await.unwrap();
    }
    let above = stand.key_ids();
    let refused = second.publish(second.key("one-more")).await.unwrap_err();
    assert!(
        matches!(refused, AuthoritiesError::NoRoomAbove { count: 10, .. }),
        "{refused}"
    );
    assert_eq!(stand.key_ids(), above);
    // What is known may be told again, and this server's own are published.
    first.publish(known).await.unwrap();
    let own = run.authorities.prepare(Family::Jwt).await.unwrap();
    assert!(stand.key_ids().contains(&own.authority_id));
    // What has ended makes room.
    clock.advance(HOUR);
    second.publish(second.key("later")).await.unwrap();
    assert!(stand.key_ids().contains(&"later".to_owned()));
}
