"""Which key of an issuer checks a token, and by which algorithm."""

from collections.abc import Mapping
from typing import Any

from jwt import InvalidAlgorithmError, InvalidTokenError, PyJWK
from jwt.exceptions import PyJWKError, PyJWTError

# By the type of a key, and its curve where that decides. What is not here checks nothing: no `none`, and no HMAC, for
# which the public key, which everybody knows, would be the secret.
ALGORITHMS: dict[tuple[str, str | None], frozenset[str]] = {
    ("RSA", None): frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("EC", "secp256k1"): frozenset({"ES256K"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
    ("OKP", "Ed448"): frozenset({"EdDSA"}),
}
ASYMMETRIC = frozenset[str]().union(*ALGORITHMS.values())


class UnknownKey(InvalidTokenError):
    """A token names a key that is not among those of the issuer, or not yet."""


class KeySet:
    """The keys of an issuer for signatures, and the algorithms that its metadata allows."""

    def __init__(self, keys: list[Any], algorithms: frozenset[str]) -> None:
        self._keys = [key for key in keys if isinstance(key, dict) and is_for_signatures(key)]
        self._algorithms = algorithms & ASYMMETRIC
        self._ready: dict[tuple[int, str], PyJWK] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def key_for(self, header: Mapping[str, Any]) -> PyJWK:
        """The key that checks a token of this header, for its algorithm alone.

        Raises PyJWT's errors: `InvalidAlgorithmError` for one that the issuer or the key does not allow, `UnknownKey`.
        """
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise InvalidAlgorithmError("The specified alg value is not allowed")
        kid = header.get("kid")
        named = [place for place, key in enumerate(self._keys) if kid is None or key.get("kid") == kid]
        if not named:
            raise UnknownKey("The token was signed by a key that its issuer does not publish")
        fitting = [place for place in named if algorithm in algorithms_of(self._keys[place])]
        if not fitting:
            raise InvalidAlgorithmError("The specified alg value is not allowed for this key")
        if len(fitting) > 1:
            raise InvalidTokenError("The token does not say which of its issuer's keys has signed it")
        return self._make(fitting[0], algorithm)

    def _make(self, place: int, algorithm: str) -> PyJWK:
        # Threads may make it twice; it is the same.
        key = self._ready.get((place, algorithm))
        if key is None:
            try:
                key = PyJWK(self._keys[place], algorithm)
            except (PyJWKError, PyJWTError) as exc:
                raise UnknownKey("The key that the token was signed by cannot be used") from exc
            self._ready[place, algorithm] = key
        return key


def is_for_signatures(key: Mapping[str, Any]) -> bool:
    """Whether a JSON Web Key (RFC 7517) may check signatures, by all that it says of itself."""
    operations = key.get("key_ops")
    return bool(
        algorithms_of(key)
        and key.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )


def algorithms_of(key: Mapping[str, Any]) -> frozenset[str]:
    """What a key may be used with: what its type allows, and the one that it names where it names one."""
    kind, curve, own = key.get("kty"), key.get("crv"), key.get("alg")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return frozenset()
    allowed = ALGORITHMS.get((kind, None if kind == "RSA" else curve), frozenset())
    return allowed if own is None else allowed & {own} if isinstance(own, str) else frozenset()
