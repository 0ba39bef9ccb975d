"""The life of one asynchronous event: attempts, waits, age and end."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import traitlets

from labkit.core import quotas
from labkit.core.asynchronous import Condition, EventInvokeConfig
from labkit.core.events import Event, EventKind
from labkit.fleet.event_life import EventScenario, simulate_event
from labkit.fleet.health import HealthPlan
from labkit.notebook.event_lives import (
    MEANINGS,
    WORDS,
    Attempt,
    Life,
    event_life,
    spoken,
)
from labkit.notebook.widgets.virtual import VirtualWidget, checked_knobs, module, styles

if TYPE_CHECKING:
    from labkit.notebook.lab import Lab

KNOBS: Final = {
    "maximum_retry_attempts": "MaximumRetryAttempts",
    "maximum_event_age_s": "MaximumEventAgeInSeconds",
}
"""What can be turned, and how AWS calls it."""


class RetryTimeline(VirtualWidget):
    """One asynchronous event from its 202 to its end, in virtual time or as it happened in a lab.

    Without a lab the event is simulated by the rules that run live: paint on the picture when the
    function is healthy, broken or throttled. `knobs` are some of "maximum_retry_attempts" and
    "maximum_event_age_s"; `health` is a list of (start in s, "healthy" | "broken" | "throttled").
    `target` is what waits for an event that failed: "dead_letter", "on_failure", or None.

    With `lab` it shows the event of `request_id`, or the one stored last (of `function`), live.
    Raises ValueError for an unknown knob or health, TraitError for a setting out of its range.
    """

    _esm = module("retries")
    _css = styles("retries")
    _settings: ClassVar = ("maximum_retry_attempts", "maximum_event_age_s", "health")

    maximum_retry_attempts = traitlets.Int(quotas.RETRY_ATTEMPTS_DEFAULT)
    maximum_event_age_s = traitlets.Int(quotas.EVENT_AGE_S_DEFAULT)
    health: traitlets.List[tuple[float, str]] = traitlets.List()
    """When the function is how, as (start in s, "healthy" | "broken" | "throttled")."""
    _is_live = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        *,
        lab: Lab | None = None,
        request_id: str | None = None,
        function: str | None = None,
        knobs: tuple[str, ...] = ("maximum_retry_attempts",),
        health: Iterable[tuple[float, str]] = ((0, "broken"),),
        maximum_retry_attempts: int = quotas.RETRY_ATTEMPTS_DEFAULT,
        maximum_event_age_s: int = quotas.EVENT_AGE_S_DEFAULT,
        duration_s: float = 2.0,
        target: str | None = "dead_letter",
    ) -> None:
        if target not in ("dead_letter", "on_failure", None):
            raise ValueError(f"target is 'dead_letter', 'on_failure' or None, not {target!r}")
        if duration_s <= 0:
            raise ValueError(f"duration_s is {duration_s}: an attempt takes more than 0 s")
        self._lab, self._request_id, self._function = lab, request_id, function
        self._duration_s, self._target = duration_s, target
        self._lock = threading.RLock()
        self._seen: list[Event] = []
        self._shown_id, self._last_seq = request_id, -1
        self._cancel = _nothing
        if lab is not None:
            self._take(lab.events(), show=False)
        super().__init__(
            knobs=[] if lab is not None else checked_knobs(knobs, KNOBS),
            health=list(health),
            maximum_retry_attempts=maximum_retry_attempts,
            maximum_event_age_s=maximum_event_age_s,
            _is_live=lab is not None,
        )
        if lab is not None:
            self._cancel = lab.follow(self._take, self._lab_ended)

    @property
    def life(self) -> Life:
        """What has become of the event."""
        life: Life = event_life(self._events())
        return life

    def close(self) -> None:
        """Take the widget away, and follow the lab no longer."""
        getattr(self, "_cancel", _nothing)()
        super().close()

    @traitlets.validate("maximum_retry_attempts")
    def _check_attempts(self, proposal: Any) -> int:
        return _within(proposal, quotas.RETRY_ATTEMPTS_MIN, quotas.RETRY_ATTEMPTS_MAX)

    @traitlets.validate("maximum_event_age_s")
    def _check_age(self, proposal: Any) -> int:
        return _within(proposal, quotas.EVENT_AGE_S_MIN, quotas.EVENT_AGE_S_MAX)

    @traitlets.validate("health")
    def _check_health(self, proposal: Any) -> list[tuple[float, str]]:
        plan = HealthPlan.of((start_s, health) for start_s, health in proposal["value"])
        return [(spell.start_s, str(spell.health)) for spell in plan.spells]

    def _scenario(self, maximum_event_age_s: int) -> EventScenario:
        config = EventInvokeConfig(
            maximum_retry_attempts=self.maximum_retry_attempts,
            maximum_event_age_s=maximum_event_age_s,
        )
        return EventScenario(
            health=HealthPlan.of(self.health),
            config=config,
            duration_ms=self._duration_s * 1000,
            target=self._target,
        )

    def _run(self) -> list[Event]:
        if self._lab is not None:
            return []
        return simulate_event(self._scenario(self.maximum_event_age_s))

    def _events(self) -> list[Event]:
        if self._lab is None:
            events: list[Event] = self._result
            return events
        with self._lock:
            return list(self._seen)

    def _kept(self) -> tuple[Life, str]:
        age = f"maximum age {spoken(self.maximum_event_age_s * 1000)}"
        retries = self.maximum_retry_attempts
        setting = f"{retries} {'retry' if retries == 1 else 'retries'}, {age}"
        return self.life, setting

    def _pinned_words(self, pin: tuple[Life, str]) -> str:
        life, setting = pin
        return f"{setting}: {life.outcomes()}, {_end_words(life)}"

    def _paint(self) -> dict[str, Any]:
        life = self.life
        return {
            "settings": {knob: getattr(self, knob) for knob in KNOBS},
            "names": KNOBS,
            "duration_s": self._duration_s,
            "health": None if self._lab is not None else [list(spell) for spell in self.health],
            "life": _packed(life),
            "beyond": self._beyond(life),
            "before": None if self._before is None else _packed(self._before[0], brief=True),
            "pins": {name: _packed(pin[0], brief=True) for name, pin in self._pinned()},
            "headline": headline(life),
            "whose": f"{life.function}, request id {life.request_id}" if life.function else "",
        }

    def _beyond(self, life: Life) -> dict[str, Any] | None:
        """The attempt that the maximum age forbids: the next one of an event that may be older."""
        if self._lab is not None or life.condition != Condition.EVENT_AGE_EXCEEDED:
            return None
        older = event_life(simulate_event(self._scenario(quotas.EVENT_AGE_S_MAX)))
        following = older.attempts[len(life.attempts) : len(life.attempts) + 1]
        if not following:
            return None
        start_ms = following[0].start_ms
        age, limit = spoken(start_ms), spoken(self.maximum_event_age_s * 1000)
        words = f"the next attempt would come at an age of {age}; the maximum is {limit}"
        return {"start_ms": start_ms, "words": words}

    def _take(self, events: Sequence[Event], *, show: bool = True) -> None:
        """Events of the lab; in the feed's thread, once it is followed."""
        with self._lock:
            fresh = [event for event in events if event.seq > self._last_seq]
            self._last_seq = max([self._last_seq, *(event.seq for event in fresh)])
            kept = [event for event in fresh if self._keep(event)]
            if kept and show:
                self._again()

    def _keep(self, event: Event) -> bool:
        """Keep an event if it is of the life that is shown; the newest life, if none was chosen."""
        is_new = event.kind is EventKind.QUEUED and self._function in (None, event.function)
        if self._request_id is None and is_new:
            self._seen, self._shown_id = [], event.request_id
        if event.request_id is None or event.request_id != self._shown_id:
            return False
        self._seen.append(event)
        return True

    def _lab_ended(self) -> None:
        """The lab has stopped: nothing will come any more."""
        self._is_live = False

    def _text(self) -> str:
        life = self.life
        if not life.request_id:
            return "RetryTimeline: no asynchronous event yet"
        if self._lab is not None:
            return f"RetryTimeline: {life.outcomes()}; {_end_words(life)}"
        starts = ", ".join(spoken(attempt.start_ms) for attempt in life.runs[:6]) or "never"
        return f"RetryTimeline: {life.outcomes()} at {starts}; {_end_words(life)}"

    def _still_png(self) -> bytes:
        from labkit.notebook.retries_figure import retries_figure

        plan = None if self._lab is not None else HealthPlan.of(self.health)
        return retries_figure(self.life, plan, maximum_event_age_s=self.maximum_event_age_s).png


def headline(life: Life) -> str:
    """Tell a life in one or two sentences, for the line above the picture."""
    if not life.attempts and life.condition is None:
        if life.waits:
            return "Stored: the caller has its 202, and the event waits in the queue."
        return "No asynchronous event yet: invoke with InvocationType='Event'."
    said = f"{_capital(life.outcomes())}."
    if life.condition is None:
        due = life.waits[-1].end_ms if life.waits else None
        return said + ("" if due is None else f" The next one comes at an age of {spoken(due)}.")
    if life.condition == Condition.SUCCESS:
        return f"{said} Done {spoken(life.end_ms)} after the 202; the caller did not wait."
    meaning = MEANINGS.get(life.condition, "")
    return f"{said} {life.condition} at an age of {spoken(life.end_ms)}: {meaning}. {_where(life)}"


def _where(life: Life) -> str:
    fate = life.fate()
    if fate == "dropped for good":
        return "There is no dead-letter queue and no destination: the event is gone."
    return f"The event is in the {fate}." if "on-" not in fate else f"Its record is in the {fate}."


def _end_words(life: Life) -> str:
    if life.condition is None:
        return "not over yet"
    if life.condition == Condition.SUCCESS:
        return "done"
    return f"{life.condition}, {life.fate()}"


def _packed(life: Life, *, brief: bool = False) -> dict[str, Any]:
    """A life as the page draws it; `brief` leaves out what only records show."""
    return {
        "attempts": [
            {
                "number": attempt.number,
                "outcome": attempt.outcome,
                "start_ms": attempt.start_ms,
                "end_ms": attempt.end_ms,
                **({} if brief else {"title": _title(attempt), "facts": _facts(attempt)}),
            }
            for attempt in life.attempts
        ],
        "waits": [
            {
                "start_ms": wait.start_ms,
                "end_ms": wait.end_ms,
                "words": wait.words(),
                "took": spoken(wait.end_ms - wait.start_ms),
            }
            for wait in life.waits
        ],
        "condition": life.condition,
        "end_ms": life.end_ms,
        "fate": life.fate(),
    }


def _title(attempt: Attempt) -> str:
    if not attempt.ran:
        return "✕ throttled: no run"
    return f"attempt {attempt.number}: {WORDS.get(attempt.outcome, attempt.outcome)}"


def _facts(attempt: Attempt) -> list[tuple[str, str]]:
    event = attempt.event
    facts = [("age of the event", spoken(attempt.start_ms))]
    if attempt.ran and attempt.outcome != "running":
        facts.append(("duration", spoken(attempt.end_ms - attempt.start_ms)))
    known = {
        "error type": event.error_type,
        "reason": event.reason,
        "environment": event.environment,
        "request id": event.request_id,
    }
    facts += [(term, words) for term, words in known.items() if words]
    if not attempt.ran:
        facts.append(("meaning", "back to the queue; does not use up a retry"))
    return facts


def _within(proposal: Any, low: int, high: int) -> int:
    value: int = proposal["value"]
    if not low <= value <= high:
        name = KNOBS[proposal["trait"].name]
        raise traitlets.TraitError(
            f"{name} is a whole number from {low:,} to {high:,}, not {value:,}"
        )
    return value


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _nothing() -> None:
    """Ends what was never begun."""
