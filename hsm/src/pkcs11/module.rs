//! The modules of this process: each loaded and initialised once, whoever uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Cryptoki, RvError};

use super::error::{Pkcs11Error, code, words};
use super::gate::{Gate, NotRecovered};
use super::pins::Pins;

/// A loaded module. Modules stay until the process ends: unloading one under its own threads, or finalising it
/// at exit, is what modules are worst at.
pub(super) struct Module {
    path: PathBuf,
    context: Pkcs11,
    gate: Gate,
    pins: Pins,
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
        let path = given.to_owned();
        let context = match Pkcs11::new(file) {
            Ok(context) => context,
            Err(Cryptoki::LibraryLoading(error)) => {
                return Err(Pkcs11Error::NotAModule {
                    path,
                    reason: format!("it cannot be loaded as a library ({error})"),
                });
            }
            Err(Cryptoki::MissingSymbol(name)) => {
                return Err(Pkcs11Error::NotAModule {
                    path,
                    reason: format!("it is a library without {name}"),
                });
            }
            Err(other) => {
                return Err(Pkcs11Error::NotAModule {
                    path,
                    reason: words(&other),
                });
            }
        };
        match context.initialize(arguments()) {
            Ok(()) => Ok(Self {
                path,
                context,
                gate: Gate::default(),
                pins: Pins::new()?,
            }),
            Err(error) if code(&error) == Some(&RvError::CryptokiAlreadyInitialized) => {
                Err(Pkcs11Error::ModuleShared { path })
            }
            Err(error) => Err(Pkcs11Error::ModuleStart {
                path,
                what: words(&error),
            }),
        }
    }

    /// The path it was loaded from, as given.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The binding. Only for whoever holds a pass of [`gate`](Self::gate).
    pub(super) fn context(&self) -> &Pkcs11 {
        &self.context
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Finalises and initialises the module, because a token was found gone in the epoch `seen`.
    pub(super) fn recover(&self, seen: u64, deadline: Instant) -> Result<(), NotRecovered<Pkcs11Error>> {
        self.gate.recover(seen, deadline, || {
            tracing::warn!(module = %self.path.display(), "a PKCS#11 token is gone: starting its module again");
            match self.context.clone().finalize() {
                Err(error) if code(&error) != Some(&RvError::CryptokiNotInitialized) => {
                    // A device that is gone may well say so here; what counts is whether it starts.
                    tracing::warn!(module = %self.path.display(), error = words(&error), "C_Finalize failed");
                }
                _ => {}
            }
            match self.context.initialize(arguments()) {
                Err(error) if code(&error) != Some(&RvError::CryptokiAlreadyInitialized) => {
                    Err(Pkcs11Error::ModuleStart {
                        path: self.path.clone(),
                        what: words(&error),
                    })
                }
                _ => Ok(()),
            }
        })
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
        assert!(error.to_string().contains("cannot be loaded as a library"), "{error}");
        // Not remembered as being loaded.
        load(&path);

        let error = load(scratch.path());
        assert!(matches!(error, Pkcs11Error::NotAModule { .. }), "{error}");
    }

    #[test]
    fn a_library_without_the_entry_point_is_no_module() {
        let libraries = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"];
        let Some(library) = libraries.map(Path::new).into_iter().find(|path| path.exists()) else {
            panic!("no libm where any Linux has one");
        };
        let error = load(library).to_string();
        assert!(error.ends_with("it is a library without C_GetFunctionList"), "{error}");
    }
}
