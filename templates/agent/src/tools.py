"""What the agent can do beside thinking: each tool is a function, and is run as a durable step."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tool:
    """A tool: what the model is told of it, and whether a person has to approve of each use."""

    run: Callable[..., Awaitable[object]]
    about: str
    arguments: dict[str, str]
    needs_approval: bool = False

    def described(self, name: str) -> dict[str, Any]:
        """Describe it in the words of the chat completions API."""
        properties = {
            key: {"type": "string", "description": text} for key, text in self.arguments.items()
        }
        parameters = {"type": "object", "properties": properties, "required": list(self.arguments)}
        function = {"name": name, "description": self.about, "parameters": parameters}
        return {"type": "function", "function": function}


async def look_up(env: Any, title: str) -> str:
    """Give a note, or say that there is none."""
    return await env.NOTES.get(title) or f"there is no note called {title!r}"


async def write_note(env: Any, title: str, text: str) -> str:
    """Keep a note. A crash may repeat this, so it writes the same text under the same title."""
    await env.NOTES.put(title, text)
    return f"{title!r} is written"


TOOLS = {
    "look_up": Tool(look_up, "Read one of your notes.", {"title": "The note's title."}),
    "write_note": Tool(
        write_note,
        "Write a note; a person approves of it first.",
        {"title": "The note's title.", "text": "What it says."},
        needs_approval=True,
    ),
}


def arguments(call: dict[str, Any]) -> dict[str, str]:
    """Read what a model wants to call a tool with; raises ValueError for what is no object of texts."""
    given = json.loads(call["function"]["arguments"] or "{}")
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise ValueError("the arguments must be an object of strings")
    return given
