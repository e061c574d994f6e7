use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn virtual_hosts_and_a_proxy() {
    let sample = include_str!("sample.conf");
    finds(&Apache, "httpd.conf", sample, include_str!("httpd.conf.outline"));
    stands(&Apache, "httpd.conf", sample, &[]);
}

#[test]
fn variables_and_macros_of_the_file_are_put_in() {
    let sample = "Define PROTOCOLS \"-all +TLSv1.2 +TLSv1.3\"\nDefine CERTS /etc/ssl\nSSLProtocol ${PROTOCOLS}\n\
        SSLCipherSuite ${CIPHERS}\n<Macro Secure $host $port>\n<VirtualHost *:$port>\nServerName $host\nSSLEngine on\n\
        SSLCertificateFile ${CERTS}/$host.pem\n</VirtualHost>\n</Macro>\nUse Secure a.example.org 443\n\
        Use Secure b.example.org 8443\n<Macro Old>\nSSLProtocol TLSv1\n</Macro>\n";
    finds(
        &Apache,
        "httpd.conf",
        sample,
        "service Apache httpd defaults @3 []\nTLS 1.2 @3 {} groups[] schemes[]\nTLS 1.3 @3 {} groups[] schemes[]\n\
         service Apache httpd virtual host a.example.org @6 [tls://a.example.org:443]\n  \
         certificate-file=/etc/ssl/a.example.org.pem\nTLS 1.2 @3 {} groups[] schemes[]\n\
         TLS 1.3 @3 {} groups[] schemes[]\n\
         service Apache httpd virtual host b.example.org @6 [tls://b.example.org:8443]\n  \
         certificate-file=/etc/ssl/b.example.org.pem\nTLS 1.2 @3 {} groups[] schemes[]\n\
         TLS 1.3 @3 {} groups[] schemes[]\n\
         service Apache httpd macro Old @15 []\nTLS 1.0 @15 {} groups[] schemes[]\n\
         unread unsupported @4 what variables of sslciphersuite stand for, which this file does not say",
    );
    stands(&Apache, "httpd.conf", sample, &[]);
}
