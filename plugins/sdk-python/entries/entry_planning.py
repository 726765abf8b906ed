import contract
import plugin
from wit_world.imports import types


class Planner:
    def configure(self, settings_json: str) -> None:
        contract.configure(plugin, settings_json)

    def plan_batch(self, now_ms: int, events: list[types.Event]) -> types.Plan:
        return contract.plan_batch(plugin, now_ms, events)
