from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from harness import Served

ANYBODY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
)


def session(served: Served, service: str, key: dict[str, Any]) -> Any:
    return boto3.client(
        service,
        endpoint_url=served.ready["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
    )


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def test_keys_that_iam_issues_work_until_they_are_taken_away(served: Served) -> None:
    iam = served.client("iam")
    iam.create_user(UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    ada = session(served, "sts", key)
    assert ada.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/ada"
    assert session(served, "lambda", key).list_functions()["Functions"] is not None
    iam.update_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError) as refused:
        ada.get_caller_identity()
    assert code(refused) == "InvalidClientTokenId"
    iam.update_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"], Status="Active")
    ada.get_caller_identity()
    iam.delete_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"])
    with pytest.raises(ClientError) as refused:
        ada.get_caller_identity()
    assert code(refused) == "InvalidClientTokenId"


def test_the_session_of_a_role_needs_its_token(served: Served) -> None:
    role = served.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=ANYBODY)["Role"]
    assumed = served.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="some")
    key = assumed["Credentials"]
    arn = "arn:aws:sts::123456789012:assumed-role/r/some"
    assert session(served, "sts", key).get_caller_identity()["Arn"] == arn
    session(served, "lambda", key).list_functions()
    for token in (None, "wrong", key["SessionToken"] + "x"):
        with pytest.raises(ClientError) as refused:
            session(served, "lambda", {**key, "SessionToken": token}).list_functions()
        assert code(refused) == "UnrecognizedClientException"
        with pytest.raises(ClientError) as refused:
            session(served, "s3", {**key, "SessionToken": token}).list_buckets()
        assert code(refused) == "InvalidToken"


def test_a_role_of_another_account_acts_there(served: Served) -> None:
    assumed = served.client("sts").assume_role(
        RoleArn="arn:aws:iam::111122223333:role/there", RoleSessionName="visit"
    )
    there = session(served, "sts", assumed["Credentials"])
    assert there.get_caller_identity()["Account"] == "111122223333"


@pytest.mark.parametrize("operation", ["get_session_token", "get_federation_token"])
def test_temporary_credentials_of_ones_own_are_real(served: Served, operation: str) -> None:
    sts = served.client("sts")
    values = {"Name": "visitor"} if operation == "get_federation_token" else {}
    first = getattr(sts, operation)(**values)["Credentials"]
    second = getattr(sts, operation)(**values)["Credentials"]
    assert first["AccessKeyId"] != second["AccessKeyId"]
    assert first["AccessKeyId"].startswith("ASIA")
    session(served, "lambda", first).list_functions()
    arn = session(served, "sts", first).get_caller_identity()["Arn"]
    assert arn.endswith(":user/learner" if not values else ":federated-user/visitor")
    with pytest.raises(ClientError) as refused:
        session(
            served, "lambda", {**first, "SessionToken": second["SessionToken"]}
        ).list_functions()
    assert code(refused) == "UnrecognizedClientException"


def test_a_function_needs_a_role_that_exists(served: Served) -> None:
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        served.client("lambda").create_function(
            FunctionName="no-role",
            Runtime="python3.12",
            Handler="a.b",
            Role="arn:aws:iam::123456789012:role/absent",
            Code={"ZipFile": b"PK"},
        )
