//! Keys and signatures by algorithm.

use crate::lint::rule::{Rule, Severity};

rules! {
    KEY_STRUCTURE = Error "key/structure", "RFC 5280, section 4.1.2.7",
        "a key is an algorithm and a BIT STRING of whole bytes", "encode the key again";
    KEY_UNKNOWN = Notice "key/unknown", "Symbolon, linting", "the key's algorithm is known here",
        "nothing; no rule for this algorithm was applied";
    KEY_PRIVATE = Warning "key/private-identifier", "Symbolon, linting",
        "algorithms have standard identifiers",
        "expect nobody else to verify it; issue again with ML-DSA (RFC 9881) or a LAMPS composite";
    KEY_PARAMETERS = Error "key/parameters", "RFC 3279, section 2.3.1; RFC 5480, section 2.1.1; RFC 8410, section 3",
        "a key's algorithm has exactly the parameters of its standard", "encode the key's algorithm again";
    RSA_ENCODING = Error "key/rsa-encoding", "RFC 8017, appendix A.1.1", "an RSA key is an RSAPublicKey",
        "encode the key again";
    RSA_SIZE = Error "key/rsa-size", "NIST SP 800-131A revision 2, section 3",
        "an RSA modulus has at least 2048 bits", "make a new key; better an ML-DSA or a composite one";
    RSA_EXPONENT = Error "key/rsa-exponent", "RFC 8017, section 3.1",
        "an RSA exponent is odd and at least 3", "make a new key with the exponent 65537";
    RSA_EXPONENT_SMALL = Warning "key/rsa-exponent-small", "FIPS 186-5, appendix A.1.1",
        "an RSA exponent is more than 65536", "make the next key with the exponent 65537";
    RSA_USAGE = Error "key/rsa-usage", "RFC 3279, section 2.3.1", "RSA keys agree on nothing",
        "take keyAgreement, encipherOnly and decipherOnly away";
    RSA_PSS_NEEDED = Error "key/rsa-pss-usage-needed", "RFC 4055, section 1.2",
        "the usage of a key for RSASSA-PSS has digitalSignature, nonRepudiation, keyCertSign or cRLSign",
        "set one of them";
    RSA_PSS_FORBIDDEN = Error "key/rsa-pss-usage-forbidden", "RFC 4055, section 1.2",
        "keys for RSASSA-PSS neither encipher nor agree", "take the other bits away";
    EC_CURVE = Warning "key/ec-curve", "RFC 5480, section 2.1.1.1; RFC 5639; FIPS 186-5",
        "an EC key is on P-256, P-384, P-521 or a brainpool curve", "make a new key on P-256 or P-384";
    EC_POINT = Error "key/ec-point", "RFC 5480, section 2.2", "an EC key is a point of its curve's length",
        "encode the key again";
    EC_COMPRESSED = Warning "key/ec-compressed", "RFC 5480, section 2.2", "an EC point is not compressed",
        "write the point uncompressed; many programs read no other";
    EC_USAGE = Error "key/ec-usage", "RFC 8813, section 3", "EC keys encipher nothing",
        "take keyEncipherment and dataEncipherment away";
    EDDSA_LENGTH = Error "rfc8410/key-length", "RFC 8410, section 4; RFC 8032",
        "an EdDSA or X key has its curve's length", "encode the key again";
    EDDSA_USAGE = Error "rfc8410/key-usage", "RFC 8410, section 5; RFC 9295, section 3",
        "Ed25519 and Ed448 keys only sign", "take the other bits away";
    MONTGOMERY_NEEDED = Error "rfc8410/agreement-usage-needed", "RFC 8410, section 5; RFC 9295, section 3",
        "the usage of an X25519 or X448 key has keyAgreement", "set keyAgreement";
    MONTGOMERY_FORBIDDEN = Error "rfc8410/agreement-usage-forbidden", "RFC 8410, section 5; RFC 9295, section 3",
        "X25519 and X448 keys neither sign nor encipher",
        "take every bit but keyAgreement, encipherOnly and decipherOnly away";
    ML_DSA_PARAMETERS = Error "rfc9881/parameters", "RFC 9881, section 2",
        "ML-DSA's algorithm identifiers have no parameters, not even NULL", "leave out the parameters";
    ML_DSA_LENGTH = Error "rfc9881/key-length", "RFC 9881, section 4; FIPS 204, table 2",
        "an ML-DSA key has its parameter set's length, without a wrapping", "write the raw key";
    ML_DSA_NEEDED = Error "rfc9881/key-usage-needed", "RFC 9881, section 5",
        "an ML-DSA key's usage has digitalSignature, nonRepudiation, keyCertSign or cRLSign", "set one of them";
    ML_DSA_FORBIDDEN = Error "rfc9881/key-usage-forbidden", "RFC 9881, section 5",
        "ML-DSA keys neither encipher nor agree", "take the other bits away";
    ML_DSA_SIGNATURE = Error "rfc9881/signature-length", "RFC 9881, section 3; FIPS 204, table 2",
        "an ML-DSA signature has its parameter set's length", "sign again";
    HASH_ML_DSA = Error "rfc9881/hash-ml-dsa", "RFC 9881, section 8.3",
        "HashML-DSA is not used in certificates and revocation lists", "use pure ML-DSA, whose identifiers end in 17, 18, 19";
    SLH_DSA_PARAMETERS = Error "rfc9909/parameters", "RFC 9909, section 3",
        "SLH-DSA's algorithm identifiers have no parameters", "leave out the parameters";
    SLH_DSA_LENGTH = Error "rfc9909/key-length", "RFC 9909, section 5; FIPS 205, table 2",
        "an SLH-DSA key has its parameter set's length", "write the raw key";
    SLH_DSA_NEEDED = Error "rfc9909/key-usage-needed", "RFC 9909, section 6",
        "an SLH-DSA key's usage has digitalSignature, nonRepudiation, keyCertSign or cRLSign", "set one of them";
    SLH_DSA_FORBIDDEN = Error "rfc9909/key-usage-forbidden", "RFC 9909, section 6; RFC 5280, section 4.2.1.3",
        "SLH-DSA keys neither encipher nor agree", "take the other bits away";
    SLH_DSA_SIGNATURE = Error "rfc9909/signature-length", "RFC 9909, section 4; FIPS 205, table 2",
        "an SLH-DSA signature has its parameter set's length", "sign again";
    ML_KEM_PARAMETERS = Error "rfc9935/parameters", "RFC 9935, section 3",
        "ML-KEM's algorithm identifiers have no parameters", "leave out the parameters";
    ML_KEM_LENGTH = Error "rfc9935/key-length", "RFC 9935, section 4; FIPS 203, table 3",
        "an ML-KEM key has its parameter set's length", "write the raw key";
    ML_KEM_USAGE = Error "rfc9935/key-usage", "RFC 9935, section 5",
        "an ML-KEM key's only usage is keyEncipherment", "set keyEncipherment alone";
    COMPOSITE_PARAMETERS = Error "composite/parameters", "draft-ietf-lamps-pq-composite-sigs-19, section 5.3",
        "composite algorithm identifiers have no parameters", "leave out the parameters";
    COMPOSITE_LENGTH = Error "composite/key-length", "draft-ietf-lamps-pq-composite-sigs-19, section 4.1",
        "a composite key is the ML-DSA key and then the traditional one, of their lengths",
        "concatenate the two raw keys, ML-DSA first, without a SEQUENCE around them";
    COMPOSITE_PART = Error "composite/key-part", "draft-ietf-lamps-pq-composite-sigs-19, section 4",
        "the traditional part is an uncompressed point, a raw EdDSA key or an RSAPublicKey of its size",
        "encode the traditional part as the draft says";
    COMPOSITE_NEEDED = Error "composite/key-usage-needed", "draft-ietf-lamps-pq-composite-sigs-19, section 5.2",
        "a composite key's usage has digitalSignature, nonRepudiation, keyCertSign or cRLSign", "set one of them";
    COMPOSITE_FORBIDDEN = Error "composite/key-usage-forbidden", "draft-ietf-lamps-pq-composite-sigs-19, section 5.2",
        "composite keys neither encipher nor agree", "take the other bits away";
    COMPOSITE_SIGNATURE = Error "composite/signature", "draft-ietf-lamps-pq-composite-sigs-19, section 4.3",
        "a composite signature is the ML-DSA one and then the traditional one, of their lengths",
        "sign again, with the two raw signatures concatenated";
    OLD_COMPOSITE = Error "composite/old-draft", "draft-ietf-lamps-pq-composite-sigs-19, section 6",
        "composites have the identifiers 1.3.6.1.5.5.7.6.37 to .54, not those of earlier drafts",
        "issue again; earlier drafts sign something else, and nobody verifies them any more";
    SIGNATURE_UNKNOWN = Notice "signature/unknown", "Symbolon, linting",
        "the signature's algorithm is known here", "nothing; no rule for this algorithm was applied";
    SIGNATURE_WEAK = Error "signature/weak-hash", "RFC 6151; RFC 6194; NIST SP 800-131A revision 2",
        "signatures do not hash with MD2, MD4, MD5 or SHA-1", "issue again with SHA-256 or better";
    SIGNATURE_WEAK_SELF = Notice "signature/weak-hash-self-signed", "RFC 6151; RFC 6194; NIST SP 800-131A revision 2",
        "what a certificate signs of itself does not hash with MD2, MD4, MD5 or SHA-1 either",
        "nothing if a store has it for a root: nobody relies on its own signature; make new roots with SHA-256 or better";
    SIGNATURE_PARAMETERS = Error "signature/parameters",
        "RFC 4055, sections 3.1 and 5; RFC 5758, section 3.2; RFC 8410, section 3",
        "a signature's algorithm has exactly the parameters of its standard", "encode the algorithm again";
    SIGNATURE_BITS = Error "signature/bits", "RFC 5280, section 4.1.1.3",
        "a signature is a BIT STRING of whole bytes", "encode the signature again";
    SIGNATURE_ECDSA = Error "signature/ecdsa", "RFC 3279, section 2.2.3",
        "an ECDSA signature is DER of two positive numbers", "encode the signature again";
    SIGNATURE_LENGTH = Error "signature/length", "RFC 8410, section 6; RFC 8032; RFC 8017, section 8",
        "an EdDSA or RSA signature has its key's length", "sign again";
}
