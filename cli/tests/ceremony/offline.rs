//! A root on a PKCS#11 token that a ceremony made, above a running server: its requests go out as files, the token signs
//! them, and the certificates come back as files.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use symbolon_pki::bundle::{TrustBundle, X509Authority};
use symbolon_pki::pem;
use symbolon_pki::suite::Form;
use symbolon_test_tokens::{Kind, PIN, Token};

use super::support::{Home, said, until, wait};
use super::{json, minted, plan, secret};

/// The families, the suite of each one's root, and which of its keys the token has.
const ROOTS: [(Form, &str, &[&str]); 3] = [
    (Form::Classical, "ecdsa-p256", &["ecdsa-p256-sha256"]),
    (Form::MlDsa, "ml-dsa-65", &["ml-dsa-65"]),
    (
        Form::Composite,
        "mldsa65-ecdsa-p256",
        &["ecdsa-p256-sha256", "ml-dsa-65"],
    ),
];

/// A server that is stopped when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            kill_process(Pid::from_child(&self.0), Signal::INT).unwrap();
            wait(&mut self.0);
        }
    }
}

/// Starts a server on another data directory than the ceremony's, whose families wait for files in `dir`.
fn start(home: &Home, dir: &Path) -> Running {
    let families: String = ROOTS
        .iter()
        .map(|(form, ..)| format!("[families.{}]\nupstream = \"root\"\n", form.family()))
        .collect();
    let text = format!(
        "trust_domain = \"example.org\"\ndata_dir = \"{}\"\n[listen]\naddress = \"127.0.0.1:0\"\n[upstreams.root]\n\
         kind = \"offline\"\ndir = \"{}\"\n{families}",
        home.data().display(),
        dir.display(),
    );
    let file = home.path().join("server.toml");
    fs::write(&file, text).unwrap();
    let log = fs::File::create(home.path().join("log")).unwrap();
    let mut command = home.symbolon(&["server", "run", "--config", file.to_str().unwrap()]);
    Running(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

#[test]
fn a_server_takes_every_family_from_roots_on_a_token_and_its_svids_verify_up_to_them() {
    let test = "a_server_takes_every_family_from_roots_on_a_token";
    let Some(token) = Token::new(Kind::Pq, test) else {
        return;
    };
    let location = token.uri().split("&pin-source").next().unwrap().to_owned();
    let home = Home::new();
    let dir = home.path().join("stick");
    fs::create_dir(&dir).unwrap();
    let mut server = start(&home, &dir);
    for (form, ..) in ROOTS {
        until("the server has written its request", || {
            if let Some(status) = server.0.try_wait().unwrap() {
                panic!(
                    "it ended with {status}: {}",
                    fs::read_to_string(home.path().join("log")).unwrap()
                );
            }
            dir.join(format!("{}.csr.pem", form.family())).exists()
        });
    }
    let socket = home.data().join("server/private.sock");
    until("the server serves without them", || socket.exists());
    minted::mint(&socket, Form::Composite).unwrap_err();

    let (first, second) = PIN.split_at(PIN.len() / 2);
    let people: Vec<String> = [("alice", first), ("bob", second)]
        .iter()
        .flat_map(|(name, pin)| {
            let file = secret(&home, &format!("{name}.pin"), pin);
            [
                "--custodian".to_owned(),
                format!("{name}=file:{}", file.display()),
            ]
        })
        .collect();
    let ceremony = |arguments: &[&str]| {
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        let output = home
            .symbolon(&[&["ceremony"], arguments, &people].concat())
            .envs(token.environment())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        output
    };
    for (form, suite, keys) in ROOTS {
        let family = form.family();
        let keys: String = keys.iter().map(|key| format!("{key} = \"token\"\n")).collect();
        let keys = format!(
            "[root.keys]\n{keys}[stores.token]\nlocation = \"{location}\"\npin = [[\"alice\"], [\"bob\"]]\n"
        );
        let (file, root) = (format!("{family}.toml"), format!("root-{family}"));
        let text = plan(suite, &keys, 2, "").replace("output = \"root\"", &format!("output = \"{root}\""));
        fs::write(home.path().join(&file), text).unwrap();
        let made = json(&ceremony(&["run", &file, "--yes", "--output", "json"]));
        assert!(made["keys"][0]["token"].is_string(), "{made}");

        let request = format!("{family}=stick/{family}.csr.pem");
        ceremony(&["sign", &root, &request, "--yes"]);
        let signed = home
            .path()
            .join(format!("{root}/intermediates/{family}.chain.pem"));
        // Whole at once, as a file manager would put it there.
        let half = dir.join("half");
        fs::copy(&signed, &half).unwrap();
        fs::rename(&half, dir.join(format!("{family}.chain.pem"))).unwrap();
    }
    for (form, ..) in ROOTS {
        let family = form.family();
        until("the certificate is taken", || {
            let refused = dir.join(format!("{family}.refused.txt"));
            assert!(!refused.exists(), "{}", fs::read_to_string(&refused).unwrap());
            dir.join(format!("{family}.taken.pem")).exists()
        });
        until("it signs", || minted::mint(&socket, form).is_ok());
        let root = fs::read(home.path().join(format!("root-{family}/root.pem"))).unwrap();
        let root = pem::certificates(&root).unwrap().remove(0).unwrap();
        let mut bundle = TrustBundle::new("example.org".parse().unwrap());
        bundle.x509_authorities.push(X509Authority::new(root));
        minted::assert_below(&socket, form, bundle);
    }
    // Nobody has to have seen the token to see how the roots were made and what they signed.
    for (form, ..) in ROOTS {
        let root = format!("root-{}", form.family());
        let certificate = format!("{root}/root.pem");
        let verified = home.json(&["ceremony", "verify", &root, "--root", &certificate]);
        assert_eq!(
            verified["intermediates"].as_array().unwrap().len(),
            1,
            "{verified}"
        );
    }
}
