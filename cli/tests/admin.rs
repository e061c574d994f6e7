//! The commands of an operator, against a running server, against a data directory alone, and against the two programs
//! run apart.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{Home, until, wait};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

const WORKLOAD: &str = "spiffe://example.org/db";
const NODE: &str = "spiffe://example.org/node/a";

fn create(home: &Home) -> Value {
    home.json(&[
        "entry",
        "create",
        "--spiffe-id",
        WORKLOAD,
        "--parent-id",
        NODE,
        "--selector",
        "unix:uid:70000",
        "--x509-ttl",
        "30m",
        "--hint",
        "primary",
    ])
}

#[test]
fn entries_are_made_shown_changed_and_deleted() {
    let home = Home::new();
    let _up = home.up();
    let made = create(&home);
    let id = text(&made["id"]);
    assert_eq!(
        (text(&made["spiffe_id"]), &made["x509_svid_ttl"]),
        (WORKLOAD.to_owned(), &Value::from(1800))
    );

    let (code, error) = home.fails(&[
        "entry",
        "create",
        "--spiffe-id",
        WORKLOAD,
        "--parent-id",
        NODE,
        "--selector",
        "unix:uid:70000",
    ]);
    assert!(
        code == 5 && error.contains(&id),
        "the one there is is named: {error}"
    );

    let changed = home.json(&[
        "entry",
        "update",
        &id,
        "--selector",
        "unix:uid:70001",
        "--dns-name",
        "db.example.org",
    ]);
    assert_eq!(changed["selectors"], serde_json::json!(["unix:uid:70001"]));
    assert_eq!(changed["hint"], "primary", "what was not named stays");
    assert_eq!(home.json(&["entry", "show", &id]), changed);
    let (code, error) = home.fails(&["entry", "update", &id]);
    assert!(code == 2 && error.contains("what to change"), "{code} {error}");
    assert_eq!(home.json(&["entry", "show", &id]), changed);
    let listed = home.json(&["entry", "list", "--spiffe-id", WORKLOAD]);
    assert_eq!(listed["entries"].as_array().unwrap().len(), 1);

    assert_eq!(
        home.json(&["entry", "delete", &id])["deleted"],
        serde_json::json!([id])
    );
    let (code, error) = home.fails(&["entry", "show", &id]);
    assert!(code == 5 && error.contains(&id), "{error}");
}

#[test]
fn bad_requests_are_named_and_change_nothing() {
    let home = Home::new();
    let _up = home.up();
    let before = home.json(&["entry", "list"]);
    for (arguments, expected) in [
        (["spiffe://other.org/db", NODE, "unix:uid:1"], "other.org"),
        (
            ["spiffe://example.org/spire/server", NODE, "unix:uid:1"],
            "/spire",
        ),
        (["not a spiffe id", NODE, "unix:uid:1"], "not a spiffe id"),
        ([WORKLOAD, NODE, "unix"], "type:value"),
    ] {
        let [id, parent, selector] = arguments;
        let (_, error) = home.fails(&[
            "entry",
            "create",
            "--spiffe-id",
            id,
            "--parent-id",
            parent,
            "--selector",
            selector,
        ]);
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert_eq!(home.json(&["entry", "list"]), before);
}

#[test]
fn without_a_server_reading_answers_from_the_directory_and_writing_says_that_it_is_down() {
    let home = Home::new();
    let up = home.up();
    create(&home);
    let reads = [
        &["entry", "list"][..],
        &["agent", "list"],
        &["cert", "list", "--limit", "1000"],
        &["bundle", "show"],
    ];
    let online: Vec<Value> = reads.iter().map(|arguments| home.json(arguments)).collect();
    let serial = text(&online[2]["certificates"][0]["serial"]);
    let shown = home.json(&["cert", "show", &serial]);
    assert!(up.end(Signal::INT).success());

    let offline: Vec<Value> = reads.iter().map(|arguments| home.json(arguments)).collect();
    assert_eq!(offline, online);
    assert_eq!(home.json(&["cert", "show", &serial]), shown);

    for arguments in [
        &[
            "entry",
            "create",
            "--spiffe-id",
            WORKLOAD,
            "--parent-id",
            NODE,
            "--selector",
            "unix:uid:1",
        ][..],
        &["token", "create"],
        &["entry", "delete", "x"],
    ] {
        let (code, error) = home.fails(arguments);
        assert!(
            code == 4 && error.contains("private.sock"),
            "{arguments:?}: {code} {error}"
        );
    }
    let (_, health) = home.fails(&["healthcheck"]);
    assert!(health.contains("not everything is well"), "{health}");
}

#[test]
fn every_certificate_is_on_record_and_can_be_exported() {
    let home = Home::new();
    let _up = home.up();
    home.ok(&["svid", "fetch", "--form", "classical,ml-dsa,composite"]);
    let list = home.json(&["cert", "list", "--limit", "1000"]);
    let certificates = list["certificates"].as_array().unwrap();
    for (profile, form) in [
        ("authority", "composite"),
        ("server", "classical"),
        ("agent", "composite"),
        ("workload", "ml-dsa"),
    ] {
        assert!(
            certificates
                .iter()
                .any(|c| c["profile"] == profile && c["form"] == form),
            "{profile} {form}"
        );
    }
    let pem = home.ok(&["cert", "export", "--all"]);
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), certificates.len());
    let composites = home.json(&["cert", "list", "--form", "composite"]);
    assert!(
        composites["certificates"]
            .as_array()
            .unwrap()
            .iter()
            .all(|c| c["form"] == "composite")
    );
    let (code, error) = home.fails(&["cert", "show", "abcdef"]);
    assert!(code == 5 && error.contains("abcdef"), "{error}");
}

#[test]
fn tables_fit_a_terminal_and_serials_stand_whole() {
    let home = Home::new();
    let _up = home.up();
    let serial = text(&home.json(&["cert", "list"])["certificates"][0]["serial"]);
    assert!(home.ok(&["cert", "list"]).contains(&serial));
    for arguments in [
        &["cert", "list"][..],
        &["bundle", "show"],
        &["svid", "fetch"],
        &["--help"],
        &["svid", "verify", "--help"],
    ] {
        for line in home.ok(arguments).lines() {
            assert!(line.chars().count() <= 100, "{arguments:?}: {line}");
        }
    }
}

#[test]
fn an_administrator_calls_the_server_over_tcp_with_its_own_svid_and_nobody_else_does() {
    let home = Home::new();
    let up = support::Up::start(&home, &[]);
    let address = up
        .output
        .lines()
        .find_map(|line| line.strip_prefix("server"))
        .unwrap()
        .trim()
        .to_owned();
    let url = format!("https://{address}");
    let (code, error) = home.fails(&["entry", "list", "--server", &url]);
    assert!(code == 5, "{code} {error}");

    let user = format!("spiffe://example.org/uid/{}", rustix::process::getuid().as_raw());
    let entries = home.json(&["entry", "list", "--spiffe-id", &user]);
    let id = text(&entries["entries"][0]["id"]);
    assert_eq!(home.json(&["entry", "update", &id, "--admin"])["admin"], true);
    until("the server takes the administrator", || {
        home.run(&["entry", "list", "--server", &url]).status.success()
    });
    assert_eq!(
        home.json(&["entry", "show", &id, "--server", &url])["admin"],
        true
    );
    home.ok(&["entry", "update", &id, "--admin=false"]);
    let (code, _) = home.fails(&["entry", "list", "--server", &url]);
    assert_eq!(code, 5);
}

/// A program that is stopped when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
            wait(&mut self.0);
        }
    }
}

/// The agent's program beside this one's.
fn agent_program() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_symbolon")).with_file_name("symbolon-agent");
    assert!(
        program.exists(),
        "{} is missing; run: cargo build -p symbolon-agent",
        program.display()
    );
    program
}

#[test]
fn server_and_agent_run_apart_from_their_configuration_files() {
    let home = Home::new();
    let server_dir = home.data();
    let config = home.path().join("server.toml");
    std::fs::write(
        &config,
        format!(
            "trust_domain = \"example.org\"\ndata_dir = {server_dir:?}\n[listen]\naddress = \"127.0.0.1:0\"\n\
             [log]\nformat = \"json\"\n"
        ),
    )
    .unwrap();
    let validated = home.json(&["server", "validate", "--config", config.to_str().unwrap()]);
    assert_eq!(validated["trust_domain"], "example.org");

    let log = home.path().join("server.log");
    let server = home
        .symbolon(&["server", "run", "--config", config.to_str().unwrap()])
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut server = Process(server);
    let mut port = None;
    until("the server answers", || {
        assert!(server.0.try_wait().unwrap().is_none(), "the server has ended");
        port = support::said_port(&log);
        port.is_some() && home.run(&["bundle", "show"]).status.success()
    });
    let port = port.unwrap();

    let token = home.json(&["token", "create", "--spiffe-id", NODE]);
    let user = rustix::process::getuid().as_raw();
    home.ok(&[
        "entry",
        "create",
        "--spiffe-id",
        WORKLOAD,
        "--parent-id",
        NODE,
        "--selector",
        &format!("unix:uid:{user}"),
    ]);
    let bundle = home.path().join("bundle.json");
    std::fs::write(&bundle, home.ok(&["bundle", "show", "--format", "spiffe"])).unwrap();
    let agent_dir = home.path().join("agent-data");
    let agent_config = home.path().join("agent.toml");
    std::fs::write(
        &agent_config,
        format!(
            "trust_domain = \"example.org\"\ndata_dir = {agent_dir:?}\n[server]\naddress = \"127.0.0.1:{port}\"\n\
             [bootstrap]\nbundle = {bundle:?}\n[attestor]\njoin_token_env = \"JOIN_TOKEN\"\n"
        ),
    )
    .unwrap();
    let agent = Command::new(agent_program())
        .args(["run", "--config"])
        .arg(&agent_config)
        .env_clear()
        .env("HOME", home.path())
        .env("JOIN_TOKEN", text(&token["token"]))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut agent = Process(agent);
    let socket = agent_dir.join("agent/api.sock");
    let socket = socket.to_str().unwrap();
    until("the agent serves", || {
        assert!(agent.0.try_wait().unwrap().is_none(), "the agent has ended");
        home.run(&["svid", "fetch", "--socket", socket]).status.success()
    });
    let svids = home.json(&[
        "svid",
        "fetch",
        "--form",
        "classical,ml-dsa,composite",
        "--socket",
        socket,
    ]);
    assert!(
        svids["svids"]
            .as_array()
            .unwrap()
            .iter()
            .all(|s| s["verified"] == true && s["spiffe_id"] == WORKLOAD)
    );
    assert_eq!(
        home.json(&["agent", "list"])["agents"].as_array().unwrap().len(),
        1
    );

    for process in [&mut agent, &mut server] {
        kill_process(Pid::from_child(&process.0), Signal::TERM).unwrap();
        assert!(wait(&mut process.0).success());
    }
}

#[test]
fn a_configuration_with_an_unknown_key_is_refused_with_its_line() {
    let home = Home::new();
    let config = home.path().join("server.toml");
    std::fs::write(
        &config,
        "trust_domain = \"example.org\"\ndata_dir = \"/tmp/x\"\ncolour = \"green\"\n",
    )
    .unwrap();
    let file = config.to_str().unwrap();
    let (code, error) = home.fails(&["server", "run", "--config", file]);
    assert!(
        code == 2 && error.contains("colour") && error.contains("line 3"),
        "{code} {error}"
    );
    let output = home.run(&["server", "validate", "--config", file]);
    assert_eq!(output.status.code(), Some(2));
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(
        listed
            .lines()
            .any(|line| line.starts_with("3 ") && line.contains("colour")),
        "{listed}"
    );
}
