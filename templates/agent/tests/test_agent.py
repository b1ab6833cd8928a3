"""Tests of this project. Its agents run in this process: pauses pass at once, and no model is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wflow.testing import Kit, crash_everywhere

from agent import Agent
from rehearsed import reply
from tools import TOOLS, arguments

GOAL = "remember the milk"
PARAMS = {"goal": GOAL, "model_url": "https://model.example"}


def thought(text: str | None = None, tokens: int = 10, **tool: Any) -> dict[str, Any]:
    """Make what a model says: an answer, or the use of a tool."""
    calls = [
        {"id": "c", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for name, given in tool.items()
    ]
    return {
        "message": {"role": "assistant", "content": text, "tool_calls": calls},
        "tokens": tokens,
    }


async def rehearsed(self: Agent, url: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Stand in for the network."""
    said = reply({"messages": messages})
    return {"message": said["choices"][0]["message"], "tokens": said["usage"]["total_tokens"]}


async def test_it_answers_when_it_knows(wflow: Kit) -> None:
    async with wflow.introspect_instance(wflow.env.AGENT, "one") as agent:
        agent.mock_step_result("think", thought("It is noon.", tokens=7))
        await wflow.env.AGENT.create(id="one", params=PARAMS)
        assert await agent.output() == {"answer": "It is noon.", "tokens": 7}


async def test_it_uses_a_tool_when_a_person_approves(
    wflow: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Agent, "_think", rehearsed)
    agent = await wflow.env.AGENT.create(id="one", params=PARAMS)
    async with wflow.introspect_instance(wflow.env.AGENT, "one") as seen:
        await seen.wait_for_step_result("think")
        await agent.send_event("approval", {"approved": True})
        assert (await seen.output())["answer"] == "Done: 'goal' is written."
    assert await wflow.env.NOTES.get("goal") == GOAL


async def test_it_hears_that_a_person_said_no(wflow: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agent, "_think", rehearsed)
    agent = await wflow.env.AGENT.create(id="one", params=PARAMS)
    await agent.send_event("approval", {"approved": False, "why": "not now"})
    assert (await agent.result())["answer"] == "Done: a person said no: not now."
    assert await wflow.env.NOTES.get("goal") is None


async def test_nobody_answers_for_a_day(wflow: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agent, "_think", rehearsed)
    agent = await wflow.env.AGENT.create(id="one", params=PARAMS)
    assert "nobody has approved" in (await agent.result())["answer"]


async def test_it_keeps_to_its_budget(wflow: Kit) -> None:
    async with wflow.introspect_instance(wflow.env.AGENT, "one") as agent:
        agent.mock_step_result("think", thought(tokens=60, look_up={"title": "goal"}))
        await wflow.env.AGENT.create(id="one", params={**PARAMS, "budget": 50})
        assert "the budget is used up: 60 of 50 tokens" in (await agent.error()).message


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ({"fly": {}}, "there is no tool called 'fly'"),
        ({"look_up": {"title": "goal"}}, "there is no note called 'goal'"),
        ({"look_up": {"name": "goal"}}, "that failed"),
        ({"look_up": {"title": 7}}, "the arguments make no sense"),
    ],
)
async def test_the_model_is_told_what_came_of_it(
    wflow: Kit, monkeypatch: pytest.MonkeyPatch, tool: dict[str, Any], said: str
) -> None:
    heard: list[str] = []

    async def think(self: Agent, url: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
        heard[:] = [each["content"] for each in messages if each["role"] == "tool"]
        return thought("done") if heard else thought(**tool)

    monkeypatch.setattr(Agent, "_think", think)
    agent = await wflow.env.AGENT.create(id="one", params=PARAMS)
    assert (await agent.result())["answer"] == "done"
    assert said in heard[0]


@crash_everywhere
async def test_a_crash_changes_nothing(wflow: Kit, monkeypatch: pytest.MonkeyPatch) -> object:
    """It runs once for each durable write, and the process dies right there."""
    monkeypatch.setattr(Agent, "_think", rehearsed)
    agent = await wflow.env.AGENT.create(id="one", params=PARAMS)
    await agent.send_event("approval", {"approved": True})
    await agent.result()
    return await wflow.env.NOTES.get("goal")


async def test_a_goal_is_needed(wflow: Kit) -> None:
    assert (await wflow.fetch("/", method="POST", body="{}")).status == 400
    agent = await wflow.env.AGENT.create(params={})
    with pytest.raises(Exception, match="the payload has no goal"):
        await agent.result()


async def test_people_start_agents_and_talk_to_them(
    wflow: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Agent, "_think", rehearsed)
    started = await wflow.fetch("/", method="POST", body=json.dumps({"goal": GOAL}))
    assert started.status == 201
    id_ = started.json()["id"]
    approved = json.dumps({"approved": True})
    assert (await wflow.fetch(f"/{id_}/approval", method="POST", body="{}")).status == 400
    assert (await wflow.fetch(f"/{id_}/approval", method="POST", body=approved)).status == 200
    await (await wflow.env.AGENT.get(id_)).result()
    assert (await wflow.fetch(f"/{id_}")).json()["status"] == "complete"
    assert (await wflow.fetch("/notes/goal")).text == GOAL
    assert (await wflow.fetch("/nobody")).status == 404
    assert "POST /" in (await wflow.fetch("/")).text


def test_tools_describe_themselves() -> None:
    for name, tool in TOOLS.items():
        told = tool.described(name)["function"]
        assert told["name"] == name
        assert set(told["parameters"]["required"]) == set(tool.arguments)
    with pytest.raises(ValueError, match="an object of strings"):
        arguments({"function": {"arguments": "[]"}})
