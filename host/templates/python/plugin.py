"""{{title}}: posts each event as JSON."""

from typing import TypedDict

from switchyard import Batch, Plan


class Settings(TypedDict):
    url: str


def plan(settings: Settings, batch: Batch, plan: Plan) -> None:
    for event in batch:
        plan.post(settings["url"]).json_event(event)
