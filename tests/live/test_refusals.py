from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from labkit.live import refusals
from labkit.live.http import Headers, Request, Response
from labkit.live.refusals import Family, family_of

FORM = "application/x-www-form-urlencoded; charset=utf-8"


def asked(headers: dict[str, str] | None = None, path: str = "/") -> Request:
    return Request("POST", path, "", Headers(list((headers or {}).items())), b"")


@pytest.mark.parametrize(
    ("headers", "path", "service", "family"),
    [
        ({}, "/2015-03-31/functions", "lambda", Family.REST_JSON),
        ({}, "/2015-03-31/functions", None, Family.REST_JSON),
        ({"X-Amz-Target": "DynamoDB_20120810.ListTables"}, "/", "dynamodb", Family.JSON),
        ({"X-Amz-Target": "DynamoDB_20120810.ListTables"}, "/", None, Family.JSON),
        ({"Content-Type": FORM}, "/", "sts", Family.QUERY),
        ({"Content-Type": FORM}, "/", "ec2", Family.EC2),
        ({"Content-Type": FORM}, "/", None, Family.QUERY),
        ({"smithy-protocol": "rpc-v2-cbor"}, "/", "monitoring", Family.CBOR),
        ({}, "/bucket/key", "s3", Family.S3),
        ({}, "/bucket/key", None, Family.S3),
        ({}, "/2013-04-01/hostedzone", "route53", Family.REST_XML),
        ({}, "/restapis", "apigateway", Family.REST_JSON),
    ],
)
def test_the_family_of_a_request(
    headers: dict[str, str], path: str, service: str | None, family: Family
) -> None:
    assert family_of(asked(headers, path), service) is family


def understood(response: Response, service: str) -> dict[str, Any]:
    """The error as botocore understands it."""
    model = ServiceModel(Loader().load_service_model(service, "service-2"))
    is_cbor = ("smithy-protocol", "rpc-v2-cbor") in response.headers
    parser = create_parser("smithy-rpc-v2-cbor" if is_cbor else model.resolved_protocol)
    parsed = parser.parse(
        {
            "status_code": response.status,
            "headers": {name.lower(): value for name, value in response.headers},
            "body": response.body,
        },
        None,
    )
    error: dict[str, Any] = parsed["Error"]
    return error


CASES = [
    ("lambda", "lambda", {}, 403, "UnrecognizedClientException"),
    ("dynamodb", "dynamodb", {"X-Amz-Target": "a.b"}, 400, "UnrecognizedClientException"),
    ("sqs", "sqs", {"X-Amz-Target": "a.b"}, 400, "UnrecognizedClientException"),
    (
        "cloudwatch",
        "monitoring",
        {"smithy-protocol": "rpc-v2-cbor"},
        400,
        "UnrecognizedClientException",
    ),
    ("sts", "sts", {"Content-Type": FORM}, 403, "InvalidClientTokenId"),
    ("ec2", "ec2", {"Content-Type": FORM}, 403, "InvalidClientTokenId"),
    ("s3", "s3", {}, 403, "InvalidAccessKeyId"),
    ("route53", "route53", {}, 403, "InvalidClientTokenId"),
]


@pytest.mark.parametrize(("client", "service", "headers", "status", "code"), CASES)
def test_clients_understand_a_refusal(
    client: str, service: str, headers: dict[str, str], status: int, code: str
) -> None:
    response = refusals.unknown_key().response(asked(headers), service)
    assert response.status == status
    error = understood(response, client)
    assert error["Code"] == code
    assert ("Access Key Id" if service == "s3" else "security token") in error["Message"]


def test_lambda_names_the_error_in_a_header() -> None:
    response = refusals.missing_authentication().response(asked(), "lambda")
    assert ("x-amzn-ErrorType", "MissingAuthenticationTokenException") in response.headers
    assert json.loads(response.body) == {"message": "Missing Authentication Token"}
    assert any(name == "x-amzn-RequestId" for name, _ in response.headers)


def test_what_was_asked_for_cannot_break_the_xml() -> None:
    request = asked(path="/b/%3C&%22%3E")
    response = refusals.wrong_signature().response(request, "s3")
    root = ElementTree.fromstring(response.body)
    assert root.findtext("Resource") == '/b/<&">'
    assert root.findtext("Code") == "SignatureDoesNotMatch"


def test_a_long_message_is_right_in_cbor() -> None:
    words = refusals.Words("InternalFailure", 500, "x" * 300)
    response = refusals.error_response(asked(), Family.CBOR, words)
    assert understood(response, "cloudwatch")["Message"] == "x" * 300
