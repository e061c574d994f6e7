//! Lock files: which libraries of cryptography a project is built with.

use std::sync::Arc;

use crate::inventory::{Asset, Detail, Fragment, LibraryDetail, Reason};
use crate::scan::{Piece, Scanner, Trigger};

/// Packages that are libraries of cryptography, by the ecosystem of their package URL. A name that ends with `*`
/// stands for everything that begins so.
#[rustfmt::skip]
const LIBRARIES: &[(&str, &[&str])] = &[
    ("cargo", &[
        "ring", "aws-lc-rs", "aws-lc-sys", "boring", "boring-sys", "openssl", "openssl-sys", "rustls", "native-tls",
        "sha1", "sha2", "sha3", "md-5", "md5", "blake2", "blake3", "ripemd", "aes", "aes-gcm", "aes-gcm-siv", "des",
        "chacha20", "chacha20poly1305", "cbc", "ctr", "hmac", "hkdf", "pbkdf2", "scrypt", "argon2", "bcrypt", "rsa",
        "dsa", "ecdsa", "p256", "p384", "p521", "k256", "ed25519", "ed25519-dalek", "x25519-dalek", "curve25519-dalek",
        "ml-kem", "ml-dsa", "slh-dsa", "pqcrypto*", "oqs", "oqs-sys", "libsodium-sys*", "sodiumoxide", "orion",
        "jsonwebtoken", "josekit", "mbedtls", "wolfssl*", "secp256k1", "snow", "russh", "libcrux*", "graviola",
    ]),
    ("npm", &[
        "crypto-js", "node-forge", "jsrsasign", "elliptic", "tweetnacl", "libsodium*", "sodium-native", "jose",
        "jsonwebtoken", "bcrypt", "bcryptjs", "argon2", "scrypt-js", "@noble/*", "@stablelib/*", "sjcl", "openpgp",
        "node-rsa", "secp256k1", "asn1.js", "pkijs", "@peculiar/webcrypto", "hash.js", "md5", "sha.js", "create-hash",
        "browserify-aes", "pbkdf2", "ssh2", "node-jose", "@aws-crypto/*", "mlkem", "crystals-kyber-js",
    ]),
    ("golang", &[
        "golang.org/x/crypto", "github.com/cloudflare/circl", "github.com/golang-jwt/jwt*", "github.com/go-jose/go-jose*",
        "github.com/lestrrat-go/jwx*", "github.com/google/tink*", "github.com/tink-crypto/tink-go*", "filippo.io/*",
        "github.com/ProtonMail/go-crypto", "github.com/dgrijalva/jwt-go", "github.com/miekg/pkcs11",
        "github.com/btcsuite/btcd/btcec*", "github.com/decred/dcrd/dcrec*", "github.com/open-quantum-safe/liboqs-go",
        "github.com/smallstep/crypto", "go.step.sm/crypto",
    ]),
    ("pypi", &[
        "cryptography", "pycryptodome", "pycryptodomex", "pycrypto", "pynacl", "pyopenssl", "bcrypt", "argon2-cffi",
        "pyjwt", "python-jose", "authlib", "jwcrypto", "ecdsa", "rsa", "paramiko", "m2crypto", "passlib", "tink", "oqs",
        "liboqs-python", "pqcrypto", "scrypt", "ed25519", "x25519", "python-gnupg", "asyncssh", "certifi", "oscrypto",
    ]),
    ("maven", &[
        "org.bouncycastle/*", "com.google.crypto.tink/*", "org.conscrypt/*", "io.jsonwebtoken/*", "com.auth0/java-jwt",
        "com.nimbusds/nimbus-jose-jwt", "org.bitbucket.b_c/jose4j", "commons-codec/commons-codec", "org.jasypt/*",
        "org.apache.santuario/xmlsec", "software.amazon.cryptools/*", "at.favre.lib/*", "de.mkammerer/argon2-jvm",
        "com.jcraft/jsch", "org.apache.sshd/*", "io.netty/netty-tcnative*", "com.password4j/password4j", "org.keyczar/*",
    ]),
];

/// The kinds of lock files, each with how it is read.
#[rustfmt::skip]
static KINDS: &[Kind] = &[
    Kind { name: "cargo-lock", triggers: &[Trigger::FileName("cargo.lock")], ecosystem: "cargo", read: cargo },
    Kind {
        name: "npm-lock",
        triggers: &[Trigger::FileName("package-lock.json"), Trigger::FileName("npm-shrinkwrap.json")],
        ecosystem: "npm", read: npm,
    },
    Kind { name: "yarn-lock", triggers: &[Trigger::FileName("yarn.lock")], ecosystem: "npm", read: yarn },
    Kind { name: "pnpm-lock", triggers: &[Trigger::FileName("pnpm-lock.yaml")], ecosystem: "npm", read: pnpm },
    Kind {
        name: "go-modules", triggers: &[Trigger::FileName("go.mod"), Trigger::FileName("go.sum")],
        ecosystem: "golang", read: go,
    },
    Kind {
        name: "python-lock",
        triggers: &[Trigger::FileName("poetry.lock"), Trigger::FileName("uv.lock"), Trigger::FileName("pdm.lock")],
        ecosystem: "pypi", read: cargo,
    },
    Kind {
        name: "python-requirements",
        triggers: &[
            Trigger::FileName("requirements.txt"), Trigger::FileName("requirements-dev.txt"),
            Trigger::FileName("requirements.in"), Trigger::FileName("constraints.txt"),
        ],
        ecosystem: "pypi", read: requirements,
    },
    Kind { name: "maven-pom", triggers: &[Trigger::FileName("pom.xml")], ecosystem: "maven", read: maven },
    Kind {
        name: "gradle-lock",
        triggers: &[Trigger::FileName("gradle.lockfile"), Trigger::FileName("buildscript-gradle.lockfile")],
        ecosystem: "maven", read: gradle,
    },
];

/// A package with its version, and the line that says so.
struct Package {
    name: String,
    version: Option<String>,
    line: Option<usize>,
}

struct Kind {
    name: &'static str,
    triggers: &'static [Trigger],
    ecosystem: &'static str,
    read: fn(&str) -> Result<Vec<Package>, String>,
}

/// The scanner of one kind of lock file.
pub struct Lockfile(&'static Kind);

impl std::fmt::Debug for Lockfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lockfile({})", self.0.name)
    }
}

/// All of them.
#[must_use]
pub fn lock_scanners() -> Vec<Arc<dyn Scanner>> {
    KINDS
        .iter()
        .map(|kind| Arc::new(Lockfile(kind)) as Arc<dyn Scanner>)
        .collect()
}

impl Scanner for Lockfile {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn triggers(&self) -> &[Trigger] {
        self.0.triggers
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let text = String::from_utf8_lossy(file.bytes);
        match (self.0.read)(&text) {
            Ok(packages) => packages
                .into_iter()
                .filter(|package| is_cryptographic(self.0.ecosystem, &package.name))
                .for_each(|package| tell(self.0.ecosystem, package, found)),
            Err(reason) => found.unread(Reason::Malformed, None, format!("this lock file: {reason}")),
        }
    }
}

fn tell(ecosystem: &str, package: Package, found: &mut Fragment) {
    let version = package.version.filter(|version| !version.is_empty());
    let purl = match &version {
        Some(version) => format!("pkg:{ecosystem}/{}@{version}", package.name.replace('@', "%40")),
        None => format!("pkg:{ecosystem}/{}", package.name.replace('@', "%40")),
    };
    let mut here = found.here().symbol(package.name.clone());
    if let Some(line) = package.line {
        here = here.line(line as u64);
    }
    let detail = Detail::Library(LibraryDetail {
        version,
        purl: Some(purl.clone()),
    });
    found.add(Asset::new(package.name, detail, &[purl.as_bytes()]).seen(here));
}

fn is_cryptographic(ecosystem: &str, name: &str) -> bool {
    let known = LIBRARIES.iter().find(|(of, _)| *of == ecosystem);
    known.is_some_and(|(_, names)| {
        names.iter().any(|known| match known.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name.eq_ignore_ascii_case(known),
        })
    })
}

/// The line that names a package, for formats whose reader does not say.
fn line_of(text: &str, needle: &str) -> Option<usize> {
    text.lines()
        .position(|line| line.contains(needle))
        .map(|at| at + 1)
}

/// `[[package]]` with `name` and `version`, as Cargo, Poetry and uv have it.
fn cargo(text: &str) -> Result<Vec<Package>, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let packages = table.get("package").and_then(toml::Value::as_array);
    let packages = packages.map(Vec::as_slice).unwrap_or_default();
    let field = |package: &toml::Value, name: &str| Some(package.get(name)?.as_str()?.to_owned());
    Ok(packages
        .iter()
        .filter_map(|package| {
            let name = field(package, "name")?;
            let line = line_of(text, &format!("name = \"{name}\""));
            let version = field(package, "version");
            Some(Package { name, version, line })
        })
        .collect())
}

fn npm(text: &str) -> Result<Vec<Package>, String> {
    let document: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let version = |value: &serde_json::Value| value.get("version")?.as_str().map(str::to_owned);
    let mut found = Vec::new();
    // Versions 2 and 3 list paths, version 1 has names.
    let entries = document.get("packages").and_then(serde_json::Value::as_object);
    let entries = entries.or_else(|| document.get("dependencies")?.as_object());
    for (key, value) in entries.into_iter().flatten() {
        let name = key.rsplit("node_modules/").next().unwrap_or(key);
        if name.is_empty() {
            continue;
        }
        found.push(Package {
            name: name.to_owned(),
            version: version(value),
            line: line_of(text, &format!("\"{key}\"")),
        });
    }
    Ok(found)
}

/// `"crypto-js@^4.0.0", crypto-js@^4.1.1:` and, below it, `version "4.2.0"`.
fn yarn(text: &str) -> Result<Vec<Package>, String> {
    let mut found: Vec<Package> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.starts_with([' ', '#']) && line.ends_with(':') {
            let first = line
                .split(',')
                .next()
                .unwrap_or_default()
                .trim_matches(['"', ':', ' ']);
            let Some((name, _)) = first.get(1..).and_then(|rest| rest.split_once('@')) else {
                continue;
            };
            let name = format!("{}{name}", first.chars().next().unwrap_or_default());
            found.push(Package {
                name,
                version: None,
                line: Some(number),
            });
        } else if let Some(version) = line.trim().strip_prefix("version")
            && let Some(last) = found.last_mut()
        {
            let version = version.trim_matches([':', ' ', '"']);
            last.version.get_or_insert_with(|| version.to_owned());
        }
    }
    Ok(found)
}

/// `  crypto-js@4.2.0:` or `  /crypto-js@4.2.0:` below `packages:`.
fn pnpm(text: &str) -> Result<Vec<Package>, String> {
    let mut found = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        if !line.starts_with(' ') && !line.is_empty() {
            inside = line.starts_with("packages:");
            continue;
        }
        let is_key = line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        if !(inside && is_key) {
            continue;
        }
        let key = line.trim().trim_matches([':', '\'', '"', '/']);
        let key = key.split('(').next().unwrap_or_default();
        if let Some((name, version)) = key.rsplit_once('@').filter(|(name, _)| !name.is_empty()) {
            found.push(Package {
                name: name.to_owned(),
                version: Some(version.to_owned()),
                line: Some(number),
            });
        }
    }
    Ok(found)
}

/// `module v1.2.3` in go.mod, `module v1.2.3 h1:…` in go.sum; what only the sum of a go.mod is there of is not used.
fn go(text: &str) -> Result<Vec<Package>, String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split("//").next().unwrap_or_default().trim();
        let mut words = line.trim_start_matches("require ").split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next())
            && version.starts_with('v')
            && !version.ends_with("/go.mod")
            && name.contains('.')
        {
            found.push(Package {
                name: name.to_owned(),
                version: Some(version.to_owned()),
                line: Some(number),
            });
        }
    }
    Ok(found)
}

fn requirements(text: &str) -> Result<Vec<Package>, String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split(['#', ';']).next().unwrap_or_default().trim();
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
        let (name, rest) = line.split_at(end.unwrap_or(line.len()));
        if name.is_empty() {
            continue;
        }
        let version = rest.split_once("==").map(|(_, version)| version);
        let version =
            version.and_then(|version| version.split([' ', ',', '\\']).find(|word| !word.is_empty()));
        found.push(Package {
            name: name.to_ascii_lowercase().replace('_', "-"),
            version: version.map(str::to_owned),
            line: Some(number),
        });
    }
    Ok(found)
}

/// `<dependency>` with `<groupId>`, `<artifactId>` and `<version>`. Versions that are properties are left out.
fn maven(text: &str) -> Result<Vec<Package>, String> {
    let between = |text: &str, tag: &str| -> Option<String> {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        let (value, _) = rest.split_once(&format!("</{tag}>"))?;
        Some(value.trim().to_owned())
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find("<dependency>")) {
        let from = at + start;
        let block = text.get(from..).unwrap_or_default();
        let block = block.split("</dependency>").next().unwrap_or_default();
        if let (Some(group), Some(artifact)) = (between(block, "groupId"), between(block, "artifactId")) {
            let before = text.get(..from).unwrap_or_default();
            found.push(Package {
                name: format!("{group}/{artifact}"),
                version: between(block, "version").filter(|version| !version.contains('$')),
                line: Some(before.matches('\n').count() + 1),
            });
        }
        at = from + "<dependency>".len();
    }
    Ok(found)
}

/// `group:artifact:version=configurations`.
fn gradle(text: &str) -> Result<Vec<Package>, String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let coordinates = line.split('=').next().unwrap_or_default();
        let mut parts = coordinates.split(':');
        if let (Some(group), Some(artifact), Some(version)) = (parts.next(), parts.next(), parts.next()) {
            found.push(Package {
                name: format!("{group}/{artifact}"),
                version: Some(version.to_owned()),
                line: Some(number),
            });
        }
    }
    Ok(found)
}
