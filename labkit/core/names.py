"""Names and ARNs of functions and layers.

A function may be named by its name, by a partial ARN ("123456789012:function:name") or by its full
ARN, each with a qualifier (a version, an alias or $LATEST) after a colon or without one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from labkit.core.constraints import (
    Violation,
    length_violations,
    matches,
    pattern_violations,
    validation_error,
)
from labkit.core.errors import other_region, qualifiers_differ
from labkit.core.quotas import (
    FUNCTION_ARN_MAX_LENGTH,
    NAMESPACED_FUNCTION_ARN_MAX_LENGTH,
    QUALIFIER_MAX_LENGTH,
)

LATEST: Final = "$LATEST"

# Source: service model, shapes FunctionName, NamespacedFunctionName, Qualifier, Alias. The texts
# are part of AWS's error messages, so they are kept as they are.
FUNCTION_NAME_PATTERN: Final = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?"
    r"(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)
NAMESPACED_FUNCTION_NAME_PATTERN: Final = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?"
    r"(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
QUALIFIER_PATTERN: Final = r"(|[a-zA-Z0-9$_-]+)"

_REGION: Final = r"(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d"
_FUNCTION: Final = re.compile(
    # A full ARN is one of a function; a layer's would otherwise read as a function named "layer".
    r"(?!arn:aws(?![a-z-]*:lambda:[^:]+:\d{12}:function:))"
    rf"(?:(?:(?:arn:aws[a-z-]*:lambda:)?(?P<region>{_REGION}):)?(?P<account_id>\d{{12}}):)?"
    r"(?:function:)?(?P<name>[a-zA-Z0-9-_.]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
    re.ASCII,
)
_LAYER_VERSION: Final = re.compile(
    rf"arn:aws[a-z-]*:lambda:(?P<region>{_REGION}):(?P<account_id>\d{{12}})"
    r":layer:(?P<name>[a-zA-Z0-9-_]+):(?P<version>[0-9]+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """Which function is meant, and which of its versions or aliases (None: not said)."""

    name: str
    qualifier: str | None
    region: str
    account_id: str

    @property
    def arn(self) -> str:
        """The function's ARN, with the qualifier if there is one."""
        return function_arn(self.region, self.account_id, self.name, self.qualifier)


@dataclass(frozen=True, slots=True)
class LayerVersionRef:
    """One version of a layer."""

    name: str
    version: int
    region: str
    account_id: str

    @property
    def layer_arn(self) -> str:
        """The ARN of the layer, without the version."""
        return layer_arn(self.region, self.account_id, self.name)

    @property
    def arn(self) -> str:
        """The ARN of this version."""
        return layer_version_arn(self.region, self.account_id, self.name, self.version)


def parse_function_name(
    text: str,
    *,
    region: str,
    account_id: str,
    qualifier: str | None = None,
    namespaced: bool = False,
) -> FunctionRef:
    """Read a function name, partial ARN or full ARN as the Lambda API does.

    `region` and `account_id` are the caller's and complete what the text leaves out; `qualifier`
    is the separate parameter of the request. `namespaced` is for the operations whose model says
    NamespacedFunctionName (Invoke, GetFunction and other readers), which take longer texts. The
    account of an ARN is kept in the result: whether the caller may use another account's function
    is for the caller of this to decide.

    Raises ApiError: ValidationException for a text that is no name, ResourceNotFoundException for
    another Region, InvalidParameterValueException if two different qualifiers are given.
    """
    match = _FUNCTION.fullmatch(text)
    found = _name_violations(text, namespaced=namespaced)
    if qualifier is not None:
        found += qualifier_violations(qualifier)
    if match is None and not found:
        # The model's pattern lets some texts pass that are no ARN, such as "arn::lambda:name".
        found = [Violation(text, "functionName", matches(FUNCTION_NAME_PATTERN))]
    if match is None or found:
        raise validation_error(found)
    asked = match["region"]
    if asked is not None and asked != region:
        raise other_region(asked, region)
    if qualifier and match["qualifier"] and qualifier != match["qualifier"]:
        raise qualifiers_differ()
    return FunctionRef(
        name=match["name"],
        qualifier=qualifier or match["qualifier"],
        region=region,
        account_id=match["account_id"] or account_id,
    )


def _name_violations(text: str, *, namespaced: bool) -> list[Violation]:
    pattern, maximum = FUNCTION_NAME_PATTERN, FUNCTION_ARN_MAX_LENGTH
    if namespaced:
        pattern, maximum = NAMESPACED_FUNCTION_NAME_PATTERN, NAMESPACED_FUNCTION_ARN_MAX_LENGTH
    found = length_violations(text, "functionName", minimum=1, maximum=maximum)
    return found + pattern_violations(text, "functionName", pattern)


def qualifier_violations(qualifier: str) -> list[Violation]:
    """Check the Qualifier parameter of a request."""
    found = length_violations(qualifier, "qualifier", minimum=1, maximum=QUALIFIER_MAX_LENGTH)
    return found + pattern_violations(qualifier, "qualifier", QUALIFIER_PATTERN)


def is_version(qualifier: str) -> bool:
    """Tell whether a qualifier is the number of a published version."""
    return qualifier.isascii() and qualifier.isdigit()


def partition(region: str) -> str:
    """Return the partition that a Region belongs to: "aws" for most."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws"


def function_arn(region: str, account_id: str, name: str, qualifier: str | None = None) -> str:
    """Return the ARN of a function, with `:qualifier` if one is given."""
    arn = f"arn:{partition(region)}:lambda:{region}:{account_id}:function:{name}"
    return arn if qualifier is None else f"{arn}:{qualifier}"


def qualifier_of(function_arn: str) -> str | None:
    """Return the version or alias that a function's ARN ends with, if it has one."""
    parts = function_arn.split(":", 7)
    return parts[7] if len(parts) == 8 else None


def layer_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN of a layer."""
    return f"arn:{partition(region)}:lambda:{region}:{account_id}:layer:{name}"


def layer_version_arn(region: str, account_id: str, name: str, version: int) -> str:
    """Return the ARN of one version of a layer."""
    return f"{layer_arn(region, account_id, name)}:{version}"


def event_source_mapping_arn(region: str, account_id: str, uuid: str) -> str:
    """Return the ARN of an event source mapping."""
    return f"arn:{partition(region)}:lambda:{region}:{account_id}:event-source-mapping:{uuid}"


def parse_layer_version_arn(arn: str) -> LayerVersionRef | None:
    """Read the ARN of a layer version; None if it is none."""
    match = _LAYER_VERSION.fullmatch(arn)
    if match is None:
        return None
    return LayerVersionRef(
        name=match["name"],
        version=int(match["version"]),
        region=match["region"],
        account_id=match["account_id"],
    )
