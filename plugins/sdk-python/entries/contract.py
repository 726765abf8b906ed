"""What makes the contract's exports of a plugin's functions. The clock is the call's, chance comes from
the call's events, and print writes to the author: nothing else comes from outside."""

import sys

# The datetime that is written in C asks the system for the time; the one in Python asks `time`.
sys.modules["_datetime"] = None  # type: ignore[assignment]

import io
import json
import os
import random
import time
import traceback
from typing import Any, Callable, TypeVar

from componentize_py_types import Err
from wit_world.imports import log, types

import switchyard

T = TypeVar("T")

_now_ms = 0
_called = False


class _Author(io.TextIOBase):
    """Where print writes to."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if _called and text:
            log.write(text)
        return len(text)


def _seconds() -> float:
    return _now_ms / 1000


def _nanoseconds() -> int:
    return _now_ms * 1_000_000


def _close_the_world() -> None:
    """Puts the call's time, its chance and the author's log where Python asks the system for them."""
    sys.stdout = sys.stderr = _Author()
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, _seconds)
        setattr(time, name + "_ns", _nanoseconds)
    # `secrets` and `uuid` have them from before.
    os.urandom = random._urandom = lambda size: random.randbytes(size)  # type: ignore[attr-defined]
    random.SystemRandom = random.Random  # type: ignore[misc, assignment]


def _told(error: Exception) -> str:
    """An error and where it happened. The lines themselves would have to be read from files, and there are none."""
    steps = traceback.walk_tb(error.__traceback__)
    places = [f"  {frame.f_code.co_filename}, line {line}, in {frame.f_code.co_name}" for frame, line in steps]
    return "\n".join([f"{type(error).__name__}: {error}", *places])


def _within(now_ms: int, seed: str, call: Callable[[], T]) -> T:
    """Runs a call of the host's, with its time and with chance that depends on its input alone."""
    global _now_ms, _called
    if not _called:
        _close_the_world()
    _called = True
    _now_ms = now_ms
    random.seed(f"{now_ms} {seed}")
    try:
        return call()
    except Exception as error:
        # The contract's error is a text; a trap would tell the author nothing.
        raise Err(_told(error)) from None


_state: Any = None


def configure(plugin: Any, settings_json: str) -> None:
    def call() -> None:
        global _state
        settings = json.loads(settings_json)
        _state = plugin.configure(settings) if hasattr(plugin, "configure") else settings

    _within(0, "", call)


def plan_batch(plugin: Any, now_ms: int, events: list[types.Event]) -> types.Plan:
    def call() -> types.Plan:
        read = [_event(position, event) for position, event in enumerate(events)]
        plan = switchyard.Plan()
        plugin.plan(_state, switchyard.Batch(now_ms, read), plan)
        return types.Plan([_request(each) for each in plan._requests], [_fate(*each) for each in plan._fates])

    return _within(now_ms, events[0].message_id if events else "", call)


def judge_response(plugin: Any, now_ms: int, response: types.Response) -> types.Judgement:
    def call() -> types.Judgement:
        judgement = switchyard.Judgement()
        answer = switchyard.Response(
            now_ms, response.status, list(response.headers), response.body, list(response.covers), response.tag
        )
        plugin.judge(_state, answer, judgement)
        return types.Judgement(
            verdicts=[_verdict(*each) for each in judgement._verdicts],
            follow_ups=[_request(each) for each in judgement._follow_ups],
            slow_until_ms=judgement._slow_until_ms,
            slow_quota_until_ms=judgement._slow_quota_until_ms,
            pause=judgement._pause,
            split=judgement._split,
        )

    return _within(now_ms, "", call)


def _event(position: int, event: types.Event) -> switchyard.Event:
    consent = None if event.consent is None else dict(event.consent)
    return switchyard.Event(position, event.kind, event.message_id, event.received_ms, consent, event.json)


def _request(request: switchyard.Request) -> types.Request:
    return types.Request(
        key=request._key,
        method=request.method,
        url=request.url,
        headers=request._headers,
        body=request._body,
        auth=[_auth(*each) for each in request._auth],
        covers=request._covers,
        lanes=request._lanes,
        quota=request._quota,
        not_after_ms=request._not_after_ms,
        tag=request._tag,
    )


def _auth(way: str, value: Any) -> types.Auth:
    kinds: dict[str, Any] = {
        "bearer": types.Auth_Bearer,
        "basic": types.Auth_Basic,
        "header": types.Auth_Header,
        "query": types.Auth_Query,
        "named": types.Auth_Named,
    }
    made: types.Auth = kinds[way](value)
    return made


def _fate(position: int, fate: str, detail: Any) -> tuple[int, types.Fate]:
    kinds: dict[str, Any] = {
        "skip": types.Fate_Skip,
        "reject": types.Fate_Reject,
        "defer": types.Fate_DeferUntilMs,
    }
    return position, kinds[fate](detail)


def _verdict(position: int, verdict: str, detail: Any) -> tuple[int, types.Verdict]:
    if verdict == "delivered":
        return position, types.Verdict_Delivered()
    if verdict == "auth-expired":
        return position, types.Verdict_AuthExpired()
    kinds: dict[str, Any] = {
        "warned": types.Verdict_Warned,
        "retry": types.Verdict_RetryAfterMs,
        "skip": types.Verdict_Skip,
        "reject": types.Verdict_Reject,
    }
    return position, kinds[verdict](detail)
