//! Signatures on plain messages, with contexts, by PQClean's ML-DSA.
//!
//! Arguments: `version`; or `verify` or `sign` and folders with the files `algorithm`, `message` and `context`.
//! `verify` reads `public` and `signature`, and says of each folder, by its name, whether they belong together; `sign`
//! makes a key and leaves both. What is found is printed as JSON; the tests judge.

use std::error::Error;
use std::fs;
use std::path::Path;

use pqcrypto_mldsa::{mldsa44, mldsa65, mldsa87};
use pqcrypto_traits::sign::{DetachedSignature as _, PublicKey as _};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Of the crate; it does not say by itself, and Cargo.toml asks for exactly this one.
const VERSION: &str = "0.1.2";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let run: fn(&Path) -> Result<bool> = match arguments.next().as_deref() {
        Some("version") => {
            println!("{VERSION:?}");
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

/// What both subcommands do, for one parameter set.
macro_rules! set {
    ($set:ident, $folder:expr, verify) => {{
        let read = |name: &str| fs::read($folder.join(name));
        let public = $set::PublicKey::from_bytes(&read("public")?)?;
        let signature = $set::DetachedSignature::from_bytes(&read("signature")?)?;
        let (message, context) = (read("message")?, read("context")?);
        Ok($set::verify_detached_signature_ctx(&signature, &message, &context, &public).is_ok())
    }};
    ($set:ident, $folder:expr, sign) => {{
        let read = |name: &str| fs::read($folder.join(name));
        let (public, secret) = $set::keypair();
        let signature = $set::detached_sign_ctx(&read("message")?, &read("context")?, &secret);
        fs::write($folder.join("public"), public.as_bytes())?;
        fs::write($folder.join("signature"), signature.as_bytes())?;
        Ok(true)
    }};
}

fn verify(folder: &Path) -> Result<bool> {
    match fs::read_to_string(folder.join("algorithm"))?.as_str() {
        "ml-dsa-44" => set!(mldsa44, folder, verify),
        "ml-dsa-65" => set!(mldsa65, folder, verify),
        "ml-dsa-87" => set!(mldsa87, folder, verify),
        name => Err(format!("no algorithm {name}").into()),
    }
}

fn sign(folder: &Path) -> Result<bool> {
    match fs::read_to_string(folder.join("algorithm"))?.as_str() {
        "ml-dsa-44" => set!(mldsa44, folder, sign),
        "ml-dsa-65" => set!(mldsa65, folder, sign),
        "ml-dsa-87" => set!(mldsa87, folder, sign),
        name => Err(format!("no algorithm {name}").into()),
    }
}
