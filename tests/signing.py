"""Requests signed by botocore, as they would arrive at the lab."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from labkit.live.auth import AccessKey
from labkit.live.http import Headers, Request

USER = AccessKey("AKIAUSERUSERUSERUSER", "user/secret+key", "arn:aws:iam::123456789012:user/u")
ROLE = AccessKey(
    "ASIAROLEROLEROLEROLE",
    "role/secret",
    "arn:aws:sts::210987654321:assumed-role/r/s",
    session_token="token/+=",
    expires_s=time.time() + 3600,
)
ENDPOINT = "http://127.0.0.1:4567"


def signed(
    method: str = "POST",
    path: str = "/2015-03-31/functions",
    *,
    query: str = "",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    key: AccessKey = USER,
    service: str = "lambda",
    signer: type[Any] | None = None,
    **options: Any,
) -> Request:
    """A request signed by botocore, by `signer` or by the service's usual one."""
    url = f"{ENDPOINT}{path}{'?' + query if query else ''}"
    aws = AWSRequest(method, url, data=body, headers={**(headers or {})})
    credentials = Credentials(key.access_key_id, key.secret, key.session_token)
    if signer is HmacV1QueryAuth:
        signer(credentials, **options).add_auth(aws)
    else:
        signer = signer or (S3SigV4Auth if service == "s3" else SigV4Auth)
        signer(credentials, service, "us-east-1", **options).add_auth(aws)
    prepared = aws.prepare()
    split = urlsplit(prepared.url)
    pairs = [(name, str(value)) for name, value in prepared.headers.items()]
    return Request(method, split.path, split.query, Headers([("Host", split.netloc), *pairs]), body)
