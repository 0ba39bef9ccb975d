"""Who may use the lab: signatures, the Host and Origin of a request, and the control token.

With a live data plane an accepted request is code execution, so every request to an AWS API must be
signed with the session's credentials, or with those that the lab's IAM or STS issued.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from labkit.live import refusals, signatures
from labkit.live.http import Request
from labkit.live.real_time import real_time_s
from labkit.live.signatures import Scope

_CLOCK_SKEW_S: Final = 300
_S3_CLOCK_SKEW_S: Final = 900
_URL_LIFE_MAX_S: Final = 7 * 86_400
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}")
_TIME: Final = re.compile(r"\d{8}T\d{6}Z")
_CLAIMED: Final = re.compile(r"Credential=[^/,&]*/\d+/[^/,&]*/([^/,&]+)/aws4_request")
_LOCAL_HOST: Final = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?")
_STREAMING: Final = (
    signatures.UNSIGNED_TRAILER,
    signatures.SIGNED_CHUNKS,
    signatures.SIGNED_CHUNKS_TRAILER,
)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key and what belongs to it.

    `expires_s` is the end of temporary credentials, in seconds of lab time since 1970.
    """

    access_key_id: str
    secret: str = field(repr=False)
    arn: str
    session_token: str | None = field(default=None, repr=False)
    expires_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Signed:
    """A Version 4 signature as the request carries it."""

    scope: Scope
    time: str
    signed_headers: str
    signature: str
    session_token: str | None
    in_query: bool


class Authenticator:
    """Checks signatures. `find_key` knows the access keys.

    `time_s` is the real time, by which the learner's code signs; what the lab itself signs has its
    time, `lab_time_s`. A signature of either time is in time. Credentials end in lab time.
    """

    def __init__(
        self,
        find_key: Callable[[str], AccessKey | None],
        time_s: Callable[[], float] = real_time_s,
        lab_time_s: Callable[[], float] | None = None,
    ) -> None:
        self._find_key = find_key
        self._time_s = time_s
        self._lab_time_s = lab_time_s or time_s

    def check(self, request: Request) -> str:
        """Let a signed request in: fill in its Region, account and caller; return the service.

        The service is the signing name, such as "lambda". Raises RefusalError.
        """
        authorization = request.headers.get("authorization")
        if authorization is None:
            if "X-Amz-Signature=" in request.query:
                return self._check_v4(request, _from_query(request))
            if "AWSAccessKeyId=" in request.query and "Signature=" in request.query:
                return self._check_v2(request)
            raise refusals.missing_authentication()
        if not authorization.startswith(signatures.ALGORITHM):
            raise refusals.unsupported_mechanism()
        return self._check_v4(request, _from_header(request, authorization))

    def _check_v4(self, request: Request, signed: _Signed) -> str:
        scope = signed.scope
        key = self._key(scope.access_key_id, signed.session_token)
        self._check_time(request, signed)
        payload_hash = _payload_hash(request, signed)
        signing_key = signatures.signing_key(key.secret, scope.date, scope.region, scope.service)
        query = signatures.canonical_query(request.query, leave_out="X-Amz-Signature")
        given = signed.signature.encode()
        for path in signatures.canonical_paths(request.path, scope.service):
            canonical = signatures.canonical_request(
                request.method, path, query, request.headers, signed.signed_headers, payload_hash
            )
            expected = signatures.signature(signing_key, signed.time, scope, canonical)
            if hmac.compare_digest(expected.encode(), given):
                break
        else:
            raise refusals.wrong_signature()
        if payload_hash.startswith(signatures.SIGNED_CHUNKS) and not signatures.chunks_are_signed(
            request.body,
            signing_key,
            signed.time,
            scope,
            signed.signature,
            trailer=payload_hash == signatures.SIGNED_CHUNKS_TRAILER,
        ):
            raise refusals.wrong_signature()
        _admit(request, key, scope.region)
        return scope.service

    def _check_v2(self, request: Request) -> str:
        """A presigned S3 URL of the old form."""
        values = _query_values(request.query)
        key = self._key(values.get("AWSAccessKeyId", ""), values.get("x-amz-security-token"))
        expires = values.get("Expires", "")
        if not (expires.isascii() and expires.isdigit()):
            raise refusals.missing_authentication()
        if int(expires) < self._time_s():
            raise refusals.url_out_of_time("Signature expired", "Request has expired")
        expected = signatures.presigned_v2(
            key.secret, request.method, request.path, request.query, request.headers
        )
        given = values.get("Signature", "")
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise refusals.wrong_signature()
        _admit(request, key, "us-east-1")
        return "s3"

    def _key(self, access_key_id: str, session_token: str | None) -> AccessKey:
        key = self._find_key(access_key_id)
        if key is None:
            raise refusals.unknown_key()
        given, expected = session_token or "", key.session_token or ""
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise refusals.wrong_token()
        if key.expires_s is not None and key.expires_s < self._lab_time_s():
            raise refusals.expired_token()
        return key

    def _check_time(self, request: Request, signed: _Signed) -> None:
        if _TIME.fullmatch(signed.time) is None:
            raise refusals.incomplete_signature(
                f"Date must be in ISO-8601 'basic format'. Got '{signed.time}'."
            )
        if signed.time[:8] != signed.scope.date:
            raise refusals.wrong_signature(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                f"from HTTP: '{signed.scope.date}' != '{signed.time[:8]}', from '{signed.time}'."
            )
        signed_s = _seconds(signed.time)
        skew_s = _S3_CLOCK_SKEW_S if signed.scope.service == "s3" else _CLOCK_SKEW_S
        now_s = self._time_s()
        if signed_s > now_s + skew_s:  # not signed by real time
            now_s = self._lab_time_s()
        latest, now, minutes = now_s + skew_s, _iso(now_s), skew_s // 60
        if signed_s > latest:
            text = f"Signature not yet current: {signed.time} is still later than {_iso(latest)} "
            text += f"({now} + {minutes} min.)"
            if signed.in_query:
                raise refusals.url_out_of_time(text, "Request is not valid yet")
            raise refusals.wrong_time(text)
        if signed.in_query:
            life = _query_values(request.query).get("X-Amz-Expires", "")
            if not (life.isascii() and life.isdigit() and 1 <= int(life) <= _URL_LIFE_MAX_S):
                raise refusals.incomplete_signature(
                    f"X-Amz-Expires must be from 1 to {_URL_LIFE_MAX_S} seconds"
                )
            if signed_s + int(life) < now_s:
                text = f"Signature expired: {_iso(signed_s + int(life))} is now earlier than {now}"
                raise refusals.url_out_of_time(text, "Request has expired")
        elif signed_s < now_s - skew_s:
            raise refusals.wrong_time(
                f"Signature expired: {signed.time} is now earlier than {_iso(now_s - skew_s)} "
                f"({now} - {minutes} min.)"
            )


def _admit(request: Request, key: AccessKey, region: str) -> None:
    request.region = region
    request.caller_arn = key.arn
    request.account_id = key.arn.split(":")[4]


def _from_header(request: Request, authorization: str) -> _Signed:
    """Read the Authorization header. Raises RefusalError."""
    parts: dict[str, str] = {}
    for part in authorization[len(signatures.ALGORITHM) :].split(","):
        name, _, value = part.strip().partition("=")
        parts[name] = value
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    if missing:
        raise refusals.incomplete_signature(
            " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        )
    date = request.headers.get("x-amz-date")
    if date is None:
        raise refusals.incomplete_signature(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    signed_headers = parts["SignedHeaders"]
    names = signed_headers.split(";")
    for name in ("host", "x-amz-date"):
        if name not in names:
            raise refusals.wrong_signature(
                f"'{name}' must be a 'SignedHeader' in the AWS Authorization."
            )
    return _Signed(
        scope=_scope(parts["Credential"]),
        time=date,
        signed_headers=signed_headers,
        signature=parts["Signature"],
        session_token=request.headers.get("x-amz-security-token"),
        in_query=False,
    )


def _from_query(request: Request) -> _Signed:
    """Read a presigned URL. Raises RefusalError."""
    values = _query_values(request.query)
    wanted = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")
    missing = [name for name in wanted if not values.get(name)]
    if missing or values.get("X-Amz-Algorithm") != signatures.ALGORITHM:
        raise refusals.incomplete_signature(
            "AWS query-string parameters must include " + ", ".join(missing or ["X-Amz-Algorithm"])
        )
    if "host" not in values["X-Amz-SignedHeaders"].split(";"):
        raise refusals.wrong_signature("'host' must be a 'SignedHeader' in the AWS Authorization.")
    return _Signed(
        scope=_scope(values["X-Amz-Credential"]),
        time=values["X-Amz-Date"],
        signed_headers=values["X-Amz-SignedHeaders"],
        signature=values["X-Amz-Signature"],
        session_token=values.get("X-Amz-Security-Token"),
        in_query=True,
    )


def _scope(credential: str) -> Scope:
    parts = credential.split("/")
    if len(parts) != 5:
        raise refusals.incomplete_signature(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{credential}'"
        )
    access_key_id, date, region, service, term = parts
    if term != "aws4_request":
        raise refusals.wrong_signature(
            f"Credential should be scoped with a valid terminator: 'aws4_request', not '{term}'."
        )
    if _REGION.fullmatch(region) is None:
        raise refusals.wrong_signature(
            f"Credential should be scoped to a valid region, not '{region}'."
        )
    return Scope(access_key_id, date, region, service)


def _payload_hash(request: Request, signed: _Signed) -> str:
    """Return the hash of the body as it was signed. Raises RefusalError if the body differs."""
    declared = request.headers.get("x-amz-content-sha256")
    if signed.scope.service == "s3":
        if declared in _STREAMING:
            return declared
        if declared == signatures.UNSIGNED_PAYLOAD or (declared is None and signed.in_query):
            return signatures.UNSIGNED_PAYLOAD
    computed = hashlib.sha256(request.body).hexdigest() if request.body else signatures.EMPTY_SHA256
    if declared is not None and not hmac.compare_digest(declared.encode(), computed.encode()):
        raise refusals.wrong_payload_hash()
    return computed


def _query_values(query: str) -> dict[str, str]:
    return {
        name: unquote(value)
        for name, _, value in (part.partition("=") for part in query.split("&"))
    }


def _seconds(iso: str) -> float:
    year, month, day = int(iso[:4]), int(iso[4:6]), int(iso[6:8])
    clock = int(iso[9:11]), int(iso[11:13]), int(iso[13:15])
    try:
        return datetime(year, month, day, *clock, tzinfo=UTC).timestamp()
    except ValueError:
        raise refusals.incomplete_signature(
            f"Date must be in ISO-8601 'basic format'. Got '{iso}'."
        ) from None


def _iso(time_s: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time_s))


def claimed_service(request: Request) -> str | None:
    """Return the service that a request says it is for, whether or not its signature is right."""
    text = request.headers.get("authorization") or unquote(request.query)
    match = _CLAIMED.search(text)
    return None if match is None else match[1]


def is_local(request: Request) -> bool:
    """Tell whether the request was made for this machine, and by no foreign web page.

    A page that resolves its own host name to 127.0.0.1 sends that name as Host; any other page
    sends its Origin.
    """
    host = request.headers.get("host") or ""
    if _LOCAL_HOST.fullmatch(host) is None:
        return False
    origin = request.headers.get("origin")
    return origin is None or origin == f"http://{host}"


def has_token(request: Request, token: str) -> bool:
    """Tell whether the request carries the lab's control token."""
    given = request.headers.get("authorization") or ""
    return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
