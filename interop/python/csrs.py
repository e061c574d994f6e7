"""Certificate requests of PyPI `cryptography`, and what it makes of the answers.

`make FOLDER` generates a key of each kind, keeps it in the folder, and prints a JSON object with the requests in hex.
`verify FOLDER KIND` says of the folder's `leaf.der` and `root.der` whether one was issued by the other and certifies
the key of that kind. (It says nothing of the path: its rules for authorities, the web's, want one more between them.)
"""

import json
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

KINDS = {
    "ecdsa-p256": (lambda: ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
    "ecdsa-p384": (lambda: ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
    "ed25519": (ed25519.Ed25519PrivateKey.generate, None),
    "rsa-2048": (lambda: rsa.generate_private_key(65537, 2048), hashes.SHA256()),
    "rsa-3072": (lambda: rsa.generate_private_key(65537, 3072), hashes.SHA256()),
    "rsa-4096": (lambda: rsa.generate_private_key(65537, 4096), hashes.SHA256()),
    "ml-dsa-44": (mldsa.MLDSA44PrivateKey.generate, None),
    "ml-dsa-65": (mldsa.MLDSA65PrivateKey.generate, None),
    "ml-dsa-87": (mldsa.MLDSA87PrivateKey.generate, None),
}


def spki(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def make(folder):
    requests = {}
    for kind, (generate, digest) in KINDS.items():
        key = generate()
        (folder / f"{kind}.spki").write_bytes(spki(key.public_key()))
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, digest)
        requests[kind] = request.public_bytes(serialization.Encoding.DER).hex()
    return requests


def verify(folder, kind):
    leaf, root = [x509.load_der_x509_certificate((folder / name).read_bytes()) for name in ("leaf.der", "root.der")]
    leaf.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {
        "issued": True,
        "is_their_key": spki(leaf.public_key()) == (folder / f"{kind}.spki").read_bytes(),
        "uris": names.get_values_for_type(x509.UniformResourceIdentifier),
    }


mode, folder, *rest = sys.argv[1:]
folder = pathlib.Path(folder)
json.dump(make(folder) if mode == "make" else verify(folder, *rest), sys.stdout)
