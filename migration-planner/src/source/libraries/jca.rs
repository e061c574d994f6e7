//! The Java Cryptography Architecture and JSSE.

use super::*;

pub(in crate::source) static JCA: Library = Library {
    name: "JCA",
    markers: &["java.security", "javax.crypto", "javax.net.ssl"],
    rows: &[
        (
            "javax.crypto.Cipher.getInstance",
            "{0:transformation} || ?",
            CIPHER,
        ),
        (
            "javax.crypto.KeyGenerator.getInstance",
            "{0}[-{.init.0:num}] || ?",
            KEYGEN,
        ),
        ("javax.crypto.Mac.getInstance", "{0} || ?", MAC),
        ("javax.crypto.SecretKeyFactory.getInstance", "{0} || ?", DERIVE),
        ("javax.crypto.KeyAgreement.getInstance", "{0} || ?", DERIVE),
        ("javax.crypto.KEM.getInstance", "{0} || ?", KEM),
        ("javax.crypto.KDF.getInstance", "{0} || ?", DERIVE),
        ("javax.crypto.spec.SecretKeySpec.new", "{1}[-{0:key}] || {3}", ANY),
        ("javax.crypto.spec.DESKeySpec.new", "~DES", ANY),
        ("javax.crypto.spec.DESedeKeySpec.new", "~3DES", ANY),
        (
            "java.security.MessageDigest.getInstance",
            "{0:hash} || {0} || ?",
            DIGEST,
        ),
        ("java.security.Signature.getInstance", "{0} || ?", SIGNATURE),
        (
            "java.security.KeyPairGenerator.getInstance",
            "{0}[-{.initialize.0:size}] || ?",
            KEYGEN,
        ),
        ("java.security.KeyFactory.getInstance", "{0} || ?", ANY),
        (
            "java.security.AlgorithmParameterGenerator.getInstance",
            "{0}[-{.init.0:num}] || ?",
            KEYGEN,
        ),
        ("java.security.AlgorithmParameters.getInstance", "{0}", ANY),
        ("java.security.spec.ECGenParameterSpec.new", "EC-{0:curve}", ANY),
        ("java.security.spec.NamedParameterSpec.new", "~{0}", ANY),
        ("java.security.spec.RSAKeyGenParameterSpec.new", "~{0:num}", ANY),
        ("javax.crypto.spec.DHGenParameterSpec.new", "~{0:num}", ANY),
        ("java.security.spec.MGF1ParameterSpec.new", "~{0:hash}", ANY),
        ("javax.net.ssl.SSLContext.getInstance", "{0:tls} || ?", ANY),
        ("javax.net.ssl.SSLParameters.new().setProtocols", "{0:tls}", ANY),
        (
            "javax.net.ssl.SSLParameters.new().setCipherSuites",
            "{0:suites}",
            ANY,
        ),
        ("*.setEnabledCipherSuites", "{0:suites}", ANY),
        ("*.setEnabledProtocols", "{0:version}", ANY),
        ("*.setCipherSuites", "{0:suites}", ANY),
        ("*.setProtocols", "{0:version}", ANY),
    ],
};
