//! The cache: what is taken over is what a scan without one would find, whatever happened to files, directories and
//! the cache itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use symbolon_migration_planner::inventory::{Inventory, Reason};
use symbolon_migration_planner::scan::{Progress, ScanRequest, Snapshot, Target, scan};

use self::common::age;

/// Ed25519 public keys of one length, which nobody has the private halves of.
const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f nobody\n",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA nobody\n",
];
/// What stands before a record, and before the first group.
const HEAD: usize = 20;
const MAGIC: usize = 16;

#[derive(Debug, Default)]
struct Watching(Mutex<Snapshot>);

impl Progress for Watching {
    fn update(&self, snapshot: &Snapshot) {
        *self.0.lock().unwrap() = *snapshot;
    }
}

/// A tree and a cache beside it.
struct Scene {
    folder: tempfile::TempDir,
    request: ScanRequest,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let mut request = ScanRequest::new(vec![Target::Path(tree)]);
        request.cache = Some(folder.path().join("cache"));
        // However slow the machine is, the findings are the same.
        request.limits.file_time = std::time::Duration::MAX;
        Self { folder, request }
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.tree().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A scan with the cache, that finds what one without it does; and how many files it took over.
    fn scan(&self) -> (Inventory, u64) {
        let watching = Arc::new(Watching::default());
        let mut request = self.request.clone();
        request.progress = watching.clone();
        let inventory = scan(&request).unwrap();
        request.cache = None;
        request.progress = self.request.progress.clone();
        assert_eq!(inventory, scan(&request).unwrap());
        let unchanged = watching.0.lock().unwrap().unchanged;
        (inventory, unchanged)
    }

    /// The scan that makes a cache of files that are old enough to be kept.
    fn aged(&self, newest: &Path) {
        age(newest);
        assert_eq!(self.scan().1, 0);
    }
}

#[test]
fn of_a_directory_in_which_something_changed_the_other_files_are_taken_over() {
    let scene = Scene::new();
    // More files than are looked at together.
    for number in 0..700 {
        scene.write(&format!("many/{number}.pub"), KEYS[number % 2]);
    }
    for name in ["few/a", "few/b", "few/sub/c", "here/d", "here/e"] {
        scene.write(&format!("{name}.pub"), KEYS[0]);
    }
    scene.aged(&scene.tree().join("here"));
    assert_eq!(scene.scan().1, 705);
    // One more, one less, one renamed.
    let many = scene.tree().join("many");
    scene.write("many/more.txt", "nothing");
    std::fs::remove_file(many.join("5.pub")).unwrap();
    std::fs::rename(many.join("6.pub"), many.join("six.pub")).unwrap();
    // One rewritten as what it was.
    scene.write("few/a.pub", KEYS[0]);
    // A directory of another name has other files.
    std::fs::rename(scene.tree().join("here"), scene.tree().join("there")).unwrap();
    assert_eq!(scene.scan().1, 698 + 2);
    age(&scene.tree().join("few"));
    scene.scan();
    assert_eq!(scene.scan().1, 705);
}

#[test]
fn a_file_of_the_same_size_and_time_is_another_one() {
    use std::fs::{File, FileTimes};
    let scene = Scene::new();
    let (a, b) = (scene.write("a.pub", KEYS[0]), scene.write("b.pub", KEYS[1]));
    let time = std::fs::metadata(&a).unwrap().modified().unwrap();
    let with_time = |path: &Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    };
    with_time(&b);
    scene.aged(&scene.tree());
    assert_eq!(scene.scan().1, 2);
    // Two change places: sizes, times and names are as they were, in the listing too.
    let between = scene.folder.path().join("between");
    std::fs::rename(&a, &between).unwrap();
    std::fs::rename(&b, &a).unwrap();
    std::fs::rename(&between, &b).unwrap();
    assert_eq!(scene.scan().1, 0);
    age(&scene.tree());
    scene.scan();
    assert_eq!(scene.scan().1, 2);
    // Other content in place, and the time put back.
    scene.write("a.pub", KEYS[0]);
    with_time(&a);
    assert_eq!(scene.scan().1, 1);
    age(&scene.tree());
    scene.scan();
    assert_eq!(scene.scan().1, 2);
    // The directory is another one, with files of the same names, sizes and times.
    let kept = scene.folder.path().join("kept");
    std::fs::rename(scene.tree(), &kept).unwrap();
    for (name, key) in [("a.pub", KEYS[1]), ("b.pub", KEYS[0])] {
        with_time(&scene.write(name, key));
    }
    assert_eq!(scene.scan().1, 0);
}

#[test]
fn what_cannot_be_kept_is_looked_at_each_time_and_nothing_is_written_for_it() {
    let scene = Scene::new();
    let large = scene.write("large", "");
    std::fs::File::options()
        .write(true)
        .open(&large)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    scene.write("a.pub", KEYS[0]);
    scene.write("b.txt", "nothing");
    scene.aged(&scene.tree());
    let written = std::fs::read(scene.cache()).unwrap();
    let too_large = |inventory: &Inventory| inventory.unread.counts().get(&Reason::TooLarge).copied();
    let (inventory, unchanged) = scene.scan();
    assert_eq!((too_large(&inventory), unchanged), (Some(1), 2));
    assert_eq!(std::fs::read(scene.cache()).unwrap(), written);
    // It is small now, and soon old enough to be kept.
    std::fs::write(&large, KEYS[1]).unwrap();
    let (inventory, unchanged) = scene.scan();
    assert_eq!((too_large(&inventory), unchanged), (None, 2));
    age(&scene.tree());
    scene.scan();
    assert_eq!(scene.scan().1, 3);
}

#[test]
fn with_a_smaller_limit_files_are_too_large_and_are_still_known_with_the_old_one() {
    let mut scene = Scene::new();
    scene.write("a.pub", KEYS[0]);
    scene.write("b.txt", "nothing");
    scene.aged(&scene.tree());
    let limit = scene.request.limits.file_size;
    scene.request.limits.file_size = 20;
    let (inventory, unchanged) = scene.scan();
    assert_eq!(
        (inventory.unread.counts().get(&Reason::TooLarge), unchanged),
        (Some(&1), 1)
    );
    scene.request.limits.file_size = limit;
    assert_eq!(scene.scan().1, 2);
}

#[test]
fn any_number_of_threads_takes_over_what_any_number_kept() {
    let mut scene = Scene::new();
    for number in 0..600 {
        scene.write(
            &format!("{}/{}/{number}.pub", number % 3, number % 40),
            KEYS[number % 2],
        );
    }
    scene.request.threads = 7;
    scene.aged(&scene.tree().join("2/39"));
    let (first, _) = scene.scan();
    for threads in [1, 2, 7] {
        scene.request.threads = threads;
        let (inventory, unchanged) = scene.scan();
        assert_eq!((inventory == first, unchanged), (true, 600), "{threads} threads");
    }
}

/// Where the heads of all records of a cache are: of groups, and of the files in them.
fn heads(cache: &[u8]) -> Vec<usize> {
    let mut heads = Vec::new();
    let len = |at: usize| match u32::from_be_bytes(cache[at + 16..at + HEAD].try_into().unwrap()) {
        u32::MAX => 0,
        len => usize::try_from(len).unwrap(),
    };
    let mut group = MAGIC;
    while group < cache.len() {
        heads.push(group);
        let end = group + HEAD + len(group);
        let mut file = group + HEAD;
        while file < end {
            heads.push(file);
            file += HEAD + len(file);
        }
        group = end;
    }
    heads
}

#[test]
fn a_damaged_cache_is_no_worse_than_none() {
    let scene = Scene::new();
    scene.write("a.pub", KEYS[0]);
    scene.write("b.txt", "nothing");
    scene.write("c/d.pub", KEYS[1]);
    scene.write("c/e.txt", "nothing");
    scene.write("c/large", "");
    std::fs::File::options()
        .write(true)
        .open(scene.tree().join("c/large"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    scene.aged(&scene.tree().join("c"));
    let whole = std::fs::read(scene.cache()).unwrap();
    let heads = heads(&whole);
    assert_eq!(heads.len(), 7, "two groups and five files");
    for head in heads {
        for (at, bit) in [
            (0, 1),
            (15, 128),
            (16, 128),
            (17, 1),
            (18, 1),
            (19, 1),
            (19, 16),
            (19, 128),
        ] {
            let mut damaged = whole.clone();
            damaged[head + at] ^= bit;
            std::fs::write(scene.cache(), damaged).unwrap();
            scene.scan();
            // What was found out is kept for the next time.
            assert_eq!(scene.scan().1, 4, "byte {at} of the head at {head}");
        }
    }
    for end in (0..whole.len()).step_by(7) {
        std::fs::write(scene.cache(), &whole[..end]).unwrap();
        scene.scan();
        assert_eq!(scene.scan().1, 4, "cut off at {end}");
    }
    // Rubbish where something was found.
    let mut damaged = whole.clone();
    let needle = b"\"assets\"";
    while let Some(at) = damaged.windows(needle.len()).position(|bytes| bytes == needle) {
        damaged[at + 4] = b'x';
    }
    std::fs::write(scene.cache(), damaged).unwrap();
    assert_eq!(scene.scan().1, 2);
    // The group of a directory with nothing to look at each time is forgotten first.
    assert_eq!(scene.scan().1, 2);
    assert_eq!(scene.scan().1, 4);
}
