"""Concurrency as lanes: a ceiling to drag, a provisioned band, and throttles that fall off."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import traitlets
from botocore.exceptions import BotoCoreError, ClientError

from labkit.core import quotas
from labkit.core.events import Event, EventKind
from labkit.fleet.arrivals import Burst, Request, draw_requests
from labkit.fleet.lanes import FUNCTION, LanesScenario, ceiling, simulate_lanes
from labkit.live.client import LabError
from labkit.notebook.lane_rows import LaneRun, lane_run
from labkit.notebook.lane_words import headline, packed_lanes
from labkit.notebook.widgets.virtual import VirtualWidget, checked_knobs, module, styles

if TYPE_CHECKING:
    from labkit.notebook.lab import Lab

KNOBS: Final = {
    "reserved_concurrency": "ReservedConcurrentExecutions",
    "provisioned_concurrency": "ProvisionedConcurrentExecutions",
    "account_concurrency": "account limit",
    "neighbour_concurrency": "other functions",
    "rate_per_s": "arrivals",
}
"""What can be turned, and what it is."""
LANES_MAX: Final = 20
"""More lanes than this cannot be told apart."""
REQUESTS_MAX: Final = 150
"""More marks than this nobody can follow."""
_BURST_FACTOR: Final = 5.0
_UNKNOWN: Final[dict[str, Any]] = {
    "reserved_concurrency": None,
    "provisioned_concurrency": 0,
    "neighbour_concurrency": 0,
    "account_concurrency": quotas.ACCOUNT_CONCURRENCY_DEFAULT,
    "unreserved_concurrency": quotas.ACCOUNT_CONCURRENCY_DEFAULT,
}
_SHOW_S: Final = 0.2
"""A lab's picture is drawn, and the lab asked for its limits, at most so often."""
_SHARE: Final = 0.1
"""Drawing takes at most this part of the time: the kernel has a cell to run."""
_EVENTS_MAX: Final = 4_000
_BEGINS: Final = (EventKind.INVOKE_STARTED, EventKind.THROTTLED)


class ConcurrencyLanes(VirtualWidget):
    """Each execution environment is a lane; a request that finds none under the ceiling falls off.

    Without a lab the requests of `length_s` are simulated by the rules that run live: `rate_per_s`
    arrive in quiet times and five times as many in a burst, each runs about `duration_ms`, and a
    cold start takes `init_ms` more. `knobs` are some of KNOBS. `reserved_concurrency` None means no
    reservation; `neighbour_concurrency` counts environments that other functions keep busy.

    With `lab` it shows the last `length_s` of `function`, live, and 150 requests at most. Raises
    ValueError for an unknown knob, for more than 150 requests or 20 lanes, and for what AWS would
    refuse.
    """

    _esm = module("lanes")
    _css = styles("lanes")
    _settings: ClassVar = tuple(KNOBS)

    reserved_concurrency = traitlets.Int(None, allow_none=True, min=0)
    provisioned_concurrency = traitlets.Int(0, min=0)
    account_concurrency = traitlets.Int(10, min=1)
    neighbour_concurrency = traitlets.Int(0, min=0)
    rate_per_s = traitlets.Float(1.0, min=0.1)
    _is_live = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        *,
        lab: Lab | None = None,
        function: str | None = None,
        knobs: tuple[str, ...] = ("reserved_concurrency",),
        reserved_concurrency: int | None = 5,
        provisioned_concurrency: int = 0,
        account_concurrency: int = 10,
        neighbour_concurrency: int = 0,
        unreserved_minimum: int = 0,
        rate_per_s: float = 1.2,
        duration_ms: float = 1_200.0,
        init_ms: float = 700.0,
        length_s: float = 20.0,
        seed: int = 25,
    ) -> None:
        if lab is not None and function is None:
            raise ValueError(
                "with a lab, say which function: ConcurrencyLanes(lab=lab, function='…')"
            )
        self._lab, self._function = lab, function or FUNCTION
        self._unreserved_minimum = unreserved_minimum
        self._duration_ms, self._init_ms = duration_ms, init_ms
        self._length_s, self._seed = length_s, seed
        self._lock = threading.RLock()
        self._seen: list[Event] = []
        self._limits: dict[str, Any] = {}
        self._next_show_s = 0.0
        self._later: threading.Timer | None = None
        self._cancel = _nothing
        if lab is not None:
            self._take(lab.events(), show=False)
            self._limits = _limits(lab, self._function)
        super().__init__(
            knobs=[] if lab is not None else checked_knobs(knobs, KNOBS),
            reserved_concurrency=reserved_concurrency,
            provisioned_concurrency=provisioned_concurrency,
            account_concurrency=account_concurrency,
            neighbour_concurrency=neighbour_concurrency,
            rate_per_s=rate_per_s,
            _is_live=lab is not None,
        )
        if lab is not None:
            self._cancel = lab.follow(self._take, self._lab_ended)

    @property
    def run(self) -> LaneRun:
        """Who ran in which lane, and who was throttled."""
        length_ms = self._length_s * 1000
        if self._lab is None:
            return lane_run(self._events(), FUNCTION, start_ms=0.0, length_ms=length_ms)
        events = self._events()
        begun = [event.time_ms for event in events if event.kind in _BEGINS]
        if len(begun) > REQUESTS_MAX:
            length_ms = min(length_ms, begun[-1] - begun[-REQUESTS_MAX])
        return lane_run(events, self._function, length_ms=length_ms)

    def close(self) -> None:
        """Take the widget away, and follow the lab no longer."""
        getattr(self, "_cancel", _nothing)()
        if (later := getattr(self, "_later", None)) is not None:
            later.cancel()
        super().close()

    def _requests(self) -> list[Request]:
        third_s = self._length_s / 3
        requests = draw_requests(
            seed=self._seed,
            rate_per_s=self.rate_per_s,
            length_s=self._length_s,
            duration_ms=self._duration_ms,
            burst=Burst(third_s, third_s * 1.6, _BURST_FACTOR),
        )
        if len(requests) > REQUESTS_MAX:
            raise ValueError(
                f"{len(requests)} requests are too many to be followed; at most {REQUESTS_MAX}: "
                "take a lower rate_per_s or a shorter length_s"
            )
        return requests

    def _check(self) -> None:
        """Raise ValueError for limits that AWS would refuse."""
        account, reserved = self.account_concurrency, self.reserved_concurrency
        provisioned, free = self.provisioned_concurrency, account - self._unreserved_minimum
        if account > LANES_MAX:
            raise ValueError(f"account_concurrency is at most {LANES_MAX}, to be seen as lanes")
        if reserved is not None and reserved > free:
            raise ValueError(
                f"what is reserved, {reserved}, leaves less than {self._unreserved_minimum} of "
                f"the account's {account} unreserved; reserve {free} at most"
            )
        if reserved is not None and provisioned > reserved:
            raise ValueError(
                f"provisioned concurrency, {provisioned}, is more than what is reserved, {reserved}"
            )
        if provisioned > free:
            raise ValueError(
                f"provisioned concurrency, {provisioned}, is more than the account's unreserved "
                f"pool has to give, {free}"
            )

    def _scenario(self) -> LanesScenario:
        return LanesScenario(
            requests=tuple(self._requests()),
            init_ms=self._init_ms,
            reserved_concurrency=self.reserved_concurrency,
            provisioned_concurrency=self.provisioned_concurrency,
            account_concurrency=self.account_concurrency,
            neighbour_concurrency=self.neighbour_concurrency,
        )

    def _run(self) -> list[Event]:
        if self._lab is not None:
            return []
        self._check()
        return simulate_lanes(self._scenario())

    def _events(self) -> list[Event]:
        if self._lab is None:
            events: list[Event] = self._result
            return events
        with self._lock:
            return list(self._seen)

    def _values(self) -> dict[str, Any]:
        """The settings; of a lab, as far as it tells."""
        if self._lab is None:
            return {knob: getattr(self, knob) for knob in KNOBS}
        return {**_UNKNOWN, **self._limits}

    def _ceiling(self) -> int:
        """How many environments the function can have busy at once."""
        if self._lab is None:
            return ceiling(self._scenario())
        values = self._values()
        reserved = values["reserved_concurrency"]
        return int(values["unreserved_concurrency"] if reserved is None else reserved)

    def _kept(self) -> dict[str, Any]:
        run = self.run
        setting = [f"ceiling {self._ceiling()}"]
        if self.provisioned_concurrency:
            setting.append(f"provisioned {self.provisioned_concurrency}")
        fell = len(run.throttles)
        return {"ceiling": self._ceiling(), "fell": fell, "setting": setting, "run": run.summary()}

    def _pinned_words(self, pin: dict[str, Any]) -> str:
        return f"{', '.join(pin['setting'])}: {pin['run']}"

    def _paint(self) -> dict[str, Any]:
        run, values = self.run, self._values()
        shown = ("ceiling", "fell")
        return {
            "settings": values,
            "ranges": self._ranges(),
            "slots": self._slots(run, values),
            "ceiling": self._ceiling(),
            "ceiling_words": _ceiling_words(values),
            "length_ms": max(run.end_ms - run.start_ms, 1_000.0),
            "workload": self._workload(),
            "headline": headline(run),
            "before": None if self._before is None else {key: self._before[key] for key in shown},
            "pins": {name: {key: pin[key] for key in shown} for name, pin in self._pinned()},
            **packed_lanes(run),
        }

    def _ranges(self) -> dict[str, tuple[float, float]]:
        """From where to where each knob turns."""
        account, reserved = self.account_concurrency, self.reserved_concurrency
        free = max(account - self._unreserved_minimum, 0)
        return {
            "reserved_concurrency": (self.provisioned_concurrency, free),
            "provisioned_concurrency": (0, free if reserved is None else reserved),
            "account_concurrency": (max(1, self.reserved_concurrency or 1), LANES_MAX),
            "neighbour_concurrency": (0, account - (reserved or 0)),
            "rate_per_s": (0.4, 3.0),
        }

    def _slots(self, run: LaneRun, values: dict[str, Any]) -> int:
        """How many lanes are drawn: the account's, as far as they can be told apart."""
        if values["account_concurrency"] <= LANES_MAX:
            return max(int(values["account_concurrency"]), len(run.lanes))
        reserved = values["reserved_concurrency"] or 0
        return max(len(run.lanes), min(reserved, LANES_MAX), 4) + 1

    def _workload(self) -> str:
        if self._lab is not None:
            return f"function {self._function}, at most {REQUESTS_MAX} requests"
        seconds = self._duration_ms / 1000
        cold = f"a cold start takes {self._init_ms:,.0f} ms more"
        return f"each request runs about {seconds:g} s, {cold}"

    def _take(self, events: Sequence[Event], *, show: bool = True) -> None:
        """Events of the lab; in the feed's thread, once it is followed."""
        with self._lock:
            last = self._seen[-1].seq if self._seen else -1
            fresh = [e for e in events if e.seq > last and e.function == self._function]
            self._seen += fresh
            if len(self._seen) > _EVENTS_MAX:
                self._forget_the_oldest()
            if not show or not fresh or self._later is not None:
                return
            self._later = threading.Timer(self._next_show_s - time.monotonic(), self._sync)
            self._later.daemon = True
            self._later.start()

    def _forget_the_oldest(self) -> None:
        """Keep what the picture shows, and what says which environments there are."""
        lasting = (EventKind.INIT_STARTED, EventKind.INIT_ENDED, EventKind.ENVIRONMENT_ENDED)
        old, recent = self._seen[: -_EVENTS_MAX // 2], self._seen[-_EVENTS_MAX // 2 :]
        self._seen = [event for event in old if event.kind in lasting] + recent

    def _sync(self) -> None:
        """Ask for the limits and send the picture, in a thread of its own."""
        self._limits = _limits(self._lab, self._function) or self._limits
        with self._lock:
            self._later = None
            began_s = time.thread_time()
            self._again()
            took_s = time.thread_time() - began_s
            self._next_show_s = time.monotonic() + max(_SHOW_S, took_s / _SHARE)

    def _lab_ended(self) -> None:
        """The lab has stopped: nothing will come any more."""
        self._is_live = False

    def _text(self) -> str:
        if self._lab is not None:
            return f"ConcurrencyLanes of {self._function}: {self.run.summary()}"
        return f"ConcurrencyLanes: {_ceiling_words(self._values())}; {self.run.summary()}"

    def _still_png(self) -> bytes:
        from labkit.notebook.lanes_figure import lanes_figure

        values = self._values()
        return lanes_figure(
            self.run,
            ceiling=self._ceiling(),
            ceiling_words=_ceiling_words(values),
            slots=self._slots(self.run, values),
            provisioned=values["provisioned_concurrency"],
        ).png


def _ceiling_words(values: dict[str, Any]) -> str:
    if values["reserved_concurrency"] is not None:
        return f"reserved concurrency {values['reserved_concurrency']}"
    words = f"no reservation: the account's {values['account_concurrency']:,}"
    if values["neighbour_concurrency"]:
        words += f" without the {values['neighbour_concurrency']} that others use"
    return words


def _limits(lab: Lab | None, function: str) -> dict[str, Any]:
    """What a lab says about the limits of a function; as much of it as it tells."""
    if lab is None:
        return {}
    client = lab.client("lambda")
    try:
        account = client.get_account_settings()["AccountLimit"]
        reserved = client.get_function_concurrency(FunctionName=function)
        listed = client.list_provisioned_concurrency_configs(FunctionName=function)
    except (BotoCoreError, ClientError, LabError):
        return {}
    configs = listed["ProvisionedConcurrencyConfigs"]
    return {
        "account_concurrency": account["ConcurrentExecutions"],
        "unreserved_concurrency": account["UnreservedConcurrentExecutions"],
        "reserved_concurrency": reserved.get("ReservedConcurrentExecutions"),
        "provisioned_concurrency": sum(
            config["AllocatedProvisionedConcurrentExecutions"] for config in configs
        ),
    }


def _nothing() -> None:
    """Ends what was never begun."""
