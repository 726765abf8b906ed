"""Mailchimp: keeps the members of an audience and records what they do."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Optional, TypedDict

from switchyard import Batch, Event, Judgement, Plan, Request, Response

#: Mailchimp's names of events: letters, digits and `_`.
NAME_LENGTH_MIN, NAME_LENGTH_MAX = 2, 30


class Settings(TypedDict, total=False):
    api_key: str
    endpoint: str
    audience_id: str
    status_if_new: str


@dataclass(frozen=True)
class State:
    api_key: str
    members: str
    status_if_new: str


def configure(settings: Settings) -> State:
    endpoint = settings["endpoint"].rstrip("/")
    return State(
        api_key=settings["api_key"],
        members=f"{endpoint}/3.0/lists/{settings['audience_id']}/members",
        status_if_new=settings.get("status_if_new", "pending"),
    )


def plan(state: State, batch: Batch, plan: Plan) -> None:
    for event in batch:
        email = email_of(event)
        if email is None:
            plan.skip(event, "no e-mail address: Mailchimp knows its members by nothing else")
            continue
        member = hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()
        is_member = event.kind == "identify"
        request = identify(state, plan, event, email, member) if is_member else track(state, plan, event, member)
        if request is not None:
            # One at a time for each member, so that a member is there before what it does.
            request.basic("switchyard", state.api_key).lane(member).cover(event)


def identify(state: State, plan: Plan, event: Event, email: str, member: str) -> Request:
    names = {"FNAME": trait(event, "firstName"), "LNAME": trait(event, "lastName")}
    fields = {name: value for name, value in names.items() if value}
    body = {"email_address": email, "status_if_new": state.status_if_new, "merge_fields": fields}
    return plan.request("PUT", f"{state.members}/{member}").key("member").json(body)


def track(state: State, plan: Plan, event: Event, member: str) -> Optional[Request]:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", str(event.data.get("event", ""))).strip("_")[:NAME_LENGTH_MAX]
    if len(name) < NAME_LENGTH_MIN:
        plan.reject(event, "event: Mailchimp needs a name with at least two letters, digits or `_`")
        return None
    properties = {key: str(value) for key, value in (event.data.get("properties") or {}).items()}
    occurred = datetime.fromtimestamp(event.timestamp_ms / 1000, timezone.utc)
    body = {"name": name, "properties": properties, "occurred_at": occurred.strftime("%Y-%m-%dT%H:%M:%S+00:00")}
    return plan.post(f"{state.members}/{member}/events").key("event").json(body)


def judge(state: State, response: Response, judgement: Judgement) -> None:
    """Mailchimp says in the answer what is wrong with a member: that is what the dead letter shows."""
    problem: Any = response.json()
    if response.status == 404:
        judgement.reject(response.covers, "Mailchimp has no such member: identify the user first")
    elif response.status == 400 and isinstance(problem, dict):
        judgement.reject(response.covers, f"{problem.get('title')}: {problem.get('detail')}")


def trait(event: Event, name: str) -> Optional[str]:
    value = event.get(f"traits.{name}") or event.get(f"context.traits.{name}")
    return value if isinstance(value, str) and value.strip() else None


def email_of(event: Event) -> Optional[str]:
    email = trait(event, "email") or event.get("properties.email")
    return email.strip() if isinstance(email, str) and "@" in email else None
