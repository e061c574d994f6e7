"""A workload as anyone would write it with PyPI `spiffe`: it gets everything that the Workload API has.

Arguments: the agent's endpoint, an audience. Prints what it got as a JSON object; fails if anything does.
"""

import json
import sys

from cryptography.hazmat.primitives import hashes
from spiffe import JwtSource, JwtSvid, WorkloadApiClient, X509Source

SECONDS = 30


def kind(certificate):
    return type(certificate.public_key()).__name__


def identity(svid):
    return {
        "spiffe_id": str(svid.spiffe_id),
        "chain": [kind(certificate) for certificate in svid.cert_chain],
        "key": type(svid.private_key).__name__,
    }


def authorities(bundles):
    return {
        bundle.trust_domain.name: {
            certificate.fingerprint(hashes.SHA256()).hex(): kind(certificate)
            for certificate in bundle.x509_authorities
        }
        for bundle in bundles
    }


def refusal(function):
    try:
        return f"not refused: {function()}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


endpoint, audience = sys.argv[1:]
with WorkloadApiClient(endpoint, default_timeout=SECONDS) as client:
    svids = client.fetch_x509_svids()
    bundles = client.fetch_x509_bundles().bundles
    context = client.fetch_x509_context()

    token = client.fetch_jwt_svid({audience})
    jwt_bundle = client.fetch_jwt_bundles().get_bundle_for_trust_domain(svids[0].spiffe_id.trust_domain)
    verified = JwtSvid.parse_and_validate(token.token, jwt_bundle, {audience})
    validated = client.validate_jwt_svid(token.token, audience)
    misused = refusal(lambda: client.validate_jwt_svid(token.token, "not " + audience))

with X509Source(socket_path=endpoint, timeout_in_seconds=SECONDS) as source:
    live = identity(source.svid)
with JwtSource(socket_path=endpoint, timeout_in_seconds=SECONDS) as source:
    live_token = source.fetch_svid({audience}, timeout=SECONDS)

(issuer,) = [
    certificate
    for bundle in bundles
    for certificate in bundle.x509_authorities
    if certificate.subject == svids[0].cert_chain[-1].issuer
]
svids[0].cert_chain[-1].verify_directly_issued_by(issuer)

json.dump(
    {
        "svids": [identity(svid) for svid in svids],
        "bundles": authorities(bundles),
        "context": [identity(svid) for svid in context.x509_svids],
        "context_bundles": authorities(context.x509_bundle_set.bundles),
        "live": live,
        "token": [str(one.spiffe_id) for one in (token, verified, validated, live_token)],
        "authorities": sorted(jwt_bundle.jwt_authorities),
        "misused": misused,
    },
    sys.stdout,
)
