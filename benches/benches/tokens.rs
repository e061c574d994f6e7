//! Signing and issuance with keys on tokens and in a TPM, by one thread and by many, beside what the smallest loop can
//! sign on the same token with as many threads in this same run.
//!
//! `cargo xtask bench tokens` runs it with what it needs, and fails when a bound is broken. `--json FILE` writes the
//! figures there as well; `--only softhsm|pq-token|swtpm` and `--threads N` leave out the rest. A full run takes some
//! minutes.

use std::process::ExitCode;
use std::sync::Arc;

use symbolon_benches::bare::BareToken;
use symbolon_benches::held;
use symbolon_benches::issuer::{AnyError, Issuer};
use symbolon_benches::rate::{self, Simply, Turn, Work};
use symbolon_crypto::{HeldKey, MlDsaContext};
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::Suite;
use symbolon_test_tokens::Token;

const THREADS: [usize; 4] = [1, 2, 4, 8];

/// What to measure, and where to write it: all of it, and nowhere, unless the command line says otherwise.
struct Wanted {
    tokens: Option<String>,
    threads: Option<usize>,
    json: Option<String>,
}

impl Wanted {
    fn from_arguments() -> Result<Self, AnyError> {
        let option = |name: &str| std::env::args().skip_while(|argument| argument != name).nth(1);
        Ok(Self {
            tokens: option("--only"),
            threads: option("--threads").map(|count| count.parse()).transpose()?,
            json: option("--json"),
        })
    }

    fn wants(&self, token: &str) -> bool {
        self.tokens
            .as_ref()
            .is_none_or(|name| token.starts_with(name.as_str()))
    }
}

/// Rounds of each measurement; in each, everything that is compared is done once, for the same time.
const ROUNDS: usize = 25;

/// What a case has to keep to, with as many threads as here are most of.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// Issuance ÷ bare signing, at least.
    OfBare(f64),
    /// The time of issuance ÷ that of a bare signature and the verifications that are due, at most.
    OfFloor(f64),
    /// None: for information.
    #[cfg(feature = "tpm")]
    None,
}

/// A key on a token, and what is compared.
struct Case {
    token: &'static str,
    suite: Suite,
    bound: Bound,
    bare: Box<dyn Work>,
    key: Arc<dyn HeldKey>,
    issuer: Issuer,
}

/// A bare signature and the verifications that issuance must do.
struct Floor<'a> {
    bare: &'a dyn Work,
    issuer: &'a Issuer,
    signature: Vec<u8>,
}

impl Work for Floor<'_> {
    fn ready(&self) -> Result<Turn<'_>, AnyError> {
        let mut sign = self.bare.ready()?;
        Ok(Box::new(move || {
            sign()?;
            self.issuer.verifications(&self.signature)
        }))
    }
}

/// One line of the table.
struct Row {
    token: &'static str,
    suite: Suite,
    threads: usize,
    /// A second: bare, our signatures, issuance, the floor.
    rates: [f64; 4],
    /// Of each, the processor time in seconds.
    processor: [f64; 4],
    /// Ours ÷ bare, issuance ÷ bare, and the time of issuance ÷ that of the floor.
    ratios: [f64; 3],
    verdict: Option<(bool, String)>,
}

fn main() -> Result<ExitCode, AnyError> {
    // `cargo test --benches` runs each bench once to see that it works; measuring is not for that.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    held::with_tokens(|softhsm, pq| {
        let wanted = Wanted::from_arguments()?;
        let mut rows = Vec::new();
        println!(
            "\n{:<16} {:<11} {:>7} {:>7} {:>6} {:>7} {:>6} {:>7} {:>6} {:>6} {:>6}",
            "token",
            "suite",
            "threads",
            "bare/s",
            "µs",
            "sign/s",
            "÷ bare",
            "issue/s",
            "µs",
            "÷ bare",
            "× time"
        );
        for (name, token, suite, bound) in [
            ("softhsm", softhsm, Suite::EcdsaP256, Bound::OfFloor(1.25)),
            ("pq-token", pq, Suite::MlDsa65, Bound::OfBare(0.9)),
        ] {
            if wanted.wants(name) {
                rows.extend(measure(&on_token(name, token, suite, bound)?, &wanted)?);
            }
        }
        if wanted.wants("swtpm") {
            tpm::measure(&mut rows, &wanted)?;
        }
        println!(
            "\nbare: the smallest loop that signs; µs: processor time of this process for one; × time: the time of issuance\n\
             to that of the floor, a bare signature with the verifications that are due: the CSR's and the signature's.\n\
             Medians of {ROUNDS} rounds in turns.\n"
        );
        if let Some(path) = &wanted.json {
            std::fs::write(path, format!("{:#}\n", json(&rows)))?;
        }
        let broken = rows
            .iter()
            .filter_map(|row| row.verdict.as_ref())
            .filter(|(holds, _)| !holds);
        Ok(match broken.count() {
            0 => ExitCode::SUCCESS,
            count => {
                eprintln!("error: {count} of the bounds do not hold");
                ExitCode::FAILURE
            }
        })
    })
}

fn on_token(name: &'static str, token: &Token, suite: Suite, bound: Bound) -> Result<Case, AnyError> {
    let store = held::store(&token.uri())?;
    let component = *suite.components().first().ok_or("a suite has components")?;
    let (info, key) = held::key(&*store, component)?;
    let issuer = Issuer::with(SuiteSigner::new(suite, vec![Arc::clone(&key)])?)?;
    let id = hex::decode(info.id.as_str())?;
    let bare = BareToken::new(token, id, component, issuer.to_sign().to_vec())?;
    Ok(Case {
        token: name,
        suite,
        bound,
        bare: Box::new(bare),
        key,
        issuer,
    })
}

fn measure(case: &Case, wanted: &Wanted) -> Result<Vec<Row>, AnyError> {
    let is_wanted = |count: &&usize| wanted.threads.is_none_or(|wanted| wanted == **count);
    let counts = THREADS.iter().filter(is_wanted);
    counts.map(|threads| measure_with(case, *threads)).collect()
}

fn measure_with(case: &Case, threads: usize) -> Result<Row, AnyError> {
    let Case {
        bare, key, issuer, ..
    } = case;
    let message = issuer.to_sign();
    let sign = || Ok(key.sign(message, MlDsaContext::EMPTY).map(drop)?);
    let issue = || issuer.issue().map(drop);
    let floor = Floor {
        bare: &**bare,
        issuer,
        signature: key.sign(message, MlDsaContext::EMPTY)?,
    };
    let works: [&dyn Work; 4] = [&Simply(sign), &**bare, &Simply(issue), &floor];
    let [sign, bare, issue, floor] = [0, 1, 2, 3];
    let measured = rate::measure(threads, ROUNDS, &works)?;
    let in_order = [bare, sign, issue, floor];
    let rates = in_order.map(|work| measured.per_second(work));
    let processor = in_order.map(|work| measured.processor(work));
    let ratios =
        [(sign, bare), (issue, bare), (floor, issue)].map(|(work, other)| measured.ratio(work, other));
    let is_judged = Some(&threads) == THREADS.last();
    let row = Row {
        token: case.token,
        suite: case.suite,
        threads,
        rates,
        processor,
        ratios,
        verdict: if is_judged {
            judge(case.bound, ratios)
        } else {
            None
        },
    };
    println!("{}", line(&row));
    Ok(row)
}

fn judge(bound: Bound, [_, of_bare, of_floor]: [f64; 3]) -> Option<(bool, String)> {
    let (holds, what) = match bound {
        Bound::OfBare(least) => (of_bare >= least, format!("at least {least} of bare")),
        Bound::OfFloor(most) => (of_floor <= most, format!("at most {most} × the floor's time")),
        #[cfg(feature = "tpm")]
        Bound::None => return None,
    };
    Some((holds, what))
}

fn line(row: &Row) -> String {
    let [bare, sign, issue, _] = row.rates;
    let [signs, issues, time] = row.ratios;
    let [bare_on, _, issue_on, _] = row.processor.map(|seconds| seconds * 1e6);
    let verdict = match &row.verdict {
        Some((true, what)) => format!("  holds: {what}"),
        Some((false, what)) => format!("  DOES NOT HOLD: {what}"),
        None => String::new(),
    };
    format!(
        "{:<16} {:<11} {:>7} {bare:>7.0} {bare_on:>6.0} {sign:>7.0} {signs:>6.2} {issue:>7.0} {issue_on:>6.0} \
         {issues:>6.2} {time:>6.2}{verdict}",
        row.token,
        row.suite.name(),
        row.threads,
    )
}

fn json(rows: &[Row]) -> serde_json::Value {
    let rows = rows.iter().map(|row| {
        let [bare, sign, issue, floor] = row.rates;
        let [signs, issues, time] = row.ratios;
        let on = row.processor.map(|seconds| seconds * 1e6);
        serde_json::json!({
            "token": row.token,
            "suite": row.suite.name(),
            "threads": row.threads,
            "per_second": {"bare": bare, "sign": sign, "issue": issue, "floor": floor},
            "sign_to_bare": signs,
            "issue_to_bare": issues,
            "issue_time_to_floor": time,
            "processor_microseconds": {"bare": on[0], "sign": on[1], "issue": on[2], "floor": on[3]},
            "bound": row.verdict.as_ref().map(|(holds, what)| serde_json::json!({"is": what, "holds": holds})),
        })
    });
    rows.collect()
}

#[cfg(feature = "tpm")]
mod tpm {
    use symbolon_benches::bare::BareTpm;
    use symbolon_test_tokens::Swtpm;

    use super::{AnyError, Arc, Bound, Case, Issuer, Row, Suite, SuiteSigner, Wanted, held};

    pub(super) fn measure(rows: &mut Vec<Row>, wanted: &Wanted) -> Result<(), AnyError> {
        let tpm = Swtpm::new().ok_or("there is no swtpm")?;
        let folder = tempfile::tempdir()?;
        for (name, authorization, bound) in [
            ("swtpm, session", "session", Bound::OfBare(0.9)),
            ("swtpm, password", "password", Bound::None),
        ] {
            let dir = folder.path().join(authorization);
            let location = format!(
                "tpm:{}?dir={}&authorization={authorization}",
                tpm.tcti(),
                dir.display()
            );
            let store = held::store(&location)?;
            let suite = Suite::EcdsaP256;
            let component = *suite.components().first().ok_or("a suite has components")?;
            let (_, key) = held::key(&*store, component)?;
            let issuer = Issuer::with(SuiteSigner::new(suite, vec![Arc::clone(&key)])?)?;
            let bare = BareTpm::new(&tpm.tcti(), authorization == "session", issuer.to_sign().to_vec())?;
            rows.extend(super::measure(
                &Case {
                    token: name,
                    suite,
                    bound,
                    bare: Box::new(bare),
                    key,
                    issuer,
                },
                wanted,
            )?);
        }
        Ok(())
    }
}

#[cfg(not(feature = "tpm"))]
mod tpm {
    use super::{AnyError, Row, Wanted};

    pub(super) fn measure(_rows: &mut Vec<Row>, _wanted: &Wanted) -> Result<(), AnyError> {
        println!("(no TPM: built without the feature `tpm`)");
        Ok(())
    }
}
