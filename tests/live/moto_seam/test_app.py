from __future__ import annotations

import gzip
import http.client
import io
import itertools
import json
import time
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.client import Config
from botocore.exceptions import ClientError
from harness import Served
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_http import fetch

_names = (f"bucket-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def s3(served: Served) -> Any:
    return served.client("s3")


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    name = next(_names)
    s3.create_bucket(Bucket=name)
    return name


def read(s3: Any, bucket: str, key: str) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def test_put_object_does_not_stall(s3: Any, bucket: str) -> None:
    """The wait for '100 Continue' is a second, when it is not answered."""
    s3.put_object(Bucket=bucket, Key="warm-up", Body=b"")
    started = time.monotonic()
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"quick-{number}", Body=b"x" * 100_000)
    assert time.monotonic() - started < 1


@settings(deadline=None, max_examples=15)
@given(
    key=st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=12),
    body=st.binary(max_size=50),
)
def test_any_key_holds_any_content(s3: Any, bucket: str, key: str, body: bytes) -> None:
    key = f"k/{key}"
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert read(s3, bucket, key) == body


def test_metadata_keeps_its_underscores(s3: Any, bucket: str) -> None:
    metadata = {"my_key": "1", "my-key": "2", "plain": "3"}
    s3.put_object(Bucket=bucket, Key="m", Body=b"", Metadata=metadata)
    kept = s3.head_object(Bucket=bucket, Key="m")["Metadata"]
    assert kept["plain"] == "3"
    assert kept["my-key"] == "2"
    s3.put_object(Bucket=bucket, Key="m2", Body=b"", Metadata={"my_key": "1"})
    assert s3.head_object(Bucket=bucket, Key="m2")["Metadata"] == {"my_key": "1"}


def test_head_tells_the_length_and_sends_no_body(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="h", Body=b"x" * 1234)
    assert s3.head_object(Bucket=bucket, Key="h")["ContentLength"] == 1234
    assert read(s3, bucket, "h") == b"x" * 1234
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key="absent")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_streams_and_checksums(s3: Any, bucket: str, algorithm: str) -> None:
    s3.put_object(
        Bucket=bucket, Key="s", Body=io.BytesIO(b"y" * 300_000), ChecksumAlgorithm=algorithm
    )
    assert read(s3, bucket, "s") == b"y" * 300_000


def test_uploads_in_parts(s3: Any, bucket: str) -> None:
    content = bytes(range(256)) * 50_000
    s3.upload_fileobj(io.BytesIO(content), bucket, "parts")
    target = io.BytesIO()
    s3.download_fileobj(bucket, "parts", target)
    assert target.getvalue() == content


@pytest.mark.parametrize("version", [None, "s3v4"])
def test_presigned_urls(served: Served, bucket: str, version: str | None) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=served.ready["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=served.ready["access_key_id"],
        aws_secret_access_key=served.ready["secret_access_key"],
        config=Config(signature_version=version) if version else None,
    )
    values = {"Bucket": bucket, "Key": "pre signed/ü.txt"}
    url = client.generate_presigned_url("put_object", Params=values)
    assert fetch(url, method="PUT", body=b"content", headers={"Content-Type": ""}).status == 200
    url = client.generate_presigned_url("get_object", Params=values)
    assert fetch(url).body == b"content"
    assert fetch(url.replace("pre%20signed", "other")).status == 403
    client.close()


def test_chunked_transfer(served: Served, s3: Any, bucket: str) -> None:
    """An upload whose length the client does not tell."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "chunked"})
    split = urlsplit(url)
    connection = http.client.HTTPConnection(split.netloc)
    pieces = iter([b"one ", b"two ", b"three"])
    connection.request("PUT", f"{split.path}?{split.query}", pieces, encode_chunked=True)
    assert connection.getresponse().read() == b""
    connection.close()
    assert read(s3, bucket, "chunked") == b"one two three"


def test_no_web_page_is_let_in_by_cors(served: Served) -> None:
    answer = fetch(served.ready["endpoint"] + "/bucket", method="OPTIONS")
    assert answer.status == 403
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_services_of_every_protocol_answer(served: Served) -> None:
    assert served.client("sqs").create_queue(QueueName="q")["QueueUrl"].endswith("/q")
    served.client("sqs").send_message(QueueUrl=_queue(served, "q"), MessageBody="ü")
    received = served.client("sqs").receive_message(QueueUrl=_queue(served, "q"))["Messages"]
    assert received[0]["Body"] == "ü"
    topic = served.client("sns").create_topic(Name="t")["TopicArn"]
    assert topic == "arn:aws:sns:us-east-1:123456789012:t"
    assert served.client("dynamodb").list_tables()["TableNames"] == []
    served.client("cloudwatch").put_metric_data(
        Namespace="N", MetricData=[{"MetricName": "m", "Value": 1.0}]
    )
    assert (
        served.client("cloudwatch").list_metrics(Namespace="N")["Metrics"][0]["MetricName"] == "m"
    )
    assert served.client("ec2").describe_vpcs()["Vpcs"]
    assert served.client("route53").list_hosted_zones()["HostedZones"] == []
    assert served.client("apigateway").get_rest_apis()["items"] == []
    assert served.client("events").list_rules()["Rules"] == []
    assert served.client("cloudformation").list_stacks()["StackSummaries"] == []


def _queue(served: Served, name: str) -> str:
    url: str = served.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    return url


def test_regions_are_apart(served: Served) -> None:
    there = served.client("sqs", region_name="eu-central-1")
    there.create_queue(QueueName="only-there")
    with pytest.raises(ClientError, match="does not exist"):
        served.client("sqs").get_queue_url(QueueName="only-there")


def test_compressed_bodies_are_understood(served: Served) -> None:
    client = served.client("cloudwatch")
    data = [{"MetricName": f"m{n}", "Value": 1.0, "Unit": "Count"} for n in range(300)]
    client.put_metric_data(Namespace="Compressed", MetricData=data)
    assert len(gzip.compress(json.dumps(data).encode())) < 10_240 < len(json.dumps(data))
    assert client.list_metrics(Namespace="Compressed")["Metrics"]


def test_an_operation_that_moto_lacks_is_said(served: Served) -> None:
    with pytest.raises(ClientError) as refused:
        served.client("sqs").list_message_move_tasks(SourceArn="arn:aws:sqs:us-east-1:1:q")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404, 501)


def test_odd_paths_reach_s3_as_they_are(s3: Any, bucket: str) -> None:
    for key in ("a//b", "a/../b", "./c", "%2F", "a+b", "ä/%"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in ("a//b", "a/../b", "./c", "%2F", "a+b", "ä/%"):
        assert read(s3, bucket, key) == key.encode(), quote(key)


def test_moto_keeps_no_list_of_all_it_ever_made(served: Served) -> None:
    served.client("sqs").create_queue(QueueName="untracked")
    answer = fetch(
        served.ready["endpoint"] + "/moto-api/data.json",
        headers={"Authorization": f"Bearer {served.ready['token']}"},
    )
    assert json.loads(answer.body)["sqs"]["Queue"] == []
