"""A security key in software: makes passkeys and signs with them, as a browser would hand it on.
What it says can be bent, to see that the server notices. And an authenticator app (RFC 6238)."""

import base64
import hashlib
import hmac
import json
import os
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, CREDENTIAL = 1, 4, 8, 16, 64


def text_of(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes_of(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value):
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        return bytes([major << 5 | 24, number]) if number < 256 else bytes([major << 5 | 25]) + number.to_bytes(2, "big")
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, (bytes, str)):
        data = value.encode() if isinstance(value, str) else value
        return head(3 if isinstance(value, str) else 2, len(data)) + data
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


class Key:
    """One passkey. `kind`: ES256, EdDSA or RS256."""

    def __init__(self, kind="ES256"):
        self.kind, self.id, self.count, self.handle = kind, os.urandom(32), 0, b""
        if kind == "ES256":
            self.key = ec.generate_private_key(ec.SECP256R1())
            n = self.key.public_key().public_numbers()
            self.cose = {1: 2, 3: -7, -1: 1, -2: n.x.to_bytes(32, "big"), -3: n.y.to_bytes(32, "big")}
        elif kind == "EdDSA":
            self.key = ed25519.Ed25519PrivateKey.generate()
            raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            self.cose = {1: 1, 3: -8, -1: 6, -2: raw}
        else:
            self.key = rsa.generate_private_key(65537, 2048)
            n = self.key.public_key().public_numbers()
            self.cose = {1: 3, 3: -257, -1: n.n.to_bytes(256, "big"), -2: n.e.to_bytes(3, "big")}

    def sign(self, data):
        if self.kind == "ES256":
            return self.key.sign(data, ec.ECDSA(hashes.SHA256()))
        return self.key.sign(data) if self.kind == "EdDSA" else self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def data(self, rp, flags):
        head = hashlib.sha256(rp.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")
        if not flags & CREDENTIAL:
            return head
        return head + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor(self.cose)

    def make(self, options, page, name="Phone", flags=PRESENT | VERIFIED, **bent):
        """The body that the app sends for the server's `options`."""
        self.handle = bytes_of(options["user"]["id"])
        data = self.data(bent.get("rp", options["rp"]["id"]), flags | CREDENTIAL)
        said = client_data("webauthn.create", options["challenge"], page, bent)
        return {"name": name, "client_data": text_of(said),
                "attestation": text_of(cbor({"fmt": "none", "attStmt": {}, "authData": data}))}

    def show(self, options, page, flags=PRESENT | VERIFIED, **bent):
        self.count += bent.get("steps", 1)
        data = self.data(bent.get("rp", options["rpId"]), flags)
        said = client_data("webauthn.get", options["challenge"], page, bent)
        signature = self.sign(data + hashlib.sha256(said).digest())
        return {"credential": text_of(self.id), "user_handle": text_of(bent.get("handle", self.handle)),
                "client_data": text_of(said), "authenticator_data": text_of(data), "signature": text_of(signature)}


def client_data(kind, challenge, page, bent):
    said = {"type": bent.get("type", kind), "challenge": bent.get("challenge", challenge),
            "origin": bent.get("origin", page), "crossOrigin": bent.get("crossOrigin", False)}
    return json.dumps(said, separators=(",", ":")).encode()


class App:
    """What a phone does with the secret."""

    STEP_S = 30

    def __init__(self, secret):
        self.key = base64.b32decode(secret)

    def code(self, seconds):
        mac = hmac.new(self.key, struct.pack(">Q", int(seconds) // self.STEP_S), hashlib.sha1).digest()
        at = mac[-1] & 15
        return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1_000_000:06d}"
