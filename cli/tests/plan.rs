//! `symbolon plan` as its users see it: what it finds, what it says of what it cannot read, and that it writes nothing
//! but what it was told to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Home, said};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f nobody\n";
const SOURCE: &str = "import hashlib\n\ndigest = hashlib.md5(b'x').hexdigest()\n";

fn write(folder: &Path, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

/// Everything below a folder, with what it holds.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            found.insert(path.clone(), None);
            found.extend(everything(&path));
        } else {
            let small = kind.is_file() && path.metadata().unwrap().len() < 1 << 20;
            found.insert(
                path.clone(),
                small.then(|| std::fs::read(&path).unwrap_or_default()),
            );
        }
    }
    found
}

fn document(home: &Home, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(home.path().join(name)).unwrap()).unwrap()
}

fn property(document: &Value, name: &str) -> Option<String> {
    document["metadata"]["properties"]
        .as_array()
        .unwrap()
        .iter()
        .find(|property| property["name"] == name)
        .map(|property| property["value"].as_str().unwrap().to_owned())
}

fn names(document: &Value) -> Vec<&str> {
    let components = document["components"].as_array().unwrap();
    components
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_hostile_tree_ends_as_a_document_and_nothing_else_is_written() {
    let home = Home::new();
    let tree = home.path().join("tree");
    write(&tree, "good.pub", KEY);
    write(&tree, ".hidden/also.pub", KEY);
    write(&tree, OsStr::from_bytes(b"odd\xff\n\"name.pub"), KEY);
    write(&tree, "app.py", SOURCE);
    write(
        &tree,
        "text.py",
        [&b"\xff\xfe\0\x01\x80"[..], SOURCE.as_bytes()].concat(),
    );
    write(&tree, "cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB");
    // ASN.1 that says it is nested deeper than any stack.
    write(&tree, "deep.der", b"\x30\x80".repeat(200_000));
    symlink(&tree, tree.join("round")).unwrap();
    symlink("/etc/passwd", tree.join("out")).unwrap();
    symlink("nowhere", tree.join("dangling")).unwrap();
    let _socket = UnixListener::bind(tree.join("socket")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(tree.join("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let sparse = std::fs::File::create(tree.join("sparse.pem")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let locked = write(&tree, "locked/secret.pub", KEY);
    std::fs::set_permissions(locked.parent().unwrap(), std::fs::Permissions::from_mode(0o000)).unwrap();
    for number in 0..5000 {
        write(&tree, format!("many/{number}.txt"), "");
    }
    let before = everything(home.path());

    let output = home.run(&["plan", "scan", "tree", "-o", "cbom.json"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(output.stdout.is_empty());
    let summary = String::from_utf8(output.stderr).unwrap();
    assert!(
        summary.contains("of 5,0") && summary.contains("not read"),
        "{summary}"
    );
    let mut after = everything(home.path());
    let written = after.remove(&home.path().join("cbom.json")).unwrap();
    assert!(written.is_some());
    assert_eq!(after, before, "only the output was written");

    let found = document(&home, "cbom.json");
    assert_eq!(found["specVersion"], "1.7");
    assert!(names(&found).contains(&"MD5"), "{:?}", names(&found));
    for (reason, least) in [
        ("special-file", 2),
        ("symbolic-link", 3),
        ("too-large", 1),
        ("malformed", 1),
    ] {
        let count = property(&found, &format!("symbolon:unread:{reason}"));
        let count: u64 = count
            .unwrap_or_else(|| panic!("no {reason}: {summary}"))
            .parse()
            .unwrap();
        assert!(count >= least, "{reason}: {count}");
    }
    let text = std::fs::read_to_string(home.path().join("cbom.json")).unwrap();
    assert!(text.contains("odd\\\\xff"), "a name of any bytes is told");
    assert!(!text.contains("root:x:0"), "no link is followed");

    // The document itself lies in the tree now, and is not what is found; and the same is found by any threads.
    for threads in ["1", "7"] {
        home.ok(&[
            "plan",
            "scan",
            "tree",
            "-q",
            "-o",
            "tree/own.json",
            "--threads",
            threads,
        ]);
        let own = std::fs::read(tree.join("own.json")).unwrap();
        assert!(
            own == std::fs::read(home.path().join("cbom.json")).unwrap(),
            "{threads} threads"
        );
    }
    std::fs::set_permissions(locked.parent().unwrap(), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn documents_have_versions_and_forms_and_a_wrong_command_line_is_told() {
    let home = Home::new();
    write(home.path(), "tree/app.py", SOURCE);
    let old: Value =
        serde_json::from_str(&home.ok(&["plan", "scan", "tree", "--spec-version", "1.6"])).unwrap();
    assert_eq!(old["specVersion"], "1.6");
    let table = home.ok(&["plan", "scan", "tree", "--format", "csv", "-q"]);
    assert!(
        table.starts_with("id,kind,name") && table.contains("tree/app.py,3"),
        "{table}"
    );
    let sarif: Value =
        serde_json::from_str(&home.ok(&["plan", "scan", "tree", "--format", "sarif"])).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "error");
    let stamped = home.ok(&["plan", "scan", "tree", "--timestamp", "2026-11-22T03:25:00Z"]);
    assert!(stamped.contains("\"timestamp\": \"2026-11-22T03:25:00Z\""));
    for (arguments, words) in [
        (&["plan", "scan", "nowhere"][..], "nothing is called nowhere"),
        (&["plan", "scan", "tree", "--timestamp", "yesterday"], "no moment"),
        (&["plan", "scan", "tree", "--owner", "pay"], "--owner"),
        (
            &["plan", "query", "tree/app.py", "colour=red"],
            "there is no field",
        ),
        (&["plan", "merge", "tree/app.py"], "no CBOM"),
        (
            &["plan", "scan", "tree", "--issued", "tree/app.py"],
            "cert export",
        ),
    ] {
        let (code, error) = home.fails(arguments);
        assert!(
            code == 2 && error.contains(words),
            "{arguments:?}: {code} {error}"
        );
    }
    // One of several targets that is not there is no reason to scan none of them.
    let output = home.run(&["plan", "scan", "tree", "nowhere"]);
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("nowhere is not there")
    );
    let (code, error) = home.fails(&["plan", "scan", "tree", "-o", "no/such/folder/cbom.json"]);
    assert!(code == 1 && error.contains("cannot write"), "{code} {error}");
    let full = home.run(&["plan", "scan", "tree", "-o", "/dev/full"]);
    assert_eq!(full.status.code(), Some(1));
    assert!(
        !Path::new("/dev/full").metadata().unwrap().is_file(),
        "a device stays one"
    );
}

/// A target that is more than one endpoint, or no endpoint, ends the command before anyone is contacted; what stands
/// before an `@` is repeated nowhere, for it may be a password.
#[test]
fn what_would_have_to_be_searched_for_is_a_wrong_command_line() {
    let home = Home::new();
    write(home.path(), "tree/app.py", SOURCE);
    let neighbour = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    neighbour.set_nonblocking(true).unwrap();
    let named = format!("tls://{}", neighbour.local_addr().unwrap());
    for (target, words) in [
        ("tls://10.0.0.0/8", "more than one endpoint"),
        ("tls://10.0.0.0/8/", "more than one endpoint"),
        ("tls:10.0.0.0/8:443", "more than one endpoint"),
        ("ssh://10.0.0.1-20", "more than one endpoint"),
        ("https://*.example.org", "more than one endpoint"),
        ("tls://127.0.0.1:0", "no number from 1 to 65535"),
        ("smtp://root:hunter2@mail.example.org", "nobody logs in"),
        ("pkcs11:token=t?pin-value=hunter2", "pin-source"),
    ] {
        let (code, error) = home.fails(&["plan", "scan", "tree", &named, target]);
        assert!(code == 2 && error.contains(words), "{target}: {code} {error}");
        assert!(
            error.contains("target 3") && !error.contains("hunter2"),
            "{error}"
        );
    }
    assert_eq!(
        neighbour.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    let help = home.ok(&["plan", "scan", "--help"]);
    let contact = help.split("--contact-time").nth(1).unwrap();
    assert!(
        contact.split("--").next().unwrap().contains("[default: 60s]"),
        "{contact}"
    );
}

#[test]
fn documents_are_joined_compared_asked_and_reported() {
    let home = Home::new();
    write(home.path(), "a/app.py", SOURCE);
    home.ok(&[
        "plan",
        "scan",
        "a",
        "-q",
        "-o",
        "one.json",
        "--owner",
        "web=location~a/",
    ]);
    write(home.path(), "a/app.py", SOURCE.replace("md5", "sha256"));
    write(home.path(), "b/key.pub", KEY);
    home.ok(&["plan", "scan", "a", "b", "-q", "-o", "two.json"]);
    home.ok(&[
        "plan",
        "merge",
        "one.json",
        "two.json",
        "-o",
        "all.json",
        "--exposure",
        "internet=kind=public-key",
    ]);
    let all = document(&home, "all.json");
    assert!(["MD5", "SHA-256"].iter().all(|name| names(&all).contains(name)));

    let difference = home.json(&["plan", "diff", "one.json", "two.json"]);
    assert_eq!(difference["removed"][0]["name"], "MD5");
    let (code, error) = home.fails(&["plan", "diff", "--exit-code", "one.json", "two.json"]);
    assert!(code == 3 && error.contains("differ"), "{code} {error}");
    assert_eq!(
        home.ok(&["plan", "diff", "--exit-code", "one.json", "one.json"]),
        "nothing changed\n"
    );

    let answer = home.json(&["plan", "query", "all.json", "owner=web", "kind=algorithm"]);
    assert_eq!(answer["count"], 1);
    assert_eq!(answer["assets"][0]["name"], "MD5");
    let exposed = home.json(&["plan", "query", "all.json", "exposure=internet"]);
    assert_eq!(exposed["count"], 1);
    let table = home.ok(&["plan", "query", "all.json", "quantum=broken"]);
    assert!(
        table.contains("b/key.pub") && table.lines().all(|line| line.chars().count() <= 100),
        "{table}"
    );

    let on = ["--on", "2026-11-22"];
    let roadmap = home.json(&[&["plan", "roadmap", "all.json", "-o", "roadmap.json"][..], &on].concat());
    assert!(!roadmap["steps"].as_array().unwrap().is_empty());
    assert_eq!(document(&home, "roadmap.json"), roadmap);
    let page = home.ok(&[&["plan", "report", "all.json"][..], &on].concat());
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("MD5"));
    let status = home.json(&[&["plan", "status", "roadmap.json", "two.json"][..], &on].concat());
    let items = &status["items"];
    assert!(
        items["moved"].as_u64().unwrap() + items["gone"].as_u64().unwrap() > 0,
        "{items}"
    );
    let (code, error) = home.fails(
        &[
            &[
                "plan",
                "report",
                "all.json",
                "-o",
                "r.html",
                "--fail-on",
                "weak-today",
            ][..],
            &on,
        ]
        .concat(),
    );
    assert!(code == 3 && error.contains("weak-today"), "{code} {error}");
    assert!(home.path().join("r.html").exists());
}

#[test]
fn what_our_authority_issued_is_joined_with_where_it_was_found() {
    let home = Home::new();
    home.ok(&["up", "--once"]);
    let export = home.ok(&["cert", "export", "--all", "--output", "json"]);
    write(home.path(), "issued.jsonl", &export);
    write(home.path(), "issued.pem", home.ok(&["cert", "export", "--all"]));
    let records: Vec<Value> = export
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let workload = records.iter().find(|one| one["profile"] == "workload").unwrap();
    let pem = workload["pem"].as_str().unwrap();
    write(home.path(), "tree/svid.pem", pem);
    write(home.path(), "tree/copy/svid.pem", pem);
    // One that says it is of our authority, and is on nobody's record.
    let stranger = records
        .iter()
        .rfind(|one| one["profile"] == "workload" && *one != workload)
        .unwrap();
    write(
        home.path(),
        "tree/stranger.pem",
        stranger["pem"].as_str().unwrap(),
    );
    let without: String = export
        .lines()
        .filter(|line| !line.contains(stranger["serial"].as_str().unwrap()))
        .map(|line| format!("{line}\n"))
        .collect();
    write(home.path(), "fewer.jsonl", without);

    let output = home.run(&[
        "plan",
        "scan",
        "tree",
        "--issued",
        "fewer.jsonl",
        "-o",
        "cbom.json",
    ]);
    assert!(output.status.success(), "{}", said(&output));
    let summary = String::from_utf8(output.stderr).unwrap();
    assert!(summary.contains("1 deployed (1 in several files)"), "{summary}");
    assert!(summary.contains("1 claim our authority"), "{summary}");
    let asked = |question: &[&str]| {
        let answer = home.json(&[&["plan", "query", "cbom.json", "kind=certificate"][..], question].concat());
        answer["count"].as_u64().unwrap()
    };
    assert_eq!(asked(&["fact.deployed=shadow", "fact.issued-by-us=yes"]), 1);
    assert_eq!(asked(&["fact.issued-by-us=no", "fact.weakness~record"]), 1);
    assert_eq!(asked(&["fact.deployed=missing"]), records.len() as u64 - 2);
    let from_pem = home.run(&["plan", "scan", "tree", "--issued", "issued.pem", "-o", "pem.json"]);
    let summary = String::from_utf8(from_pem.stderr).unwrap();
    assert!(summary.contains("2 deployed"), "{summary}");

    let (code, _) = home.fails(&["plan", "scan", "tree", "--issued", "server"]);
    assert_eq!(code, 4, "its database is nobody's to read");
    let _up = home.up();
    let output = home.run(&["plan", "scan", "tree", "--issued", "server"]);
    assert!(output.status.success(), "{}", said(&output));
    let summary = String::from_utf8(output.stderr).unwrap();
    assert!(summary.contains("2 deployed"), "{summary}");
}
