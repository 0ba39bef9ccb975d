"""How AWS requests are signed: Signature Version 4, and S3's older form of presigned URLs.

Source: "Signing AWS API requests" in the IAM user guide, "Authenticating requests" in the S3 API
reference. Pure functions: they say what the signature must be, `auth` compares.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()

# Query parameters that are part of what an S3 URL names, and so of its old signature.
_S3_SUBRESOURCES: Final = frozenset(
    """accelerate acl analytics cors defaultObjectAcl delete inventory lifecycle location logging
    metrics notification object-lock partNumber policy replication requestPayment
    response-cache-control response-content-disposition response-content-encoding
    response-content-language response-content-type response-expires restore select select-type
    storageClass tagging torrent uploadId uploads versionId versioning versions website""".split()
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is for."""

    access_key_id: str
    date: str
    region: str
    service: str

    def text(self) -> str:
        """Return the scope without the access key."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@functools.lru_cache(maxsize=256)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Return the key of one day, Region and service."""
    key = _mac(f"AWS4{secret}".encode(), date)
    for part in (region, service, "aws4_request"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def canonical_request(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    signed_headers: str,
    payload_hash: str,
) -> str:
    """Return the text that the signature covers; `path` and `query` are in canonical form."""
    lines = [method, path, query]
    for name in signed_headers.split(";"):
        value = headers.get(name, "")
        lines.append(f"{name}:{' '.join(value.split()) if '  ' in value else value.strip()}")
    lines += ["", signed_headers, payload_hash]
    return "\n".join(lines)


def signature(key: bytes, time: str, scope: Scope, canonical: str) -> str:
    """Return the signature of a canonical request; `time` is that of X-Amz-Date."""
    # Latin-1, as the headers were read: so these are the bytes that were sent.
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    return hmac.digest(
        key, f"{ALGORITHM}\n{time}\n{scope.text()}\n{digest}".encode(), "sha256"
    ).hex()


def canonical_paths(path: str, service: str) -> Iterable[str]:
    """Return the forms in which a path may have been signed, the usual one first.

    S3 takes the path as it is, encoded once. Elsewhere dots are resolved and the path is encoded
    again. The second form is for clients that do not encode all that AWS's own do.
    """
    if service == "s3":
        return path, quote(unquote_to_bytes(path), safe="/~")
    normal = path if "//" not in path and "/." not in path else _without_dots(path)
    return quote(normal, safe="/~"), normal


def _without_dots(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    end = "/" if path.endswith("/") and parts else ""
    return f"/{'/'.join(parts)}{end}"


def canonical_query(query: str, *, leave_out: str = "") -> str:
    """Return the query sorted, each name with a value, without the parameter `leave_out`."""
    if not query:
        return ""
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name and name != leave_out:
            pairs.append((name, value))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def chunks_are_signed(
    body: bytes, key: bytes, time: str, scope: Scope, seed: str, *, trailer: bool
) -> bool:
    """Tell whether each chunk of an aws-chunked body carries the signature that follows `seed`.

    Each chunk's signature covers the one before it, the first one that of the headers.
    """
    previous, position = seed, 0
    prefix = f"{ALGORITHM}-PAYLOAD\n{time}\n{scope.text()}\n"
    while True:
        end = body.find(b"\r\n", position)
        size_text, _, given = body[position:end].partition(b";chunk-signature=")
        try:
            size = int(size_text, 16)
        except ValueError:
            return False
        data = body[end + 2 : end + 2 + size]
        if end < 0 or size < 0 or len(data) < size:
            return False
        digest = hashlib.sha256(data).hexdigest()
        text = f"{prefix}{previous}\n{EMPTY_SHA256}\n{digest}"
        previous = hmac.digest(key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(previous.encode(), given.strip()):
            return False
        position = end + 2 + size
        if size == 0:
            break
        position += 2
    return not trailer or _trailer_is_signed(body[position:], key, time, scope, previous)


def _trailer_is_signed(rest: bytes, key: bytes, time: str, scope: Scope, previous: str) -> bool:
    lines = [line for line in rest.split(b"\r\n") if line]
    given = [line for line in lines if line.lower().startswith(b"x-amz-trailer-signature:")]
    text = b"".join(line.strip() + b"\n" for line in lines if line not in given)
    if len(given) != 1:
        return False
    digest = hashlib.sha256(text).hexdigest()
    to_sign = f"{ALGORITHM}-TRAILER\n{time}\n{scope.text()}\n{previous}\n{digest}"
    expected = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return hmac.compare_digest(expected.encode(), given[0].partition(b":")[2].strip())


def presigned_v2(
    secret: str, method: str, path: str, query: str, headers: Mapping[str, str]
) -> str:
    """Return the signature of an S3 URL of the old form, which boto3 still makes by default."""
    pairs = [part.partition("=")[::2] for part in query.split("&")]
    values = {name.lower(): unquote(value) for name, value in pairs}
    amz = {name.lower(): value for name, value in headers.items() if name.startswith("x-amz-")}
    amz |= {name: value for name, value in values.items() if name.startswith("x-amz-")}
    lines = [method]
    lines += [headers.get(name) or values.get(name, "") for name in ("content-md5", "content-type")]
    lines.append(values.get("expires", ""))
    lines += [f"{name}:{amz[name].strip()}" for name in sorted(amz)]
    named = sorted((name, value) for name, value in pairs if name in _S3_SUBRESOURCES)
    resource = "&".join(f"{name}={unquote(value)}" if value else name for name, value in named)
    lines.append(f"{path}?{resource}" if resource else path)
    digest = hmac.digest(secret.encode(), "\n".join(lines).encode(), "sha1")
    return base64.b64encode(digest).decode()
