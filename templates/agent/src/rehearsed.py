"""A stand-in for a model, so that the project runs before you have a key: it writes the goal down as a note."""

from __future__ import annotations

import json
from typing import Any


def reply(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer as a model does that speaks OpenAI's chat completions."""
    messages = asked["messages"]
    goal = next(each["content"] for each in messages if each["role"] == "user")
    heard = [each["content"] for each in messages if each["role"] == "tool"]
    if heard:
        message: dict[str, Any] = {"role": "assistant", "content": f"Done: {heard[-1]}."}
    else:
        call = {"title": "goal", "text": goal}
        function = {"name": "write_note", "arguments": json.dumps(call)}
        called = {"id": "call-1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [called]}
    return {"choices": [{"message": message}], "usage": {"total_tokens": 10 * len(messages)}}
