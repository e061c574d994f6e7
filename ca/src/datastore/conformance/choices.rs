//! What commands chose that families be.

use std::time::Duration;

use symbolon_hsm::names::StoreName;
use symbolon_pki::suite::{Family, Suite};

use super::samples::at;
use super::{Outcome, Store, expect_eq};
use crate::datastore::{FamilyChoice, FamilyShape};

fn choice(family: Family, suite: Suite, alternative: Option<Suite>) -> anyhow::Result<FamilyChoice> {
    let shape = |suite, name: &str| -> anyhow::Result<FamilyShape> {
        let stores = vec![StoreName::parse(name)?; 1 + usize::from(alternative.is_some())];
        Ok(FamilyShape {
            suite,
            alternative,
            stores,
        })
    };
    Ok(FamilyChoice {
        family,
        wanted: shape(suite, "token")?,
        configured: shape(Suite::EcdsaP256, "software")?,
        notice: Duration::from_secs(300),
        chosen_at: at(7),
        chosen_by: "a person, \"here\"".to_owned(),
    })
}

pub(super) async fn the_last_choice_for_a_family_counts(store: Store) -> Outcome {
    expect_eq!(store.family_choices().await?, []);
    let classical = choice(Family::Classical, Suite::EcdsaP384, None)?;
    let catalyst = choice(Family::Catalyst, Suite::EcdsaP256, Some(Suite::MlDsa87))?;
    let first = store.choose_family(&classical).await?;
    let second = store.choose_family(&catalyst).await?;
    let again = FamilyChoice {
        notice: Duration::ZERO,
        ..classical
    };
    let third = store.choose_family(&again).await?;
    anyhow::ensure!(first < second && second < third, "{first}, {second}, {third}");
    expect_eq!(
        store.family_choices().await?,
        [(second, catalyst.clone()), (third, again)]
    );
    store.forget_family_choice(Family::Classical).await?;
    store.forget_family_choice(Family::Jwt).await?;
    expect_eq!(store.family_choices().await?, [(second, catalyst.clone())]);
    store.forget_family_choice(Family::Catalyst).await?;
    let later = store.choose_family(&catalyst).await?;
    anyhow::ensure!(later > third, "no number is used twice: {later}");
    Ok(())
}
