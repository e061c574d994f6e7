//! Compiles every file below `proto/` to Rust, without a system `protoc`, and keeps the descriptors.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Messages with a secret in them: their `Debug` is written by hand, in `src/masked.rs`.
const WITH_SECRETS: [&str; 9] = [
    ".JWTSVID",
    ".ValidateJWTSVIDRequest",
    ".WITSVID",
    ".X509SVID",
    ".spire.api.server.agent.v1.CreateJoinTokenRequest",
    ".spire.api.types.AttestationData",
    ".spire.api.types.JWTSVID",
    ".spire.api.types.JoinToken",
    ".spire.api.types.WITSVID",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("no CARGO_MANIFEST_DIR")?).join("proto");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    // A directory here stands for all that is below it, so a new file is noticed as well as a changed one.
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=build.rs");

    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let descriptors = protox::compile(&files, [&root])?;

    fs::write(
        out.join("descriptors.bin"),
        without_comments(&descriptors).encode_to_vec(),
    )?;
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .skip_debug(WITH_SECRETS)
        .compile_fds(descriptors)?;
    Ok(())
}

/// Finds the `.proto` files below `directory`.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

/// The comments become rustdoc; in the exported descriptors they would only be weight.
fn without_comments(descriptors: &FileDescriptorSet) -> FileDescriptorSet {
    let mut bare = descriptors.clone();
    for file in &mut bare.file {
        file.source_code_info = None;
    }
    bare
}
