//! The lightweight API of Bouncy Castle: what wraps an engine or a digest.

use super::*;

/// What wraps something else: modes, MACs, encodings, derivation.
pub(in crate::source) static MODES: Library = Library {
    name: "Bouncy Castle",
    markers: &["org.bouncycastle"],
    rows: &[
        (
            "org.bouncycastle.crypto.modes.GCMSIVBlockCipher.new",
            "{0}-GCM-SIV || AES-GCM-SIV",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.ChaCha20Poly1305.new",
            "ChaCha20-Poly1305",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.KGCMBlockCipher.new",
            "{0}-GCM",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.KCCMBlockCipher.new",
            "{0}-CCM",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.NISTCTSBlockCipher.new",
            "{1}-CTS",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.OCBBlockCipher.new",
            "{1}-OCB",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.SICBlockCipher.new",
            "{0}-CTR",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.SICBlockCipher.newInstance",
            "{0}-CTR",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.G3413CFBBlockCipher.new",
            "{0}-CFB",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.G3413CBCBlockCipher.new",
            "{0}-CBC",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.G3413CTRBlockCipher.new",
            "{0}-CTR",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.G3413OFBBlockCipher.new",
            "{0}-OFB",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.*BlockCipher.new",
            "{0:any}-{*:mode} || {0}",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.modes.*BlockCipher.newInstance",
            "{0:any}-{*:mode}",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.paddings.PaddedBufferedBlockCipher.new",
            "{0}",
            CIPHER,
        ),
        ("org.bouncycastle.crypto.BufferedBlockCipher.new", "{0}", CIPHER),
        (
            "org.bouncycastle.crypto.DefaultBufferedBlockCipher.new",
            "{0}",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.BufferedAsymmetricBlockCipher.new",
            "{0}",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.DefaultBufferedMultiBlockCipher.new",
            "{0}",
            CIPHER,
        ),
        ("org.bouncycastle.crypto.macs.HMac.new", "HMAC[-{0:hash}]", MAC),
        ("org.bouncycastle.crypto.macs.CMac.new", "{0}-CMAC", MAC),
        ("org.bouncycastle.crypto.macs.GMac.new", "AES-GMAC", MAC),
        ("org.bouncycastle.crypto.macs.KGMac.new", "Kalyna-GMAC", MAC),
        (
            "org.bouncycastle.crypto.macs.BlockCipherMac.new",
            "{0}-CBC_MAC",
            MAC,
        ),
        (
            "org.bouncycastle.crypto.macs.CBCBlockCipherMac.new",
            "{0}-CBC_MAC",
            MAC,
        ),
        (
            "org.bouncycastle.crypto.macs.CFBBlockCipherMac.new",
            "{0}-CFB",
            MAC,
        ),
        (
            "org.bouncycastle.crypto.macs.ISO9797Alg3Mac.new",
            "{0}-CBC_MAC",
            MAC,
        ),
        ("org.bouncycastle.crypto.macs.KMAC.new", "KMAC{0:num}", MAC),
        ("org.bouncycastle.crypto.macs.Poly1305.new", "Poly1305", MAC),
        ("org.bouncycastle.crypto.macs.Blake3Mac.new", "BLAKE3", MAC),
        ("org.bouncycastle.crypto.macs.SipHash.new", "SipHash", MAC),
        ("org.bouncycastle.crypto.macs.SipHash128.new", "SipHash", MAC),
        ("org.bouncycastle.crypto.macs.SkeinMac.new", "Skein", MAC),
        ("org.bouncycastle.crypto.macs.GOST28147Mac.new", "GOST28147", MAC),
        ("org.bouncycastle.crypto.macs.DSTU7564Mac.new", "Kupyna", MAC),
        ("org.bouncycastle.crypto.macs.DSTU7624Mac.new", "Kalyna", MAC),
        ("org.bouncycastle.crypto.macs.VMPCMac.new", "VMPC-MAC", MAC),
        ("org.bouncycastle.crypto.macs.Zuc128Mac.new", "ZUC-128", MAC),
        ("org.bouncycastle.crypto.macs.Zuc256Mac.new", "ZUC-256", MAC),
        (
            "org.bouncycastle.crypto.encodings.OAEPEncoding.new",
            "RSA-OAEP[-{1:hash}]",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.encodings.PKCS1Encoding.new",
            "{0}-PKCS1 || RSAES-PKCS1",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.encodings.ISO9796d1Encoding.new",
            "{0} || RSA",
            CIPHER,
        ),
        (
            "org.bouncycastle.crypto.generators.HKDFBytesGenerator.new",
            "HKDF[-{0:hash}]",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.KDF1BytesGenerator.new",
            "KDF1[-{0:hash}]",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.KDF2BytesGenerator.new",
            "KDF2[-{0:hash}]",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.MGF1BytesGenerator.new",
            "MGF1[-{0:hash}]",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.KDFCounterBytesGenerator.new",
            "SP800_108-CTR",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.KDFFeedbackBytesGenerator.new",
            "SP800_108-FB",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.PKCS5S2ParametersGenerator.new",
            "PBKDF2-{0:hash} || PBKDF2-SHA-1",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.PKCS5S1ParametersGenerator.new",
            "PBES1",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.OpenSSLPBEParametersGenerator.new",
            "PBES1",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.PKCS12ParametersGenerator.new",
            "PKCS12-KDF[-{0:hash}]",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.Argon2BytesGenerator.new",
            "Argon2",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.SCrypt.generate",
            "scrypt",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.BCrypt.generate",
            "bcrypt",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.OpenBSDBCrypt.generate",
            "bcrypt",
            DERIVE,
        ),
        (
            "org.bouncycastle.crypto.generators.RSAKeyPairGenerator.new",
            "RSA",
            KEYGEN,
        ),
        (
            "org.bouncycastle.crypto.generators.ECKeyPairGenerator.new",
            "EC",
            KEYGEN,
        ),
        (
            "org.bouncycastle.crypto.generators.Ed25519KeyPairGenerator.new",
            "Ed25519",
            KEYGEN,
        ),
        (
            "org.bouncycastle.crypto.generators.X25519KeyPairGenerator.new",
            "x25519",
            KEYGEN,
        ),
    ],
};
