"""What pkilint's PKIX linters find in certificates and revocation lists.

The argument is a folder of DER files: `*.crl` are revocation lists, the others certificates. Prints a JSON object: the
linter's version, and for each file its findings. It does not judge.
"""

import importlib.metadata
import json
import pathlib
import sys

import pkilint.pkix
from pkilint import loader
from pkilint.pkix import certificate, crl, extension, name


def certificate_linter():
    """The validators of pkilint's own `lint_pkix_cert`."""
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


def crl_linter():
    """The validators of pkilint's own `lint_crl --profile PKIX`."""
    return crl.create_pkix_crl_validator_container(
        [
            pkilint.pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkilint.pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )


def findings(linter, document):
    return [
        {
            "code": description.finding.code,
            "severity": str(description.finding.severity),
            "path": result.node.path,
            "message": description.message,
        }
        for result in linter.validate(document.root)
        for description in result.finding_descriptions
    ]


def lint(path):
    der = path.read_bytes()
    if path.suffix == ".crl":
        lists = loader.RFC5280CertificateListDocumentLoader()
        return findings(crl_linter(), lists.load_der_document(der, path.name))
    certificates = loader.RFC5280CertificateDocumentLoader()
    return findings(certificate_linter(), certificates.load_der_document(der, path.name))


files = sorted(pathlib.Path(sys.argv[1]).iterdir())
report = {
    "version": importlib.metadata.version("pkilint"),
    "documents": {path.name: lint(path) for path in files},
}
json.dump(report, sys.stdout)
