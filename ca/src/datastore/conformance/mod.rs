//! What every backend of [`Datastore`] promises, in executable form.
//!
//! Each check has a datastore of its own, fresh and empty. The suite says what it expected and what it found, and
//! does not panic, so that it can also be run against a database that an operator wants to trust.

mod agents;
mod authorities;
mod certificates;
mod choices;
mod component_keys;
mod entries;
mod federation;
mod join_tokens;
mod metadata;
mod migrations;
mod samples;
mod upstream;

use std::fmt;
use std::sync::Arc;

use anyhow::ensure;
use futures_util::future::LocalBoxFuture;

use super::{Datastore, DatastoreError, Page, PageRequest};

type Outcome = anyhow::Result<()>;
type Store = Arc<dyn Datastore>;

/// One promise.
struct Check {
    name: &'static str,
    run: fn(Store) -> LocalBoxFuture<'static, Outcome>,
}

/// `check!(module::function)`: a check of that name.
macro_rules! check {
    ($module:ident::$function:ident) => {
        Check {
            name: concat!(stringify!($module), "::", stringify!($function)),
            run: |store| Box::pin($module::$function(store)),
        }
    };
}

const CHECKS: &[Check] = &[
    check!(metadata::the_first_claim_stays),
    check!(metadata::a_setting_can_be_changed),
    check!(authorities::an_authority_reads_back_with_its_keys),
    check!(authorities::an_alternative_key_reads_back_beside_the_native_one),
    check!(authorities::activation_replaces_the_active_one_and_is_not_published),
    check!(authorities::tainting_and_revoking_are_published),
    check!(authorities::steps_outside_the_life_cycle_are_refused),
    check!(authorities::one_prepared_authority_in_a_family),
    check!(authorities::no_component_key_is_used_twice),
    check!(authorities::pruning_spares_the_active_one_and_keeps_claims),
    check!(authorities::claims_are_all_or_none),
    check!(choices::the_last_choice_for_a_family_counts),
    check!(component_keys::a_component_is_part_of_one_key),
    check!(component_keys::a_serial_number_twice_claims_nothing),
    check!(component_keys::a_key_is_an_authoritys_or_somebody_elses),
    check!(certificates::a_certificate_reads_back_in_both_states),
    check!(certificates::one_bad_write_does_not_spoil_the_others),
    check!(certificates::a_large_batch_is_recorded_whole),
    check!(certificates::listings_are_newest_first_and_paged),
    check!(certificates::filters_select),
    check!(certificates::pruning_is_bounded_and_takes_the_oldest),
    check!(entries::an_entry_reads_back_with_every_field),
    check!(entries::a_like_entry_is_returned_instead_of_created),
    check!(entries::what_cannot_be_kept_is_refused),
    check!(entries::updates_need_the_present_revision),
    check!(entries::an_update_cannot_make_two_alike),
    check!(entries::a_deleted_entry_is_gone),
    check!(entries::plain_filters_select),
    check!(entries::set_filters_match_as_spire_does),
    check!(entries::listings_are_paged_and_survive_deletions),
    check!(entries::only_expired_entries_are_pruned),
    check!(entries::concurrent_creations_make_one),
    check!(agents::an_agent_reads_back),
    check!(agents::attesting_again_replaces),
    check!(agents::serial_numbers_follow_renewal_and_use),
    check!(agents::a_banned_agent_cannot_come_back_until_deleted),
    check!(agents::who_attests_once_is_added_once),
    check!(agents::filters_select_and_pages_cut),
    check!(federation::a_bundle_reads_back_with_everything_in_it),
    check!(federation::parts_of_a_bundle_are_replaced_and_no_others),
    check!(federation::a_bundle_that_is_too_long_is_refused),
    check!(federation::what_was_fetched_counts_while_its_relationship_does),
    check!(federation::entries_decide_whether_a_bundle_may_go),
    check!(federation::a_relationship_reads_back_and_changes),
    check!(federation::what_others_append_is_published_once),
    check!(federation::what_others_append_is_bounded_in_bytes),
    check!(federation::a_publisher_has_a_share_and_no_more),
    check!(federation::a_key_that_others_appended_can_be_tainted_and_revoked_for_good),
    check!(upstream::what_an_administrator_put_in_first_becomes_the_upstreams),
    check!(upstream::what_a_former_upstream_put_in_is_told_and_becomes_the_next_ones),
    check!(upstream::what_was_tainted_here_comes_back_tainted),
    check!(upstream::what_servers_below_publish_is_theirs),
    check!(migrations::changes_read_back_in_order_and_none_is_lost),
    check!(migrations::living_forms_are_those_of_signed_workload_svids),
    check!(join_tokens::a_token_is_consumed_once),
    check!(join_tokens::a_token_is_spent_with_its_agent_and_not_without),
    check!(join_tokens::of_many_at_once_one_consumes),
    check!(join_tokens::an_expired_token_is_told_apart),
    check!(join_tokens::pruning_forgets_expired_tokens_only),
];

/// What the suite found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The checks that passed.
    pub passed: Vec<&'static str>,
    /// The checks that failed, each with what was expected and found.
    pub failed: Vec<(&'static str, String)>,
}

impl Report {
    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.failed.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} checks passed, {} failed",
            self.passed.len(),
            self.failed.len()
        )?;
        self.failed
            .iter()
            .try_for_each(|(name, reason)| writeln!(f, "{name}: {reason}"))
    }
}

/// Runs every check on a datastore of its own, which `fresh` makes.
pub async fn run(fresh: impl AsyncFn() -> anyhow::Result<Arc<dyn Datastore>>) -> Report {
    let mut report = Report::default();
    for check in CHECKS {
        let outcome = match fresh().await {
            Ok(store) => {
                let outcome = (check.run)(store.clone()).await;
                store.close().await;
                outcome
            }
            Err(e) => Err(e.context("no fresh datastore for the check")),
        };
        match outcome {
            Ok(()) => report.passed.push(check.name),
            Err(e) => report.failed.push((check.name, format!("{e:#}"))),
        }
    }
    report
}

/// `expect_error!(result, pattern)`: the result is an error of that shape.
macro_rules! expect_error {
    ($result:expr, $pattern:pat) => {
        match $result {
            Err($pattern) => {}
            Err(other) => anyhow::bail!(
                "{}: expected {}, got {other:?}",
                stringify!($result),
                stringify!($pattern)
            ),
            Ok(value) => anyhow::bail!("{}: expected an error, got {value:?}", stringify!($result)),
        }
    };
}

/// `expect_eq!(left, right)`: the two are equal.
macro_rules! expect_eq {
    ($left:expr, $right:expr) => {
        match (&$left, &$right) {
            (left, right) => anyhow::ensure!(
                left == right,
                "{} should be {}\n  expected: {right:?}\n  found:    {left:?}",
                stringify!($left),
                stringify!($right)
            ),
        }
    };
}
use {expect_eq, expect_error};

/// Follows a listing's pages of `size` to the end.
async fn all_pages<T>(
    size: u32,
    list: impl AsyncFn(PageRequest) -> Result<Page<T>, DatastoreError>,
) -> anyhow::Result<Vec<T>> {
    let mut items = Vec::new();
    let mut request = PageRequest::first(size);
    loop {
        let page = list(request).await?;
        ensure!(
            page.items.len() <= size as usize,
            "a page of {} when {size} were asked for",
            page.items.len()
        );
        ensure!(
            page.next.is_none() || !page.items.is_empty(),
            "an empty page that is not the last"
        );
        items.extend(page.items);
        match page.next {
            // As a client would hand it back.
            Some(token) => request = request.after(token.to_string().parse()?),
            None => return Ok(items),
        }
    }
}
