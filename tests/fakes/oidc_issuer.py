"""An OpenID Connect issuer on this machine: its metadata and keys over HTTP, and tokens that it signs."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.tokens import AUDIENCE, claims

METADATA, KEYS = "/.well-known/openid-configuration", "/keys"


def rsa_key() -> rsa.RSAPrivateKey:
    """A new key for RS256 and its like."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new key for ES256."""
    return ec.generate_private_key(ec.SECP256R1())


def public_jwk(key: Any, kid: str | None, **said: Any) -> dict[str, Any]:
    """What an issuer publishes of a key."""
    algorithm = jwt.get_algorithm_by_name("RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256")
    jwk = algorithm.to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, **({"kid": kid} if kid else {}), "use": "sig", **said}


class Issuer:
    """A context manager. What it answers may be changed at any time; `asked` says what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.keys: list[Any] = []
        self.metadata: dict[str, Any] = {}
        # Seconds that each answer takes; a status to answer with, and a body, instead of what it should.
        self.delay = 0.0
        self.status = 200
        self.body: bytes | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                time.sleep(issuer.delay)
                answer = {METADATA: issuer.described(), KEYS: {"keys": issuer.keys}}.get(self.path)
                body = issuer.body if issuer.body is not None else json.dumps(answer).encode()
                self.send_response(issuer.status if answer else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing: tests look at `asked`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Nothing answers there any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def described(self) -> dict[str, Any]:
        """The metadata."""
        return {
            "issuer": self.url,
            "jwks_uri": self.url + KEYS,
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            **self.metadata,
        }

    def token(
        self, key: Any, kid: str | None, subject: Any = "oidc-user", *, algorithm: str | None = None, **changes: Any
    ) -> str:
        """A token about `subject`, signed by a key."""
        algorithm = algorithm or ("RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256")
        said = claims(subject, **{"iss": self.url, "aud": AUDIENCE, **changes})
        return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid} if kid else None)
