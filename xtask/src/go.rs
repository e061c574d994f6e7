//! Programs that Go builds from its module proxy, once for each content of their sources, and that are kept in our cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::python::fingerprint;
use crate::workspace::cache;

/// What is built.
pub(crate) struct Built<'a> {
    /// Its folder in the cache.
    pub(crate) area: &'static str,
    /// Where `go.mod` is.
    pub(crate) source: &'a Path,
    /// Everything below that which decides what is built.
    pub(crate) sources: &'a [&'a str],
    /// The module that it is the release of.
    pub(crate) module: &'static str,
    /// What people call it, and how long it takes.
    pub(crate) says: &'static str,
}

impl Built<'_> {
    /// The folder with the programs, after `build` put them there if these have not been built here.
    pub(crate) fn folder(&self, build: impl FnOnce(&Path, &str) -> Result<()>) -> Result<PathBuf> {
        let version = self.version()?;
        let kept = cache(self.area)?;
        // Two runs side by side must not fill the same folder at once.
        let lock = File::create(kept.join("lock"))
            .with_context(|| format!("cannot create the lock of {}", self.area))?;
        lock.lock()
            .with_context(|| format!("cannot lock {}", self.area))?;
        let folder = kept.join(self.folder_name(&version)?);
        let marker = folder.join("complete");
        if marker.exists() {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        eprintln!(
            "Building {} of {version} in {}, once",
            self.says,
            folder.display()
        );
        build(&folder, &version).with_context(|| {
            format!(
                "{} {version} cannot be had, so nothing is proven about it",
                self.module
            )
        })?;
        File::create(&marker).with_context(|| format!("cannot mark {} as complete", self.area))?;
        Ok(folder)
    }

    /// One folder for each content of the sources.
    fn folder_name(&self, version: &str) -> Result<String> {
        let read = |name: &&str| {
            let path = self.source.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let contents = self.sources.iter().map(read).collect::<Result<Vec<_>>>()?;
        let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
        Ok(format!("{version}-{:016x}", fingerprint(&contents)))
    }

    /// The version of the module that `go.mod` requires, without the `v`.
    fn version(&self) -> Result<String> {
        let path = self.source.join("go.mod");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        required(&text, self.module)
            .with_context(|| format!("{} does not require {}", path.display(), self.module))
    }
}

fn required(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("require").map_or(line, str::trim_start);
        let version = line.strip_prefix(module)?.strip_prefix(" v")?;
        version.split_whitespace().next().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPIRE: &str = "github.com/spiffe/spire";

    #[test]
    fn the_version_is_that_of_go_mod() {
        let block = "require (\n\tgithub.com/spiffe/spire v1.15.3\n\tother v2\n)\n";
        assert_eq!(required(block, SPIRE).as_deref(), Some("1.15.3"));
        let line = "require github.com/spiffe/spire v1.16.0 // indirect\n";
        assert_eq!(required(line, SPIRE).as_deref(), Some("1.16.0"));
        assert_eq!(
            required("require github.com/spiffe/spire-api-sdk v1.15.3\n", SPIRE),
            None
        );
    }

    #[test]
    fn our_sources_name_a_folder() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("interop");
        for built in [
            crate::spire::built(&root.join("spire")),
            crate::vault::built(&root.join("vault")),
        ] {
            let version = built.version().unwrap();
            let name = built.folder_name(&version).unwrap();
            assert!(name.starts_with(&format!("{version}-")), "{name}");
        }
    }
}
