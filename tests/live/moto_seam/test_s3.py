from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Served, zipped

CODE = zipped({"app.py": "def handler(event, context):\n    return 'from S3'\n"})


@pytest.fixture(scope="module")
def bucket(served: Served) -> str:
    s3 = served.client("s3")
    s3.create_bucket(Bucket="packages")
    s3.put_bucket_versioning(Bucket="packages", VersioningConfiguration={"Status": "Enabled"})
    return "packages"


def create(served: Served, name: str, **code: str) -> dict[str, Any]:
    answer: dict[str, Any] = served.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="app.handler",
        Role=served.role_arn,
        Code=code,
    )
    return answer


def test_a_function_is_made_of_an_object(served: Served, bucket: str) -> None:
    s3 = served.client("s3")
    first = s3.put_object(Bucket=bucket, Key="a/code.zip", Body=CODE)["VersionId"]
    s3.put_object(Bucket=bucket, Key="a/code.zip", Body=CODE + b" ")
    newest = create(served, "newest", S3Bucket=bucket, S3Key="a/code.zip")
    assert newest["CodeSize"] == len(CODE) + 1
    older = create(served, "older", S3Bucket=bucket, S3Key="a/code.zip", S3ObjectVersion=first)
    assert older["CodeSize"] == len(CODE)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (
            {"S3Bucket": "packages", "S3Key": "absent"},
            "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
        ),
        (
            {"S3Bucket": "no-such-bucket", "S3Key": "k"},
            "S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist",
        ),
        (
            {"S3Bucket": "packages", "S3Key": "a/code.zip", "S3ObjectVersion": "absent"},
            "S3 Error Code: NoSuchVersion. S3 Error Message: The specified version does not exist.",
        ),
    ],
)
def test_what_cannot_be_fetched_is_said_as_lambda_says_it(
    served: Served, bucket: str, code: dict[str, str], error: str
) -> None:
    with pytest.raises(ClientError) as refused:
        create(served, "not-made", **code)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert refused.value.response["Error"]["Message"] == f"Error occurred while GetObject. {error}"
