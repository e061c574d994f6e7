"""Verifies composite chains with nothing but PyPI `cryptography` and the text of the standard.

Each argument is a folder as `Chain::write` fills it. Prints a JSON object with one report for each folder, by the
folder's name: for leaf, intermediate, root and, if there is one, the list that revokes the leaf, which halves of the
signature verify under the issuer's key, for the request which verify under its own, and a signature by the leaf's
private key.

`cryptography` knows no composites. It does know their components, ML-DSA contexts included, so this is an
implementation of draft-ietf-lamps-pq-composite-sigs-19 that has nothing in common with ours: sections 4.2 and 4.3
for keys and signatures, section 6 for the labels and hashes.
"""

import hashlib
import json
import pathlib
import sys

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding

PREFIX = b"CompositeAlgorithmSignatures2025"

# ML-DSA classes, sizes in bytes of a public key and signature.
ML_DSA = {
    44: (mldsa.MLDSA44PublicKey, mldsa.MLDSA44PrivateKey, 1312, 2420),
    65: (mldsa.MLDSA65PublicKey, mldsa.MLDSA65PrivateKey, 1952, 3309),
    87: (mldsa.MLDSA87PublicKey, mldsa.MLDSA87PrivateKey, 2592, 4627),
}

MESSAGE = b"signed by both halves"

CURVES = {
    "p256": (ec.SECP256R1(), hashes.SHA256()),
    "p384": (ec.SECP384R1(), hashes.SHA384()),
    "p521": (ec.SECP521R1(), hashes.SHA512()),
    "bp256": (ec.BrainpoolP256R1(), hashes.SHA256()),
    "bp384": (ec.BrainpoolP384R1(), hashes.SHA384()),
}

EDWARDS = {
    "ed25519": (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey),
    "ed448": (ed448.Ed448PublicKey, ed448.Ed448PrivateKey),
}

SHA256, SHA384 = hashes.SHA256(), hashes.SHA384()


def pss(algorithm):
    return (padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm)


def pkcs15(algorithm):
    return (padding.PKCS1v15(), algorithm)


# The last arc of 1.3.6.1.5.5.7.6.N: label, pre-hash, ML-DSA parameter set, traditional half.
COMPOSITES = {
    37: (b"COMPSIG-MLDSA44-RSA2048-PSS-SHA256", "sha256", 44, pss(SHA256)),
    38: (b"COMPSIG-MLDSA44-RSA2048-PKCS15-SHA256", "sha256", 44, pkcs15(SHA256)),
    39: (b"COMPSIG-MLDSA44-Ed25519-SHA512", "sha512", 44, "ed25519"),
    40: (b"COMPSIG-MLDSA44-ECDSA-P256-SHA256", "sha256", 44, "p256"),
    41: (b"COMPSIG-MLDSA65-RSA3072-PSS-SHA512", "sha512", 65, pss(SHA256)),
    42: (b"COMPSIG-MLDSA65-RSA3072-PKCS15-SHA512", "sha512", 65, pkcs15(SHA256)),
    43: (b"COMPSIG-MLDSA65-RSA4096-PSS-SHA512", "sha512", 65, pss(SHA384)),
    44: (b"COMPSIG-MLDSA65-RSA4096-PKCS15-SHA512", "sha512", 65, pkcs15(SHA384)),
    45: (b"COMPSIG-MLDSA65-ECDSA-P256-SHA512", "sha512", 65, "p256"),
    46: (b"COMPSIG-MLDSA65-ECDSA-P384-SHA512", "sha512", 65, "p384"),
    47: (b"COMPSIG-MLDSA65-ECDSA-BP256-SHA512", "sha512", 65, "bp256"),
    48: (b"COMPSIG-MLDSA65-Ed25519-SHA512", "sha512", 65, "ed25519"),
    49: (b"COMPSIG-MLDSA87-ECDSA-P384-SHA512", "sha512", 87, "p384"),
    50: (b"COMPSIG-MLDSA87-ECDSA-BP384-SHA512", "sha512", 87, "bp384"),
    51: (b"COMPSIG-MLDSA87-Ed448-SHAKE256", "shake256", 87, "ed448"),
    52: (b"COMPSIG-MLDSA87-RSA3072-PSS-SHA512", "sha512", 87, pss(SHA256)),
    53: (b"COMPSIG-MLDSA87-RSA4096-PSS-SHA512", "sha512", 87, pss(SHA384)),
    54: (b"COMPSIG-MLDSA87-ECDSA-P521-SHA512", "sha512", 87, "p521"),
}


def arc(oid):
    return int(oid.removeprefix("1.3.6.1.5.5.7.6."))


def element(der, at=0):
    """The content of the DER element at a place, and the place after it."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    return der[start : start + length], start + length


def key_bits(spki):
    """The content of subjectPublicKey, behind its algorithm."""
    _, after_algorithm = element(spki)
    bits, _ = element(spki, after_algorithm)
    assert bits[0] == 0, "unused bits"
    return bits[1:]


def field(sequence, index):
    """The content of a field of a sequence's content."""
    at = 0
    for _ in range(index):
        _, at = element(sequence, at)
    return element(sequence, at)[0]


def certified_key(certificate):
    """The seventh field of a version 3 TBSCertificate."""
    return key_bits(field(element(certificate.tbs_certificate_bytes)[0], 6))


def requested_key(request):
    """The third field of a CertificationRequestInfo."""
    return key_bits(field(element(request.tbs_certrequest_bytes)[0], 2))


def verifies(function):
    try:
        function()
        return True
    except InvalidSignature:
        return False


def to_sign(label, pre_hash, message):
    digest = hashlib.new(pre_hash, message)
    digest = digest.digest(64) if pre_hash == "shake256" else digest.digest()
    return PREFIX + label + b"\0" + digest


def check(oid, signed, signature, key):
    label, pre_hash, parameter_set, traditional = COMPOSITES[arc(oid)]
    family, _, key_length, signature_length = ML_DSA[parameter_set]
    message = to_sign(label, pre_hash, signed)

    post_quantum = family.from_public_bytes(key[:key_length])
    rest = signature[signature_length:]
    if isinstance(traditional, tuple):
        classical = serialization.load_der_public_key(key[key_length:])
        arguments = (rest, message, *traditional)
    elif traditional in EDWARDS:
        classical = EDWARDS[traditional][0].from_public_bytes(key[key_length:])
        arguments = (rest, message)
    else:
        curve, algorithm = CURVES[traditional]
        classical = ec.EllipticCurvePublicKey.from_encoded_point(curve, key[key_length:])
        arguments = (rest, message, ec.ECDSA(algorithm))
    return {
        "post_quantum": verifies(lambda: post_quantum.verify(signature[:signature_length], message, label)),
        "classical": verifies(lambda: classical.verify(*arguments)),
    }


def certificate(subject, issuer):
    oid = subject.signature_algorithm_oid.dotted_string
    assert oid == issuer.public_key_algorithm_oid.dotted_string
    return check(oid, subject.tbs_certificate_bytes, subject.signature, certified_key(issuer))


def request(csr):
    oid = csr.signature_algorithm_oid.dotted_string
    return check(oid, csr.tbs_certrequest_bytes, csr.signature, requested_key(csr))


def revocations(crl, issuer):
    oid = crl.signature_algorithm_oid.dotted_string
    return check(oid, crl.tbs_certlist_bytes, crl.signature, certified_key(issuer))


def sign(pkcs8, oid):
    """A composite signature put together from the seed and the traditional key of a PKCS#8 file."""
    label, pre_hash, parameter_set, traditional = COMPOSITES[arc(oid)]
    message = to_sign(label, pre_hash, MESSAGE)
    key = field(element(pkcs8)[0], 2)
    post_quantum = ML_DSA[parameter_set][1].from_seed_bytes(key[:32])
    if isinstance(traditional, tuple):
        signature = serialization.load_der_private_key(key[32:], None).sign(message, *traditional)
    elif traditional in EDWARDS:
        signature = EDWARDS[traditional][1].from_private_bytes(key[32:]).sign(message)
    else:
        algorithm = ec.ECDSA(CURVES[traditional][1])
        signature = serialization.load_der_private_key(key[32:], None).sign(message, algorithm)
    return (post_quantum.sign(message, label) + signature).hex()


def report(folder):
    names = ("leaf", "intermediate", "root")
    leaf, intermediate, root = [
        x509.load_der_x509_certificate((folder / f"{name}.der").read_bytes()) for name in names
    ]
    csr = x509.load_der_x509_csr((folder / "csr.der").read_bytes())
    lists = [x509.load_der_x509_crl(path.read_bytes()) for path in sorted(folder.glob("revoking-crl.der"))]
    return {
        "crl": [revocations(crl, intermediate) for crl in lists],
        "leaf": certificate(leaf, intermediate),
        "intermediate": certificate(intermediate, root),
        "root": certificate(root, root),
        "request": request(csr),
        "signed": sign((folder / "key.der").read_bytes(), leaf.public_key_algorithm_oid.dotted_string),
    }


folders = [pathlib.Path(argument) for argument in sys.argv[1:]]
json.dump({folder.name: report(folder) for folder in folders}, sys.stdout)
