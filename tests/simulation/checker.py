"""What must be so of any world that was played, judged by its journals and by what was seen.

A rule is a function of a `Life`: all that is known of one instance. It gives a sentence for each thing that
cannot be. Nothing here, or in the rules, uses the code that is judged, but for the classes of its facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import oracle, rules_of_events, rules_of_steps
from tests.simulation.life import Life
from wflow.engine import values

if TYPE_CHECKING:
    from tests.simulation.world import World

RULES = (*rules_of_steps.RULES, *rules_of_events.RULES, *oracle.RULES)


def check(world: World, calm: object = None) -> list[tuple[str, str]]:
    """Give all that is wrong with a world, as (rule, what); ``calm`` is how it has to end, if known."""
    wrong = list(world.record.wrong)
    wrong += [("the loop", told) for told in world.loop.broken]
    for key, instance in world.store.instances.items():
        life = Life(world, key)
        failure = instance.failure
        if not instance.over:
            told = "" if failure is None else f": {failure.message}"
            wrong.append(("the end", f"instance {key} is {instance.status} for ever{told}"))
            continue
        if failure is not None and failure.name == "WorkflowInternalError":
            wrong.append(("our own fault", failure.message))
        for rule in RULES:
            name = rule.__name__.replace("_", " ")
            wrong += [(name, f"instance {key}: {told}") for told in rule(life)]
    if calm is not None and (ending := outline_of(world)) != calm:
        wrong.append(("the same end", f"{ending!r}, and it should be {calm!r}"))
    return wrong


def outline_of(world: World) -> object:
    """Tell how the first instance ended, without what depends on when things happened."""
    one = world.store.instances[1]
    output = None if one.output is None else outline(values.decode(one.output))
    return one.status, output


def outline(value: object) -> object:
    """Leave out which visit it was, which call of its function, which of several came first."""
    match value:
        case ["error", str(), str()]:
            return "error"
        case [("x" | "y") as type_, str()]:
            return type_
        case str():
            return value.partition("#")[0].rpartition("-")[0] or value
        case {"bag": list(items)}:
            return sorted(map(outline, items), key=repr)
        case dict():
            return {key: outline(inner) for key, inner in value.items()}
        case list():
            return [outline(item) for item in value]
    return value
