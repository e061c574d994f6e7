"""What PyPI `cryptography` makes of chains, keys and requests.

Each argument is a folder as `Chain::write` fills it. Prints a JSON object with one report for each folder, by the
folder's name. A report says what happened, as a value or as the error's class and text; it does not judge.
"""

import json
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification

MESSAGE = b"signed with the key that was read"


def outcome(function):
    """What `function` returns, or the error that it raises."""
    try:
        return function()
    except Exception as error:  # Whatever it raises is the finding.
        return f"{type(error).__name__}: {error}"


def load(folder, name, loader):
    return loader((folder / f"{name}.der").read_bytes())


def path(leaf, intermediate, root):
    """RFC 5280 path validation, for a client's certificate."""
    verifier = verification.PolicyBuilder().store(verification.Store([root])).build_client_verifier()
    verified = verifier.verify(leaf, [intermediate])
    return {
        "length": len(verified.chain),
        "uris": [name.value for name in verified.subjects],
    }


def issued(certificate, issuer):
    certificate.verify_directly_issued_by(issuer)
    return True


def usages(certificate):
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
    ).split()
    return {
        "critical": usage.critical,
        "usages": [name for name in names if getattr(usage.value, name)],
    }


def leaf_facts(leaf):
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return {
        "uris": names.get_values_for_type(x509.UniformResourceIdentifier),
        "names": len(names),
        "usage": usages(leaf),
        "purposes": [purpose.dotted_string for purpose in purposes],
        "serial_bits": leaf.serial_number.bit_length(),
        "not_after": int(leaf.not_valid_after_utc.timestamp()),
    }


def public_key(certificate):
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key(folder, leaf):
    """Reads the private key, signs with it, and has the certificate's public key verify that."""
    private = serialization.load_der_private_key((folder / "key.der").read_bytes(), None)
    public = leaf.public_key()
    if isinstance(private, ec.EllipticCurvePrivateKey):
        algorithm = ec.ECDSA(hashes.SHA256() if private.curve.key_size == 256 else hashes.SHA384())
        signature = private.sign(MESSAGE, algorithm)
        public.verify(signature, MESSAGE, algorithm)
    else:
        signature = private.sign(MESSAGE)
        public.verify(signature, MESSAGE)
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pem = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), None)
    written = [
        one.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        for one in (private, pem)
    ]
    return {
        "is_the_leafs": spki == public_key(leaf) == (folder / "spki.der").read_bytes(),
        "pem_is_der": written[0] == written[1],
        "signature": signature.hex(),
        # What it writes is for our reader.
        "written": written[0].hex(),
    }


def report(folder):
    certificates = [
        outcome(lambda name=name: load(folder, name, x509.load_der_x509_certificate))
        for name in ("leaf", "intermediate", "root")
    ]
    unread = [certificate for certificate in certificates if isinstance(certificate, str)]
    if unread:
        return {"unread": unread}
    leaf, intermediate, root = certificates
    return {
        "path": outcome(lambda: path(leaf, intermediate, root)),
        "issued": [
            outcome(lambda: issued(leaf, intermediate)),
            outcome(lambda: issued(intermediate, root)),
            outcome(lambda: issued(root, root)),
        ],
        "public_key": outcome(lambda: type(leaf.public_key()).__name__),
        "leaf": outcome(lambda: leaf_facts(leaf)),
        "authority": outcome(lambda: usages(intermediate)),
        "key": outcome(lambda: key(folder, leaf)),
        "request": outcome(lambda: load(folder, "csr", x509.load_der_x509_csr).is_signature_valid),
    }


folders = [pathlib.Path(argument) for argument in sys.argv[1:]]
json.dump({folder.name: report(folder) for folder in folders}, sys.stdout)
