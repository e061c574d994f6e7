//! A token that hangs: it neither answers nor goes away.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use symbolon_api::FORMS_METADATA;
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_ca::client::Client;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Form;
use symbolon_test_tokens::{Kind, LABEL, P11KitServer, Token};
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
use tokio::task::JoinSet;
use tonic::Request;
use tonic::transport::Channel;

use crate::home;
use crate::support::{Home, until, wait};

/// What a call to the token may take: longer than all that is waited for here.
const CALL: Duration = Duration::from_secs(120);
/// What the end of the server may take: ten seconds for calls in progress, five for threads, and a busy machine. What
/// starts services kills them after ninety.
const END: Duration = Duration::from_secs(40);
/// What somebody may wait whose family has its keys elsewhere.
const ELSEWHERE: Duration = Duration::from_secs(30);

/// Classical keys on the token, all others in files, and lives so short that a successor is soon due.
fn config(home: &Home, token: &Token) -> PathBuf {
    let path = home.path().join("server.toml");
    let text = format!(
        "trust_domain = \"example.org\"\ndata_dir = \"{data}\"\nkey_stores = \"files\"\n\
         [listen]\naddress = \"127.0.0.1:0\"\n\
         [lifetimes]\nauthority = \"60s\"\nsvid = \"5s\"\nagent = \"5s\"\njwt = \"5s\"\n\
         [stores.hsm]\nkind = \"pkcs11\"\nmodule = \"{module}\"\ntoken = \"{LABEL}\"\n\
         pin_source = \"file:{pin}\"\ndeadline = \"{call}s\"\n\
         [stores.files]\nkind = \"software\"\n\
         [families.classical]\nstore = \"hsm\"\n\
         [log]\nfilter = \"info,symbolon_ca=debug\"\n",
        data = home.data().display(),
        module = token.module.display(),
        pin = token.pin_file().display(),
        call = CALL.as_secs(),
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// A server with its log in a file; killed when dropped.
struct Running(Child);

impl Running {
    fn start(home: &Home, config: &Path, log: &Path) -> Self {
        let mut command = home.symbolon(&["server", "run", "--config", config.to_str().unwrap()]);
        let child = command.stdout(Stdio::null()).stderr(File::create(log).unwrap());
        let running = Self(child.spawn().unwrap());
        let socket = home.data().join("server/private.sock");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        until("the server is well", || {
            runtime.block_on(async {
                let client = Client::over_socket(&socket).await;
                matches!(client, Ok(client) if client.is_healthy().await.unwrap_or(false))
            })
        });
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Asks for a certificate of a form, without a deadline of its own.
async fn ask(channel: Channel, form: Form) -> Result<(), tonic::Status> {
    let key = PrivateKey::generate(form.default_suite()).unwrap();
    let id = "spiffe://example.org/load".parse().unwrap();
    let csr = CsrBuilder::new(&key.signer().unwrap())
        .spiffe_id(&id)
        .build()
        .unwrap();
    let mut request = Request::new(MintX509svidRequest { csr, ttl: 5 });
    let forms = form.name().parse().unwrap();
    request.metadata_mut().insert(FORMS_METADATA, forms);
    SvidClient::new(channel).mint_x509svid(request).await.map(drop)
}

#[test]
fn a_token_that_hangs_holds_up_neither_other_families_nor_the_end_of_the_server() {
    let name = "a_token_that_hangs_holds_up_neither_other_families_nor_the_end_of_the_server";
    let Some(token) = Token::new(Kind::Remote, name) else {
        return;
    };
    let remote = P11KitServer::start(&token);
    let home = home(&[&token]);
    let log = home.path().join("log");
    let mut server = Running::start(&home, &config(&home, &token), &log);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served = runtime.block_on(async {
        let socket = home.data().join("server/private.sock");
        // Whoever waits for the token waits until the server ends.
        let options = ChannelOptions {
            request_timeout: None,
            ..ChannelOptions::default()
        };
        let channel = unix_channel(&socket, &options).await.unwrap();
        ask(channel.clone(), Form::Classical).await.unwrap();

        remote.signal("-STOP");
        let mut hanging = JoinSet::new();
        for _ in 0..40 {
            hanging.spawn(ask(channel.clone(), Form::Classical));
        }
        // Until the server itself wants something of the token, and a while of requests in any case.
        let begun = Instant::now();
        let wants = || {
            let log = std::fs::read_to_string(&log).unwrap();
            log.matches("authority.preparing").count() > 5
        };
        let mut served = 0;
        while served < 40 || !wants() {
            assert!(begun.elapsed() < CALL, "no successor became due");
            for form in [Form::MlDsa, Form::Composite] {
                let began = Instant::now();
                let issued = ask(channel.clone(), form).await;
                assert!(began.elapsed() < ELSEWHERE, "{form}: {:?}", began.elapsed());
                issued.unwrap_or_else(|error| panic!("{form} has its keys in files: {error:?}"));
                served += 1;
            }
        }
        let answered = hanging.try_join_next();
        assert!(answered.is_none(), "the token does hang, and yet: {answered:?}");

        let ending = Instant::now();
        kill_process(Pid::from_child(&server.0), Signal::TERM).unwrap();
        let status = wait(&mut server.0);
        let took = ending.elapsed();
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(status.success() && took < END, "{status} after {took:?}: {log}");
        assert!(log.contains("server.stopped"), "{log}");
        while let Some(asked) = hanging.join_next().await {
            asked.unwrap().unwrap_err();
        }
        println!("{served} certificates of other families; the server ended within {took:?}");
        served
    });
    assert!(served >= 40);

    // Nothing is spoilt: the same server starts when the token answers again.
    remote.signal("-CONT");
    let mut server = Running::start(&home, &config(&home, &token), &log);
    kill_process(Pid::from_child(&server.0), Signal::TERM).unwrap();
    let status = wait(&mut server.0);
    assert!(
        status.success(),
        "{status}: {}",
        std::fs::read_to_string(&log).unwrap()
    );
}
