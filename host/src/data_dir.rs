//! The data directory: who may use it, whose it is, and in which layout.
//!
//! ```text
//! VERSION                     layout number and trust domain
//! lock                        held by the one process that writes here
//! server/{db,keys,private.sock}
//! agent/{keys,svid,api.sock}
//! ```
//!
//! Whoever may write to the directory itself can replace everything in it, keys included, so it must belong to the
//! user that this process runs as, or to root, and nobody else may have the right to write to it: no group, and not the
//! world even with the sticky bit. The directories above it are the administrator's to look after.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::file;

/// The layout this program writes, and the first there is. One that is newer belongs to a newer program.
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
    /// It belongs to another user, who could replace what is in it.
    #[error(
        "the data directory {path} belongs to user {owner} and this process runs as user {user}; run as its owner, or \
         chown it",
        path = .path.display()
    )]
    Owner {
        /// The directory.
        path: PathBuf,
        /// The number of the user whose it is.
        owner: u32,
        /// The number of the user that this process runs as.
        user: u32,
    },
    /// Others may write to it, and replace what is in it.
    #[error("others may write to the data directory {path} (mode {mode:04o}); chmod go-w it", path = .path.display())]
    Writable {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
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
    /// [`DataDirError`]. Nothing but the directory itself and its file `lock` was made or changed then.
    pub fn open(path: &Path, trust_domain: &str) -> Result<Self, DataDirError> {
        make_dir(path, 0o700)?;
        check_owner(path, rustix::process::geteuid().as_raw())?;
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
        for (name, mode) in [("server", 0o700), ("agent", 0o711)] {
            let dir = path.join(name);
            make_dir(&dir, mode)?;
            // It may have been there, made otherwise, or the process' mask may have taken bits away.
            set_mode(&dir, mode)?;
        }
        // Workloads of other users must reach agent/api.sock, and nothing of the server's.
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

/// [`file::write_whole`] with an error that names the file.
///
/// # Errors
/// [`DataDirError::Io`].
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<(), DataDirError> {
    file::write_whole(path, content, mode).map_err(io(path))
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
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(io(path))
}

/// Refuses a directory that somebody else than `user` and root rules over. Root is no exception the other way round:
/// what it would keep in another's directory is that other's to replace.
fn check_owner(path: &Path, user: u32) -> Result<(), DataDirError> {
    let metadata = std::fs::metadata(path).map_err(io(path))?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != user && owner != 0 {
        return Err(DataDirError::Owner {
            path: path.to_owned(),
            owner,
            user,
        });
    }
    if mode & 0o022 != 0 {
        return Err(DataDirError::Writable {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
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
        Some(found) if found < 1 => return Err(damaged(format!("there is no layout {found}"))),
        Some(_) => {}
        None => return Err(damaged("it names no layout".to_owned())),
    }
    table
        .try_into()
        .map(Some)
        .map_err(|e: toml::de::Error| damaged(e.message().to_owned()))
}

#[cfg(test)]
mod tests;
