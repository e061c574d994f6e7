//! `symbolon authority migrate` and `migration`.

use clap::Args;
use symbolon_ca::migration::WishedStage;
use symbolon_host::HumanDuration;
use symbolon_tls::MigrationTarget;

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Where to: hybrid (composite SVIDs) or pq (ML-DSA SVIDs) [default: where the rule leads already]
    #[arg(long, value_name = "TARGET")]
    pub to: Option<MigrationTarget>,
    /// Which entries: spiffe-id:URI, spiffe-id-prefix:/PATH, parent-id:URI, selector:TYPE:VALUE or id:ENTRY [default: all]
    #[arg(long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    pub entries: String,
    /// How far: publish, issue, accept, prefer, require or off [default: the next stage]
    #[arg(long, value_name = "STAGE", value_parser = stage)]
    pub stage: Option<WishedStage>,
    /// Take the rule for these entries away, so that the one for more entries counts
    #[arg(long, conflicts_with_all = ["stage", "to"])]
    pub clear: bool,
    /// Set the stage though not everybody is ready, or though stages are left out
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Why; goes into the log and the record of changes
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Check and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// For how long no verifier may have taken a classical peer before `require` [default: the server's
    /// `migration.quiet`]; less than that wants --force
    #[arg(long, value_name = "DURATION")]
    pub quiet: Option<HumanDuration>,
}

fn stage(name: &str) -> Result<WishedStage, String> {
    match name {
        "off" => Ok(WishedStage::Off),
        name => name
            .parse()
            .map(WishedStage::To)
            .map_err(|error| format!("{error}, and off")),
    }
}
