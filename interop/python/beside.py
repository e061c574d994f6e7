"""What stands beside the key of catalyst and paired certificates, verified with nothing but PyPI `cryptography` and the
texts of the standards.

Each argument is a folder as `Chain::write` fills it; the second of a pair has the first one's leaf as `first.der`, too.
Prints a JSON object with one report for each folder, by the folder's name: for leaf, intermediate and root whether the
alternative signature (X.509 of 2019, 9.8) verifies under the issuer's alternative key, and whether the leaf's
RelatedCertificate (RFC 9763) is the hash of the first.
"""

import hashlib
import json
import pathlib
import sys

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

ALTERNATIVE_KEY, ALTERNATIVE_ALGORITHM, ALTERNATIVE_SIGNATURE = [
    x509.ObjectIdentifier(f"2.5.29.{arc}") for arc in (72, 73, 74)
]
RELATED = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.36")

HASHES = {
    "608648016503040201": "sha256",
    "608648016503040202": "sha384",
    "608648016503040203": "sha512",
}


def element(der, at=0):
    """The tag and content of the DER element at a place, and the place after it."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    return tag, der[start : start + length], start + length


def children(content):
    """Each element of a sequence's content: tag, content, and the whole of it."""
    found, at = [], 0
    while at < len(content):
        tag, inside, end = element(content, at)
        found.append((tag, inside, content[at:end]))
        at = end
    return found


def encoded(tag, content):
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def signed_alternatively(certificate):
    """The TBSCertificate without its field `signature` and without the alternative signature's extension."""
    fields = children(element(certificate.tbs_certificate_bytes)[1])
    *others, (tag, explicit, _) = fields[:2] + fields[3:]
    assert tag == 0xA3, "no extensions"
    oid = bytes.fromhex("0603551d4a")
    kept = [whole for _, inside, whole in children(element(explicit)[1]) if not inside.startswith(oid)]
    extensions = encoded(0xA3, encoded(0x30, b"".join(kept)))
    return encoded(0x30, b"".join(whole for _, _, whole in others) + extensions)


def extension(certificate, oid):
    found = certificate.extensions.get_extension_for_oid(oid)
    assert not found.critical, oid
    return found.value.value


def alternative(certificate, issuer):
    spki = extension(issuer, ALTERNATIVE_KEY)
    algorithm = extension(certificate, ALTERNATIVE_ALGORITHM)
    tag, bits, _ = element(extension(certificate, ALTERNATIVE_SIGNATURE))
    assert tag == 0x03 and bits[0] == 0
    # The keys and the signatures of ML-DSA have the same identifiers.
    assert children(element(spki)[1])[0][2] == algorithm
    try:
        serialization.load_der_public_key(spki).verify(bits[1:], signed_alternatively(certificate))
        return True
    except InvalidSignature:
        return False


def related(certificate, first):
    (_, algorithm, _), (_, digest, _) = children(element(extension(certificate, RELATED))[1])
    name = HASHES[children(algorithm)[0][1].hex()]
    return hashlib.new(name, first).digest() == digest


def report(folder):
    leaf, intermediate, root = [
        x509.load_der_x509_certificate((folder / f"{name}.der").read_bytes())
        for name in ("leaf", "intermediate", "root")
    ]
    first = folder / "first.der"
    if first.exists():
        return {"related": related(leaf, first.read_bytes()), "to_another": related(leaf, b"another")}
    return {
        "alternative": [
            alternative(leaf, intermediate),
            alternative(intermediate, root),
            alternative(root, root),
        ],
        "skipped": alternative(leaf, root),
    }


folders = [pathlib.Path(argument) for argument in sys.argv[1:]]
json.dump({folder.name: report(folder) for folder in folders}, sys.stdout)
