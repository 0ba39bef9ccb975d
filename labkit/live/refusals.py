"""Errors of AWS services other than Lambda's own, in the form that each family of them uses.

Codes, messages and HTTP status differ between families; what is here is what clients of AWS report.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import unquote

from labkit.live.http import Request, Response


class Family(Enum):
    """How a service writes its answers."""

    REST_JSON = "rest-json"  # Lambda, API Gateway, ...
    JSON = "json"  # DynamoDB, Kinesis, Logs, ...: X-Amz-Target names the operation
    CBOR = "cbor"  # CloudWatch
    QUERY = "query"  # IAM, STS, SNS, ...
    EC2 = "ec2"
    S3 = "s3"
    REST_XML = "rest-xml"  # Route 53, CloudFront


_REST_XML_SERVICES: Final = frozenset({"route53", "cloudfront"})


def family_of(request: Request, service: str | None) -> Family:
    """Tell how the caller expects an error; `service` is the signing name, None if unknown."""
    headers = request.headers
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        return Family.CBOR
    if headers.get("x-amz-target"):
        return Family.JSON
    if (headers.get("content-type") or "").startswith("application/x-www-form-urlencoded"):
        return Family.EC2 if service == "ec2" else Family.QUERY
    if service is None:
        return Family.REST_JSON if _is_lambda_path(request.path) else Family.S3
    if service == "s3":
        return Family.S3
    return Family.REST_XML if service in _REST_XML_SERVICES else Family.REST_JSON


def _is_lambda_path(path: str) -> bool:
    """Lambda's paths begin with the date of an API version, which no bucket of a learner does."""
    date = path[1:11]
    return len(date) == 10 and date[4] == date[7] == "-" and date.replace("-", "").isdigit()


@dataclass(frozen=True, slots=True)
class Words:
    """Code, HTTP status and message of an error in one family."""

    code: str
    status: int
    message: str


class RefusalError(Exception):
    """A request that is not let in; `json`, `query` and `s3` are the words of the families."""

    def __init__(self, json: Words, query: Words, s3: Words) -> None:
        super().__init__(json.message)
        self.json = json
        self.query = query
        self.s3 = s3

    def response(self, request: Request, service: str | None) -> Response:
        """Return the answer in the form that the caller expects."""
        family = family_of(request, service)
        if family is Family.S3:
            words = self.s3
        elif family in (Family.QUERY, Family.EC2, Family.REST_XML):
            words = self.query
        else:
            words = self.json
        status = words.status
        if family in (Family.JSON, Family.CBOR) and status == 403:
            status = 400  # the services with X-Amz-Target answer so; those with paths do not
        return error_response(request, family, Words(words.code, status, words.message))


def error_response(request: Request, family: Family, words: Words) -> Response:
    """Return an error in the form of a family."""
    request_id = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request_id)]
    if family is Family.REST_JSON:
        headers += [("Content-Type", "application/json"), ("x-amzn-ErrorType", words.code)]
        body = json.dumps({"message": words.message}).encode()
    elif family is Family.JSON:
        headers.append(("Content-Type", "application/x-amz-json-1.1"))
        body = json.dumps({"__type": words.code, "message": words.message}).encode()
    elif family is Family.CBOR:
        headers += [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        pairs = (("__type", words.code), ("message", words.message))
        body = b"\xa2" + b"".join(_cbor_text(name) + _cbor_text(value) for name, value in pairs)
    else:
        headers.append(("Content-Type", "application/xml" if family is Family.S3 else "text/xml"))
        body = _xml(request, family, words, request_id).encode()
    return Response(words.status, headers, body)


def _xml(request: Request, family: Family, words: Words, request_id: str) -> str:
    code, message = _escape(words.code), _escape(words.message)
    start = '<?xml version="1.0" encoding="UTF-8"?>\n'
    if family is Family.S3:
        resource = _escape(unquote(request.path))
        return (
            f"{start}<Error><Code>{code}</Code><Message>{message}</Message>"
            f"<Resource>{resource}</Resource><RequestId>{request_id}</RequestId></Error>"
        )
    if family is Family.EC2:
        return (
            f"{start}<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message>"
            f"</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
    return (
        f"{start}<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cbor_text(text: str) -> bytes:
    data = text.encode()
    if len(data) < 24:
        return bytes([0x60 + len(data)]) + data
    return b"\x79" + len(data).to_bytes(2) + data


def missing_authentication() -> RefusalError:
    """The request carries no signature."""
    return RefusalError(
        Words("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
        Words("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        Words("AccessDenied", 403, "Access Denied"),
    )


def unknown_key() -> RefusalError:
    """Nobody issued the access key, or it is inactive."""
    message = "The security token included in the request is invalid."
    return RefusalError(
        Words("UnrecognizedClientException", 403, message),
        Words("InvalidClientTokenId", 403, message),
        Words(
            "InvalidAccessKeyId",
            403,
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
    )


def wrong_token() -> RefusalError:
    """The session token does not belong to the access key."""
    message = "The security token included in the request is invalid."
    return RefusalError(
        Words("UnrecognizedClientException", 403, message),
        Words("InvalidClientTokenId", 403, message),
        Words("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    )


def expired_token() -> RefusalError:
    """The session credentials have expired."""
    message = "The security token included in the request is expired"
    return RefusalError(
        Words("ExpiredTokenException", 403, message),
        Words("ExpiredToken", 403, message),
        Words("ExpiredToken", 400, "The provided token has expired."),
    )


def wrong_signature(message: str | None = None) -> RefusalError:
    """The signature is not the one that the secret key gives; `message` for a more exact reason."""
    return RefusalError(
        Words("InvalidSignatureException", 403, message or _MISMATCH),
        Words("SignatureDoesNotMatch", 403, message or _MISMATCH),
        Words("SignatureDoesNotMatch", 403, message or _MISMATCH_S3),
    )


_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
)
_MISMATCH_S3: Final = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "key and signing method."
)


def wrong_time(message: str) -> RefusalError:
    """The signature is too old, or from the future."""
    return RefusalError(
        Words("InvalidSignatureException", 403, message),
        Words("SignatureDoesNotMatch", 403, message),
        Words(
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        ),
    )


def url_out_of_time(message: str, s3_message: str) -> RefusalError:
    """A presigned URL whose time is over, or has not come."""
    return RefusalError(
        Words("InvalidSignatureException", 403, message),
        Words("SignatureDoesNotMatch", 403, message),
        Words("AccessDenied", 403, s3_message),
    )


def incomplete_signature(message: str) -> RefusalError:
    """A part of the signature is missing or malformed."""
    s3_message = f"The authorization header is malformed; {message}"
    return RefusalError(
        Words("IncompleteSignatureException", 403, message),
        Words("IncompleteSignature", 403, message),
        Words("AuthorizationHeaderMalformed", 400, s3_message),
    )


def wrong_payload_hash() -> RefusalError:
    """The body is not the one that was signed."""
    return RefusalError(
        Words("InvalidSignatureException", 403, _MISMATCH),
        Words("SignatureDoesNotMatch", 403, _MISMATCH),
        Words(
            "XAmzContentSHA256Mismatch",
            400,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
    )


def unsupported_mechanism() -> RefusalError:
    """Signed in a way that AWS gave up, or that it never had."""
    message = (
        "The authorization mechanism you have provided is not supported. "
        "Please use AWS4-HMAC-SHA256."
    )
    return RefusalError(
        Words("IncompleteSignatureException", 403, message),
        Words("IncompleteSignature", 403, message),
        Words("InvalidRequest", 400, message),
    )
