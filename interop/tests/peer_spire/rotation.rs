//! Ten classical authorities, one after the other, by the stock command, while a stock agent and one of ours serve the
//! same workload.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use symbolon_interop::running::eventually;
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, Agent, fetch};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::verify_x509_svid;
use symbolon_tls::workload_api::{Endpoint, WorkloadApiClient, X509Context};
use tokio::runtime::Handle;

use crate::{SPIRE, entry, shows, token};

const ROTATIONS: usize = 10;

/// Lives so short that SVIDs are renewed within each rotation.
const SHORT: &str = "[lifetimes]\nsvid = \"30s\"\nagent = \"60s\"\n";

/// Verifies all SVIDs of an answer with the bundles that came with it, and gives who issued them, by their form.
pub(crate) fn issuers(context: &X509Context) -> Result<BTreeSet<(Form, String)>> {
    context
        .svids
        .iter()
        .map(|svid| {
            let chain = svid
                .identity
                .chain()
                .iter()
                .map(|der| Certificate::from_der(der))
                .collect::<Result<Vec<_>, _>>()?;
            let verified = verify_x509_svid(&chain, &context.bundles, SystemTime::now())?;
            Ok((svid.form(), verified.authority_id.to_string()))
        })
        .collect()
}

pub(crate) async fn own_agents(socket: &Path) -> Result<X509Context> {
    let client = WorkloadApiClient::connect(&Endpoint::unix(socket)?).await?;
    Ok(client.fetch_x509(&[Form::Classical, Form::Composite]).await?)
}

/// Looks at both agents without pause, and keeps the first thing that is not as it should be.
struct Watch {
    done: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    watching: tokio::task::JoinHandle<Result<()>>,
}

impl Watch {
    fn start(stock: PathBuf, own: PathBuf, composite: BTreeSet<(Form, String)>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let looks = Arc::new(AtomicUsize::new(0));
        let (until, count) = (done.clone(), looks.clone());
        let watching = tokio::spawn(async move {
            while !until.load(Ordering::Relaxed) {
                let of_stock = fetch(&stock).await.context("the stock agent")?;
                issuers(&of_stock).context("the stock agent's SVIDs")?;
                let of_own = own_agents(&own).await.context("our agent")?;
                let seen = issuers(&of_own).context("our agent's SVIDs")?;
                anyhow::ensure!(
                    seen.is_superset(&composite),
                    "our agent has no SVID of the composite authority any more: {seen:?}"
                );
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            Ok(())
        });
        Self {
            done,
            looks,
            watching,
        }
    }

    async fn end(self) -> usize {
        self.done.store(true, Ordering::Relaxed);
        self.watching.await.unwrap().unwrap();
        self.looks.load(Ordering::Relaxed)
    }
}

/// The id of the authority that a stock command answers with.
pub(crate) fn authority(server: &Server, words: &[&str], member: &str) -> String {
    let answer = spire::json(server, words).unwrap();
    let id = answer[member]["authority_id"].as_str();
    id.unwrap_or_else(|| panic!("{words:?}: {answer}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn svids_stay_valid_through_ten_rotations_by_command() {
    let settings = Settings {
        sections: SHORT.to_owned(),
        ..Settings::default()
    };
    let server = Server::with(&settings).unwrap();
    let (evidence, stock_id) = token(&server, &[]);
    let stock = Agent::start(&server, "stock", &evidence).unwrap();
    let own = server.agent("1s").unwrap();
    for parent in [stock_id.as_str(), own.spiffe_id()] {
        entry(&server, parent, "/workload", &[]);
    }
    let handle = Handle::current();
    let look = |what: &str, whether: &dyn Fn(&X509Context, &X509Context) -> bool| {
        tokio::task::block_in_place(|| {
            eventually(what, || {
                let (Ok(of_stock), Ok(of_own)) = (
                    handle.block_on(fetch(&stock.socket())),
                    handle.block_on(own_agents(own.socket())),
                ) else {
                    return Ok(None);
                };
                Ok(whether(&of_stock, &of_own).then_some((of_stock, of_own)))
            })
        })
        .unwrap()
    };
    let (_, first) = look("both agents serve the workload", &|_, own| own.svids.len() == 2);
    let composite: BTreeSet<_> = issuers(&first)
        .unwrap()
        .into_iter()
        .filter(|(form, _)| *form == Form::Composite)
        .collect();
    assert_eq!(composite.len(), 1);

    let watch = Watch::start(stock.socket(), own.socket().to_owned(), composite);
    let x509 =
        |verb, id: &str| spire::json(&server, &["localauthority", "x509", verb, "-authorityID", id]).unwrap();
    let has_root = |context: &X509Context, id: &str| {
        let bundle = context.bundles.get(stock.trust_domain()).unwrap();
        bundle
            .x509_authorities
            .iter()
            .any(|authority| authority.id().to_string() == id)
    };
    let issued_by = |context: &X509Context, id: &str| {
        let classical = (Form::Classical, id.to_owned());
        issuers(context).is_ok_and(|found| found.contains(&classical))
    };
    let mut before = authority(&server, &["localauthority", "x509", "show"], "active");
    for rotation in 0..ROTATIONS {
        let next = authority(
            &server,
            &["localauthority", "x509", "prepare"],
            "prepared_authority",
        );
        look("both agents know the prepared authority", &|stock, own| {
            has_root(stock, &next) && has_root(own, &next)
        });
        let activated = x509("activate", &next);
        assert_eq!(
            activated["activated_authority"]["authority_id"], next,
            "{activated}"
        );
        // Every other time the old one is tainted, and goes as soon as nobody has anything of it.
        let force = rotation % 2 == 1;
        if force {
            let tainted = x509("taint", &before);
            assert_eq!(tainted["tainted_authority"]["authority_id"], before, "{tainted}");
        }
        look("both agents have SVIDs of the new authority", &|stock, own| {
            issued_by(stock, &next) && issued_by(own, &next)
        });
        if force {
            x509("revoke", &before);
            look("both agents know the old authority no more", &|stock, own| {
                !has_root(stock, &before) && !has_root(own, &before)
            });
        }
        before = next;
    }
    let looks = watch.end().await;
    assert!(looks >= ROTATIONS, "{looks} looks are too few to say anything");
    let shown = spire::json(&server, &["localauthority", "x509", "show"]).unwrap();
    assert_eq!(shown["active"]["authority_id"], before, "{shown}");
    shows("agent/ten rotations by command");
    SPIRE
        .shows("beside/ten rotations by command", "composite", "ok")
        .unwrap();
}
