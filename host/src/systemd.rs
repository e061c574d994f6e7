//! Telling systemd how a service stands, by the protocol of sd_notify(3): datagrams of `KEY=value` lines to the socket
//! that `NOTIFY_SOCKET` names. Without that variable nothing is told and nothing fails.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Who is told.
#[derive(Debug, Default)]
pub struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Whoever started this process, if it asked to be told: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` with `WATCHDOG_PID`.
    ///
    /// # Errors
    /// The system's, where the socket that is named cannot be one.
    pub fn from_env() -> io::Result<Self> {
        let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
            return Ok(Self::default());
        };
        let read = |name| std::env::var(name).ok();
        let watchdog = watchdog_of(read("WATCHDOG_USEC"), read("WATCHDOG_PID"), std::process::id());
        Self::to(&socket, watchdog)
    }

    /// The socket at a path, or with an abstract name where `@` stands first.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn to(socket: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match socket.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(socket)?,
        };
        Ok(Self {
            to: Some((UnixDatagram::unbound()?, address)),
            watchdog,
        })
    }

    /// Everything is up.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", status_line(status)));
    }

    /// The configuration is being read again; [`ready`](Self::ready) follows.
    pub fn reloading(&self) {
        // By which systemd tells this reload's READY from an earlier one.
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The end has begun.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\n{}", status_line(status)));
    }

    /// How things are, for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&status_line(status));
    }

    /// A sign of life.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// How often a sign of life is to be given: twice in the time after which the process counts as hung. `None` where
    /// nobody watches.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// Gives signs of life without end, if anybody watches. Runs on the same threads as the program's own work, and so
    /// stops when these are stuck.
    #[cfg(feature = "runtime")]
    pub async fn keep_alive(&self) {
        let Some(interval) = self.watchdog_interval() else {
            return std::future::pending().await;
        };
        loop {
            self.alive();
            tokio::time::sleep(interval).await;
        }
    }

    fn send(&self, message: &str) {
        let Some((socket, to)) = &self.to else { return };
        // Nobody depends on it but who asked; and who asked is who will see this in the log.
        if let Err(error) = socket.send_to_addr(message.as_bytes(), to) {
            tracing::warn!(%error, "the service manager could not be told how this process stands");
        }
    }
}

/// One line, whatever the words were.
fn status_line(status: &str) -> String {
    format!("STATUS={}", status.replace(['\n', '\r'], " "))
}

/// The time that `WATCHDOG_USEC` names, where `WATCHDOG_PID` says that this process is meant.
fn watchdog_of(micros: Option<String>, pid: Option<String>, own: u32) -> Option<Duration> {
    let is_meant = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let micros: u64 = micros?.parse().ok()?;
    (is_meant && micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_life_is_told_over_a_socket_in_the_file_system() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str(), None).unwrap();
        notifier.ready("serves\nexample.org");
        assert_eq!(received(&manager), "READY=1\nSTATUS=serves example.org");
        notifier.reloading();
        let reloading = received(&manager);
        let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(micros.parse::<u64>().unwrap() > 0);
        notifier.alive();
        assert_eq!(received(&manager), "WATCHDOG=1");
        notifier.stopping("SIGTERM");
        assert_eq!(received(&manager), "STOPPING=1\nSTATUS=SIGTERM");
    }

    #[test]
    fn abstract_names_are_understood() {
        let name = format!("symbolon-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::to(OsStr::new(&format!("@{name}")), None).unwrap();
        notifier.status("well");
        assert_eq!(received(&manager), "STATUS=well");
    }

    #[test]
    fn who_has_gone_is_no_failure() {
        let notifier = Notifier::to(OsStr::new("/nonexistent/notify"), None).unwrap();
        notifier.ready("to nobody");
        Notifier::default().ready("to nobody either");
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let text = |text: &str| Some(text.to_owned());
        let half_minute = Some(Duration::from_secs(30));
        assert_eq!(watchdog_of(text("30000000"), None, 7), half_minute);
        assert_eq!(watchdog_of(text("30000000"), text("7"), 7), half_minute);
        assert_eq!(watchdog_of(text("30000000"), text("8"), 7), None);
        for none in [None, text("0"), text("-1"), text("soon")] {
            assert_eq!(watchdog_of(none, None, 7), None);
        }
        let notifier = Notifier {
            to: None,
            watchdog: half_minute,
        };
        assert_eq!(notifier.watchdog_interval(), Some(Duration::from_secs(15)));
    }
}
