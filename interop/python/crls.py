"""What PyPI `cryptography` makes of revocation lists.

Each argument is a folder as `Revocable::write` fills it. Prints a JSON object with one report for each folder, by the
folder's name: for each of the lists whether its issuer signed it, and whether it has the certificate that it is asked
about.
"""

import json
import pathlib
import sys

from cryptography import x509


def look(crl, issuer, certificate):
    found = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    return {
        "issuer": crl.issuer == issuer.subject,
        "signed": crl.is_signature_valid(issuer.public_key()),
        "number": crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number,
        "entries": len(crl),
        "found": None
        if found is None
        else found.extensions.get_extension_for_class(x509.CRLReason).value.reason.value,
    }


def report(folder):
    read = lambda name: (folder / f"{name}.der").read_bytes()
    certificate = lambda name: x509.load_der_x509_certificate(read(name))
    crl = lambda name: x509.load_der_x509_crl(read(f"{name}-crl"))
    return {
        "root": look(crl("root"), certificate("root"), certificate("intermediate")),
        "clean": look(crl("clean"), certificate("intermediate"), certificate("leaf")),
        "revoking": look(crl("revoking"), certificate("intermediate"), certificate("leaf")),
        # The root's key signed another list.
        "mixed": look(crl("clean"), certificate("root"), certificate("leaf"))["signed"],
    }


folders = [pathlib.Path(argument) for argument in sys.argv[1:]]
json.dump({folder.name: report(folder) for folder in folders}, sys.stdout)
