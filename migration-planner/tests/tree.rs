//! Trees as they are met: links, pipes, holes, names of any bytes, files that change.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use symbolon_migration_planner::inventory::{Inventory, Reason, Subject};
use symbolon_migration_planner::scan::{Progress, ScanError, ScanRequest, Snapshot, Target, scan};

use self::common::age;

/// An Ed25519 public key, which nobody has the private half of.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f nobody\n";

fn write(folder: &Path, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

fn request(folder: &Path) -> ScanRequest {
    ScanRequest::new(vec![Target::Path(folder.to_owned())])
}

/// Where the key was seen, from the folder on.
fn places(inventory: &Inventory, folder: &Path) -> Vec<String> {
    let start = format!("{}/", folder.display());
    let mut places: Vec<String> = inventory
        .assets()
        .filter(|asset| asset.detail.kind() == "public-key")
        .flat_map(|asset| asset.evidence.iter())
        .map(|place| {
            place
                .location
                .strip_prefix(&start)
                .unwrap_or(&place.location)
                .to_owned()
        })
        .collect();
    places.sort();
    places
}

fn count(inventory: &Inventory, reason: Reason) -> u64 {
    inventory
        .unread
        .counts()
        .get(&reason)
        .copied()
        .unwrap_or_default()
}

#[test]
fn hidden_ignored_and_oddly_named_files_are_scanned_unless_asked_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in [
        "a.pub",
        ".ssh/authorized_keys",
        "build/secret.key",
        "keep/build.txt",
        "deep/er/x.log",
    ] {
        write(folder, name, KEY);
    }
    write(folder, OsStr::from_bytes(b"odd\xffname"), KEY);
    write(folder, ".gitignore", "build/\n*.log\n");
    write(folder, "deep/.gitignore", "!x.log\n");
    let everything = scan(&request(folder)).unwrap();
    assert_eq!(
        places(&everything, folder),
        [
            ".ssh/authorized_keys",
            "a.pub",
            "build/secret.key",
            "deep/er/x.log",
            "keep/build.txt",
            "odd\\xffname"
        ]
    );
    let mut less = request(folder);
    less.options.skip_hidden = true;
    assert!(!places(&scan(&less).unwrap(), folder).contains(&".ssh/authorized_keys".to_owned()));
    let mut less = request(folder);
    less.options.skip_ignored = true;
    let inventory = scan(&less).unwrap();
    assert_eq!(
        places(&inventory, folder),
        [
            ".ssh/authorized_keys",
            "a.pub",
            "deep/er/x.log",
            "keep/build.txt",
            "odd\\xffname"
        ]
    );
    assert_eq!(count(&inventory, Reason::NotAskedFor), 1);
    let mut less = request(folder);
    less.options.exclude = vec!["/keep".to_owned(), "*.pub".to_owned()];
    assert_eq!(
        places(&scan(&less).unwrap(), folder),
        [
            ".ssh/authorized_keys",
            "build/secret.key",
            "deep/er/x.log",
            "odd\\xffname"
        ]
    );
}

#[test]
fn links_cycles_pipes_and_holes_are_noted_and_never_followed() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "outside.pub", KEY);
    let folder = folder.path();
    write(folder, "in/a.pub", KEY);
    symlink(folder, folder.join("in/cycle")).unwrap();
    symlink(outside.path(), folder.join("escape")).unwrap();
    symlink(outside.path().join("outside.pub"), folder.join("escape.pub")).unwrap();
    symlink("nowhere", folder.join("dangling")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.join("pipe"),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    let hole = std::fs::File::create(folder.join("hole")).unwrap();
    hole.set_len(1 << 40).unwrap();
    let inventory = scan(&request(folder)).unwrap();
    assert_eq!(places(&inventory, folder), ["in/a.pub"]);
    assert_eq!(count(&inventory, Reason::SymbolicLink), 4);
    assert_eq!(count(&inventory, Reason::SpecialFile), 2);
    let large: Vec<_> = inventory
        .unread
        .iter()
        .filter(|unread| unread.reason == Reason::TooLarge)
        .collect();
    assert!(
        large.len() == 1 && large[0].location.ends_with("/hole"),
        "{large:?}"
    );
    let files = inventory.coverage.get(Subject::Files);
    assert_eq!((files.attempted, files.read), (2, 1));
}

#[test]
fn what_may_not_be_read_or_is_not_there_is_an_entry() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "a.pub", KEY);
    let closed = write(folder, "closed/b.pub", KEY);
    std::fs::set_permissions(closed.parent().unwrap(), std::fs::Permissions::from_mode(0o000)).unwrap();
    let mut both = request(folder);
    both.targets.push(Target::Path(folder.join("missing")));
    let inventory = scan(&both).unwrap();
    std::fs::set_permissions(closed.parent().unwrap(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(count(&inventory, Reason::Vanished), 1);
    // The superuser may read everything.
    let denied = if rustix::process::geteuid().is_root() {
        0
    } else {
        1
    };
    assert_eq!(count(&inventory, Reason::PermissionDenied), denied);
    assert!(matches!(
        scan(&ScanRequest::new(Vec::new())),
        Err(ScanError::NoTarget)
    ));
}

#[test]
fn text_in_utf16_and_blocks_in_strange_places_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(KEY.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    write(folder, "wide.txt", wide);
    write(folder, "windows.txt", KEY.replace('\n', "\r\n"));
    write(
        folder,
        "binary.bin",
        [b"\0\x01\x02\n".as_slice(), KEY.as_bytes(), b"\0\xff"].concat(),
    );
    let inventory = scan(&request(folder)).unwrap();
    assert_eq!(
        places(&inventory, folder),
        ["binary.bin", "wide.txt", "windows.txt"]
    );
}

#[test]
fn a_directory_of_very_many_files_and_a_very_deep_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for number in 0..3000 {
        std::fs::write(
            folder.join(format!("f{number}")),
            if number % 1000 == 0 { KEY } else { "" },
        )
        .unwrap();
    }
    let mut deep = folder.to_owned();
    for _ in 0..300 {
        deep.push("d");
    }
    write(&deep, "end.pub", KEY);
    for threads in [1, 4] {
        let mut request = request(folder);
        request.threads = threads;
        let inventory = scan(&request).unwrap();
        assert_eq!(places(&inventory, folder).len(), 4, "{threads} threads");
        assert_eq!(inventory.coverage.get(Subject::Files).read, 3001);
        assert_eq!(inventory.coverage.get(Subject::Directories).read, 301);
        request.limits.path_len = 100;
        let inventory = scan(&request).unwrap();
        assert_eq!(
            (
                places(&inventory, folder).len(),
                count(&inventory, Reason::TooDeep)
            ),
            (3, 1)
        );
    }
}

#[derive(Debug, Default)]
struct Watching {
    last: Mutex<Snapshot>,
    stop_after: AtomicU64,
}

impl Progress for Watching {
    fn update(&self, snapshot: &Snapshot) {
        *self.last.lock().unwrap() = *snapshot;
    }

    fn cancelled(&self) -> bool {
        self.stop_after.load(Ordering::Relaxed) > 0
    }
}

#[test]
fn progress_ends_with_everything_and_a_cancelled_scan_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for number in 0..100 {
        write(folder, format!("d{}/f{number}.pub", number % 7), KEY);
    }
    let watching = Arc::new(Watching::default());
    let mut request = request(folder);
    request.progress = watching.clone();
    scan(&request).unwrap();
    let last = *watching.last.lock().unwrap();
    assert_eq!((last.files, last.places, last.unread), (100, 100, 0));
    assert!((last.done - 1.0).abs() < 1e-6);

    let mut request = self::request(folder);
    request.limits.total_time = Some(std::time::Duration::ZERO);
    let inventory = scan(&request).unwrap();
    let files = inventory.coverage.get(Subject::Files);
    assert!(files.read <= 100 && files.attempted >= files.read);
}

#[test]
fn an_unchanged_tree_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    let a = write(&tree, "a.pub", KEY);
    write(&tree, "b.txt", "nothing");
    write(
        &tree,
        "c.pem",
        "-----BEGIN CERTIFICATE-----\nAAAAAAAAAAAAAAAAAAAAAAAA\n-----END CERTIFICATE-----\n",
    );
    age(&tree);
    let watching = Arc::new(Watching::default());
    let mut request = request(&tree);
    request.cache = Some(folder.path().join("cache"));
    request.progress = watching.clone();
    let unchanged = || watching.last.lock().unwrap().unchanged;
    let first = scan(&request).unwrap();
    assert_eq!(unchanged(), 0);
    let second = scan(&request).unwrap();
    assert_eq!((unchanged(), watching.last.lock().unwrap().bytes), (3, 0));
    assert_eq!(first, second, "what is taken over is what was found");
    let third = scan(&request).unwrap();
    assert_eq!((unchanged(), third == second), (3, true));

    assert!(
        !folder.path().join("cache.new").exists(),
        "nothing is left behind"
    );

    request.verify = true;
    assert_eq!(scan(&request).unwrap(), first);
    assert_eq!(unchanged(), 0);
    request.verify = false;

    // A file that was rewritten a moment ago is read, and not remembered: it may change again within the clock's tick.
    std::fs::write(&a, "nothing any more").unwrap();
    let changed = scan(&request).unwrap();
    assert_eq!((unchanged(), places(&changed, &tree).len()), (2, 0));
    scan(&request).unwrap();
    assert_eq!(unchanged(), 2);

    // A cache that is no cache, or is cut off, is no obstacle.
    for rubbish in [
        &b"rubbish"[..],
        b"symbolon-plan-1\n",
        b"symbolon-plan-1\n0123456789abcdef\xff\xff\xff\xff",
    ] {
        std::fs::write(folder.path().join("cache"), rubbish).unwrap();
        assert_eq!(scan(&request).unwrap(), changed);
    }
    let mode = std::fs::metadata(folder.path().join("cache"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    request.cache = Some(folder.path().join("no/such/folder/cache"));
    assert!(matches!(scan(&request), Err(ScanError::Cache { .. })));
}

#[test]
fn a_cache_keeps_what_holds_when_something_changes_and_is_used_by_one_scan_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for number in 0..300 {
        write(folder, format!("part-{}/{number}.pub", number % 7), KEY);
    }
    write(folder, "last/last.txt", "the newest of all");
    age(&folder.join("last"));
    let mut cached = request(folder);
    cached.cache = Some(outside.path().join("cache"));
    let first = scan(&cached).unwrap();
    let written = std::fs::read(outside.path().join("cache")).unwrap();
    let unchanged = |request: &ScanRequest| {
        let watching = Arc::new(Watching::default());
        let mut request = request.clone();
        request.progress = watching.clone();
        let inventory = scan(&request).unwrap();
        let unchanged = watching.last.lock().unwrap().unchanged;
        (inventory, unchanged)
    };
    assert_eq!(unchanged(&cached), (first.clone(), 301));
    assert_eq!(std::fs::read(outside.path().join("cache")).unwrap(), written);
    // One goes, one changes: the others' records stay.
    std::fs::remove_file(folder.join("part-0/0.pub")).unwrap();
    write(folder, "part-1/1.pub", "no key any more\n");
    let (second, kept) = unchanged(&cached);
    assert_eq!(kept, 299);
    assert_eq!(places(&second, folder).len(), 298);
    let (third, kept) = unchanged(&cached);
    assert_eq!((third, kept), (second, 299));
    let names: Vec<_> = std::fs::read_dir(outside.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["cache"]);
    let taken = std::fs::File::create(outside.path().join("cache.new")).unwrap();
    taken.lock().unwrap();
    let error = scan(&cached).unwrap_err();
    assert!(matches!(error, ScanError::Cache { .. }), "{error}");
    assert!(error.to_string().contains("another scan"), "{error}");
}

#[test]
fn a_template_is_read_as_what_it_becomes() {
    let folder = tempfile::tempdir().unwrap();
    let ssh = "KexAlgorithms curve25519-sha256\nCiphers {{ ssh_ciphers }}\n";
    write(folder.path(), "templates/sshd_config.j2", ssh);
    write(folder.path(), "templates/notes.j2", ssh);
    let inventory = scan(&request(folder.path())).unwrap();
    let places: Vec<&str> = inventory
        .assets()
        .filter(|asset| asset.name == "x25519")
        .flat_map(|asset| asset.evidence.iter())
        .map(|place| place.location.as_str())
        .collect();
    assert!(
        matches!(places.as_slice(), [place] if place.ends_with("templates/sshd_config.j2")),
        "{places:?}"
    );
    assert_eq!(count(&inventory, Reason::Unsupported), 1);
    let names = inventory.assets().filter(|asset| asset.name.contains("ciphers"));
    assert_eq!(names.count(), 0);
}
