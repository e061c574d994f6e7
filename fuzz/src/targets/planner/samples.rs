//! What the scanners' targets begin with, beyond a line of everything: the samples of the planner's own tests, a file of
//! each language and kind of lock file, and containers of keys and certificates.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use symbolon_pki::encode::whole;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

use crate::estate::{bundle, chain};
use crate::rare;

macro_rules! samples {
    ($($path:literal),+ $(,)?) => {
        &[$(include_bytes!(concat!("../../../../migration-planner/src/config/", $path)).as_slice()),+]
    };
}

/// Configuration files, as the tests of their scanners have them.
pub(super) const CONFIGURATION: &[&[u8]] = samples![
    "apache/sample.conf",
    "envoy/bootstrap.yaml",
    "envoy/envoy.json",
    "haproxy/crt-list.txt",
    "haproxy/sample.cfg",
    "java/java.security",
    "kafka/server.properties",
    "kubernetes/helm.yaml",
    "kubernetes/sample.yaml",
    "nginx/map.conf",
    "nginx/sample.conf",
    "openssl/sample.cnf",
    "policies/chosen",
    "policies/gnutls.config",
    "policies/openssl.config",
    "postgresql/pg_hba.conf",
    "postgresql/sample.conf",
    "ssh/client",
    "ssh/policy",
    "ssh/sshd_config",
    "strongswan/ipsec.conf",
    "strongswan/ipsec.secrets",
    "strongswan/swanctl.conf",
    "wireguard/wg0.conf",
    "wireguard/wg1.netdev",
    "wireguard/wg2.nmconnection",
];

/// Source code that follows names, constants and imports, and lock files.
pub(super) const SOURCE: &[&[u8]] = &[
    br#"import javax.crypto.*;
import java.security.KeyPairGenerator;
import org.bouncycastle.crypto.engines.AESEngine;
import org.bouncycastle.crypto.modes.GCMBlockCipher;
class Sample {
    static final String MODE = "GCM";
    private static final String HOW = "AES/" + MODE + "/NoPadding";
    void a(String unknown) throws Exception {
        Cipher c = Cipher.getInstance(HOW);
        KeyPairGenerator g = KeyPairGenerator.getInstance("RSA");
        g.initialize(3 * 1024);
        Mac m = Mac.getInstance(unknown);
        GCMBlockCipher gcm = new GCMBlockCipher(new AESEngine());
    }
}
"#,
    br#"import hashlib as h, os, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms as alg, modes
from cryptography.hazmat.primitives.asymmetric import rsa, ec
BITS = 1 << 12
KEY = os.urandom(32)
def f(data):
    h.sha3_256(data)
    Cipher(alg.AES(KEY), modes.CBC(os.urandom(16)))
    rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    ec.generate_private_key(ec.SECP384R1())
    h.new("sha512" if data else "sha256")
    hmac.new(KEY, data, h.sha1)
"#,
    br#"package p

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	t "crypto/tls"
	. "crypto/sha256"
)

const bits = 1024 * 2

func f() {
	k, _ := rsa.GenerateKey(nil, bits)
	e, _ := ecdsa.GenerateKey(elliptic.P384(), nil)
	_ = &t.Config{MinVersion: t.VersionTLS10, CurvePreferences: []t.CurveID{t.X25519MLKEM768}}
	_, _, _ = k, e, New()
}
"#,
    br#"#include <openssl/evp.h>
#include <openssl/rsa.h>
#define BITS 2048
static const char *name = "AES-256-CBC";
int f(EVP_PKEY_CTX *ctx, RSA *rsa, BIGNUM *e) {
    EVP_CIPHER_fetch(NULL, name, NULL);
    RSA_generate_key_ex(rsa, BITS, e, NULL);
    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 1024);
    return EVP_DigestInit_ex(0, EVP_md5(), 0) + EVP_EncryptInit_ex(0, EVP_des_ede3_cbc(), 0, 0, 0);
}
"#,
    br#"const { createHash, createCipheriv: cipher } = require('node:crypto');
import forge from 'node-forge';
const HOW = 'aes-' + 256 + '-gcm';
createHash(`sha${512}`).update('a');
cipher(HOW, key, iv);
crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
forge.pki.rsa.generateKeyPair({ bits: 2048, e: 0x10001 });
"#,
    br#"import { generateKeyPairSync as make, type KeyObject } from 'crypto';
enum Size { Small = 1024, Large = Small * 2 }
class A<T extends KeyObject> { private readonly how: string = 'rsa'; b(): void { make('rsa', { modulusLength: 2048 }); } }
const view = <Form hash={createHash('md5')} />;
"#,
    br#"use aes_gcm::{Aes256Gcm as Gcm, KeyInit};
use aws_lc_rs::{digest, signature::{self, EcdsaKeyPair}};
use rsa::RsaPrivateKey;
const BITS: usize = 2 * 1024;
fn f() {
    let cipher = Gcm::new(&key);
    let key = RsaPrivateKey::new(&mut rng, BITS)?;
    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_ASN1_SIGNING)?;
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b"a");
}
"#,
    b"version = 4\n\n[[package]]\nname = \"ring\"\nversion = \"0.17.8\"\nsource = \"registry+https://example.org\"\n\
        dependencies = [\n \"cc\",\n]\n\n[[package]]\nname = \"cryptography\"\nversion = \"42.0.1\"\n",
    br#"{"name":"a","lockfileVersion":3,"packages":{"":{"name":"a"},"node_modules/node-forge":{"version":"1.3.1"},
"node_modules/a/node_modules/@noble/curves":{"version":"1.2.0","dependencies":{"elliptic":"^6.5.4"}}},
"dependencies":{"crypto-js":{"version":"4.2.0","dependencies":{"md5":{"version":"2.3.0"}}}}}
"#,
    b"# yarn lockfile v1\n\n\"@noble/hashes@^1.3.0\", \"@noble/hashes@1.x\":\n  version \"1.3.2\"\n\nelliptic@^6.5.4:\n  \
        version: 6.5.4\n",
    b"lockfileVersion: '9.0'\npackages:\n  '@noble/curves@1.2.0':\n    resolution: {integrity: sha512-AA==}\n  \
        /node-forge@1.3.1(patch):\n    dev: true\n  jose@5.2.0:\n    engines: {node: '>=18'}\n",
    b"module example.org/a\n\ngo 1.26\n\nrequire golang.org/x/crypto v0.21.0\nrequire (\n\t\
        github.com/cloudflare/circl v1.3.7 // indirect\n\tgithub.com/golang-jwt/jwt/v5 v5.2.1\n)\n",
    b"golang.org/x/crypto v0.21.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
        golang.org/x/crypto v0.21.0/go.mod h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    b"cryptography==42.0.1 ; python_version >= '3.8' \\\n    --hash=sha256:00\npyjwt[crypto]>=2.8,<3\n# bcrypt\n\
        PyNaCl ~= 1.5\n-r more.txt\n",
    b"<project><properties><bc>1.78</bc></properties><dependencies><dependency>\n<groupId>org.bouncycastle</groupId>\
        <artifactId>bcprov-jdk18on</artifactId>\n<version>${bc}</version></dependency></dependencies></project>\n",
    b"# a comment\norg.bouncycastle:bcprov-jdk18on:1.78=compileClasspath,runtimeClasspath\nempty=annotationProcessor\n",
];

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const NULL: &[u8] = &[0x05, 0];
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// 1.2.840.113549.1.7, the arc of PKCS#7.
const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
/// 1.2.840.113549.1.12.10.1, that of PKCS#12's bags.
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01];

/// Files of keys and certificates, one of every kind that the scanners take apart.
pub(super) fn files() -> Vec<Vec<u8>> {
    let leaf = &chain(Suite::EcdsaP256).leaf;
    let mut files = vec![
        certificates_alone(leaf),
        pkcs12(leaf),
        keystore(0xfeed_feed, leaf),
        keystore(0xcece_cece, leaf),
        encrypted_key(),
        pem::encode("ENCRYPTED PRIVATE KEY", &encrypted_key()).as_bytes().to_vec(),
        pem::encode("PKCS7", &certificates_alone(leaf)).as_bytes().to_vec(),
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,0011223344556677\n\n\
            AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END RSA PRIVATE KEY-----\n"
            .to_vec(),
        b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: aes256-cbc\nComment: fuzz\nPublic-Lines: 2\n\
            AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\nBwcH\nKey-Derivation: Argon2id\n\
            Argon2-Memory: 8192\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 00\n"
            .to_vec(),
        b"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-521\",\"kid\":\"a\",\"x\":\"AA\",\"y\":\"AA\",\"d\":\"AA\"},{\"kty\":\"OKP\",\
            \"crv\":\"Ed448\",\"x\":\"AA\"},{\"kty\":\"AKP\",\"alg\":\"ML-DSA-65\",\"pub\":\"AA\"},{\"kty\":\"oct\",\
            \"k\":\"AAAA\"}]}"
            .to_vec(),
        open_ssh_private_key(),
    ];
    files.extend(ssh_lines());
    // Public keys of every kind, as PEM and as DER.
    for key in rare::public_keys() {
        files.push(pem::encode("PUBLIC KEY", &key).as_bytes().to_vec());
        files.push(key);
    }
    files.extend(rare::certificates().into_iter().filter(|der| der.len() < 4096));
    files.extend(rare::private_keys().into_iter().filter(|der| der.len() < 4096));
    let mut small = bundle();
    small.x509_authorities.truncate(1);
    files.push(small.to_jwks().into_bytes());
    files
}

/// ContentInfo of a type of PKCS#7.
fn content_info(kind: u8, content: &[u8]) -> Vec<u8> {
    whole(
        SEQUENCE,
        &[&whole(OID, &[PKCS7, &[kind]]), &whole(0xa0, &[content])],
    )
}

/// SignedData that nobody signed, as certificates are handed around.
fn certificates_alone(certificate: &[u8]) -> Vec<u8> {
    let data = whole(SEQUENCE, &[&whole(OID, &[PKCS7, &[1]])]);
    let signed = whole(
        SEQUENCE,
        &[
            &whole(INTEGER, &[&[1]]),
            &whole(SET, &[]),
            &data,
            &whole(0xa0, &[certificate]),
            &whole(SET, &[]),
        ],
    );
    content_info(2, &signed)
}

/// A store with a certificate in the open, a shrouded key, and a MAC.
fn pkcs12(certificate: &[u8]) -> Vec<u8> {
    let bag =
        |kind: u8, value: &[u8]| whole(SEQUENCE, &[&whole(OID, &[BAGS, &[kind]]), &whole(0xa0, &[value])]);
    let x509 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
    let inside = whole(
        SEQUENCE,
        &[
            &whole(OID, &[&x509]),
            &whole(0xa0, &[&whole(OCTET_STRING, &[certificate])]),
        ],
    );
    let bags = whole(SEQUENCE, &[&bag(3, &inside), &bag(2, &encrypted_key())]);
    let safe = whole(SEQUENCE, &[&content_info(1, &whole(OCTET_STRING, &[&bags]))]);
    let sha256 = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let digest = whole(SEQUENCE, &[&whole(OID, &[&sha256]), NULL]);
    let mac = whole(
        SEQUENCE,
        &[
            &whole(SEQUENCE, &[&digest, &whole(OCTET_STRING, &[&[0; 32]])]),
            &whole(OCTET_STRING, &[&[1; 8]]),
            &whole(INTEGER, &[&[8, 0]]),
        ],
    );
    let store = content_info(1, &whole(OCTET_STRING, &[&safe]));
    whole(SEQUENCE, &[&whole(INTEGER, &[&[3]]), &store, &mac])
}

/// EncryptedPrivateKeyInfo by PBES2 with PBKDF2 and AES-256-CBC.
fn encrypted_key() -> Vec<u8> {
    let pkcs5 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05];
    let hmac_sha256 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09];
    let aes_256_cbc = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
    let prf = whole(SEQUENCE, &[&whole(OID, &[&hmac_sha256]), NULL]);
    let parameters = whole(
        SEQUENCE,
        &[
            &whole(OCTET_STRING, &[&[2; 8]]),
            &whole(INTEGER, &[&[8, 0]]),
            &prf,
        ],
    );
    let kdf = whole(SEQUENCE, &[&whole(OID, &[&pkcs5, &[12]]), &parameters]);
    let cipher = whole(
        SEQUENCE,
        &[&whole(OID, &[&aes_256_cbc]), &whole(OCTET_STRING, &[&[3; 16]])],
    );
    let scheme = whole(
        SEQUENCE,
        &[&whole(OID, &[&pkcs5, &[13]]), &whole(SEQUENCE, &[&kdf, &cipher])],
    );
    whole(SEQUENCE, &[&scheme, &whole(OCTET_STRING, &[&[4; 64]])])
}

/// A Java keystore of a trusted certificate, and of a key with its chain.
fn keystore(magic: u32, certificate: &[u8]) -> Vec<u8> {
    let number = |value: usize| u32::try_from(value).unwrap_or_default().to_be_bytes().to_vec();
    let text = |text: &str| {
        let length = u16::try_from(text.len()).unwrap_or_default();
        [&length.to_be_bytes()[..], text.as_bytes()].concat()
    };
    let block = |bytes: &[u8]| [&number(bytes.len()), bytes].concat();
    let certificate = [text("X.509"), block(certificate)].concat();
    [
        magic.to_be_bytes().to_vec(),
        number(2),
        number(2),
        number(2),
        text("trusted"),
        vec![0; 8],
        certificate.clone(),
        number(1),
        text("own"),
        vec![0; 8],
        block(&encrypted_key()),
        number(1),
        certificate,
        vec![0; 20],
    ]
    .concat()
}

/// A string of SSH's: its length, and its bytes.
fn ssh_string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// Public keys of every type, and a certificate, on lines as `authorized_keys` and `known_hosts` have them.
fn ssh_lines() -> Vec<Vec<u8>> {
    let line = |before: &str, kind: &str, parts: &[Vec<u8>]| {
        let blob = [ssh_string(kind.as_bytes()), parts.concat()].concat();
        format!(
            "{before}{kind} {} fuzz@example.org\n",
            BASE64_STANDARD.encode(blob)
        )
        .into_bytes()
    };
    let point = |length: usize| ssh_string(&[&[4][..], &vec![7; length]].concat());
    vec![
        line("", "ssh-rsa", &[ssh_string(&[1, 0, 1]), ssh_string(&[0x7f; 256])]),
        line(
            "example.org,192.0.2.1 ",
            "ecdsa-sha2-nistp256",
            &[ssh_string(b"nistp256"), point(64)],
        ),
        line(
            "|1|AAAAAAAAAAAAAAAAAAAAAAAAAAA=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= ",
            "ecdsa-sha2-nistp521",
            &[ssh_string(b"nistp521"), point(132)],
        ),
        line(
            "restrict,command=\"echo a b\" ",
            "sk-ssh-ed25519@openssh.com",
            &[ssh_string(&[7; 32]), ssh_string(b"ssh:")],
        ),
        line(
            "@cert-authority *.example.org ",
            "ssh-ed25519-cert-v01@openssh.com",
            &[
                ssh_string(&[1; 32]),
                ssh_string(&[7; 32]),
                vec![0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1],
                ssh_string(b"key id"),
                ssh_string(&ssh_string(b"principal")),
                vec![0; 8],
                vec![0xff; 8],
                ssh_string(b""),
                ssh_string(b""),
                ssh_string(b""),
                ssh_string(&[ssh_string(b"ssh-ed25519"), ssh_string(&[8; 32])].concat()),
                ssh_string(&[ssh_string(b"ssh-ed25519"), ssh_string(&[9; 64])].concat()),
            ],
        ),
    ]
}

/// A private key in OpenSSH's own container, which is not encrypted.
fn open_ssh_private_key() -> Vec<u8> {
    let public = [ssh_string(b"ssh-ed25519"), ssh_string(&[7; 32])].concat();
    let private = [
        vec![0; 8],
        public.clone(),
        ssh_string(&[7; 64]),
        ssh_string(b"fuzz"),
        vec![1, 2, 3, 4],
    ]
    .concat();
    let content = [
        b"openssh-key-v1\0".to_vec(),
        ssh_string(b"none"),
        ssh_string(b"none"),
        ssh_string(b""),
        vec![0, 0, 0, 1],
        ssh_string(&public),
        ssh_string(&private),
    ]
    .concat();
    pem::encode("OPENSSH PRIVATE KEY", &content).as_bytes().to_vec()
}
