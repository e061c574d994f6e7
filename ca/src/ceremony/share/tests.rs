use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const CEREMONY: &str = "00112233445566778899aabbccddeeff";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn share(ceremony: &str, custodian: &str, index: u8) -> Share {
    let part = Box::new(Zeroizing::new([index ^ 0x5a; SECRET_LEN]));
    Share::new(ceremony, &name(custodian), (index, part), 2, 3)
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.as_bytes().to_vec().into()).unwrap()
}

fn error(ceremony: &str, path: &Path, made: &ShareMade, words: Option<&str>) -> ShareError {
    let words = words.map(passphrase);
    Share::read(ceremony, path, made, words.as_ref()).err().unwrap()
}

#[test]
fn a_share_is_read_back_by_its_custodian_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("alice.share");
    let written = share(CEREMONY, "alice", 1);
    written
        .write(CEREMONY, &path, Some(&passphrase("right")))
        .unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(Share::wants_passphrase(&path).unwrap());
    let read = Share::read(CEREMONY, &path, &written.made, Some(&passphrase("right"))).unwrap();
    assert_eq!(*read.part, *written.part);
    let wrong = error(CEREMONY, &path, &written.made, Some("wrong"));
    assert!(
        matches!(wrong, ShareError::Passphrase { .. }) && wrong.to_string().contains("alice"),
        "{wrong}"
    );
    let none = error(CEREMONY, &path, &written.made, None);
    assert!(matches!(none, ShareError::Protection { .. }), "{none}");
    let again = share(CEREMONY, "alice", 1)
        .write(CEREMONY, &path, None)
        .unwrap_err();
    assert!(matches!(again, ShareError::Exists(_)), "{again}");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let open = error(CEREMONY, &path, &written.made, Some("right"));
    assert!(open.to_string().contains("chmod 600"), "{open}");
}

#[test]
fn a_share_that_is_not_the_right_one_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |file: &str| scratch.path().join(file);
    let write = |file: &str, ceremony: &str, share: &Share| {
        share.write(ceremony, &path(file), None).unwrap();
    };
    let alice = share(CEREMONY, "alice", 1);
    let other = "ffffffffffffffffffffffffffffffff";
    write("foreign", other, &share(other, "alice", 1));
    write("bob", CEREMONY, &share(CEREMONY, "bob", 2));
    // Whole and consistent in itself, and not the one that was given out.
    write("forged", CEREMONY, &share(CEREMONY, "alice", 3));
    let forged_part = Share::new(
        CEREMONY,
        &name("alice"),
        (1, Box::new(Zeroizing::new([9; SECRET_LEN]))),
        2,
        3,
    );
    write("forged-part", CEREMONY, &forged_part);
    for (file, words) in [
        ("foreign", "another ceremony, ffffffffffffffffffffffffffffffff"),
        ("bob", "that of bob, not of alice"),
        (
            "forged",
            "not the one that alice was given: the transcript has another index",
        ),
        (
            "forged-part",
            "not the one that alice was given: the transcript has another commitment",
        ),
    ] {
        let error = error(CEREMONY, &path(file), &alice.made, None).to_string();
        assert!(error.contains(words) && error.contains(file), "{error}");
    }
    // Its description is right, its content is not, and its checksum is made anew.
    write("alice", CEREMONY, &alice);
    let text = fs::read_to_string(path("alice")).unwrap();
    let content = STANDARD.encode(**alice.part);
    let text = text.replace(&content, &STANDARD.encode([9; SECRET_LEN]));
    let (summed, _) = text.trim_end().rsplit_once('\n').unwrap();
    let summed = format!("{summed}\n");
    let sum = hex::encode(digest::sha256(summed.as_bytes()));
    fs::write(path("alice"), format!("{summed}{sum}\n")).unwrap();
    let error = error(CEREMONY, &path("alice"), &alice.made, None).to_string();
    assert!(error.contains("alice was given"), "{error}");
}

#[test]
fn any_flipped_bit_is_noticed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("carol.share");
    let written = share(CEREMONY, "carol", 3);
    written.write(CEREMONY, &path, None).unwrap();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            fs::write(&path, &changed).unwrap();
            let error = error(CEREMONY, &path, &written.made, None).to_string();
            assert!(error.contains("carol.share"), "{error}");
        }
    }
    for end in 0..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        error(CEREMONY, &path, &written.made, None);
    }
}

#[test]
fn commitments_differ_with_whatever_they_are_about() {
    let base = share(CEREMONY, "alice", 1).made.commitment;
    let part = || Box::new(Zeroizing::new([1 ^ 0x5a; SECRET_LEN]));
    let others = [
        Share::new("other", &name("alice"), (1, part()), 2, 3),
        Share::new(CEREMONY, &name("bob"), (1, part()), 2, 3),
        Share::new(CEREMONY, &name("alice"), (2, part()), 2, 3),
        Share::new(CEREMONY, &name("alice"), (1, part()), 3, 3),
        Share::new(CEREMONY, &name("alice"), (1, part()), 2, 4),
        Share::new(
            CEREMONY,
            &name("alice"),
            (1, Box::new(Zeroizing::new([0; SECRET_LEN]))),
            2,
            3,
        ),
    ];
    for other in others {
        assert_ne!(other.made.commitment, base);
    }
    let content = hex::encode(**part());
    assert!(!base.contains(&content));
}
