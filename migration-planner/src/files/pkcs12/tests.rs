use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use symbolon_crypto::digest::sha1_for_names;

use super::passphrase::ROUNDS_OF_FILE;
use crate::config::Kubernetes;
use crate::files::{Der, Pem};
use crate::inventory::{Access, Fragment, Reason};
use crate::scan::conformance::show;
use crate::scan::{Budget, File, Piece, Scanner as _};

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let len = u8::try_from(body.len()).unwrap();
    assert!(len < 128);
    [&[tag, len][..], &body].concat()
}

/// A store of nothing with a MAC by this hash, of this value and with this number of rounds.
fn store(hash: &[u8], value: &[u8], rounds: &[u8]) -> Vec<u8> {
    let data = tlv(0x06, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01]]);
    let nothing = tlv(0xa0, &[&tlv(0x04, &[&[0x30, 0]])]);
    let digest = tlv(0x30, &[&tlv(0x30, &[&tlv(0x06, &[hash])]), &tlv(0x04, &[value])]);
    let mac = tlv(0x30, &[&digest, &tlv(0x04, &[b"salt"]), rounds]);
    tlv(0x30, &[&[0x02, 1, 3], &tlv(0x30, &[&data, &nothing]), &mac])
}

const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SHA224: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04];
/// The most rounds that one store may take: 100,000.
const MANY: &[u8] = &[0x02, 3, 0x01, 0x86, 0xa0];

/// What is said of the passphrases of all stores, in order.
fn passphrases(found: &Fragment) -> Vec<String> {
    let stores = found
        .assets()
        .iter()
        .filter(|asset| asset.name == "PKCS#12 store");
    stores
        .map(|store| store.facts_of("passphrase").collect::<Vec<_>>().join(", "))
        .collect()
}

#[test]
fn the_stores_of_one_file_have_so_many_rounds_together() {
    // Five stores by two passphrases are all that there is time for.
    let most = usize::try_from(ROUNDS_OF_FILE / 200_000).unwrap();
    let blocks: String = (0..3)
        .map(|number| {
            let store = STANDARD.encode(store(SHA1, &[number; 20], MANY));
            format!("-----BEGIN PKCS12-----\n{store}\n-----END PKCS12-----\n")
        })
        .collect();
    let value = STANDARD.encode(&blocks);
    let aliases: String = (0..9).map(|number| format!("  k{number}: *it\n")).collect();
    let manifest = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\ndata:\n  first: &it {value}\n{aliases}"
    );
    // What is looked at beside others who tell of it costs too.
    let open = format!(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{name: x}}\nstringData:\n  open: |\n    {}\n---\n{manifest}",
        blocks.trim_end().replace('\n', "\n    ")
    );
    for (found, stores, most) in [
        (show(&Kubernetes, "secret.yaml", manifest.as_bytes()), 30, most),
        (show(&Kubernetes, "secret.yaml", open.as_bytes()), 30, most - 3),
        (show(&Pem, "stores.pem", blocks.repeat(4).as_bytes()), 12, most),
    ] {
        let told = passphrases(&found);
        assert_eq!(told.len(), stores);
        let (tried, not_tried) = told.split_at(most);
        assert!(tried.iter().all(String::is_empty), "{told:?}");
        let reason = "not tried: the stores of this file take more than 1000000 rounds";
        assert!(not_tried.iter().all(|told| told == reason), "{told:?}");
    }
}

#[test]
fn what_is_not_tried_is_told_with_the_reason() {
    for (store, told) in [
        (store(SHA1, &[0; 20], &[0x02, 1, 1]), ""),
        (store(SHA1, &[0; 20], &[]), ""),
        (
            store(SHA1, &[0; 20], &[0x02, 3, 0x01, 0x86, 0xa1]),
            "not tried: its MAC takes more than 100000 rounds",
        ),
        (
            store(SHA1, &[0; 20], &[0x02, 1, 0]),
            "not tried: how many rounds its MAC takes cannot be read",
        ),
        (
            store(SHA1, &[0; 20], &[0x04, 1, 1]),
            "not tried: how many rounds its MAC takes cannot be read",
        ),
        (
            store(SHA224, &[0; 28], &[0x02, 1, 1]),
            "not tried: its MAC is by SHA-224",
        ),
    ] {
        assert_eq!(passphrases(&show(&Der, "a.p12", &store)), [told]);
    }
    // Without its MAC, which is all after the content.
    let mut bare = store(SHA1, &[0; 20], &[]);
    bare.truncate(2 + 3 + 2 + usize::from(bare[6]));
    bare[1] = u8::try_from(bare.len() - 2).unwrap();
    assert_eq!(
        passphrases(&show(&Der, "a.p12", &bare)),
        ["not tried: it has no MAC"]
    );
}

#[test]
fn the_empty_passphrase_is_seen_at_any_number_of_rounds() {
    // RFC 7292, appendix B.2, with the empty passphrase that has no end: the salt alone fills a block.
    for rounds in [1_u8, 2, 100] {
        let salt: Vec<u8> = b"salt".iter().copied().cycle().take(64).collect();
        let mut key = [vec![3; 64], salt].concat();
        for _ in 0..rounds {
            key = sha1_for_names(&key).to_vec();
        }
        key.resize(64, 0);
        let padded = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
        let inner = sha1_for_names(&[&padded(0x36)[..], &[0x30, 0]].concat());
        let value = sha1_for_names(&[&padded(0x5c)[..], &inner].concat());
        let store = store(SHA1, &value, &[0x02, 1, rounds]);
        assert_eq!(passphrases(&show(&Der, "a.p12", &store)), ["empty"]);
    }
}

#[test]
fn objects_for_which_there_is_no_time_are_told_as_such() {
    let object = store(SHA1, &[0; 20], &[0x02, 1, 1]);
    let bytes = object.repeat(5);
    let file = File {
        path: "a.p12",
        name: "a.p12",
        bytes: &bytes,
        access: Access {
            mode: 0o600,
            uid: 0,
            gid: 0,
        },
        budget: Budget::of_questions(2),
    };
    let mut found = Fragment::at("a.p12");
    Der.scan(&Piece::File(file), &mut found);
    assert_eq!(passphrases(&found).len(), 2);
    let told: Vec<_> = found
        .unread_entries()
        .iter()
        .map(|unread| (unread.reason, unread.detail.clone()))
        .collect();
    let from = 2 * object.len();
    assert_eq!(
        told,
        [(Reason::TimedOut, format!("what is ASN.1 from byte {from} on"))]
    );
}
