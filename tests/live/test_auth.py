from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4QueryAuth, SigV4QueryAuth
from hypothesis import given, settings
from hypothesis import strategies as st
from signing import ROLE, USER, signed

from labkit.live import signatures
from labkit.live.auth import AccessKey, Authenticator, claimed_service, has_token, is_local
from labkit.live.http import Headers, Request
from labkit.live.refusals import RefusalError
from labkit.live.signatures import Scope

KEYS = {key.access_key_id: key for key in (USER, ROLE)}


def authenticator(time_s: Callable[[], float] = time.time) -> Authenticator:
    return Authenticator(KEYS.get, time_s)


def with_header(request: Request, name: str, value: str | None) -> Request:
    assert isinstance(request.headers, Headers)
    pairs = [pair for pair in request.headers.pairs if pair[0].lower() != name.lower()]
    if value is not None:
        pairs.append((name, value))
    return replace(request, headers=Headers(pairs))


def refusal(request: Request, time_s: Callable[[], float] = time.time) -> RefusalError:
    with pytest.raises(RefusalError) as error:
        authenticator(time_s).check(request)
    assert request.caller_arn == ""
    return error.value


PATHS = st.lists(
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=6).map(
        lambda part: quote(part, safe="~")
    ),
    max_size=4,
).map(lambda parts: "/" + "/".join(parts))
QUERIES = st.lists(
    st.tuples(st.text("abcXYZ-_", min_size=1, max_size=5), st.text(max_size=5)), max_size=4
).map(lambda pairs: "&".join(f"{name}={quote(value, safe='~')}" for name, value in pairs))


@settings(deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
    path=PATHS,
    query=QUERIES,
    body=st.binary(max_size=20),
    service=st.sampled_from(["lambda", "s3", "sqs", "execute-api"]),
    key=st.sampled_from([USER, ROLE]),
    value=st.text("ab  c", max_size=8),
)
def test_what_botocore_signs_is_let_in_and_any_change_is_not(
    method: str, path: str, query: str, body: bytes, service: str, key: AccessKey, value: str
) -> None:
    request = signed(
        method,
        path,
        query=query,
        body=body,
        service=service,
        key=key,
        headers={"X-Amz-Some": value},
    )
    assert authenticator().check(request) == service
    assert (request.region, request.caller_arn) == ("us-east-1", key.arn)
    assert request.account_id == key.arn.split(":")[4]
    for changed in (
        replace(request, method="PATCH"),
        replace(request, path=request.path + "x"),
        replace(request, query=request.query + "&extra=1"),
        replace(request, body=request.body + b"x"),
        with_header(request, "X-Amz-Some", value + "x"),
        with_header(request, "Host", "localhost"),
    ):
        with pytest.raises(RefusalError):
            authenticator().check(replace(changed, region="", account_id="", caller_arn=""))


@settings(deadline=None)
@given(path=PATHS, query=QUERIES, service=st.sampled_from(["s3", "sts", "lambda"]))
def test_presigned_urls_of_botocore_are_let_in(path: str, query: str, service: str) -> None:
    signer = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    request = signed("GET", path, query=query, service=service, signer=signer, expires=60, key=ROLE)
    assert authenticator().check(request) == service
    refusal(replace(request, method="DELETE", region="", account_id="", caller_arn=""))
    refusal(replace(request, query=request.query + "&x=1", caller_arn="", region=""))


@settings(deadline=None)
@given(
    path=PATHS,
    query=st.sampled_from(["", "versionId=5", "uploadId=a%2Fb&partNumber=1", "list-type=2", "acl"]),
    key=st.sampled_from([USER, ROLE]),
    headers=st.sampled_from([{}, {"x-amz-acl": "private"}, {"Content-Type": "text/plain"}]),
)
def test_presigned_s3_urls_of_the_old_form_are_let_in(
    path: str, query: str, key: AccessKey, headers: dict[str, str]
) -> None:
    request = signed(
        "PUT",
        path,
        query=query,
        service="s3",
        key=key,
        headers=headers,
        signer=HmacV1QueryAuth,
        expires=60,
    )
    sent = replace(request, headers=Headers([("Host", "127.0.0.1:4567")]))
    assert authenticator().check(sent) == "s3"
    assert sent.caller_arn == key.arn
    refusal(replace(request, path=path + "x"))
    refusal(request, lambda: time.time() + 61)


@pytest.mark.parametrize("version", ["new", "old"])
def test_an_expired_url_is_refused(version: str) -> None:
    signer = HmacV1QueryAuth if version == "old" else S3SigV4QueryAuth
    request = signed("GET", "/b/k", service="s3", signer=signer, expires=60)
    error = refusal(request, lambda: time.time() + 62)
    assert (error.s3.code, error.s3.message) == ("AccessDenied", "Request has expired")


def test_a_url_of_tomorrow_is_refused() -> None:
    request = signed("GET", "/b/k", service="s3", signer=S3SigV4QueryAuth, expires=60)
    error = refusal(request, lambda: time.time() - 86_000)
    assert error.s3.code in ("AccessDenied", "SignatureDoesNotMatch")


@pytest.mark.parametrize("life", ["0", "604801", "-1", "x", ""])
def test_a_url_cannot_live_for_ever(life: str) -> None:
    request = signed("GET", "/b/k", service="s3", signer=S3SigV4QueryAuth, expires=60)
    changed = replace(request, query=request.query.replace("Expires=60", f"Expires={life}"))
    assert "604800" in str(refusal(changed))


def test_without_a_signature_nothing_is_let_in() -> None:
    request = Request("GET", "/2015-03-31/functions", "", Headers([("Host", "127.0.0.1")]), b"")
    error = refusal(request)
    assert error.json.code == "MissingAuthenticationTokenException"
    assert error.query.code == "MissingAuthenticationToken"
    assert (error.s3.code, error.s3.status) == ("AccessDenied", 403)


@pytest.mark.parametrize("value", ["Basic YTpi", "AWS AKIA:sig", "Bearer token"])
def test_other_ways_of_signing_are_refused(value: str) -> None:
    request = with_header(signed(), "Authorization", value)
    assert "not supported. Please use AWS4-HMAC-SHA256" in str(refusal(request))


def test_a_key_that_nobody_issued_is_refused() -> None:
    error = refusal(signed(key=replace(USER, access_key_id="AKIAIOSFODNN7EXAMPLE")))
    assert error.json.code == "UnrecognizedClientException"
    assert str(error) == "The security token included in the request is invalid."
    assert error.query.code == "InvalidClientTokenId"
    assert error.s3.code == "InvalidAccessKeyId"


def test_a_wrong_secret_is_refused() -> None:
    error = refusal(signed(key=replace(USER, secret="guessed")))
    assert error.json.code == "InvalidSignatureException"
    assert str(error).startswith("The request signature we calculated does not match")
    assert error.query.code == error.s3.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("token", [None, "other"])
def test_a_session_needs_its_own_token(token: str | None) -> None:
    error = refusal(signed(key=replace(ROLE, session_token=token)))
    assert error.json.code == "UnrecognizedClientException"
    assert error.s3.code == "InvalidToken"


def test_a_lasting_key_has_no_token() -> None:
    assert refusal(signed(key=replace(USER, session_token="any"))).s3.code == "InvalidToken"


AHEAD_S = 14 * 86_400


def ahead(real_time_s: float) -> Authenticator:
    """Of a lab that is two weeks ahead of the machine."""
    return Authenticator(KEYS.get, lambda: real_time_s, lambda: real_time_s + AHEAD_S)


@pytest.mark.parametrize("signed_ahead_s", [0, -200, 200, AHEAD_S, AHEAD_S - 200, AHEAD_S + 200])
def test_a_request_signed_by_real_or_by_lab_time_is_let_in(signed_ahead_s: int) -> None:
    assert ahead(time.time() - signed_ahead_s).check(signed()) == "lambda"


@pytest.mark.parametrize("signed_ahead_s", [-3600, 3600, AHEAD_S - 3600, AHEAD_S + 3600])
def test_a_request_of_neither_time_is_refused(signed_ahead_s: int) -> None:
    with pytest.raises(RefusalError, match="Signature"):
        ahead(time.time() - signed_ahead_s).check(signed())


def test_credentials_expire_in_lab_time() -> None:
    with pytest.raises(RefusalError) as error:
        ahead(time.time()).check(signed(key=ROLE))
    assert error.value.json.code == "ExpiredTokenException"


def test_an_expired_session_is_refused() -> None:
    request = signed(key=ROLE)
    error = refusal(request, lambda: time.time() + 3700)
    assert (error.json.code, error.s3.status) == ("ExpiredTokenException", 400)


@pytest.mark.parametrize(
    ("service", "skew_s", "let_in"),
    [
        ("lambda", 290, True),
        ("lambda", 310, False),
        ("lambda", -290, True),
        ("lambda", -310, False),
        ("s3", 880, True),
        ("s3", 920, False),
    ],
)
def test_the_clock_may_be_wrong_by_five_minutes(service: str, skew_s: int, let_in: bool) -> None:
    request = signed(service=service)
    now_s = time.time()

    if let_in:
        assert authenticator(lambda: now_s + skew_s).check(request) == service
        return
    error = refusal(request, lambda: now_s + skew_s)
    assert error.s3.code == "RequestTimeTooSkewed"
    assert error.json.code == "InvalidSignatureException"
    if service == "lambda" and skew_s > 0:
        assert str(error).startswith(f"Signature expired: {request.headers['x-amz-date']} is now ")
        assert str(error).endswith(" - 5 min.)")
    elif service == "lambda":
        assert "is still later than" in str(error)
        assert str(error).endswith(" + 5 min.)")


@pytest.mark.parametrize("part", ["Credential", "Signature", "SignedHeaders"])
def test_a_missing_part_is_named(part: str) -> None:
    request = signed()
    kept = [
        piece
        for piece in request.headers["authorization"].removeprefix("AWS4-HMAC-SHA256").split(",")
        if not piece.strip().startswith(part)
    ]
    value = "AWS4-HMAC-SHA256 " + ",".join(kept)
    error = refusal(with_header(request, "Authorization", value))
    assert error.json.code == "IncompleteSignatureException"
    assert str(error) == f"Authorization header requires '{part}' parameter."


@pytest.mark.parametrize(
    ("credential", "text"),
    [
        ("A/20260101/us-east-1/lambda", "exactly 5 slash-delimited"),
        ("A/20260101/us-east-1/lambda/aws5", "valid terminator: 'aws4_request', not 'aws5'"),
        ("A/20260101/nowhere/lambda/aws4_request", "valid region, not 'nowhere'"),
        ("A/20260101/../lambda/aws4_request", "valid region, not '..'"),
    ],
)
def test_a_senseless_scope_is_named(credential: str, text: str) -> None:
    value = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature=0"
    assert text in str(refusal(with_header(signed(), "Authorization", value)))


@pytest.mark.parametrize("date", ["yesterday", "20261399T000000Z", "2026-01-01", ""])
def test_a_senseless_date_is_refused(date: str) -> None:
    request = with_header(signed(), "X-Amz-Date", date)
    value = (
        f"AWS4-HMAC-SHA256 Credential={USER.access_key_id}/{date[:8]}/us-east-1/lambda/"
        "aws4_request, SignedHeaders=host;x-amz-date, Signature=0"
    )
    assert "ISO-8601" in str(refusal(with_header(request, "Authorization", value)))


def test_the_date_of_the_scope_is_that_of_the_request() -> None:
    request = signed()
    date = request.headers["x-amz-date"][:8]
    value = request.headers["authorization"].replace(f"/{date}/", "/20200101/")
    assert "Date in Credential scope" in str(refusal(with_header(request, "Authorization", value)))


def test_a_request_without_date_is_refused() -> None:
    assert "'X-Amz-Date'" in str(refusal(with_header(signed(), "X-Amz-Date", None)))


@pytest.mark.parametrize("left_out", ["host", "x-amz-date"])
def test_host_and_date_must_be_signed(left_out: str) -> None:
    request = signed()
    names = [name for name in ("host", "x-amz-date") if name != left_out]
    value = (
        f"AWS4-HMAC-SHA256 Credential={USER.access_key_id}/20260101/us-east-1/lambda/aws4_request,"
        f" SignedHeaders={';'.join(names)}, Signature=0"
    )
    assert f"'{left_out}' must be" in str(refusal(with_header(request, "Authorization", value)))


@pytest.mark.parametrize("service", ["s3", "lambda"])
def test_a_body_that_is_not_the_signed_one_is_refused(service: str) -> None:
    request = signed(service=service, body=b"signed")
    error = refusal(replace(request, body=b"sent"))
    if service == "s3":
        assert error.s3.code == "XAmzContentSHA256Mismatch"
    assert error.json.code == "InvalidSignatureException"


def by_hand(
    body: bytes,
    payload_hash: str,
    *,
    service: str = "s3",
    extra: Mapping[str, str] | None = None,
) -> tuple[Request, bytes, Scope, str]:
    """A request with a payload hash of one's choice: (request, signing key, scope, signature)."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = Scope(USER.access_key_id, now[:8], "us-east-1", service)
    key = signatures.signing_key(USER.secret, now[:8], "us-east-1", service)
    sent = {"host": "127.0.0.1", "x-amz-content-sha256": payload_hash, "x-amz-date": now}
    sent |= extra or {}
    names = ";".join(sorted(sent))
    canonical = signatures.canonical_request("PUT", "/b/k", "", sent, names, payload_hash)
    signature = signatures.signature(key, now, scope, canonical)
    sent["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={USER.access_key_id}/{scope.text()}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return Request("PUT", "/b/k", "", Headers(list(sent.items())), body), key, scope, signature


@pytest.mark.parametrize("form", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_s3_may_leave_the_payload_unsigned_and_others_may_not(form: str) -> None:
    request, *_ = by_hand(b"anything", form)
    assert authenticator().check(request) == "s3"
    request, *_ = by_hand(b"anything", form, service="lambda")
    refusal(request)


def chunked(chunks: list[bytes], trailer: bytes | None) -> tuple[Request, bytes]:
    """An upload in signed chunks, as the SDKs for other languages make it."""
    form = signatures.SIGNED_CHUNKS if trailer is None else signatures.SIGNED_CHUNKS_TRAILER
    request, key, scope, previous = by_hand(b"", form)
    date = request.headers["x-amz-date"]
    body = b""
    for chunk in [*chunks, b""]:
        text = "\n".join(
            [
                "AWS4-HMAC-SHA256-PAYLOAD",
                date,
                scope.text(),
                previous,
                hashlib.sha256(b"").hexdigest(),
                hashlib.sha256(chunk).hexdigest(),
            ]
        )
        previous = hmac.digest(key, text.encode(), "sha256").hex()
        body += b"%x;chunk-signature=%b\r\n%b" % (len(chunk), previous.encode(), chunk)
        body += b"\r\n" if chunk else b""
    if trailer is not None:
        digest = hashlib.sha256(trailer + b"\n").hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", date, scope.text(), previous, digest])
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        body += trailer + b"\r\nx-amz-trailer-signature:" + signature.encode() + b"\r\n"
    return replace(request, body=body + b"\r\n"), body


@settings(deadline=None)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=9), max_size=4),
    trailer=st.sampled_from([None, b"x-amz-checksum-crc32:AAAAAA=="]),
)
def test_every_signed_chunk_is_checked(chunks: list[bytes], trailer: bytes | None) -> None:
    request, body = chunked(chunks, trailer)
    assert authenticator().check(request) == "s3"
    request, body = chunked(chunks, trailer)
    for position in range(0, len(body), 7):
        if body[position : position + 1] in b"\r\n":
            continue
        changed = bytearray(body)
        changed[position] ^= 1
        with pytest.raises(RefusalError):
            authenticator().check(replace(request, body=bytes(changed) + b"\r\n"))
    for cut in (b"", body[: len(body) // 2]):
        with pytest.raises(RefusalError):
            authenticator().check(replace(request, body=cut))


@pytest.mark.parametrize(
    ("host", "origin", "local"),
    [
        ("127.0.0.1:4567", None, True),
        ("localhost:4567", None, True),
        ("localhost", None, True),
        ("127.0.0.1:4567", "http://127.0.0.1:4567", True),
        ("127.0.0.1:4567", "http://localhost:8888", False),
        ("127.0.0.1:4567", "https://evil.example", False),
        ("127.0.0.1:4567", "null", False),
        ("evil.example", None, False),
        ("127.0.0.1.evil.example", None, False),
        ("localhost:4567@evil.example", None, False),
        ("", None, False),
    ],
)
def test_only_requests_for_this_machine_are_local(
    host: str, origin: str | None, local: bool
) -> None:
    pairs = [("Host", host)] + ([] if origin is None else [("Origin", origin)])
    assert is_local(Request("GET", "/", "", Headers(pairs), b"")) is local


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("Bearer secret", True),
        ("Bearer secre", False),
        ("secret", False),
        (None, False),
        ("\xff", False),
    ],
)
def test_the_control_token(value: str | None, right: bool) -> None:
    pairs = [] if value is None else [("Authorization", value)]
    assert has_token(Request("GET", "/", "", Headers(pairs), b""), "secret") is right


def test_the_claimed_service_is_told_whatever_the_signature() -> None:
    assert (
        claimed_service(signed(service="apigateway", key=replace(USER, secret="x"))) == "apigateway"
    )
    presigned = signed("GET", "/b/k", service="s3", signer=S3SigV4QueryAuth, expires=60)
    assert claimed_service(presigned) == "s3"
    for value in ("AWS4-HMAC-SHA256 nonsense", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e"):
        assert claimed_service(with_header(signed(), "Authorization", value)) is None
    assert claimed_service(Request("GET", "/", "", Headers([]), b"")) is None
