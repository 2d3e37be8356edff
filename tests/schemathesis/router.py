"""A router that signs its requests (docs/protocol.md, Signed requests)."""

import base64
import hashlib
import time

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Always the same: it opens nothing but a server that lives as long as the test.
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def public_key():
    return base64.urlsafe_b64encode(KEY.public_key().public_bytes_raw()).rstrip(b"=").decode()


class Signer(requests.auth.AuthBase):
    def __init__(self, router):
        self.router = router

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        authority = request.url.split("/")[2].lower()
        lines = [f'"@method": {request.method}', f'"@authority": {authority}', f'"@request-target": {request.path_url}']
        names = '"@method" "@authority" "@request-target"'
        if body:
            digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
            request.headers["Content-Digest"] = digest
            lines.append(f'"content-digest": {digest}')
            names += ' "content-digest"'
        params = f'({names});created={int(time.time())};keyid="{self.router}";alg="ed25519"'
        lines.append(f'"@signature-params": {params}')
        signature = base64.b64encode(KEY.sign("\n".join(lines).encode())).decode()
        request.headers["Signature-Input"] = f"welcome={params}"
        request.headers["Signature"] = f"welcome=:{signature}:"
        return request
