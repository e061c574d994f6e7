//! What the stand-in answers.

use std::pin::Pin;
use std::time::Duration;

use symbolon_api::spire::api::server::agent::v1 as agent;
use symbolon_api::spire::api::server::agent::v1::agent_server::Agent as AgentService;
use symbolon_api::spire::api::server::bundle::v1 as bundle;
use symbolon_api::spire::api::server::bundle::v1::bundle_server::Bundle as BundleService;
use symbolon_api::spire::api::server::entry::v1 as entry;
use symbolon_api::spire::api::server::entry::v1::entry_server::Entry as EntryService;
use symbolon_api::spire::api::server::svid::v1 as svid;
use symbolon_api::spire::api::server::svid::v1::svid_server::Svid as SvidService;
use symbolon_api::spire::api::types;
use symbolon_api::{forms, permission_denied};
use symbolon_issuance::jwt::{JwtSvidRequest, mint_jwt_svid};
use symbolon_issuance::{Beside, SvidProfile};
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Form;
use symbolon_pki::time::Clock as _;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::StandIn;
use crate::support::{domain, id};

type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Methods that agents do not call.
macro_rules! not_here {
    ($($name:ident($request:ty) -> $response:ty;)*) => {$(
        fn $name<'life0, 'async_trait>(&'life0 self, _: Request<$request>) -> Answering<'async_trait, $response>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented("not here")) })
        }
    )*};
}

#[tonic::async_trait]
impl AgentService for StandIn {
    type AttestAgentStream = Answers<agent::AttestAgentResponse>;

    async fn attest_agent(
        &self,
        request: Request<Streaming<agent::AttestAgentRequest>>,
    ) -> Result<Response<Self::AttestAgentStream>, Status> {
        self.here()?;
        let opening = request
            .into_inner()
            .message()
            .await?
            .and_then(|message| message.step);
        let Some(agent::attest_agent_request::Step::Params(params)) = opening else {
            return Err(Status::invalid_argument("params"));
        };
        let token = String::from_utf8(params.data.unwrap().payload).unwrap();
        let csr = Csr::from_der(&params.params.unwrap().csr).unwrap();
        let spiffe_id = id(&format!("/spire/agent/join_token/{token}"));
        let certificate = self.certify(SvidProfile::Agent, &spiffe_id, csr.key(), Beside::Nothing);
        if self.script().refuses_nodes {
            self.script().refusals += 1;
            return Err(Status::permission_denied("not this node"));
        }
        if let Some(reason) = self.script().attestation_denial {
            return Err(permission_denied(reason, "told to"));
        }
        self.script().attestations += 1;
        let result = agent::attest_agent_response::Result {
            svid: Some(types::X509svid {
                cert_chain: vec![certificate],
                ..types::X509svid::default()
            }),
            reattestable: true,
        };
        let answer = agent::AttestAgentResponse {
            step: Some(agent::attest_agent_response::Step::Result(result)),
        };
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(answer)))))
    }

    not_here! {
        count_agents(agent::CountAgentsRequest) -> agent::CountAgentsResponse;
        list_agents(agent::ListAgentsRequest) -> agent::ListAgentsResponse;
        get_agent(agent::GetAgentRequest) -> types::Agent;
        delete_agent(agent::DeleteAgentRequest) -> ();
        ban_agent(agent::BanAgentRequest) -> ();
        renew_agent(agent::RenewAgentRequest) -> agent::RenewAgentResponse;
        create_join_token(agent::CreateJoinTokenRequest) -> types::JoinToken;
        post_status(agent::PostStatusRequest) -> agent::PostStatusResponse;
    }
}

#[tonic::async_trait]
impl BundleService for StandIn {
    async fn get_bundle(
        &self,
        request: Request<bundle::GetBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        self.here()?;
        assert!(forms::requested(request.metadata()).unwrap().is_some());
        let stock = self.script().stock;
        let bundle = self.bundle();
        let seen = |authority: &&X509Authority| !stock || authority.form() == Some(Form::Classical);
        let authorities =
            bundle
                .x509_authorities
                .iter()
                .filter(seen)
                .map(|authority| types::X509Certificate {
                    asn1: authority.certificate.der().to_vec(),
                    tainted: authority.tainted,
                });
        Ok(Response::new(types::Bundle {
            trust_domain: domain().to_string(),
            x509_authorities: authorities.collect(),
            jwt_authorities: vec![types::JwtKey {
                public_key: self.tokens.spki_der.clone(),
                key_id: self.tokens.authority.key_id().to_owned(),
                ..types::JwtKey::default()
            }],
            ..types::Bundle::default()
        }))
    }

    not_here! {
        count_bundles(bundle::CountBundlesRequest) -> bundle::CountBundlesResponse;
        append_bundle(bundle::AppendBundleRequest) -> types::Bundle;
        publish_jwt_authority(bundle::PublishJwtAuthorityRequest) -> bundle::PublishJwtAuthorityResponse;
        publish_wit_authority(bundle::PublishWitAuthorityRequest) -> bundle::PublishWitAuthorityResponse;
        list_federated_bundles(bundle::ListFederatedBundlesRequest) -> bundle::ListFederatedBundlesResponse;
        get_federated_bundle(bundle::GetFederatedBundleRequest) -> types::Bundle;
        batch_create_federated_bundle(bundle::BatchCreateFederatedBundleRequest) -> bundle::BatchCreateFederatedBundleResponse;
        batch_update_federated_bundle(bundle::BatchUpdateFederatedBundleRequest) -> bundle::BatchUpdateFederatedBundleResponse;
        batch_set_federated_bundle(bundle::BatchSetFederatedBundleRequest) -> bundle::BatchSetFederatedBundleResponse;
        batch_delete_federated_bundle(bundle::BatchDeleteFederatedBundleRequest) -> bundle::BatchDeleteFederatedBundleResponse;
    }
}

/// `items` in pages, `more` on all but the last.
fn pages<T: Clone>(
    items: &[T],
    page: usize,
    make: impl Fn(Vec<T>, bool) -> entry::SyncAuthorizedEntriesResponse,
) -> Vec<Result<entry::SyncAuthorizedEntriesResponse, Status>> {
    let count = items.chunks(page).len();
    let numbered = items.chunks(page).enumerate();
    numbered
        .map(|(index, items)| Ok(make(items.to_vec(), index + 1 < count)))
        .collect()
}

#[tonic::async_trait]
impl EntryService for StandIn {
    type SyncAuthorizedEntriesStream = Answers<entry::SyncAuthorizedEntriesResponse>;

    async fn sync_authorized_entries(
        &self,
        request: Request<Streaming<entry::SyncAuthorizedEntriesRequest>>,
    ) -> Result<Response<Self::SyncAuthorizedEntriesStream>, Status> {
        self.here()?;
        let (entries, page) = {
            let mut script = self.script();
            if let Some(reason) = script.denial.take() {
                return Err(permission_denied(reason, "told to"));
            }
            (script.entries.clone(), script.page)
        };
        let with_entries = |entries, more| entry::SyncAuthorizedEntriesResponse {
            entries,
            more,
            ..entry::SyncAuthorizedEntriesResponse::default()
        };
        let this = self.clone();
        let turns = request.into_inner().map(move |question| {
            let question = match question {
                Ok(question) => question,
                Err(status) => return tokio_stream::iter(vec![Err(status)]),
            };
            if question.ids.is_empty() {
                assert!(
                    question
                        .output_mask
                        .is_some_and(|mask| mask.selectors && mask.revision_number)
                );
                if entries.len() <= page {
                    return tokio_stream::iter(vec![Ok(with_entries(entries.clone(), false))]);
                }
                let revisions: Vec<_> = entries
                    .iter()
                    .map(|entry| entry::EntryRevision {
                        id: entry.id.clone(),
                        revision_number: entry.revision_number,
                        created_at: entry.created_at,
                    })
                    .collect();
                return tokio_stream::iter(pages(&revisions, page, |entry_revisions, more| {
                    entry::SyncAuthorizedEntriesResponse {
                        entry_revisions,
                        more,
                        ..entry::SyncAuthorizedEntriesResponse::default()
                    }
                }));
            }
            this.script().asked_ids.push(question.ids.len());
            let asked = |entry: &&types::Entry| question.ids.contains(&entry.id);
            let found: Vec<_> = entries.iter().filter(asked).cloned().collect();
            tokio_stream::iter(pages(&found, page / 2, with_entries))
        });
        Ok(Response::new(Box::pin(futures_util::StreamExt::flatten(turns))))
    }

    not_here! {
        count_entries(entry::CountEntriesRequest) -> entry::CountEntriesResponse;
        list_entries(entry::ListEntriesRequest) -> entry::ListEntriesResponse;
        get_entry(entry::GetEntryRequest) -> types::Entry;
        batch_create_entry(entry::BatchCreateEntryRequest) -> entry::BatchCreateEntryResponse;
        batch_update_entry(entry::BatchUpdateEntryRequest) -> entry::BatchUpdateEntryResponse;
        batch_delete_entry(entry::BatchDeleteEntryRequest) -> entry::BatchDeleteEntryResponse;
        get_authorized_entries(entry::GetAuthorizedEntriesRequest) -> entry::GetAuthorizedEntriesResponse;
    }
}

#[tonic::async_trait]
impl SvidService for StandIn {
    async fn batch_new_x509svid(
        &self,
        request: Request<svid::BatchNewX509svidRequest>,
    ) -> Result<Response<svid::BatchNewX509svidResponse>, Status> {
        self.here()?;
        let asked = forms::requested(request.metadata())
            .unwrap()
            .map(|forms| forms.len());
        if let Some(reason) = self.script().batch_denial {
            return Err(permission_denied(reason, "told to"));
        }
        let params = request.into_inner().params;
        let silent_about = self.script().silent_about.map(Form::name);
        if params
            .iter()
            .any(|params| Some(params.form.as_str()) == silent_about)
        {
            return std::future::pending().await;
        }
        let (instead_of, other_key) = {
            let mut script = self.script();
            if script.largest_batch.is_some_and(|largest| params.len() > largest) {
                return Err(Status::resource_exhausted("too many"));
            }
            script.batches.push(params.len());
            (script.instead_of.clone(), script.other_key.clone())
        };
        let results = params.into_iter().map(|params| {
            let csr = Csr::from_der(&params.csr).unwrap();
            let form = csr.form();
            // Named for others than the classical one, and asked for then.
            assert_eq!(
                params.form,
                if form == Form::Classical { "" } else { form.name() }
            );
            assert!(form == Form::Classical || asked.is_some());
            self.script().asked_forms.push(form);
            if self.script().cannot_issue == Some(form) {
                let away = Status::unavailable("the key store is away");
                return svid::batch_new_x509svid_response::Result {
                    status: Some((&away).into()),
                    svid: None,
                };
            }
            let first = csr.related_request().map(|request| self.first_of(request));
            let spiffe_id = instead_of
                .clone()
                .unwrap_or_else(|| id(&format!("/{}", params.entry_id)));
            let other = other_key
                .as_ref()
                .map(|key| SubjectKey::Suite(key.public_key().unwrap()));
            let certificate = self.certify(
                SvidProfile::Workload,
                &spiffe_id,
                other.as_ref().unwrap_or(csr.key()),
                first.as_ref().map_or(Beside::Nothing, Beside::Related),
            );
            self.script()
                .issued
                .push(Certificate::from_der(&certificate).unwrap());
            svid::batch_new_x509svid_response::Result {
                status: Some(types::Status::default()),
                svid: Some(types::X509svid {
                    cert_chain: vec![certificate],
                    ..types::X509svid::default()
                }),
            }
        });
        Ok(Response::new(svid::BatchNewX509svidResponse {
            results: results.collect(),
        }))
    }

    async fn new_jwtsvid(
        &self,
        request: Request<svid::NewJwtsvidRequest>,
    ) -> Result<Response<svid::NewJwtsvidResponse>, Status> {
        let request = request.into_inner();
        let (number, mut held) = {
            let mut script = self.script();
            script.asked_tokens += 1;
            (script.asked_tokens.to_string(), script.holds_tokens.subscribe())
        };
        held.wait_for(|holds| !holds).await.unwrap();
        let wanted = JwtSvidRequest {
            spiffe_id: &id(&format!("/{}", request.entry_id)),
            audience: &request.audience,
            ttl: Duration::from_secs(300),
            now: self.time.now(),
            jti: Some(&number),
        };
        let minted = mint_jwt_svid(&self.tokens.authority, &wanted).unwrap();
        Ok(Response::new(svid::NewJwtsvidResponse {
            svid: Some(types::Jwtsvid {
                token: minted.token.to_string(),
                ..types::Jwtsvid::default()
            }),
        }))
    }

    not_here! {
        mint_x509svid(svid::MintX509svidRequest) -> svid::MintX509svidResponse;
        mint_jwtsvid(svid::MintJwtsvidRequest) -> svid::MintJwtsvidResponse;
        mint_witsvid(svid::MintWitsvidRequest) -> svid::MintWitsvidResponse;
        batch_new_witsvid(svid::BatchNewWitsvidRequest) -> svid::BatchNewWitsvidResponse;
        new_downstream_x509ca(svid::NewDownstreamX509caRequest) -> svid::NewDownstreamX509caResponse;
    }
}
