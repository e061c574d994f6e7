//! What the machine must have before the workspace's tests can be built and run, and how to get it.

use std::io::{IsTerminal as _, Write as _};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// One thing the machine must have.
pub(crate) struct Need {
    what: &'static str,
    why: &'static str,
    /// Packages of Debian and Ubuntu that bring it.
    packages: &'static [&'static str],
    /// Program and arguments that succeed when it is there.
    probe: (&'static str, &'static [&'static str]),
}

/// To compile every target of the workspace, tests included. The programs themselves need none of it.
pub(crate) const TO_BUILD_TESTS: &[Need] = &[
    Need {
        what: "Perl with its core modules",
        why: "interop/ builds OpenSSL from source, whose configuration is a Perl script",
        packages: &["perl"],
        probe: (
            "perl",
            &[
                "-MFile::Compare",
                "-MFindBin",
                "-MIPC::Cmd",
                "-MTime::Piece",
                "-e",
                "1",
            ],
        ),
    },
    Need {
        what: "make",
        why: "interop/ builds OpenSSL from source, with make",
        packages: &["make"],
        probe: ("make", &["--version"]),
    },
];

/// To build the PQ token of `interop/pq-token/`.
pub(crate) const TO_BUILD_PQ_TOKEN: &[Need] = &[LIBCLANG];

const LIBCLANG: Need = Need {
    what: "libclang with its headers",
    why: "the PQ token's and liboqs' builds read C headers with it",
    packages: &["libclang-dev"],
    // LIBCLANG_PATH is how its users are told of one elsewhere.
    probe: (
        "sh",
        &[
            "-c",
            "test -d \"$LIBCLANG_PATH\" || ls /usr/lib/llvm-*/lib/libclang.so",
        ],
    ),
};

/// To build the program of `interop/liboqs/`.
pub(crate) const TO_BUILD_LIBOQS: &[Need] = &[
    Need {
        what: "CMake",
        why: "liboqs is built with it",
        packages: &["cmake"],
        probe: ("cmake", &["--version"]),
    },
    LIBCLANG,
];

/// To make the files that the migration planner's tests read.
pub(crate) const TO_TEST_PLANNER: &[Need] = &[
    Need {
        what: "OpenSSL's command",
        why: "the migration planner reads certificates, keys and stores that it made",
        packages: &["openssl"],
        probe: ("openssl", &["version"]),
    },
    Need {
        what: "OpenSSH's client tools",
        why: "the migration planner reads keys that ssh-keygen made",
        packages: &["openssh-client"],
        probe: ("sh", &["-c", "command -v ssh-keygen"]),
    },
    Need {
        what: "GnuPG",
        why: "the migration planner reads OpenPGP keys that it made",
        packages: &["gnupg"],
        probe: ("gpg", &["--version"]),
    },
    Need {
        what: "Java's keytool",
        why: "the migration planner reads Java key stores that it made",
        packages: &["default-jre-headless"],
        probe: ("keytool", &["-help"]),
    },
];

/// To measure scans.
pub(crate) const TO_MEASURE_SCANS: &[Need] = &[Need {
    what: "ripgrep",
    why: "a scan is to take at most three times as long as a search for one pattern",
    packages: &["ripgrep"],
    probe: ("rg", &["--version"]),
}];

/// To run the tests of keys on PKCS#11 tokens.
pub(crate) const TO_TEST_TOKENS: &[Need] = &[
    Need {
        what: "SoftHSM 2",
        why: "keys are made and used on its software tokens",
        packages: &["softhsm2"],
        probe: ("softhsm2-util", &["--version"]),
    },
    Need {
        what: "OpenSC's tools",
        why: "pkcs11-tool is asked what it sees of our keys on a token",
        packages: &["opensc"],
        probe: ("opensc-tool", &["--info"]),
    },
    Need {
        what: "p11-kit with its client module",
        why: "a token is used in a process of its own, which is then stopped and killed",
        packages: &["p11-kit", "p11-kit-modules"],
        probe: (
            "sh",
            &["-c", "p11-kit --help && ls /usr/lib/*/pkcs11/p11-kit-client.so"],
        ),
    },
];

/// To build the cargo feature `tpm`.
pub(crate) const TO_BUILD_TPM: &[Need] = &[Need {
    what: "libtss2 with its headers",
    why: "keys in TPMs are reached through it",
    packages: &["libtss2-dev", "pkg-config"],
    probe: (
        "pkg-config",
        &["--exists", "tss2-esys", "tss2-sys", "tss2-mu", "tss2-tctildr"],
    ),
}];

/// To run the tests of keys in TPMs.
pub(crate) const TO_TEST_TPM: &[Need] = &[
    Need {
        what: "swtpm with its tools",
        why: "keys are made and used on TPMs of its making",
        packages: &["swtpm", "swtpm-tools"],
        probe: ("sh", &["-c", "swtpm --version && swtpm_ioctl --version"]),
    },
    Need {
        what: "tpm2-tools",
        why: "TPMs are looked into, cleared and measured into with them",
        packages: &["tpm2-tools"],
        probe: ("tpm2_getcap", &["--version"]),
    },
];

/// To run the interop tests against Python libraries.
pub(crate) const TO_RUN_PYTHON: &[Need] = &[Need {
    what: "Python 3 with venv",
    why: "interop/ has SVIDs fetched and verified by PyPI's `spiffe` and `cryptography`, in an environment of their own",
    packages: &["python3", "python3-venv"],
    probe: ("python3", &["-c", "import ensurepip, venv"]),
}];

/// To install what peers take from npm.
pub(crate) const TO_INSTALL_NODE_PACKAGES: &[Need] = &[Need {
    what: "npm",
    why: "interop/ runs peers in JavaScript, in a Node.js that npm fetches",
    packages: &["npm"],
    probe: ("npm", &["--version"]),
}];

/// To build SPIRE's programs and to run the tests with them.
pub(crate) const TO_BUILD_SPIRE: &[Need] = &[
    Need {
        what: "a C compiler",
        why: "SPIRE's server is linked with SQLite, which is written in C",
        packages: &["gcc", "libc6-dev"],
        probe: ("gcc", &["--version"]),
    },
    Need {
        what: "OpenSSH's client tools",
        why: "ssh-keygen certifies the keys of hosts that attest with them",
        packages: &["openssh-client"],
        probe: ("sh", &["-c", "command -v ssh-keygen"]),
    },
    Need {
        what: "curl",
        why: "SPIRE's OIDC discovery provider is asked over a Unix socket with it",
        packages: &["curl"],
        probe: ("curl", &["--version"]),
    },
];

/// To run the interop tests against Java libraries.
pub(crate) const TO_RUN_JAVA: &[Need] = &[
    Need {
        what: "a Java compiler, 17 or later",
        why: "interop/ has certificates made and verified by BouncyCastle",
        packages: &["default-jdk-headless"],
        probe: ("javac", &["--release", "17", "-version"]),
    },
    Need {
        what: "Maven",
        why: "interop/ has it fetch BouncyCastle",
        packages: &["maven"],
        probe: ("mvn", &["--version"]),
    },
];

/// To unpack programs of Debian 13 for interop tests.
pub(crate) const TO_UNPACK_DEBIAN: &[Need] = &[
    Need {
        what: "apt and dpkg",
        why: "interop/ asks servers of Debian 13 what they accept, which apt fetches and dpkg-deb unpacks",
        packages: &["apt", "dpkg"],
        probe: ("sh", &["-c", "apt-get --version && dpkg-deb --version"]),
    },
    Need {
        what: "the keys of Debian's archive",
        why: "the packages of Debian 13 are verified with them",
        packages: &["debian-archive-keyring"],
        probe: ("test", &["-f", "/usr/share/keyrings/debian-archive-keyring.gpg"]),
    },
];

impl Need {
    fn is_met(&self) -> bool {
        process::succeeds(self.probe.0, self.probe.1)
    }
}

/// Makes sure that the needs are met: says what is missing and why, and installs it. Root just installs; anyone
/// else is asked before `sudo` is run; without a terminal to ask on, it fails and says what to run.
pub(crate) fn ensure(needs: &[&[Need]]) -> Result<()> {
    let missing: Vec<&Need> = needs
        .iter()
        .copied()
        .flatten()
        .filter(|need| !need.is_met())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("The tests need what this machine does not have yet:");
    for need in &missing {
        eprintln!(
            "  {}: {} (package {})",
            need.what,
            need.why,
            need.packages.join(", ")
        );
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|need| need.packages.iter().copied())
        .collect();
    install(&packages)?;

    let unmet: Vec<&str> = missing
        .iter()
        .filter(|need| !need.is_met())
        .map(|need| need.what)
        .collect();
    if !unmet.is_empty() {
        bail!(
            "{} still missing after installing {}",
            unmet.join(" and "),
            packages.join(", ")
        );
    }
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    let by_hand = format!(
        "sudo apt-get update && sudo apt-get install {}",
        packages.join(" ")
    );
    if !process::succeeds("apt-get", &["--version"]) {
        bail!(
            "this is not a Debian or an Ubuntu; install the like of {} and run this again",
            packages.join(", ")
        );
    }
    let root = rustix::process::geteuid().is_root();
    if !root {
        if !std::io::stdin().is_terminal() {
            bail!("not root, and nobody to ask for permission to use sudo; run: {by_hand}");
        }
        if !agreed(&format!("Run `{by_hand}` now?"))? {
            bail!("nothing was installed; run: {by_hand}");
        }
    }
    process::run(apt_get(root).args(["-q", "update"]))?;
    process::run(
        apt_get(root)
            .args(["-q", "-y", "--no-install-recommends", "install"])
            .args(packages),
    )
}

/// `apt-get` that asks nothing, through sudo when we are not root ourselves.
fn apt_get(root: bool) -> Command {
    let mut command = if root {
        Command::new("env")
    } else {
        Command::new("sudo")
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command
}

fn agreed(question: &str) -> Result<bool> {
    eprint!("{question} [y/N] ");
    std::io::stderr().flush().context("cannot ask")?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_met_need_installs_nothing() {
        const MET: &[Need] = &[Need {
            what: "true",
            why: "a test",
            packages: &["coreutils"],
            probe: ("true", &[]),
        }];
        ensure(&[MET]).unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_is_an_unmet_need() {
        let need = Need {
            what: "x",
            why: "a test",
            packages: &[],
            probe: ("symbolon-no-such-program", &[]),
        };
        assert!(!need.is_met());
    }
}
