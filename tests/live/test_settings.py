from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.live.settings import Settings

VALID: dict[str, list[Any]] = {
    "seed": [0, 7, 2**63 - 1],
    "idle_life_s": [0, 1.5, [300, 900], (5, 5)],
    "max_age_s": [7200, [0, 10.5]],
    "max_environments": [1, 50, 1000],
    "account_concurrency": [100, 1_000_000],
    "unreserved_minimum": [0, 100],
    "state_change_delay_s": [0, 0.25, 3600],
    "mapping_state_delay_s": [0, 1.0, 3600],
    "provisioning_delay_s": [0, [60, 90]],
    "async_backoff_max_s": [1, 300, 21_600],
    "stream_backoff_max_s": [0.1, 10, 3600],
    "init_timeout_s": [0.1, 10, 900],
    "cpu_period_ms": [1, 20.0, 1000],
    "log_max_events": [1, 10_000],
    "log_max_bytes": [0, 1_000_000],
    "event_log_max": [1, 100_000],
}
WRONG: list[tuple[str, Any]] = [
    ("seed", -1),
    ("seed", 1.5),
    ("seed", True),
    ("idle_life_s", -1),
    ("idle_life_s", [3, 2]),
    ("idle_life_s", [1]),
    ("idle_life_s", [1, 2, 3]),
    ("idle_life_s", ["1", 2]),
    ("idle_life_s", [False, True]),
    ("max_age_s", math.nan),
    ("max_age_s", math.inf),
    ("max_age_s", None),
    ("max_environments", 0),
    ("max_environments", 1001),
    ("max_environments", "50"),
    ("account_concurrency", 0),
    ("unreserved_minimum", -1),
    ("state_change_delay_s", 3601),
    ("init_timeout_s", 0),
    ("cpu_period_ms", 0.5),
    ("log_max_events", 0),
    ("log_max_bytes", -1),
    ("event_log_max", 1.0),
]


def test_every_setting_has_a_rule_and_its_default_keeps_it() -> None:
    settings = Settings()
    defaults = settings.to_dict()
    assert set(defaults) == set(VALID)
    settings.patch(defaults)
    assert settings == Settings()


def test_the_defaults_of_the_fact_sheet() -> None:
    settings = Settings()
    assert settings.idle_life_s == (300, 900)
    assert settings.max_age_s == (7200, 14400)
    assert (settings.account_concurrency, settings.unreserved_minimum) == (1000, 100)
    assert settings.cpu_period_ms == 20
    assert settings.init_timeout_s == 10
    assert (settings.async_backoff_max_s, settings.stream_backoff_max_s) == (300, 10)
    assert settings.provisioning_delay_s == (60, 90)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in VALID.items() for value in values]
)
def test_a_right_value_is_taken(name: str, value: Any) -> None:
    settings = Settings()
    settings.patch({name: value})
    kept = getattr(settings, name)
    assert kept == (tuple(value) if isinstance(value, list) else value)
    assert settings.to_dict()[name] == kept
    json.dumps(settings.to_dict())


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_with_field_rule_and_value(name: str, value: Any) -> None:
    settings = Settings()
    with pytest.raises(ValueError, match=f"^{name} must be a .* from .* to ") as refused:
        settings.patch({name: value})
    assert repr(value) in str(refused.value)
    assert settings == Settings()


def test_an_unknown_name_is_refused_and_the_known_ones_are_told() -> None:
    with pytest.raises(ValueError, match="no setting 'idle_ttl'; there are: .*idle_life_s"):
        Settings().patch({"idle_ttl": 5})


def test_all_or_nothing() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="max_environments"):
        settings.patch({"seed": 5, "max_environments": 0})
    assert settings == Settings()


def test_the_minimum_cannot_be_above_the_account() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match=r"unreserved_minimum \(100\) must not be above"):
        settings.patch({"account_concurrency": 50})
    settings.patch({"account_concurrency": 50, "unreserved_minimum": 10})
    assert (settings.account_concurrency, settings.unreserved_minimum) == (50, 10)


@given(
    st.dictionaries(
        st.sampled_from(sorted(VALID)) | st.text(max_size=5),
        st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.floats(), max_size=3),
        max_size=3,
    )
)
def test_whatever_is_asked_it_is_taken_whole_or_refused(changes: dict[str, Any]) -> None:
    settings = Settings()
    try:
        settings.patch(changes)
    except ValueError:
        assert settings == Settings()
    else:
        for name, value in changes.items():
            kept = getattr(settings, name)
            assert kept == (tuple(value) if isinstance(value, list) else value)
            assert settings.unreserved_minimum <= settings.account_concurrency
