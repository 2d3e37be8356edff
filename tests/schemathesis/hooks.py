"""What schemathesis sends for a router is signed with the router's key."""

import os
import sys

import schemathesis

sys.path.insert(0, os.path.dirname(__file__))
from router import Signer  # noqa: E402

schemathesis.auth.set_from_requests(Signer(os.environ["ROUTER"])).apply_to(path_regex="^/v1/routers/")
