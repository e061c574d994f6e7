//! What was measured, as a table, and what it has to come to.

use std::fmt::Write as _;
use std::time::Duration;

/// What some SVIDs took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signing {
    /// How many.
    pub svids: usize,
    /// From the first request to the last answer.
    pub wall: Duration,
    /// Processor time of the server's process.
    pub processor: Duration,
}

impl Signing {
    /// Adds another turn's.
    pub fn add(&mut self, other: Self) {
        self.svids += other.svids;
        self.wall += other.wall;
        self.processor += other.processor;
    }

    /// Processor time for one, in milliseconds.
    pub fn processor_each(&self) -> f64 {
        milliseconds(self.processor) / self.svids as f64
    }

    /// Time on the wall for one, in milliseconds.
    pub fn wall_each(&self) -> f64 {
        milliseconds(self.wall) / self.svids as f64
    }
}

/// What was measured of one server.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Which it is.
    pub version: String,
    /// P-256 SVIDs.
    pub classical: Signing,
    /// ML-DSA-65 SVIDs; none of SPIRE.
    pub ml_dsa: Signing,
    /// SVIDs of the default composite; none of SPIRE.
    pub composite: Signing,
    /// Attestations by join token a second.
    pub attestations_per_second: f64,
    /// Processor time for one of them.
    pub processor_per_attestation: Duration,
    /// A sync of all entries: the median.
    pub sync: Duration,
    /// A sync that finds nothing new: the median.
    pub sync_unchanged: Duration,
    /// Bytes in memory when it had started.
    pub resident_at_rest: u64,
    /// Bytes in memory after everything.
    pub resident: u64,
    /// The most that there ever were.
    pub resident_peak: u64,
}

/// What was measured of both.
#[derive(Clone, Debug)]
pub struct Report {
    /// SPIRE's server.
    pub spire: Figures,
    /// Ours.
    pub ours: Figures,
    /// Entries that were synced.
    pub entries: usize,
    /// SVIDs in a batch.
    pub batch: usize,
}

/// Ours may take at most this part of what SPIRE's takes.
const PART: f64 = 0.5;

impl Report {
    /// The table, in Markdown.
    pub fn table(&self) -> String {
        let (spire, ours) = (&self.spire, &self.ours);
        let mut table = format!(
            "| | {} | {} | ours ÷ SPIRE's |\n|---|---:|---:|---:|\n",
            spire.version, ours.version
        );
        let mut row = |what: &str, theirs: f64, ours: f64, unit: &str| {
            let _ = writeln!(
                table,
                "| {what} | {} {unit} | {} {unit} | {:.2} |",
                figure(theirs),
                figure(ours),
                ours / theirs
            );
        };
        row(
            "processor time for a P-256 SVID",
            spire.classical.processor_each(),
            ours.classical.processor_each(),
            "ms",
        );
        row(
            &format!("a P-256 SVID, in batches of {} on one connection", self.batch),
            spire.classical.wall_each(),
            ours.classical.wall_each(),
            "ms",
        );
        row(
            "processor time for an attestation",
            milliseconds(spire.processor_per_attestation),
            milliseconds(ours.processor_per_attestation),
            "ms",
        );
        row(
            "attestations, 4 at once, each on a connection of its own",
            spire.attestations_per_second,
            ours.attestations_per_second,
            "/s",
        );
        row(
            &format!("sync of {} entries, all new", self.entries),
            milliseconds(spire.sync),
            milliseconds(ours.sync),
            "ms",
        );
        row(
            &format!("sync of {} entries, none new", self.entries),
            milliseconds(spire.sync_unchanged),
            milliseconds(ours.sync_unchanged),
            "ms",
        );
        for (what, theirs, ours) in [
            (
                "in memory when started",
                spire.resident_at_rest,
                ours.resident_at_rest,
            ),
            ("in memory after all this", spire.resident, ours.resident),
            ("the most in memory", spire.resident_peak, ours.resident_peak),
        ] {
            row(what, mebibytes(theirs), mebibytes(ours), "MiB");
        }
        for (name, signing) in [("ML-DSA-65", &ours.ml_dsa), ("composite", &ours.composite)] {
            for (what, each) in [
                (
                    format!("processor time for an SVID, {name}"),
                    signing.processor_each(),
                ),
                (format!("an SVID, {name}, in batches"), signing.wall_each()),
            ] {
                let _ = writeln!(table, "| {what} | – | {} ms | |", figure(each));
            }
        }
        table
    }

    /// What does not hold, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut hold = |what: &str, ours: f64, theirs: f64| {
            let part = ours / theirs;
            // What is not a number holds nothing.
            if part.is_nan() || part > PART {
                faults.push(format!(
                    "{what}: ours takes {part:.2} of what SPIRE's takes, and may take {PART}"
                ));
            }
        };
        hold(
            "processor time for a P-256 SVID",
            self.ours.classical.processor_each(),
            self.spire.classical.processor_each(),
        );
        hold(
            "memory",
            mebibytes(self.ours.resident),
            mebibytes(self.spire.resident),
        );
        faults
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// Three digits that say something.
fn figure(value: f64) -> String {
    match value {
        small if small < 1.0 => format!("{small:.3}"),
        small if small < 10.0 => format!("{small:.2}"),
        small if small < 100.0 => format!("{small:.1}"),
        large => format!("{large:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(milliseconds: u64, mebibytes: u64) -> Figures {
        Figures {
            classical: Signing {
                svids: 100,
                wall: Duration::from_millis(milliseconds),
                processor: Duration::from_millis(milliseconds),
            },
            resident: mebibytes * 1024 * 1024,
            ..Figures::default()
        }
    }

    fn report(milliseconds: u64, mebibytes: u64) -> Report {
        Report {
            spire: figures(100, 100),
            ours: figures(milliseconds, mebibytes),
            entries: 10,
            batch: 10,
        }
    }

    #[test]
    fn more_than_half_is_a_fault() {
        assert_eq!(report(50, 50).faults(), [""; 0]);
        assert!(
            report(51, 50)
                .faults()
                .concat()
                .contains("P-256 SVID: ours takes 0.51")
        );
        assert!(report(50, 51).faults().concat().contains("memory"));
        let mut nothing = report(50, 50);
        nothing.spire.classical = Signing::default();
        assert_eq!(nothing.faults().len(), 1, "nothing measured is nothing shown");
    }

    #[test]
    fn the_table_has_both_and_their_ratio() {
        let table = report(40, 30).table();
        assert!(
            table.contains("| processor time for a P-256 SVID | 1.00 ms | 0.400 ms | 0.40 |"),
            "{table}"
        );
        assert!(
            table.contains("| in memory after all this | 100 MiB | 30.0 MiB | 0.30 |"),
            "{table}"
        );
    }
}
