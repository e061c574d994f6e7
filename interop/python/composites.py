"""Verifies composite chains with nothing but PyPI `cryptography` and the text of the standard.

Each argument is a folder as `Chain::write` fills it. Prints a JSON object with one report for each folder, by the
folder's name: for leaf, intermediate and root which halves of the signature verify under the issuer's key.

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
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa

PREFIX = b"CompositeAlgorithmSignatures2025"

# ML-DSA class, sizes in bytes of its public key and signature.
ML_DSA = {
    44: (mldsa.MLDSA44PublicKey, 1312, 2420),
    65: (mldsa.MLDSA65PublicKey, 1952, 3309),
    87: (mldsa.MLDSA87PublicKey, 2592, 4627),
}

# The last arc of 1.3.6.1.5.5.7.6.N: label, pre-hash, ML-DSA parameter set, traditional half.
COMPOSITES = {
    39: (b"COMPSIG-MLDSA44-Ed25519-SHA512", "sha512", 44, "ed25519"),
    40: (b"COMPSIG-MLDSA44-ECDSA-P256-SHA256", "sha256", 44, "p256"),
    45: (b"COMPSIG-MLDSA65-ECDSA-P256-SHA512", "sha512", 65, "p256"),
    46: (b"COMPSIG-MLDSA65-ECDSA-P384-SHA512", "sha512", 65, "p384"),
    48: (b"COMPSIG-MLDSA65-Ed25519-SHA512", "sha512", 65, "ed25519"),
    49: (b"COMPSIG-MLDSA87-ECDSA-P384-SHA512", "sha512", 87, "p384"),
}

CURVES = {"p256": (ec.SECP256R1(), hashes.SHA256()), "p384": (ec.SECP384R1(), hashes.SHA384())}


def element(der, at=0):
    """The content of the DER element at a place, and the place after it."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    return der[start : start + length], start + length


def public_key_bits(certificate):
    """The content of subjectPublicKey: the seventh field of a version 3 TBSCertificate, behind its algorithm."""
    tbs, at = element(certificate.tbs_certificate_bytes)[0], 0
    for _ in range(6):
        _, at = element(tbs, at)
    spki, _ = element(tbs, at)
    _, after_algorithm = element(spki)
    bits, _ = element(spki, after_algorithm)
    assert bits[0] == 0, "unused bits"
    return bits[1:]


def verifies(function):
    try:
        function()
        return True
    except InvalidSignature:
        return False


def check(certificate, issuer):
    oid = certificate.signature_algorithm_oid.dotted_string
    assert oid == issuer.public_key_algorithm_oid.dotted_string
    label, pre_hash, parameter_set, traditional = COMPOSITES[int(oid.removeprefix("1.3.6.1.5.5.7.6."))]
    family, key_length, signature_length = ML_DSA[parameter_set]

    digest = hashlib.new(pre_hash, certificate.tbs_certificate_bytes).digest()
    message = PREFIX + label + b"\0" + digest
    key, signature = public_key_bits(issuer), certificate.signature

    post_quantum = family.from_public_bytes(key[:key_length])
    rest = signature[signature_length:]
    if traditional == "ed25519":
        classical = ed25519.Ed25519PublicKey.from_public_bytes(key[key_length:])
        arguments = (rest, message)
    else:
        curve, algorithm = CURVES[traditional]
        classical = ec.EllipticCurvePublicKey.from_encoded_point(curve, key[key_length:])
        arguments = (rest, message, ec.ECDSA(algorithm))
    return {
        "post_quantum": verifies(lambda: post_quantum.verify(signature[:signature_length], message, label)),
        "classical": verifies(lambda: classical.verify(*arguments)),
    }


def report(folder):
    names = ("leaf", "intermediate", "root")
    leaf, intermediate, root = [
        x509.load_der_x509_certificate((folder / f"{name}.der").read_bytes()) for name in names
    ]
    return {
        "leaf": check(leaf, intermediate),
        "intermediate": check(intermediate, root),
        "root": check(root, root),
    }


folders = [pathlib.Path(argument) for argument in sys.argv[1:]]
json.dump({folder.name: report(folder) for folder in folders}, sys.stdout)
