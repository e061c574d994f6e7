"""What PyPI `spiffe` makes of a JWT-SVID and the document that it is verified with.

Arguments: trust domain, file with a JWK Set or SPIFFE bundle, file with a token, audience. Prints what the verified
token says; fails if it is refused.
"""

import json
import pathlib
import sys

from spiffe import JwtBundle, JwtSvid, TrustDomain

trust_domain, bundle, token, audience = sys.argv[1:]
bundle = JwtBundle.parse(TrustDomain(trust_domain), pathlib.Path(bundle).read_bytes())
svid = JwtSvid.parse_and_validate(pathlib.Path(token).read_text(), bundle, {audience})
json.dump(
    {
        "authorities": sorted(bundle.jwt_authorities),
        "spiffe_id": str(svid.spiffe_id),
        "audience": sorted(svid.audience),
        "seconds": svid.expiry - svid._claims["iat"],
    },
    sys.stdout,
)
