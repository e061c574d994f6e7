//! Signatures on plain messages, with contexts, by liboqs.
//!
//! Arguments: `version`; or `verify` or `sign` and folders with the files `algorithm`, `message` and `context`.
//! `verify` reads `public` and `signature`, and says of each folder, by its name, whether they belong together; `sign`
//! makes a key and leaves both. What is found is printed as JSON; the tests judge.

use std::error::Error;
use std::ffi::CStr;
use std::fs;
use std::path::Path;

use oqs::sig::{Algorithm, Sig};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let run: fn(&Path) -> Result<bool> = match arguments.next().as_deref() {
        Some("version") => {
            println!("{:?}", version()?);
            return Ok(());
        }
        Some("verify") => verify,
        Some("sign") => sign,
        _ => return Err("name a subcommand".into()),
    };
    let mut found = Vec::new();
    for folder in arguments {
        let folder = Path::new(&folder);
        let name = folder.file_name().ok_or("a folder has no name")?.display();
        found.push(format!("\"{name}\":{}", run(folder)?));
    }
    println!("{{{}}}", found.join(","));
    Ok(())
}

/// What the library itself says.
fn version() -> Result<&'static str> {
    // SAFETY: it takes nothing, and gives a constant of the library, ended by a zero byte.
    let text = unsafe { CStr::from_ptr(oqs_sys::common::OQS_version()) };
    Ok(text.to_str()?)
}

fn algorithm(folder: &Path) -> Result<Sig> {
    let name = fs::read_to_string(folder.join("algorithm"))?;
    let algorithm = match name.as_str() {
        "ml-dsa-44" => Algorithm::MlDsa44,
        "ml-dsa-65" => Algorithm::MlDsa65,
        "ml-dsa-87" => Algorithm::MlDsa87,
        _ => return Err(format!("no algorithm {name}").into()),
    };
    Ok(Sig::new(algorithm)?)
}

fn verify(folder: &Path) -> Result<bool> {
    let read = |name: &str| fs::read(folder.join(name));
    let algorithm = algorithm(folder)?;
    let (public, signature) = (read("public")?, read("signature")?);
    let public = algorithm.public_key_from_bytes(&public).ok_or("not a public key")?;
    let signature = algorithm
        .signature_from_bytes(&signature)
        .ok_or("not a signature")?;
    let verified = algorithm.verify_with_ctx_str(&read("message")?, signature, &read("context")?, public);
    Ok(verified.is_ok())
}

fn sign(folder: &Path) -> Result<bool> {
    let read = |name: &str| fs::read(folder.join(name));
    let algorithm = algorithm(folder)?;
    let (public, secret) = algorithm.keypair()?;
    let signature = algorithm.sign_with_ctx_str(&read("message")?, &read("context")?, &secret)?;
    fs::write(folder.join("public"), public.as_ref())?;
    fs::write(folder.join("signature"), signature.as_ref())?;
    Ok(true)
}
