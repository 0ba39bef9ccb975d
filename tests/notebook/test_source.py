from __future__ import annotations

import functools
import json
import os
import urllib.request
import xml.etree.ElementTree as ET
from collections import deque as queue
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import boto3
import numpy as np
import pytest

from labkit.live.client import LabError
from labkit.notebook.source import source_of

VAT_PERCENT = 19
PRICES = {"tea": (3, 2.5), "cake": [None, True, "4", b"5", -1]}
TABLE = boto3.Session
FRACTION = Decimal("0.5")
TAGS = {"b", "a"}
ENDLESS = float("inf")
ROUND: list[object] = []
ROUND.append(ROUND)
double = lambda n: 2 * n  # noqa: E731


def gross(cents: int, percent: int = VAT_PERCENT) -> float:
    return cents * (100 + percent) / 100


other_gross = gross


def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


@functools.cache
def cached(n: int) -> int:
    return n


@dataclass
class Basket:
    owner: str

    VAT_PERCENT = 7

    def total(self, items: list[str]) -> int:
        return sum(PRICES[item][0] for item in items if not None) + self.VAT_PERCENT


def run(source: str) -> dict[str, object]:
    """What the deployed file holds after its import."""
    variables: dict[str, object] = {"__name__": "app"}
    exec(compile(source, "app.py", "exec", dont_inherit=True), variables)
    return variables


def test_a_function_alone_is_the_file() -> None:
    def handler(event, context):
        """Say hello.

        In two lines.
        """
        name = event["name"]  # a local one
        return f"hello {name}"

    assert source_of(handler) == (
        "def handler(event, context):\n"
        '    """Say hello.\n'
        "\n"
        "    In two lines.\n"
        '    """\n'
        '    name = event["name"]  # a local one\n'
        '    return f"hello {name}"\n'
    )


def price(event, context):
    cost = PRICES[event["item"]][0]
    return json.dumps({"gross": gross(cost), "vat": VAT_PERCENT})


def test_it_takes_along_what_it_uses_in_the_order_of_definition() -> None:
    assert source_of(price) == (
        "import json\n"
        "\n\n"
        "VAT_PERCENT = 19\n"
        "PRICES = {'tea': (3, 2.5), 'cake': [None, True, '4', b'5', -1]}\n"
        "\n\n"
        "def gross(cents: int, percent: int = VAT_PERCENT) -> float:\n"
        "    return cents * (100 + percent) / 100\n"
        "\n\n"
        "def price(event, context):\n"
        '    cost = PRICES[event["item"]][0]\n'
        '    return json.dumps({"gross": gross(cost), "vat": VAT_PERCENT})\n'
    )
    handler = run(source_of(price))["price"]
    assert isinstance(handler, Callable)  # type: ignore[arg-type]
    assert handler({"item": "tea"}, None) == price({"item": "tea"}, None)


def everything(event, context, now=datetime.now, path: os.PathLike | None = None):
    def inner() -> object:
        return [ET.Element("a"), queue(), UTC, np.zeros(1), urllib.request.Request, os.path.sep]

    return inner()


def test_modules_and_what_was_imported_from_them_become_imports() -> None:
    source = source_of(everything)
    head = source[: source.index("\n\n\n")].splitlines()
    assert head == [
        "import numpy as np",
        "import os",
        "import urllib.request",
        "import xml.etree.ElementTree as ET",
        "from collections import deque as queue",
        "from datetime import UTC",
        "from datetime import datetime",
    ]
    run(source)


def test_what_a_function_may_not_find_on_aws_is_deployed_all_the_same() -> None:
    """That the import fails in the init phase is what there is to learn."""

    def handler(event, context):
        return np.zeros(1)

    assert source_of(handler).startswith("import numpy as np\n")


def parity(event, context):
    return even(event)


def test_functions_that_call_each_other_come_once_each() -> None:
    source = source_of(parity)
    assert source.count("def even(") == source.count("def odd(") == 1
    handler = run(source)["parity"]
    assert handler(10, None) is True  # type: ignore[operator]


def shop(event, context):
    return Basket(owner="ada").total(event)


def test_classes_come_along_with_their_decorators_and_needs() -> None:
    source = source_of(shop)
    assert source.startswith("from dataclasses import dataclass\n\n\nPRICES = ")
    assert "\n@dataclass\nclass Basket:\n" in source
    assert "VAT_PERCENT = 19" not in source  # the class has one of its own
    handler = run(source)["shop"]
    assert handler(["tea"], None) == 10  # type: ignore[operator]


def test_the_same_code_gives_the_same_file() -> None:
    assert source_of(price) == source_of(price)
    assert source_of(everything) == source_of(everything)


def uses_session(event, context):
    return TABLE


def test_a_class_of_a_module_under_another_name_is_imported() -> None:
    assert source_of(uses_session).startswith("from boto3.session import Session as TABLE\n")


def uses_decimal(event, context):
    return FRACTION


def uses_set(event, context):
    return TAGS


def uses_infinity(event, context):
    return ENDLESS


def uses_itself(event, context):
    return ROUND


def uses_lambda(event, context):
    return double(1)


def uses_alias(event, context):
    return other_gross(1)


def uses_cached(event, context):
    return cached(1)


def uses_one_that_cannot(event, context):
    return uses_decimal(event, context)


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (uses_decimal, "uses_decimal uses FRACTION, which is an object of type Decimal."),
        (uses_set, "uses TAGS, which is an object of type set."),
        (uses_infinity, "uses ENDLESS, which is the number inf."),
        (uses_itself, "uses ROUND, which is an object of type list."),
        (uses_lambda, "uses double, which is a lambda."),
        (uses_alias, "uses other_gross, which is another name of the function gross."),
        (uses_cached, "uses cached, which is an object of type _lru_cache_wrapper."),
        (uses_one_that_cannot, "uses_decimal uses FRACTION"),
    ],
)
def test_what_cannot_come_along_is_named_with_a_way_out(
    handler: Callable[..., object], said: str
) -> None:
    with pytest.raises(LabError) as refused:
        source_of(handler)
    assert said in str(refused.value)
    assert str(refused.value).endswith(
        "Put it inside the function, or write the whole file with %%function."
    )


def logged(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def wrapper(*arguments: object) -> object:
        return function(*arguments)

    return wrapper


@logged
def decorated(event, context):
    return 1


def plain(function: Callable[..., object]) -> Callable[..., object]:
    return function


@plain
def marked(event, context):
    return 1


def test_decorators_and_closures_are_refused() -> None:
    limit = 3

    def handler(event, context):
        return limit

    with pytest.raises(LabError, match="handler uses limit of the function around it"):
        source_of(handler)
    with pytest.raises(LabError, match="decorated has the decorator @logged"):
        source_of(decorated)
    with pytest.raises(LabError, match="marked has the decorator @plain"):
        source_of(marked)


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (lambda event, context: 1, "A lambda has no name"),
        (len, "no builtin_function_or_method"),
        ("".join, "no builtin_function_or_method"),
        (Basket("ada").total, "no method"),
        (Basket, "no type"),
        (functools.partial(price, None), "no partial"),
    ],
)
def test_what_is_no_handler_is_said(handler: Callable[..., object], said: str) -> None:
    with pytest.raises(LabError, match=said):
        source_of(handler)


def test_a_function_without_a_source_is_said() -> None:
    made: dict[str, object] = {"__name__": __name__}
    exec("def handler(event, context): pass", made)
    with pytest.raises(LabError, match="The source of handler is not to be found"):
        source_of(made["handler"])  # type: ignore[arg-type]
