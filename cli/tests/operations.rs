//! A server as its operator meets it: validated, started, looked at, told to read its configuration again, stopped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use support::{Home, PATIENCE, check_schema, said, taken_port, wait};

/// A configuration file on this home's data directory.
fn configuration(home: &Home, text: &str) -> PathBuf {
    let file = home.path().join("server.toml");
    let text = format!(
        "trust_domain = \"example.org\"\ndata_dir = \"{}\"\n{text}",
        home.data().display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// What `validate` prints as JSON, and its exit code.
fn validated(home: &Home, file: &str) -> (Option<i32>, Value) {
    let output = home.run(&["server", "validate", "--config", file, "--output", "json"]);
    let document =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    (output.status.code(), document)
}

#[test]
fn validate_lists_everything_that_is_wrong_and_changes_nothing() {
    let home = Home::new();
    let file = configuration(
        &home,
        "colour = 1\nserver_name = \"a b\"\n[lifetimes]\nauthority = \"30s\"\n[listen]\nport = 1\n",
    );
    let (code, document) = validated(&home, file.to_str().unwrap());
    assert_eq!(code, Some(2));
    check_schema("server-validate", &document);
    let problems = document["problems"].as_array().unwrap();
    let mut keys: Vec<&str> = problems
        .iter()
        .map(|problem| problem["key"].as_str().unwrap())
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "colour",
            "lifetimes.agent",
            "lifetimes.authority",
            "lifetimes.jwt",
            "lifetimes.svid",
            "listen.port",
            "server_name"
        ]
    );
    let (code, text) = home.fails(&["server", "validate", "--config", file.to_str().unwrap()]);
    assert!(code == 2 && text.contains("7 things are wrong"), "{code} {text}");
    // A file that was half written.
    std::fs::write(&file, "trust_domain = \"example.org\"\n[lifet").unwrap();
    let (code, document) = validated(&home, file.to_str().unwrap());
    let problems = document["problems"].as_array().unwrap();
    let is_told = problems
        .iter()
        .any(|problem| problem["key"].is_null() && problem["line"] == 2);
    assert!(
        code == Some(2) && is_told && problems.len() == 3,
        "{code:?} {document}"
    );
    let (code, _) = home.fails(&["server", "run", "--config", file.to_str().unwrap()]);
    assert_eq!(code, 2);
    assert!(!home.data().exists(), "nothing was made");
}

#[test]
fn validate_says_what_a_good_file_means_and_leaves_no_trace() {
    let home = Home::new();
    let file = configuration(&home, "[lifetimes]\njwt = \"20m\"\n");
    let (code, document) = validated(&home, file.to_str().unwrap());
    assert_eq!(code, Some(0));
    check_schema("server-validate", &document);
    assert_eq!(document["warnings"].as_array().unwrap().len(), 1, "{document}");
    assert!(!home.data().exists());
}

#[test]
fn a_port_in_use_is_refused_with_the_reason() {
    let home = Home::new();
    let (_taken, port) = taken_port();
    let file = configuration(&home, &format!("[listen]\naddress = \"127.0.0.1:{port}\"\n"));
    let (code, error) = home.fails(&["server", "run", "--config", file.to_str().unwrap()]);
    assert!(
        code == 1 && error.contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{code} {error}"
    );
    assert!(!home.data().exists());
}

#[test]
fn a_url_that_is_none_of_ours_is_wrong_usage() {
    let home = Home::new();
    for url in ["http://127.0.0.1:8081", "ftp://x", "HTTPS://x:1"] {
        let (code, error) = home.fails(&["--server", url, "entry", "list"]);
        assert!(code == 2 && error.contains(url), "{url}: {code} {error}");
    }
}

#[test]
fn nobody_at_home_is_unreachable() {
    let home = Home::new();
    let (code, error) = home.fails(&["healthcheck"]);
    assert!(
        code == 4 && error.contains("not everything is well"),
        "{code} {error}"
    );
}

/// A server under a service manager of the test's.
struct Managed {
    child: Child,
    manager: UnixDatagram,
}

impl Managed {
    fn start(home: &Home, file: &str) -> Self {
        let socket = home.path().join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = home.symbolon(&["server", "run", "--config", file]);
        command
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "200000")
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        Self { child, manager }
    }

    /// Waits until the server has told this.
    fn told(&self, beginning: &str) -> String {
        let mut buffer = [0; 1024];
        loop {
            let length = self.manager.recv(&mut buffer).unwrap();
            let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if message.starts_with(beginning) {
                return message;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

#[test]
fn a_managed_server_tells_how_it_stands_and_reads_its_configuration_again() {
    let home = Home::new();
    let file = configuration(&home, "[listen]\naddress = \"127.0.0.1:0\"\n");
    let mut managed = Managed::start(&home, file.to_str().unwrap());
    assert!(managed.told("READY=1").contains("STATUS=serves example.org"));
    managed.told("WATCHDOG=1");

    let status = home.json(&["server", "status"]);
    check_schema("server-status", &status);
    assert_eq!(
        (&status["running"], &status["healthy"]),
        (&Value::Bool(true), &Value::Bool(true))
    );
    assert_eq!(status["authorities"].as_array().unwrap().len(), 5);
    let svid = |status: &Value| {
        let limits = status["limits"].as_array().unwrap();
        limits
            .iter()
            .find(|limit| limit["name"] == "lifetimes.svid")
            .unwrap()["value"]
            .clone()
    };
    assert_eq!(svid(&status), 3600);

    configuration(
        &home,
        "[listen]\naddress = \"127.0.0.1:0\"\n[lifetimes]\nsvid = \"2h\"\n",
    );
    managed.signal(Signal::HUP);
    managed.told("RELOADING=1");
    managed.told("READY=1");
    assert_eq!(svid(&home.json(&["server", "status"])), 7200);

    // What cannot be used changes nothing, and ends nobody.
    configuration(&home, "colour = 1\n");
    managed.signal(Signal::HUP);
    managed.told("RELOADING=1");
    managed.told("READY=1");
    assert_eq!(svid(&home.json(&["server", "status"])), 7200);

    managed.signal(Signal::TERM);
    assert!(managed.told("STOPPING=1").contains("SIGTERM"));
    assert!(wait(&mut managed.child).success());
    let offline = home.json(&["server", "status"]);
    check_schema("server-status", &offline);
    assert_eq!(
        (&offline["running"], &offline["healthy"]),
        (&Value::Bool(false), &Value::Null)
    );
    let mut log = String::new();
    std::io::Read::read_to_string(&mut managed.child.stderr.take().unwrap(), &mut log).unwrap();
    assert!(
        log.contains("config.reloaded") && log.contains("config.refused"),
        "{log}"
    );
    assert_eq!(
        log.matches("lifetimes.svid` is 2h").count(),
        0,
        "2h is below what is warned of: {log}"
    );
}

impl Drop for Managed {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
            wait(&mut self.child);
        }
    }
}

#[test]
fn a_warning_is_said_once() {
    let home = Home::new();
    let file = configuration(
        &home,
        "[listen]\naddress = \"127.0.0.1:0\"\n[lifetimes]\njwt = \"20m\"\n",
    );
    let mut managed = Managed::start(&home, file.to_str().unwrap());
    managed.told("READY=1");
    managed.signal(Signal::TERM);
    assert!(wait(&mut managed.child).success());
    let mut log = String::new();
    std::io::Read::read_to_string(&mut managed.child.stderr.take().unwrap(), &mut log).unwrap();
    assert_eq!(log.matches("`lifetimes.jwt`").count(), 1, "{log}");
}
