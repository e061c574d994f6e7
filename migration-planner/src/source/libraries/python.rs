//! Python: the standard library, PyCryptodome, PyNaCl and others.

use super::*;

pub(in crate::source) static STANDARD: Library = Library {
    name: "Python standard library",
    markers: &["hashlib", "hmac", "ssl", "crypt", "OpenSSL"],
    rows: &[
        ("hashlib.new", "{0|name:hash} || ?", DIGEST),
        ("hashlib.file_digest", "{1:hash}", DIGEST),
        ("hashlib.pbkdf2_hmac", "PBKDF2[-{0|hash_name:hash}]", DERIVE),
        ("hashlib.scrypt", "scrypt", DERIVE),
        ("hashlib.*", "{*:hash}", DIGEST),
        ("hmac.new", "HMAC[-{2|digestmod:hash}]", MAC),
        ("hmac.HMAC", "HMAC[-{2|digestmod:hash}]", MAC),
        ("hmac.digest", "HMAC[-{2|digest:hash}]", MAC),
        ("ssl.SSLContext", "{0|protocol:tls} || TLS", ANY),
        ("ssl.create_default_context", "TLS", ANY),
        (
            "ssl.wrap_socket",
            "{ssl_version:tls} && {ciphers:ciphers} || TLS",
            ANY,
        ),
        ("ssl.SSLContext().set_ciphers", "{0:ciphers} || ?", ANY),
        (
            "ssl.create_default_context().set_ciphers",
            "{0:ciphers} || ?",
            ANY,
        ),
        ("*.set_ciphers", "{0:ciphers}", ANY),
        // pyOpenSSL.
        ("OpenSSL.SSL.Context().set_cipher_list", "{0:ciphers} || ?", ANY),
        ("*.set_cipher_list", "{0:ciphers}", ANY),
        ("=minimum_version", "{=:version}", ANY),
        ("=maximum_version", "{=:version}", ANY),
        ("crypt.crypt", "crypt", DERIVE),
    ],
};

macro_rules! dome {
    ($root:literal) => {
        &[
            (
                concat!($root, ".Cipher.AES.new"),
                "AES[-{0|key:key}][-{1|mode:mode}]",
                CIPHER,
            ),
            (
                concat!($root, ".Cipher.DES.new"),
                "DES-56[-{1|mode:mode}]",
                CIPHER,
            ),
            (concat!($root, ".Cipher.DES3.new"), "3DES[-{1|mode:mode}]", CIPHER),
            (
                concat!($root, ".Cipher.Blowfish.new"),
                "Blowfish[-{1|mode:mode}]",
                CIPHER,
            ),
            (
                concat!($root, ".Cipher.CAST.new"),
                "CAST5[-{1|mode:mode}]",
                CIPHER,
            ),
            (concat!($root, ".Cipher.ARC2.new"), "RC2[-{1|mode:mode}]", CIPHER),
            (concat!($root, ".Cipher.ARC4.new"), "RC4", CIPHER),
            (
                concat!($root, ".Cipher.PKCS1_OAEP.new"),
                "RSA-OAEP[-{1|hashAlgo:hash}]",
                CIPHER,
            ),
            (concat!($root, ".Cipher.PKCS1_v1_5.new"), "RSAES-PKCS1", CIPHER),
            (concat!($root, ".Cipher.*.new"), "{*}", CIPHER),
            (concat!($root, ".Hash.HMAC.new"), "HMAC[-{2|digestmod:hash}]", MAC),
            (concat!($root, ".Hash.CMAC.new"), "AES-CMAC", MAC),
            (concat!($root, ".Hash.Poly1305.new"), "Poly1305", MAC),
            (concat!($root, ".Hash.KMAC128.new"), "KMAC128", MAC),
            (concat!($root, ".Hash.KMAC256.new"), "KMAC256", MAC),
            (concat!($root, ".Hash.SHA.new"), "SHA-1", DIGEST),
            (concat!($root, ".Hash.*.new"), "{*:hash}", DIGEST),
            (concat!($root, ".Hash.*"), "~{*:hash}", DIGEST),
            (
                concat!($root, ".PublicKey.RSA.generate"),
                "RSA[-{0|bits:num}]",
                KEYGEN,
            ),
            (concat!($root, ".PublicKey.RSA.import_key"), "RSA", ANY),
            (concat!($root, ".PublicKey.RSA.importKey"), "RSA", ANY),
            (
                concat!($root, ".PublicKey.DSA.generate"),
                "DSA[-{0|bits:num}]",
                KEYGEN,
            ),
            (
                concat!($root, ".PublicKey.ElGamal.generate"),
                "ElGamal[-{0|bits:num}]",
                KEYGEN,
            ),
            (
                concat!($root, ".PublicKey.ECC.generate"),
                "EC[-{curve:curve}]",
                KEYGEN,
            ),
            (
                concat!($root, ".Signature.pkcs1_15.new"),
                "RSA-PKCS1-1.5",
                SIGNATURE,
            ),
            (
                concat!($root, ".Signature.PKCS1_v1_5.new"),
                "RSA-PKCS1-1.5",
                SIGNATURE,
            ),
            (concat!($root, ".Signature.pss.new"), "RSA-PSS", SIGNATURE),
            (concat!($root, ".Signature.PKCS1_PSS.new"), "RSA-PSS", SIGNATURE),
            (concat!($root, ".Signature.DSS.new"), "DSA", SIGNATURE),
            (concat!($root, ".Signature.eddsa.new"), "EdDSA", SIGNATURE),
            (
                concat!($root, ".Protocol.KDF.PBKDF2"),
                "PBKDF2-{hmac_hash_module:hash} || PBKDF2-SHA-1",
                DERIVE,
            ),
            (
                concat!($root, ".Protocol.KDF.HKDF"),
                "HKDF[-{3|hashmod:hash}]",
                DERIVE,
            ),
            (concat!($root, ".Protocol.KDF.scrypt"), "scrypt", DERIVE),
            (concat!($root, ".Protocol.KDF.bcrypt"), "bcrypt", DERIVE),
        ]
    };
}

pub(in crate::source) static PYCRYPTODOME: Library = Library {
    name: "PyCryptodome",
    markers: &["Crypto."],
    rows: dome!("Crypto"),
};

pub(in crate::source) static PYCRYPTODOMEX: Library = Library {
    name: "PyCryptodome",
    markers: &["Cryptodome"],
    rows: dome!("Cryptodome"),
};

pub(in crate::source) static PYNACL: Library = Library {
    name: "PyNaCl",
    markers: &["nacl"],
    rows: &[
        ("nacl.secret.SecretBox", "XSalsa20-Poly1305", CIPHER),
        ("nacl.secret.Aead", "XChaCha20-Poly1305", CIPHER),
        ("nacl.public.PrivateKey.generate", "x25519", KEYGEN),
        ("nacl.public.PrivateKey", "x25519", ANY),
        ("nacl.public.Box", "XSalsa20-Poly1305", CIPHER),
        ("nacl.public.SealedBox", "XSalsa20-Poly1305", CIPHER),
        ("nacl.signing.SigningKey.generate", "Ed25519", KEYGEN),
        ("nacl.signing.SigningKey", "Ed25519", SIGN),
        ("nacl.signing.VerifyKey", "Ed25519", VERIFY),
        ("nacl.hash.blake2b", "BLAKE2b", DIGEST),
        ("nacl.hash.*", "{*:hash}", DIGEST),
        ("nacl.pwhash.argon2id.", "Argon2id", DERIVE),
        ("nacl.pwhash.argon2i.", "Argon2i", DERIVE),
        ("nacl.pwhash.scrypt.", "scrypt", DERIVE),
    ],
};

pub(in crate::source) static OTHERS: Library = Library {
    name: "PyPI",
    markers: &["jwt", "bcrypt", "argon2", "ecdsa", "rsa", "paramiko", "oqs"],
    rows: &[
        ("jwt.encode", "{2|algorithm} || HMAC-SHA-256", SIGN),
        ("jwt.decode", "{2|algorithms}", VERIFY),
        ("jose.jwt.encode", "{2|algorithm} || HMAC-SHA-256", SIGN),
        ("jose.jwt.decode", "{2|algorithms}", VERIFY),
        ("bcrypt.hashpw", "bcrypt", DERIVE),
        ("bcrypt.checkpw", "bcrypt", DERIVE),
        ("argon2.PasswordHasher", "Argon2id", DERIVE),
        ("ecdsa.SigningKey.generate", "ECDSA[-{curve:curve}]", KEYGEN),
        ("rsa.newkeys", "RSA[-{0:num}]", KEYGEN),
        ("rsa.encrypt", "RSAES-PKCS1", ENCRYPT),
        ("rsa.decrypt", "RSAES-PKCS1", DECRYPT),
        ("rsa.sign", "RSA-PKCS1-1.5[-{2:hash}]", SIGN),
        ("rsa.verify", "RSA-PKCS1-1.5", VERIFY),
        ("paramiko.RSAKey.generate", "RSA[-{0|bits:num}]", KEYGEN),
        ("paramiko.ECDSAKey.generate", "ECDSA", KEYGEN),
        ("oqs.KeyEncapsulation", "{0}", KEM),
        ("oqs.Signature", "{0}", SIGNATURE),
    ],
};
