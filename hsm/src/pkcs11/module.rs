//! The modules of this process: each loaded and initialised once, whoever uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Cryptoki, RvError};
use rustix::fs::{MemfdFlags, memfd_create};

use super::error::{Pkcs11Error, code, words};
use super::gate::{Gate, NotRecovered, Start};
use super::pins::Pins;

/// A loaded module. Modules stay until the process ends: unloading one under its own threads, or finalising it
/// at exit, is what modules are worst at.
pub(super) struct Module {
    path: PathBuf,
    file: PathBuf,
    gate: Gate<Pkcs11>,
    pins: Pins,
    /// Why it is not initialised, if the last attempt failed.
    failure: Mutex<Option<String>>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("path", &self.path)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

/// What is known of a path.
enum Entry {
    /// A thread is loading it; perhaps for ever.
    Loading,
    Ready(Arc<Module>),
}

static MODULES: Mutex<BTreeMap<PathBuf, Entry>> = Mutex::new(BTreeMap::new());
static CHANGED: Condvar = Condvar::new();

impl Module {
    /// The module in the file `path`, loaded if it is not yet.
    pub(super) fn load(path: &Path, deadline: Instant) -> Result<Arc<Self>, Pkcs11Error> {
        let file = std::fs::canonicalize(path).map_err(|source| Pkcs11Error::ModuleMissing {
            path: path.to_owned(),
            source,
        })?;
        let limit = deadline.saturating_duration_since(Instant::now());
        let timed_out = || Pkcs11Error::TimedOut {
            token: format!("of {}", path.display()),
            doing: "loading the module",
            limit,
        };
        let mut modules = modules();
        loop {
            match modules.get(&file) {
                Some(Entry::Ready(module)) => return Ok(Arc::clone(module)),
                Some(Entry::Loading) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(timed_out());
                    }
                    modules = CHANGED
                        .wait_timeout(modules, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                None => break,
            }
        }
        modules.insert(file.clone(), Entry::Loading);
        drop(modules);

        let (sender, receiver) = mpsc::sync_channel(1);
        let loading = file.clone();
        let given = path.to_owned();
        let spawned = std::thread::Builder::new()
            .name("pkcs11 load".to_owned())
            .spawn(move || {
                let loaded = Self::open(&loading, &given).map(Arc::new);
                settle(&loading, loaded.as_ref().ok());
                // The caller may have left; then the next one finds the module loaded, or tries again.
                let _ = sender.send(loaded);
            });
        if let Err(error) = spawned {
            settle(&file, None);
            return Err(Pkcs11Error::Thread(error));
        }
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(loaded) => loaded,
            Err(RecvTimeoutError::Timeout) => Err(timed_out()),
            Err(RecvTimeoutError::Disconnected) => {
                settle(&file, None);
                Err(Pkcs11Error::Broken {
                    token: format!("of {}", path.display()),
                    doing: "loading the module",
                })
            }
        }
    }

    /// Loads the library and initialises it.
    fn open(file: &Path, given: &Path) -> Result<Self, Pkcs11Error> {
        let context = library(file, given)?;
        let path = given.to_owned();
        match context.initialize(arguments()) {
            Ok(()) => Ok(Self {
                path,
                file: file.to_owned(),
                gate: Gate::new(context),
                pins: Pins::new()?,
                failure: Mutex::default(),
            }),
            Err(error) if code(&error) == Some(&RvError::CryptokiAlreadyInitialized) => {
                Err(Pkcs11Error::ModuleShared { path })
            }
            Err(error) => Err(not_started(given, &error)),
        }
    }

    /// The path it was loaded from, as given.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn gate(&self) -> &Gate<Pkcs11> {
        &self.gate
    }

    pub(super) fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Starts the module again, because a token was found gone in the epoch `seen`.
    pub(super) fn recover(&self, seen: u64, deadline: Instant) -> Result<(), NotRecovered<Pkcs11Error>> {
        self.gate.recover(seen, deadline, |context, how| match how {
            Start::Again => self.start_again(context),
            Start::Beside => self.start_beside(),
        })
    }

    fn start_again(&self, context: &Pkcs11) -> Result<Pkcs11, Pkcs11Error> {
        tracing::warn!(module = %self.path.display(), "a PKCS#11 token is gone: starting its module again");
        match context.clone().finalize() {
            Err(error) if code(&error) != Some(&RvError::CryptokiNotInitialized) => {
                // A device that is gone may well say so here; what counts is whether it starts.
                tracing::warn!(module = %self.path.display(), error = words(&error), "C_Finalize failed");
            }
            _ => {}
        }
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match context.initialize(arguments()) {
            Err(error) if code(&error) != Some(&RvError::CryptokiAlreadyInitialized) => {
                *failure = Some(words(&error));
                Err(not_started(&self.path, &error))
            }
            _ => {
                *failure = None;
                Ok(context.clone())
            }
        }
    }

    /// What a call says that finds the module not initialised: why it is not.
    pub(super) fn explain(&self, error: &Cryptoki) -> Option<Pkcs11Error> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let what = failure
            .clone()
            .filter(|_| code(error) == Some(&RvError::CryptokiNotInitialized))?;
        let path = self.path.clone();
        Some(Pkcs11Error::ModuleStart { path, what })
    }

    /// Loads a second copy of the library, with variables of its own. The system takes a library for loaded when it
    /// is the same file, so the copy is another one, in memory.
    fn start_beside(&self) -> Result<Pkcs11, Pkcs11Error> {
        tracing::warn!(
            module = %self.path.display(),
            "calls hang in a PKCS#11 module whose token is gone: starting a copy of it beside them"
        );
        let copy = || -> std::io::Result<OwnedFd> {
            let copy = memfd_create("pkcs11-module", MemfdFlags::CLOEXEC)?;
            let mut to = File::from(copy);
            std::io::copy(&mut File::open(&self.file)?, &mut to)?;
            Ok(to.into())
        };
        let copy = copy().map_err(|source| Pkcs11Error::ModuleMissing {
            path: self.path.clone(),
            source,
        })?;
        let file = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let context = library(Path::new(&file), &self.path)?;
        context
            .initialize(arguments())
            .map_err(|error| not_started(&self.path, &error))?;
        Ok(context)
    }
}

/// Loads a library that must be a module.
fn library(file: &Path, given: &Path) -> Result<Pkcs11, Pkcs11Error> {
    Pkcs11::new(file).map_err(|error| Pkcs11Error::NotAModule {
        path: given.to_owned(),
        reason: match error {
            Cryptoki::LibraryLoading(error) => format!("it cannot be loaded as a library ({error})"),
            Cryptoki::MissingSymbol(name) => format!("it is a library without {name}"),
            other => words(&other),
        },
    })
}

fn not_started(path: &Path, error: &Cryptoki) -> Pkcs11Error {
    Pkcs11Error::ModuleStart {
        path: path.to_owned(),
        what: words(error),
    }
}

/// Many threads call, and the module is to lock with the system's own means.
fn arguments() -> CInitializeArgs {
    CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)
}

fn modules() -> MutexGuard<'static, BTreeMap<PathBuf, Entry>> {
    MODULES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the loading of `file`: it is there now, or may be tried again.
fn settle(file: &Path, loaded: Option<&Arc<Module>>) {
    let mut modules = modules();
    match loaded {
        Some(module) => modules.insert(file.to_owned(), Entry::Ready(Arc::clone(module))),
        None => modules.remove(file),
    };
    drop(modules);
    CHANGED.notify_all();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn load(path: &Path) -> Pkcs11Error {
        Module::load(path, Instant::now() + Duration::from_secs(30)).expect_err("no module")
    }

    #[test]
    fn what_is_no_module_is_told_apart() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path().join("module.so");
        let error = load(&path);
        assert!(matches!(error, Pkcs11Error::ModuleMissing { .. }), "{error}");

        std::fs::write(&path, "not a library").expect("write");
        let error = load(&path);
        assert!(
            error.to_string().contains("cannot be loaded as a library"),
            "{error}"
        );
        // Not remembered as being loaded.
        load(&path);

        let error = load(scratch.path());
        assert!(matches!(error, Pkcs11Error::NotAModule { .. }), "{error}");
    }

    #[test]
    fn a_library_without_the_entry_point_is_no_module() {
        let libraries = [
            "/lib/x86_64-linux-gnu/libm.so.6",
            "/lib/aarch64-linux-gnu/libm.so.6",
            "/lib64/libm.so.6",
        ];
        let Some(library) = libraries.map(Path::new).into_iter().find(|path| path.exists()) else {
            panic!("no libm where any Linux has one");
        };
        let error = load(library).to_string();
        assert!(
            error.ends_with("it is a library without C_GetFunctionList"),
            "{error}"
        );
    }
}
