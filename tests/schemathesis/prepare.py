"""Puts something of everything onto a fresh server; prints the names, for the shell."""

import json
import sys

import requests
from router import Signer, public_key

URL, API_TOKEN, *ENROLMENT_TOKENS = sys.argv[1:]
OPERATOR = {"Authorization": f"Bearer {API_TOKEN}"}
# The smallest picture there is: it only has to begin like one.
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"


def ask(method, path, **more):
    answer = requests.request(method, URL + path, timeout=10, **more)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def enrol(token, key):
    return ask("POST", "/v1/enrol", json={"token": token, "public_key": key, "version": "0.1.0"})["router"]


router = enrol(ENROLMENT_TOKENS[0], public_key())
removable = enrol(ENROLMENT_TOKENS[1], "A" * 43)
network = {
    "id": "cafe",
    "ssid": "Corner Café",
    "security": "psk",
    "key": "correct horse",
    "place": {"lat": 48.1374, "lon": 11.5755},
    "bss": [{"bssid": "02:00:00:00:01:00", "freq": 2412}],
}
signed = Signer(router)
ask("PUT", f"/v1/routers/{router}/announce", data=json.dumps({"generation": 1, "networks": [network]}), auth=signed)
reports = [{"network": "cafe", "what": "arrived"}, {"network": "cafe", "what": "shown", "sender": "server", "offer": "hello"}]
ask("POST", f"/v1/routers/{router}/reports", data=json.dumps({"batch": "b-1", "reports": reports}), auth=signed)
file = ask("PUT", "/v1/operator/content", data=PICTURE, headers=OPERATOR)
offer = {"id": "hello", "content": {"title": "Welcome", "image": file}}
ask("PUT", "/v1/operator/offers/hello", json={"offer": offer}, headers=OPERATOR)
print(f"export ROUTER={router} REMOVABLE={removable} DIGEST={file['digest']}")
