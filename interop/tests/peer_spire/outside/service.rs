//! Services that programs ask over HTTP, on threads of their own: stand-ins that answer as the real ones are documented to.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509Builder;
use openssl::x509::extension::{ExtendedKeyUsage, SubjectAlternativeName};

use crate::nodes;

/// A question.
pub(crate) struct Asked {
    /// `GET`.
    pub(crate) verb: String,
    /// The path, and what follows a question mark.
    pub(crate) path: String,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    fn read(stream: impl Read) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut next = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
            Some(line.trim_end().to_owned())
        };
        let line = next()?;
        let mut words = line.split(' ');
        let (verb, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut fields = Vec::new();
        loop {
            let line = next()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut asked = Self {
            verb,
            path,
            fields,
            body: Vec::new(),
        };
        let len = asked
            .field("content-length")
            .map_or(Some(0), |len| len.parse().ok())?;
        asked.body = vec![0; len];
        reader.read_exact(&mut asked.body).ok()?;
        Some(asked)
    }

    /// A field, its name in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// An answer.
pub(crate) struct Told {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: String,
}

impl Told {
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<String>) -> Self {
        Self {
            status,
            fields: vec![("content-type", kind.to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    fn write(&self, mut stream: impl Write) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Told\r\n", self.status);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let len = self.body.len();
        head.push_str(&format!("content-length: {len}\r\nconnection: close\r\n\r\n"));
        stream.write_all(head.as_bytes())?;
        stream.write_all(self.body.as_bytes())?;
        stream.flush()
    }
}

type Answering = Arc<dyn Fn(&Asked) -> Told + Send + Sync>;

/// One question, and its answer. Whoever goes away in between has asked nothing.
fn exchange(mut stream: impl Read + Write, answering: &Answering) {
    if let Some(asked) = Asked::read(&mut stream) {
        let _ = answering(&asked).write(&mut stream);
    }
}

fn serve(ip: IpAddr, tls: Option<SslAcceptor>, answering: Answering) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let tls = tls.map(Arc::new);
    // It ends with the process that tests run in.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tls, answering) = (tls.clone(), Arc::clone(&answering));
            thread::spawn(move || match tls {
                None => exchange(stream, &answering),
                Some(tls) => {
                    if let Ok(mut stream) = tls.accept(stream) {
                        exchange(&mut stream, &answering);
                        let _ = stream.shutdown();
                    }
                }
            });
        }
    });
    address
}

/// Starts a service without TLS, and gives its address.
pub(crate) fn plain(answering: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> SocketAddr {
    plain_at(Ipv4Addr::LOCALHOST.into(), answering)
}

/// As [`plain`], at another address of this machine's.
pub(crate) fn plain_at(ip: IpAddr, answering: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> SocketAddr {
    serve(ip, None, Arc::new(answering))
}

/// Starts a service with TLS 1.3 under an authority of its own. Gives its address, and the authority in a file of `folder`.
pub(crate) fn secure(
    folder: &Path,
    answering: impl Fn(&Asked) -> Told + Send + Sync + 'static,
) -> (SocketAddr, PathBuf) {
    let (root, key) = (nodes::root("services"), nodes::ec_key());
    let shape = |builder: &mut X509Builder| {
        let purpose = ExtendedKeyUsage::new().server_auth().build().unwrap();
        builder.append_extension(purpose).unwrap();
        let context = builder.x509v3_context(None, None);
        let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&context);
        builder.append_extension(names.unwrap()).unwrap();
    };
    let certificate = nodes::leaf("service", 7, &key, &root, shape);
    let mut acceptor = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_private_key(&key).unwrap();
    let address = serve(
        Ipv4Addr::LOCALHOST.into(),
        Some(acceptor.build()),
        Arc::new(answering),
    );
    (address, nodes::write(&folder.join("services.pem"), &root.0))
}
