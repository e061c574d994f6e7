//! What the tests of this crate share: the official schemas, and a tree of samples made by other people's tools.

#![allow(dead_code, reason = "every test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, outside any test function"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use symbolon_migration_planner::inventory::Inventory;
use symbolon_migration_planner::scan::{ScanRequest, Target, scan};

/// The folder of the CycloneDX schemas: `SYMBOLON_SCHEMAS`, else beside the checkout. `None`, and a word about it,
/// when they are missing.
pub(crate) fn schemas() -> Option<PathBuf> {
    let folder = std::env::var_os("SYMBOLON_SCHEMAS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/schemas"),
        PathBuf::from,
    );
    if folder.join("bom-1.7.schema.json").is_file() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("SYMBOLON_SCHEMAS").is_none(),
        "SYMBOLON_SCHEMAS names {}, where there are no schemas",
        folder.display()
    );
    eprintln!(
        "SKIPPED: there are no CycloneDX schemas in {}; set SYMBOLON_SCHEMAS",
        folder.display()
    );
    None
}

/// Fails with every fault that the official schema of this version finds in the document.
pub(crate) fn validate(document: &[u8], version: &str) {
    let Some(folder) = schemas() else { return };
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let mut registry = jsonschema::Registry::new();
    for name in [
        "spdx.schema.json",
        "jsf-0.82.schema.json",
        "cryptography-defs.schema.json",
    ] {
        registry = registry
            .add(format!("http://cyclonedx.org/schema/{name}"), read(name))
            .unwrap();
    }
    let registry = registry.prepare().unwrap();
    let schema = read(&format!("bom-{version}.schema.json"));
    let validator = jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let document: serde_json::Value = serde_json::from_slice(document).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .take(20)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "CycloneDX {version}:\n{}", faults.join("\n"));
}

/// Scans a path with every scanner.
pub(crate) fn scanned(path: &Path) -> Inventory {
    scan(&ScanRequest::new(vec![Target::Path(path.to_owned())])).unwrap()
}

/// Runs a tool in a folder; its absence is a failure that says what to install.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("GNUPGHOME", folder.join("gnupg"))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("this test needs {program} (openssl, openssh-client, gnupg, a JDK): {error}")
        });
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A folder with files of every kind, made by OpenSSL, OpenSSH, GnuPG and the JDK, once for each test program.
pub(crate) fn samples() -> &'static Path {
    static SAMPLES: LazyLock<PathBuf> = LazyLock::new(|| {
        let program = std::env::current_exe().unwrap();
        let program = program.file_name().unwrap().to_string_lossy().into_owned();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("planner-samples-{program}"));
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                panic!("{}: {error}", path.display())
            }
            _ => {}
        }
        std::fs::create_dir_all(&path).unwrap();
        make_samples(&path);
        path
    });
    &SAMPLES
}

fn make_samples(path: &Path) {
    let openssl = |line: &str| run(path, "openssl", &line.split(' ').collect::<Vec<_>>());
    openssl("genrsa -out rsa.pem 2048");
    openssl("rsa -in rsa.pem -traditional -out rsa-pkcs1.pem");
    openssl("rsa -in rsa.pem -traditional -aes128 -passout pass:sesame -out rsa-traditional.pem");
    openssl("pkcs8 -topk8 -in rsa.pem -v2 aes-256-cbc -passout pass:sesame -out rsa-pbes2.pem");
    openssl("pkcs8 -topk8 -in rsa.pem -scrypt -passout pass:sesame -out rsa-scrypt.pem");
    openssl("ecparam -name prime256v1 -genkey -noout -out ec.pem");
    openssl("pkcs8 -topk8 -nocrypt -in ec.pem -outform DER -out ec.der");
    openssl("genpkey -algorithm ED25519 -out ed25519.pem");
    openssl("pkey -in ed25519.pem -pubout -out ed25519-public.pem");
    openssl(
        "req -x509 -new -key rsa.pem -subj /CN=root -days 30 -out root.pem -addext basicConstraints=critical,CA:TRUE",
    );
    openssl("req -new -key ec.pem -subj /CN=leaf -out leaf.csr");
    openssl(
        "x509 -req -in leaf.csr -CA root.pem -CAkey rsa.pem -CAcreateserial -days 10 -sha384 -out leaf.pem",
    );
    openssl("x509 -in leaf.pem -outform DER -out leaf.der");
    openssl("crl2pkcs7 -nocrl -certfile root.pem -certfile leaf.pem -outform DER -out chain.p7b");
    openssl("pkcs12 -export -in leaf.pem -inkey ec.pem -name friendly -passout pass:sesame -out modern.p12");
    openssl("pkcs12 -export -in leaf.pem -inkey ec.pem -certpbe NONE -passout pass:sesame -out open.p12");
    openssl("dhparam -dsaparam -out dh.pem 1024");
    std::fs::write(path.join("plain.txt"), "a message").unwrap();
    openssl(
        "smime -sign -in plain.txt -signer leaf.pem -inkey ec.pem -outform DER -out signed.p7m -nodetach",
    );
    openssl("smime -encrypt -aes256 -in plain.txt -outform DER -out enveloped.p7m root.pem");
    std::fs::write(path.join("index.txt"), "").unwrap();
    std::fs::write(
        path.join("ca.cnf"),
        "[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=7\n",
    )
    .unwrap();
    openssl("ca -config ca.cnf -gencrl -keyfile rsa.pem -cert root.pem -out root.crl.pem");
    let ssh = |line: &str| run(path, "ssh-keygen", &line.split(' ').collect::<Vec<_>>());
    run(
        path,
        "ssh-keygen",
        &[
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "me@here",
            "-f",
            "id_ed25519",
        ],
    );
    ssh("-q -t ecdsa -b 521 -N sesame -C other@here -f id_ecdsa");
    ssh("-q -s id_ed25519 -I certificate-id -n alice -V 20260101:20270101 id_ecdsa.pub");
    std::fs::copy(path.join("id_ed25519.pub"), path.join("authorized_keys")).unwrap();
    let gpg = |arguments: &[&str]| {
        run(
            path,
            "gpg",
            &[&["--batch", "--pinentry-mode", "loopback"], arguments].concat(),
        );
    };
    std::fs::create_dir(path.join("gnupg")).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(
        path.join("gnupg"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    gpg(&[
        "--passphrase",
        "sesame",
        "--quick-gen-key",
        "Bob <bob@example.org>",
        "rsa2048",
        "default",
        "never",
    ]);
    gpg(&[
        "--passphrase",
        "",
        "--quick-gen-key",
        "Eve <eve@example.org>",
        "future-default",
        "default",
        "never",
    ]);
    gpg(&["--export", "--output", "public.gpg"]);
    gpg(&["--export", "--armor", "--output", "public.asc"]);
    gpg(&[
        "--passphrase",
        "sesame",
        "--export-secret-keys",
        "--output",
        "bob.gpg",
        "bob@example.org",
    ]);
    gpg(&[
        "--passphrase",
        "",
        "--export-secret-keys",
        "--armor",
        "--output",
        "eve.asc",
        "eve@example.org",
    ]);
    run(path, "gpgconf", &["--kill", "all"]);
    for (kind, name) in [("JKS", "store.jks"), ("JCEKS", "store.jceks")] {
        let line = format!(
            "-genkeypair -alias web -keyalg RSA -keysize 3072 -dname CN=java -storetype {kind} -keystore {name} \
             -storepass sesame123 -keypass sesame123"
        );
        run(path, "keytool", &line.split_whitespace().collect::<Vec<_>>());
        let line = format!(
            "-importcert -noprompt -alias anchor -file root.pem -keystore {name} -storepass sesame123 -storetype {kind}"
        );
        run(path, "keytool", &line.split(' ').collect::<Vec<_>>());
    }
}

/// The change time cannot be set, so the cache's rule about recent files is waited for: until the clock is past it.
pub(crate) fn age(folder: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let newest = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().ctime())
        .max();
    symbolon_test_tokens::until("a second that is later than the files", || {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        i64::try_from(now).unwrap() > newest.unwrap() + 2
    });
}
