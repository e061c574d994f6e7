"""Says for each CBOM named on the command line what cyclonedx-python-lib's strict validator has against it."""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

VERSIONS = {"1.6": SchemaVersion.V1_6, "1.7": SchemaVersion.V1_7}


def complaint(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    version = VERSIONS[json.loads(text)["specVersion"]]
    error = JsonStrictValidator(version).validate_str(text)
    return None if error is None else str(error)[:2000]


print(json.dumps({path: complaint(path) for path in sys.argv[1:]}))
