//! `symbolon plan` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use symbolon_host::HumanDuration;
use symbolon_migration_planner::cbom::SpecVersion;
use symbolon_migration_planner::report::FailOn;
use symbolon_migration_planner::risk::Day;

#[derive(Debug, Subcommand)]
pub(crate) enum Plan {
    /// Find the cryptography in files, trees, endpoints and tokens, and write it as a CBOM
    #[command(
        after_help = "Targets are files and directories; tls:HOST:PORT (or tls://…), ssh:HOST[:PORT]; pkcs11: URIs. Only \
                            what is named is contacted, nothing is changed, and no secret's value is kept. A file \
                            whose name looks like a URI is written with ./ before it.\n\nThe exit code is 0 when the \
                            scan finished, whatever could not be read: that is in the CBOM, and counted in the \
                            summary on standard error.\n\nExamples:\n  symbolon plan scan . -o cbom.json\n  symbolon plan \
                            scan /etc /srv tls:www.example.org:443 --cache ~/.cache/plan -o cbom.json\n  symbolon plan \
                            scan src --format sarif -o findings.sarif\n  symbolon plan scan /etc --issued server -o \
                            cbom.json"
    )]
    Scan(Box<Scan>),
    /// Join CBOMs, ours and other tools', into one
    #[command(
        after_help = "Examples:\n  symbolon plan merge web.json db.json -o all.json\n  symbolon plan merge \
                            other-tool.json -o ours.json   # reads another tool's CBOM"
    )]
    Merge(Merge),
    /// Say what changed between two CBOMs
    #[command(
        after_help = "Examples:\n  symbolon plan diff last-week.json today.json\n  symbolon plan diff --exit-code \
                            main.json branch.json && echo nothing changed"
    )]
    Diff(Diff),
    /// List what in a CBOM answers a question
    #[command(
        after_help = "A question is conditions, all of which must hold: field=value, field!=value or field~part, \
                            where a field is algorithm, exposure, fact.NAME, id, kind, location, name, owner, primitive \
                            or quantum.\n\nExamples:\n  symbolon plan query cbom.json quantum=broken kind=certificate\n  \
                            symbolon plan query cbom.json 'location~/etc/ssl name~\"Example CA\"' --output json"
    )]
    Query(Query),
    /// Say what must move when, in which order, and which command does it
    #[command(
        after_help = "The roadmap is written as JSON with -o, and read again by plan status and plan report.\n\n\
                            Examples:\n  symbolon plan roadmap cbom.json\n  symbolon plan roadmap cbom.json --profile \
                            profile.toml -o roadmap.json"
    )]
    Roadmap(Roadmap),
    /// Write the report: one HTML page that needs nothing else, Markdown, or JSON
    #[command(
        after_help = "Examples:\n  symbolon plan report cbom.json -o report.html\n  symbolon plan report \
                            cbom.json --profile profile.toml --format markdown\n  symbolon plan report cbom.json \
                            --fail-on overdue,weak-today -o report.html   # for CI: exits with 3"
    )]
    Report(Report),
    /// Say how a roadmap stands after another scan: a thing has moved when it was seen to have moved
    #[command(
        after_help = "Example:\n  symbolon plan scan /srv -o now.json && symbolon plan status roadmap.json \
                            now.json -o status.json"
    )]
    Status(Status),
}

/// In which form an inventory is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum DocumentFormat {
    /// CycloneDX CBOM in JSON: everything, and what the other plan commands read
    #[default]
    Cyclonedx,
    /// One row for each place of each asset, and for each thing that could not be read
    Csv,
    /// SARIF 2.1.0: the algorithms that were seen on a line of a file
    Sarif,
}

/// Where a document goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Document")]
pub(crate) struct Document {
    /// Write it to this file, whole or not at all [default: standard output]
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// In which form
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: DocumentFormat,
    /// The CycloneDX version: 1.6 or 1.7
    #[arg(long, value_name = "VERSION", default_value = "1.7", value_parser = spec_version)]
    pub spec_version: SpecVersion,
    /// Put this moment into the document, as in 2026-11-22T03:25:00Z; without it the same findings give the same bytes
    #[arg(long, value_name = "TIME")]
    pub timestamp: Option<String>,
}

/// What the operator knows and no scanner can see.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tags")]
pub(crate) struct Tags {
    /// Whose the assets are that answer a question, as in 'payments=location~/srv/pay'; may be repeated
    #[arg(long, value_name = "NAME=QUESTION", value_parser = tag)]
    pub owner: Vec<Tag>,
    /// Who can reach them: internet, internal, local, as in 'internet=location~tls:'; may be repeated
    #[arg(long, value_name = "WORD=QUESTION", value_parser = tag)]
    pub exposure: Vec<Tag>,
}

/// A word for everything that answers a question.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub word: String,
    pub question: symbolon_migration_planner::inventory::Query,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// What to scan
    #[arg(value_name = "TARGET", required_unless_present = "issued")]
    pub targets: Vec<String>,
    /// Join it with what our own authority issued: `server` asks the server that --server names, anything else is a
    /// file that `symbolon cert export` wrote; may be repeated
    #[arg(long, value_name = "server|FILE")]
    pub issued: Vec<String>,
    /// Leave out files and directories whose names begin with a dot
    #[arg(long)]
    pub skip_hidden: bool,
    /// Leave out what .gitignore and .ignore files say
    #[arg(long)]
    pub skip_ignored: bool,
    /// Leave out what matches this pattern, in the notation of .gitignore; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Keep findings here for the next scan, which then reads only what changed [default: none are kept]
    #[arg(long, value_name = "FILE")]
    pub cache: Option<PathBuf>,
    /// Read everything again, whatever the cache says, and renew it
    #[arg(long, requires = "cache")]
    pub verify: bool,
    #[command(flatten)]
    pub document: Document,
    #[command(flatten)]
    pub tags: Tags,
    #[command(flatten)]
    pub bounds: Bounds,
    /// Neither progress nor summary
    #[arg(long, short)]
    pub quiet: bool,
}

/// Bounds in memory and time.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bounds")]
pub(crate) struct Bounds {
    /// How many files are looked at at the same time [default: as many as there are processors]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,
    /// The largest file read, as in 32M
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = size)]
    pub max_file_size: u64,
    /// How long one file may take
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub file_time: HumanDuration,
    /// How long one endpoint or token may take
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub contact_time: HumanDuration,
    /// How long the whole scan may take; what is left then counts as timed out [default: as long as it takes]
    #[arg(long, value_name = "DURATION")]
    pub time: Option<HumanDuration>,
}

#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// CBOMs in JSON; - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub document: Document,
    #[command(flatten)]
    pub tags: Tags,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The older CBOM
    pub old: PathBuf,
    /// The newer CBOM
    pub new: PathBuf,
    /// Exit with 3 when anything differs
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The CBOM; - for standard input
    pub file: PathBuf,
    /// The question; several words are several conditions
    #[arg(value_name = "CONDITION")]
    pub question: Vec<String>,
    /// Show at most this many
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub limit: usize,
}

/// What a reader adds to a CBOM before it says anything about risk.
#[derive(Debug, Args)]
#[command(next_help_heading = "Assumptions")]
pub(crate) struct Assumptions {
    /// What only you know: regimes that bind, how long secrets must last, owners (TOML) [default: no regime binds]
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Facts that replace or add to those that come with the program (TOML); may be repeated
    #[arg(long, value_name = "FILE")]
    pub facts: Vec<PathBuf>,
    /// The day that it is for, as in 2026-11-22 [default: today]
    #[arg(long, value_name = "DAY")]
    pub on: Option<Day>,
}

#[derive(Debug, Args)]
pub(crate) struct Roadmap {
    /// The CBOM; - for standard input
    pub file: PathBuf,
    /// Write the roadmap to this file as JSON, and the overview to standard output
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub assumptions: Assumptions,
}

/// In which form a report is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One page without scripts, for people
    #[default]
    Html,
    /// For where pages do not go
    Markdown,
    /// Everything, for programs
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The CBOM; - for standard input
    pub file: PathBuf,
    /// An earlier roadmap, of which the report then says how it stands
    #[arg(long, value_name = "FILE")]
    pub roadmap: Option<PathBuf>,
    /// Write the report to this file [default: standard output]
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// In which form
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: ReportFormat,
    /// Exit with 3 when there is any of these: weak-today, unknown, harvest-now, forge-later, impersonate, overdue,
    /// late, unread, regressed
    #[arg(long, value_name = "CONDITION", value_delimiter = ',')]
    pub fail_on: Vec<FailOn>,
    #[command(flatten)]
    pub assumptions: Assumptions,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The roadmap, as plan roadmap wrote it
    pub roadmap: PathBuf,
    /// The CBOM of a later scan of the same things; - for standard input
    pub file: PathBuf,
    /// The last status of the same roadmap, to tell what has gone back
    #[arg(long, value_name = "FILE")]
    pub before: Option<PathBuf>,
    /// Write the status to this file as JSON, and the overview to standard output
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub assumptions: Assumptions,
}

fn spec_version(text: &str) -> Result<SpecVersion, String> {
    SpecVersion::from_name(text).ok_or_else(|| "it is 1.6 or 1.7".to_owned())
}

fn tag(text: &str) -> Result<Tag, String> {
    let (word, question) = text
        .split_once('=')
        .filter(|(word, question)| !word.trim().is_empty() && !question.trim().is_empty())
        .ok_or("it is a word, =, and a question, as in 'payments=location~/srv/pay'")?;
    let question = question
        .parse()
        .map_err(|error: symbolon_migration_planner::inventory::QueryError| error.to_string())?;
    Ok(Tag {
        word: word.trim().to_owned(),
        question,
    })
}

/// A number of bytes, with K, M or G for the powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (text.get(..at), 10),
        Some((at, 'M' | 'm')) => (text.get(..at), 20),
        Some((at, 'G' | 'g')) => (text.get(..at), 30),
        _ => (Some(text), 0),
    };
    digits
        .and_then(|digits| digits.parse::<u64>().ok())
        .and_then(|count| count.checked_mul(1 << unit))
        .filter(|count| *count > 0)
        .ok_or_else(|| "it is a number of bytes, as in 65536, 512K, 32M or 1G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("65536"), Ok(65536));
        assert_eq!(size("32M"), Ok(32 << 20));
        assert_eq!(size("2g"), Ok(2 << 30));
        for bad in ["", "M", "0", "-1", "1T", "99999999999G"] {
            size(bad).unwrap_err();
        }
    }

    #[test]
    fn a_tag_is_a_word_for_a_question() {
        let tag = tag("pay=location~/srv/pay kind=certificate").unwrap();
        assert_eq!(tag.word, "pay");
        for bad in ["pay", "=kind=key", "pay=", "pay=colour=red"] {
            super::tag(bad).unwrap_err();
        }
    }
}
