"""Says which version of `cryptography` this is."""

import json

import cryptography

print(json.dumps({"cryptography": cryptography.__version__}))
