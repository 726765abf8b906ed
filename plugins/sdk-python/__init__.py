"""What a Python author needs to write a Switchyard integration, and nothing else.

A plugin computes: it turns events into requests, and the host sends them. plugin.py has
`plan(settings, batch, plan)`, and where it has more to say `configure(settings)` and
`judge(settings, response, judgement)`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, Optional, TypeVar, Union
from urllib.parse import urlencode

__all__ = ["Batch", "Event", "Judgement", "Plan", "Request", "Response"]

Key = TypeVar("Key", bound=Hashable)


class Event:
    """One event of a batch."""

    def __init__(
        self,
        position: int,
        kind: str,
        message_id: str,
        received_ms: int,
        consent: Optional[dict[str, bool]],
        body: bytes,
    ) -> None:
        #: Its position in the batch.
        self.position = position
        #: track, identify, page, screen, group or alias.
        self.kind = kind
        #: Its identity: what the vendor deduplicates by comes from this alone.
        self.message_id = message_id
        #: When the host accepted it: milliseconds since 1970.
        self.received_ms = received_ms
        #: Purpose and whether it was granted; None when nothing is known.
        self.consent = consent
        #: The whole event as JSON: UTF-8.
        self.bytes = body

    @cached_property
    def data(self) -> dict[str, Any]:
        """The event, parsed when it is first asked for."""
        parsed: dict[str, Any] = json.loads(self.bytes)
        return parsed

    def get(self, path: str) -> Any:
        """The value at a path of keys, `properties.order_id`; None when it is not there."""
        value: Any = self.data
        for key in path.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    @property
    def timestamp_ms(self) -> int:
        """When it happened, from `timestamp`, else when the host accepted it."""
        try:
            time = datetime.fromisoformat(str(self.data.get("timestamp")))
        except ValueError:
            return self.received_ms
        if time.tzinfo is None:
            time = time.replace(tzinfo=timezone.utc)
        return round(time.timestamp() * 1000)


class Batch:
    """The events that are planned together, and the time for which they are."""

    def __init__(self, now_ms: int, events: list[Event]) -> None:
        #: The only clock: milliseconds since 1970. `time.time()` gives the same.
        self.now_ms = now_ms
        self.events = events

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def groups(
        self,
        key_of: Callable[[Event], Optional[Key]],
        *,
        events_max: Optional[int] = None,
        bytes_max: Optional[int] = None,
    ) -> Iterator[tuple[Key, list[Event]]]:
        """Events that share a request: those with the same key, at most so many and of so many bytes
        together, in their order. Events with the key None are in no group: give them a fate."""
        bytes_of: dict[Key, int] = {}
        group_of: dict[Key, list[Event]] = {}
        groups: list[tuple[Key, list[Event]]] = []
        for event in self.events:
            key = key_of(event)
            if key is None:
                continue
            group = group_of.get(key)
            is_full = group is not None and (
                (events_max is not None and len(group) >= events_max)
                or (bytes_max is not None and bytes_of[key] + len(event.bytes) > bytes_max)
            )
            if group is None or is_full:
                group = group_of[key] = []
                bytes_of[key] = 0
                groups.append((key, group))
            group.append(event)
            bytes_of[key] += len(event.bytes)
        return iter(groups)


Covered = Union[Event, int]


@dataclass
class Request:
    """A request that the host sends. Each method returns the request itself."""

    method: str
    url: str
    _key: str = ""
    _headers: list[tuple[str, str]] = field(default_factory=list)
    _body: bytes = b""
    _auth: list[tuple[str, Any]] = field(default_factory=list)
    _covers: list[int] = field(default_factory=list)
    _lanes: list[str] = field(default_factory=list)
    _quota: Optional[str] = None
    _not_after_ms: Optional[int] = None
    _tag: bytes = b""

    def header(self, name: str, value: str) -> Request:
        self._headers.append((name, value))
        return self

    def json(self, value: Any) -> Request:
        """A JSON body."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return self.body("application/json", text)

    def json_event(self, event: Event) -> Request:
        """The event whole, as JSON, and covers it."""
        return self.body("application/json", event.bytes).cover(event)

    def form(self, fields: dict[str, Any]) -> Request:
        """A form body; fields that are None are left out."""
        text = urlencode({name: value for name, value in fields.items() if value is not None})
        return self.body("application/x-www-form-urlencoded", text)

    def body(self, content_type: str, body: Union[str, bytes]) -> Request:
        """A body of that content type."""
        self._body = body.encode() if isinstance(body, str) else body
        return self.header("content-type", content_type)

    def bearer(self, token: str) -> Request:
        """`Authorization: Bearer <value>`."""
        return self._authenticate("bearer", token)

    def basic(self, user: str, password: str) -> Request:
        return self._authenticate("basic", (user, password))

    def auth_header(self, name: str, value: str) -> Request:
        return self._authenticate("header", (name, value))

    def auth_query(self, name: str, value: str) -> Request:
        return self._authenticate("query", (name, value))

    def named(self, scheme: str) -> Request:
        """A scheme that the host runs over the bytes it sends; the contract lists them."""
        return self._authenticate("named", scheme)

    def _authenticate(self, way: str, value: Any) -> Request:
        self._auth.append((way, value))
        return self

    def key(self, key: str) -> Request:
        """Names this request among those of one event."""
        self._key = key
        return self

    def lane(self, lane: str) -> Request:
        """Of the requests in one lane at most one is in flight. May be called more than once."""
        self._lanes.append(lane)
        return self

    def quota(self, quota: str) -> Request:
        """The vendor's limit that it counts against, where the vendor has several."""
        self._quota = quota
        return self

    def not_after(self, at_ms: int) -> Request:
        """Not sent after this time; its events are then planned again."""
        self._not_after_ms = at_ms
        return self

    def tag(self, tag: Union[str, bytes]) -> Request:
        """Handed back to the judge."""
        self._tag = tag.encode() if isinstance(tag, str) else tag
        return self

    def cover(self, *events: Union[Covered, Iterable[Covered]]) -> Request:
        """The request carries these events."""
        for each in events:
            several = [each] if isinstance(each, (Event, int)) else each
            self._covers.extend(one.position if isinstance(one, Event) else one for one in several)
        return self


class Plan:
    """Takes requests, and the fates of events that get none. Every event needs one of both."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._fates: list[tuple[int, str, Any]] = []

    def request(self, method: str, url: str) -> Request:
        request = Request(method, url)
        self._requests.append(request)
        return request

    def post(self, url: str) -> Request:
        return self.request("POST", url)

    def skip(self, event: Event, reason: str) -> None:
        """Not meant for this vendor: counted as filtered."""
        self._fates.append((event.position, "skip", reason))

    def reject(self, event: Event, reason: str) -> None:
        """Cannot be sent: a dead letter. Name the field."""
        self._fates.append((event.position, "reject", reason))

    def defer(self, event: Event, until_ms: int) -> None:
        """Plan it again at this time: milliseconds since 1970."""
        self._fates.append((event.position, "defer", until_ms))


@dataclass(frozen=True)
class Response:
    """What the vendor answered."""

    now_ms: int
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    #: The events that the request carried, by position.
    covers: list[int]
    #: What the plan gave the request.
    tag: bytes

    def header(self, name: str) -> Optional[str]:
        """The first header of that name, compared without case."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


Positions = Union[int, Iterable[int]]


class Judgement:
    """What the answer means. Events without a verdict get the host's reading of the status."""

    def __init__(self) -> None:
        self._verdicts: list[tuple[int, str, Any]] = []
        self._follow_ups: list[Request] = []
        self._slow_until_ms: Optional[int] = None
        self._slow_quota_until_ms: Optional[int] = None
        self._pause: Optional[str] = None
        self._split = False

    def delivered(self, positions: Positions) -> Judgement:
        return self._say(positions, "delivered", None)

    def warned(self, positions: Positions, warning: str) -> Judgement:
        """Delivered, and the vendor warns of something."""
        return self._say(positions, "warned", warning)

    def retry(self, positions: Positions, after_ms: Optional[int] = None) -> Judgement:
        """Send it again, not before so many milliseconds."""
        return self._say(positions, "retry", after_ms)

    def skip(self, positions: Positions, reason: str) -> Judgement:
        return self._say(positions, "skip", reason)

    def reject(self, positions: Positions, reason: str) -> Judgement:
        return self._say(positions, "reject", reason)

    def auth_expired(self, positions: Positions) -> Judgement:
        return self._say(positions, "auth-expired", None)

    def follow_up(self, method: str, url: str) -> Request:
        """A request that follows from the answer; it covers events of the response."""
        request = Request(method, url)
        self._follow_ups.append(request)
        return request

    def slow_until(self, at_ms: int) -> Judgement:
        """Nothing more to this destination before this time."""
        self._slow_until_ms = at_ms
        return self

    def slow_quota_until(self, at_ms: int) -> Judgement:
        """No more requests with the quota of this one before this time."""
        self._slow_quota_until_ms = at_ms
        return self

    def pause(self, why: str) -> Judgement:
        """Nothing more to this destination until the operator resumes it."""
        self._pause = why
        return self

    def split(self) -> Judgement:
        """Refused as a whole, and perhaps for one of its events: the host halves the request."""
        self._split = True
        return self

    def _say(self, positions: Positions, verdict: str, detail: Any) -> Judgement:
        several = [positions] if isinstance(positions, int) else positions
        self._verdicts.extend((position, verdict, detail) for position in several)
        return self
