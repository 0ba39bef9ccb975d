"""Events: what is set goes out, and the same comes back."""

from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.core.events import Event, EventKind

FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = {
    "seq": st.integers(min_value=0),
    "time_ms": FINITE,
    "kind": st.sampled_from(EventKind),
}
BY_TYPE = {
    "str": st.text(),
    "int": st.integers(min_value=0),
    "float": FINITE,
    "bool": st.booleans(),
}
OPTIONAL = {
    field.name: st.none() | BY_TYPE[str(field.type).removesuffix(" | None")]
    for field in fields(Event)
    if field.name not in VALUES
}
EVENTS = st.builds(Event, **VALUES, **OPTIONAL)


@given(EVENTS)
def test_event_survives_the_way_to_a_dict_and_back(event: Event) -> None:
    assert Event.from_dict(event.to_dict()) == event


@given(EVENTS)
def test_dict_holds_exactly_the_fields_that_are_set(event: Event) -> None:
    record = event.to_dict()
    assert set(record) == {f.name for f in fields(Event) if getattr(event, f.name) is not None}
    assert type(record["kind"]) is str


def test_false_and_zero_are_set() -> None:
    event = Event(seq=0, time_ms=0.0, kind=EventKind.INVOKE_ENDED, disturbed=False, init_ms=0.0)
    assert event.to_dict() == {
        "seq": 0,
        "time_ms": 0.0,
        "kind": "invoke_ended",
        "disturbed": False,
        "init_ms": 0.0,
    }


def test_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError):
        Event.from_dict({"seq": 1, "time_ms": 0.0, "kind": "queued", "colour": "blue"})


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="vanished"):
        Event.from_dict({"seq": 1, "time_ms": 0.0, "kind": "vanished"})


@pytest.mark.parametrize("missing", ["seq", "time_ms", "kind"])
def test_missing_field_is_refused(missing: str) -> None:
    record = {"seq": 1, "time_ms": 0.0, "kind": "queued"}
    del record[missing]
    with pytest.raises(TypeError):
        Event.from_dict(record)


def test_kinds_are_the_vocabulary() -> None:
    assert [str(kind) for kind in EventKind] == [
        "accepted",
        "queued",
        "throttled",
        "init_started",
        "init_ended",
        "invoke_started",
        "invoke_ended",
        "retry_scheduled",
        "delivered",
        "delivery_failed",
        "dropped",
        "polled",
        "filtered",
        "batch_formed",
        "batch_ended",
        "provisioned_changed",
        "environment_ended",
    ]


def test_event_cannot_be_changed() -> None:
    event = Event(seq=1, time_ms=0.0, kind=EventKind.QUEUED)
    with pytest.raises(FrozenInstanceError):
        event.seq = 2  # type: ignore[misc]
