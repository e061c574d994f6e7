//! The data directory: who may use it, whose it is, and in which layout.
//!
//! ```text
//! VERSION                     layout number and trust domain
//! lock                        held by the one process that writes here
//! server/{db,keys,private.sock}
//! agent/{keys,svid,api.sock}
//! ```

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

/// The layout this program writes. One that is newer belongs to a newer program.
const LAYOUT: u32 = 1;

/// Largest `VERSION` or `lock` file that is read, in bytes.
const MAX_LEN: u64 = 4096;

/// What `VERSION` says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Version {
    layout: u32,
    trust_domain: String,
}

/// A data directory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// The system refused.
    #[error("cannot use {path}", path = .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process is using it.
    #[error("the data directory {path} is in use by {holder}; stop it, or choose another --data-dir", path = .path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, as far as it said.
        holder: String,
    },
    /// It was made by a newer program.
    #[error(
        "the data directory {path} has layout {found} and this program knows {LAYOUT}; use a newer symbolon",
        path = .path.display()
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its layout.
        found: u32,
    },
    /// It belongs to another trust domain.
    #[error(
        "the data directory {path} belongs to trust domain {found}, not {wanted}; choose another --data-dir or \
         --trust-domain",
        path = .path.display()
    )]
    OtherTrustDomain {
        /// The directory.
        path: PathBuf,
        /// The trust domain it was made for.
        found: String,
        /// The trust domain asked for.
        wanted: String,
    },
    /// There is none.
    #[error("there is no data directory {path}", path = .0.display())]
    Missing(PathBuf),
    /// The `VERSION` file says nothing that can be understood.
    #[error("{path} is damaged: {reason}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory holds files of something else.
    #[error("{path} is not empty and is no data directory; choose another --data-dir", path = .0.display())]
    NotOurs(PathBuf),
}

/// A data directory that this process may write to, for as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    trust_domain: String,
    /// Closing it releases the lock.
    _lock: File,
}

impl DataDir {
    /// Opens the directory for the one process that writes to it, making it when it is new or empty.
    ///
    /// # Errors
    /// [`DataDirError`]; nothing was changed then.
    pub fn open(path: &Path, trust_domain: &str) -> Result<Self, DataDirError> {
        make_dir(path, 0o700)?;
        check_ours(path)?;
        let lock = lock(path)?;
        let version_path = path.join("VERSION");
        match read_version(path)? {
            Some(version) if version.trust_domain != trust_domain => {
                return Err(DataDirError::OtherTrustDomain {
                    path: path.to_owned(),
                    found: version.trust_domain,
                    wanted: trust_domain.to_owned(),
                });
            }
            Some(_) => {}
            None => {
                let version = Version {
                    layout: LAYOUT,
                    trust_domain: trust_domain.to_owned(),
                };
                let text = toml::to_string(&version).map_err(|e| DataDirError::Damaged {
                    path: version_path.clone(),
                    reason: e.to_string(),
                })?;
                write_whole(&version_path, text.as_bytes(), 0o600)?;
            }
        }
        for (name, mode) in [("server", 0o700), ("agent", 0o755)] {
            make_dir(&path.join(name), mode)?;
        }
        // Workloads of other users must reach agent/api.sock and see nothing else.
        set_mode(path, 0o711)?;
        Ok(Self {
            path: path.to_owned(),
            trust_domain: trust_domain.to_owned(),
            _lock: lock,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The trust domain it was made for.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Where the server keeps what it has.
    pub fn server(&self) -> PathBuf {
        self.path.join("server")
    }

    /// Where the agent keeps what it has.
    pub fn agent(&self) -> PathBuf {
        self.path.join("agent")
    }
}

/// The trust domain of an existing data directory, without locking or changing it.
///
/// # Errors
/// [`DataDirError`]; [`DataDirError::Missing`] if there is none.
pub fn trust_domain_of(path: &Path) -> Result<String, DataDirError> {
    match read_version(path)? {
        Some(version) => Ok(version.trust_domain),
        None => Err(DataDirError::Missing(path.to_owned())),
    }
}

/// Writes a whole file with permission bits `mode`: afterwards it has either its old content or the new one, even
/// if the machine stops half-way.
///
/// # Errors
/// [`DataDirError::Io`].
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<(), DataDirError> {
    let failed = |source| DataDirError::Io {
        path: path.to_owned(),
        source,
    };
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = dir.join(name);
    // A leftover of a run that was killed; its permissions may not be ours.
    match std::fs::remove_file(&temporary) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(failed)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    std::fs::rename(&temporary, path).map_err(failed)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> DataDirError {
    move |source| DataDirError::Io {
        path: path.to_owned(),
        source,
    }
}

fn make_dir(path: &Path, mode: u32) -> Result<(), DataDirError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(io(path))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), DataDirError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(io(path))
}

/// Refuses a directory with other people's files in it, before anything is written there.
fn check_ours(path: &Path) -> Result<(), DataDirError> {
    let known = ["VERSION", "VERSION.new", "lock", "server", "agent"];
    let mut foreign = false;
    for entry in std::fs::read_dir(path).map_err(io(path))? {
        let name = entry.map_err(io(path))?.file_name();
        if name == "VERSION" {
            return Ok(());
        }
        foreign |= !known.iter().any(|known| name == *known);
    }
    if foreign {
        Err(DataDirError::NotOurs(path.to_owned()))
    } else {
        Ok(())
    }
}

fn lock(dir: &Path) -> Result<File, DataDirError> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io(&path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            file.take(MAX_LEN)
                .read_to_string(&mut holder)
                .map_err(io(&path))?;
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                pid => format!("process {pid}"),
            };
            return Err(DataDirError::Locked {
                path: dir.to_owned(),
                holder,
            });
        }
        Err(error) => return Err(io(&path)(error.into())),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(io(&path))?;
    Ok(file)
}

/// What `VERSION` says; `None` if there is none.
fn read_version(dir: &Path) -> Result<Option<Version>, DataDirError> {
    let path = dir.join("VERSION");
    let mut text = String::new();
    match File::open(&path).and_then(|file| file.take(MAX_LEN).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(&path)(e)),
    }
    // A newer layout may have other fields, so its number is read before the rest is judged.
    let damaged = |reason: String| DataDirError::Damaged {
        path: path.clone(),
        reason,
    };
    let table: toml::Table = toml::from_str(&text).map_err(|e| damaged(e.message().to_owned()))?;
    match table.get("layout").and_then(toml::Value::as_integer) {
        Some(found) if found > i64::from(LAYOUT) => {
            return Err(DataDirError::Newer {
                path: dir.to_owned(),
                found: found.try_into().unwrap_or(u32::MAX),
            });
        }
        Some(_) => {}
        None => return Err(damaged("it names no layout".to_owned())),
    }
    table
        .try_into()
        .map(Some)
        .map_err(|e: toml::de::Error| damaged(e.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("data");
        (scratch, path)
    }

    #[test]
    fn a_new_directory_gets_the_layout_and_opens_again() {
        let (_scratch, path) = scratch();
        for _ in 0..2 {
            let dir = DataDir::open(&path, "example.org").unwrap();
            assert!(dir.server().is_dir() && dir.agent().is_dir());
            assert_eq!(trust_domain_of(&path).unwrap(), "example.org");
            let mode = std::fs::metadata(dir.server()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "others see nothing of the server's");
        }
    }

    #[test]
    fn one_process_at_a_time() {
        let (_scratch, path) = scratch();
        let first = DataDir::open(&path, "example.org").unwrap();
        let error = DataDir::open(&path, "example.org").unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        DataDir::open(&path, "example.org").unwrap();
    }

    #[test]
    fn another_trust_domain_a_newer_layout_and_damage_are_told_apart() {
        let (_scratch, path) = scratch();
        drop(DataDir::open(&path, "example.org").unwrap());
        assert!(matches!(
            DataDir::open(&path, "other.org"),
            Err(DataDirError::OtherTrustDomain { found, .. }) if found == "example.org"
        ));
        std::fs::write(path.join("VERSION"), "layout = 2\nshape = \"round\"\n").unwrap();
        assert!(matches!(
            DataDir::open(&path, "example.org"),
            Err(DataDirError::Newer { found: 2, .. })
        ));
        for damage in ["", "layout = 1", "layout = \"x\"", "\0\0"] {
            std::fs::write(path.join("VERSION"), damage).unwrap();
            assert!(
                matches!(
                    DataDir::open(&path, "example.org"),
                    Err(DataDirError::Damaged { .. })
                ),
                "{damage:?}"
            );
        }
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let (_scratch, path) = scratch();
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("thesis.tex"), "").unwrap();
        assert!(matches!(
            DataDir::open(&path, "example.org"),
            Err(DataDirError::NotOurs(_))
        ));
        assert_eq!(
            std::fs::read_dir(&path).unwrap().count(),
            1,
            "nothing was written"
        );
    }

    #[test]
    fn a_run_killed_at_any_moment_of_making_it_leaves_what_opens() {
        for leftovers in [&["lock"][..], &["lock", "VERSION.new"], &["lock", "server"]] {
            let (_scratch, path) = scratch();
            std::fs::create_dir(&path).unwrap();
            for name in leftovers {
                if *name == "server" {
                    std::fs::create_dir(path.join(name)).unwrap();
                } else {
                    std::fs::write(path.join(name), "la").unwrap();
                }
            }
            DataDir::open(&path, "example.org").unwrap();
            assert!(!path.join("VERSION.new").exists());
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_missing() {
        let (_scratch, path) = scratch();
        assert!(matches!(trust_domain_of(&path), Err(DataDirError::Missing(_))));
    }
}
