"""Names and ARNs: every form of a name means the same function."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.errors import ApiError
from labkit.core.names import (
    FunctionRef,
    LayerVersionRef,
    function_arn,
    is_version,
    layer_arn,
    layer_version_arn,
    parse_function_name,
    parse_layer_version_arn,
    partition,
    qualifier_of,
)

HERE, ACCOUNT = "us-east-1", "123456789012"
WORD = string.ascii_letters + string.digits + "-_"
NAMES = st.text(alphabet=WORD, min_size=1, max_size=64).filter(
    lambda text: text != "function" and not (len(text) == 12 and text.isdigit())
)
QUALIFIERS = st.just("$LATEST") | st.text(alphabet=WORD, min_size=1, max_size=20)
REGIONS = st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"])
ACCOUNTS = st.text(alphabet=string.digits, min_size=12, max_size=12)


def parse(text: str, qualifier: str | None = None, *, namespaced: bool = False) -> FunctionRef:
    return parse_function_name(
        text, region=HERE, account_id=ACCOUNT, qualifier=qualifier, namespaced=namespaced
    )


@given(NAMES, REGIONS, ACCOUNTS)
def test_every_form_means_the_same_function(name: str, region: str, account_id: str) -> None:
    expected = FunctionRef(name, None, region, account_id)
    forms = [
        name,
        f"function:{name}",
        f"{account_id}:function:{name}",
        f"{region}:{account_id}:function:{name}",
        function_arn(region, account_id, name),
    ]
    for form in forms:
        assert parse_function_name(form, region=region, account_id=account_id) == expected


@given(NAMES, QUALIFIERS, REGIONS, ACCOUNTS)
def test_arn_survives_parsing(name: str, qualifier: str, region: str, account_id: str) -> None:
    arn = function_arn(region, account_id, name, qualifier)
    ref = parse_function_name(arn, region=region, account_id=ACCOUNT, namespaced=True)
    assert ref == FunctionRef(name, qualifier, region, account_id)
    assert ref.arn == arn


@given(NAMES, QUALIFIERS)
def test_qualifier_may_stand_in_the_name_or_beside_it(name: str, qualifier: str) -> None:
    in_name = parse(f"{name}:{qualifier}")
    assert in_name == parse(name, qualifier) == parse(f"{name}:{qualifier}", qualifier)
    assert in_name.qualifier == qualifier


def test_two_different_qualifiers_are_refused() -> None:
    with pytest.raises(ApiError) as refusal:
        parse("hello:1", "2")
    assert refusal.value.code == "InvalidParameterValueException"
    assert refusal.value.message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


def test_another_region_is_not_found() -> None:
    with pytest.raises(ApiError) as refusal:
        parse(function_arn("eu-west-1", ACCOUNT, "hello"))
    assert (refusal.value.status, refusal.value.code) == (404, "ResourceNotFoundException")
    assert refusal.value.message == (
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "héllo",
        "hello world",
        "hello:",
        "hello:a:b",
        "arn:aws:lambda:us-east-1:123456789012:layer:hello",
        "arn:aws:sqs:us-east-1:123456789012:hello",
        "12345:function:hello",
        "hello\n",
        "../hello",
        "a.b",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse(text)
    assert refusal.value.code == "ValidationException"
    assert f"Value '{text}' at 'functionName' failed to satisfy constraint: " in (
        refusal.value.message
    )


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        ref = parse(text)
    except ApiError as refusal:
        assert refusal.status in (400, 404)
    else:
        assert ref.name
        assert text.isascii()


def test_readers_take_longer_texts_and_dots() -> None:
    alias = "a" * 128
    arn = function_arn(HERE, ACCOUNT, "f" * 64, alias)
    assert parse(arn, namespaced=True).qualifier == alias
    assert parse("a.b", namespaced=True).name == "a.b"
    with pytest.raises(ApiError, match="length less than or equal to 140"):
        parse(arn)
    with pytest.raises(ApiError, match="length less than or equal to 256"):
        parse("f" * 257, namespaced=True)


@pytest.mark.parametrize("qualifier", ["a b", "x" * 129, "é"])
def test_bad_qualifier_is_refused(qualifier: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse("hello", qualifier)
    assert refusal.value.code == "ValidationException"
    assert f"Value '{qualifier}' at 'qualifier' failed" in refusal.value.message


def test_name_and_qualifier_are_both_reported() -> None:
    with pytest.raises(ApiError, match="2 validation errors detected"):
        parse("hello world", "a b")


def test_text_that_only_the_models_pattern_accepts_is_refused() -> None:
    with pytest.raises(ApiError, match="regular expression pattern"):
        parse("arn::lambda:hello")


@given(NAMES, st.integers(min_value=1, max_value=10**6), REGIONS, ACCOUNTS)
def test_layer_version_arn_survives_parsing(
    name: str, version: int, region: str, account_id: str
) -> None:
    arn = layer_version_arn(region, account_id, name, version)
    ref = parse_layer_version_arn(arn)
    assert ref == LayerVersionRef(name, version, region, account_id)
    assert ref.arn == arn
    assert ref.layer_arn == layer_arn(region, account_id, name)


@pytest.mark.parametrize(
    "arn", ["", "numpy", "arn:aws:lambda:us-east-1:123456789012:layer:numpy", "arn:aws:iam::1:x"]
)
def test_what_is_no_layer_version_arn(arn: str) -> None:
    assert parse_layer_version_arn(arn) is None


@pytest.mark.parametrize(
    ("region", "expected"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-east-1", "aws-us-gov")],
)
def test_partition(region: str, expected: str) -> None:
    assert partition(region) == expected
    assert function_arn(region, ACCOUNT, "f").startswith(f"arn:{expected}:lambda:{region}:")


@pytest.mark.parametrize(
    ("qualifier", "expected"), [("1", True), ("10", True), ("$LATEST", False), ("v1", False)]
)
def test_is_version(qualifier: str, expected: bool) -> None:
    assert is_version(qualifier) is expected


@pytest.mark.parametrize(
    ("arn", "expected"),
    [("arn:aws:lambda:us-east-1:123456789012:function:pack", None)]
    + [
        (f"arn:aws:lambda:us-east-1:123456789012:function:pack:{one}", one)
        for one in ("$LATEST", "7", "live")
    ],
)
def test_qualifier_of_an_arn(arn: str, expected: str | None) -> None:
    assert qualifier_of(arn) == expected
