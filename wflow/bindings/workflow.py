"""A workflow: create instances of it, find them, follow and steer them, wait for what they give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from wflow.bindings._workflow_served import serve
from wflow.bindings.subscription import subscribe
from wflow.engine import durations, names
from wflow.errors import InstanceExists, InvalidInput, WorkflowTimeoutError
from wflow.wire.view import View

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wflow.bindings.binding import Send
    from wflow.bindings.subscription import Subscription

_NOT_GIVEN: Final[Any] = object()
"""None is a value that people give."""
_USERS: Final = ("output", "progress", "state")


class WorkflowBinding:
    """``env.MY_WORKFLOW``. What its methods raise is a `Refused`: InstanceExists, InstanceNotFound, ...

    Methods of two words have Cloudflare's names as well: ``createBatch``, ``deleteBatch``.
    """

    def __init__(self, send: Send) -> None:
        """Call the provider by ``send``."""
        self._send = send

    async def create(
        self,
        options: Mapping[str, object] | None = None,
        *,
        exists: Literal["error", "return"] = "error",
        id: str = _NOT_GIVEN,
        params: object = _NOT_GIVEN,
        priority: int = _NOT_GIVEN,
        retention: Mapping[str, object] = _NOT_GIVEN,
        tags: Sequence[str] = _NOT_GIVEN,
    ) -> WorkflowInstance:
        """Create an instance, durably: it is on disk when this returns, and runs as soon as there is a slot.

        Takes keywords, or Cloudflare's one mapping of the same (and ``locationHint``, which is checked and
        has no effect). Without an ``id`` it gets a random one; without ``params`` its payload is ``{}``,
        while None stays None. ``retention`` is a mapping of ``success_retention`` and ``error_retention``:
        how long it is kept once it is over, at most 365 days, instead of what its workflow says. ``tags``
        are up to 10 texts that lists can filter by. Of those that wait for a slot, ``priority`` 1 goes first
        and 5 last; without one it is 3.

        An id that is taken raises InstanceExists, or with ``exists="return"`` gives the instance that has it,
        whatever that was created with: so the same call may be made again. Raises InvalidInput for an option
        that breaks its rule, TooLarge for params of more than a MiB, TooMany when the queue is full or more
        are created than the workflow takes in a second.
        """
        given = {"id": id, "params": params, "priority": priority, "retention": retention, "tags": tags}
        if exists not in ("error", "return"):
            raise InvalidInput(f'`exists` is "error" or "return", not {names.shown(exists)}')
        made: Any = await self._send("create", [_either("create", options, given)])
        if not made["created"] and exists == "error":
            raise InstanceExists(f"instance.already_exists: {made['id']!r} exists already")
        return WorkflowInstance(self._send, made["id"])

    async def create_batch(
        self,
        options: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
        *,
        count: int = _NOT_GIVEN,
        instances: Sequence[Mapping[str, object]] = _NOT_GIVEN,
        params: object = _NOT_GIVEN,
        priority: int = _NOT_GIVEN,
        retention: Mapping[str, object] = _NOT_GIVEN,
        tags: Sequence[str] = _NOT_GIVEN,
    ) -> Any:
        """Create 1 to 100 instances together, in one of Cloudflare's three forms.

        ``instances`` are the options of each, as `create` takes them; or ``count`` many share ``params``,
        ``priority``, ``retention`` and ``tags``. Both answer ``created``, a list of instances, and
        ``errors``, each with ``index``, ``id``, ``code`` (10405 the id exists, 10415 the batch has it twice)
        and ``message``. A plain list of options is the old form: it gives a list of instances, without those
        whose id exists.

        A malformed option raises before anything is created.
        """
        given = {
            "count": count,
            "instances": instances,
            "params": params,
            "priority": priority,
            "retention": retention,
            "tags": tags,
        }
        if isinstance(options, (list, tuple)):
            if _given(given):
                raise InvalidInput("create_batch takes a list, or keywords, not both")
            return self._created(await self._send("create_batch", [[*map(_plain, options)]]))
        asked = _either("create_batch", options, given)
        if "instances" not in asked:
            made = await self._send("create_batch", [asked])
        elif len(asked) > 1 or not isinstance(asked["instances"], (list, tuple)):
            raise InvalidInput("create_batch takes a list of `instances`, or a `count` and what they share")
        else:
            made = await self._send("create_batch", [[*map(_plain, asked["instances"])]])
        return View(created=self._created(made), errors=_errors(made))

    async def get(self, id: str) -> WorkflowInstance:
        """Get an instance; raises InstanceNotFound."""
        await self._send("get", [id])
        return WorkflowInstance(self._send, id)

    async def delete_batch(self, ids: Sequence[str]) -> View:
        """Delete 1 to 100 instances with all they have, running or not.

        Answers ``deleted``, each with its ``id``, and ``errors``, each with ``id``, ``code`` (10400: there is
        none) and ``message``. An id that is given twice is deleted once and listed each time; one that no
        instance can have raises InvalidInput, and nothing is deleted.
        """
        given = [*ids] if isinstance(ids, (list, tuple, set, frozenset)) else ids
        told: Any = await self._send("delete_batch", [given])
        return View({kind: [View(one) for one in each] for kind, each in told.items()})

    async def list(
        self,
        *,
        status: str | None = None,
        tag: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        newest_first: bool = True,
    ) -> View:
        """List instances: ``instances``, and the ``cursor`` of the next page, None at the end.

        ``status`` is one of Cloudflare's or ``rollingBack``, ``limit`` at most 100. What the list knows of an
        instance is in its ``listed``. Raises InvalidInput.
        """
        asked = {"status": status, "tag": tag, "limit": limit, "cursor": cursor, "newest_first": newest_first}
        told: Any = await self._send("list", [asked])
        found = [WorkflowInstance(self._send, one["id"], View(one)) for one in told["instances"]]
        return View(instances=found, cursor=told["cursor"])

    def _created(self, made: Any) -> Any:
        return [WorkflowInstance(self._send, one["id"]) for one in made if one["code"] is None]

    createBatch = create_batch  # noqa: N815 - Cloudflare's name
    deleteBatch = delete_batch  # noqa: N815


class WorkflowInstance:
    """One instance, by its ``id``; ``sendEvent`` is `send_event`.

    ``listed`` is what a list knew of it: ``id``, ``status``, ``tags``, ``version_id``, ``created_on``,
    ``modified_on``, ``started_on`` and ``ended_on``; None unless it comes from one.

    Every method raises InstanceNotFound when there is no such instance (any more).
    """

    def __init__(self, send: Send, id: str, listed: View | None = None) -> None:
        """Refer to it; nothing is asked yet."""
        self._send = send
        self.id = id
        self.listed = listed

    async def status(self, *, steps: bool = False) -> View:
        """Tell ``status``, and ``output`` or ``error`` (``name``, ``message``) when it is over.

        ``rollback`` tells how undoing its steps went (``outcome``, ``error``), ``progress`` and ``state``
        what its code told last, ``tags`` its tags. With ``steps`` there are its ``steps`` too, as the API
        shows them: long outputs are cut. While it undoes its steps, it is ``running``.
        """
        told: Any = await self._send("status", [self.id, steps])
        return View(_viewed(told))

    async def pause(self) -> None:
        """Begin nothing new and rest, as soon as the attempts that run have ended.

        Until then the status is ``waitingForPause``. Changes nothing when it is over, or paused already.
        """
        await self._send("pause", [self.id])

    async def resume(self) -> None:
        """Go on after a pause; what was to last a while lasts so much longer.

        Changes nothing when it is not paused, and not about to be.
        """
        await self._send("resume", [self.id])

    async def restart(
        self,
        options: Mapping[str, object] | None = None,
        *,
        from_: str | Mapping[str, object] = _NOT_GIVEN,
    ) -> None:
        """Run anew on the workflow's current version, with the same id and params: over or not.

        With ``from_``, or Cloudflare's ``{"from": ...}``, what was done before a step is kept: the step's
        name, or a mapping with ``name``, ``count`` (which visit of the name, 1 by default) and ``type``
        (``do``, ``sleep`` or ``waitForEvent``). Raises WrongMove when it never came to such a step, or when
        it is rolling back.
        """
        asked = _either("restart", options, {"from": from_})
        if unknown := asked.keys() - {"from"}:
            raise InvalidInput(f"restart has no option {names.shown(min(map(str, unknown)))}; it takes from")
        start = asked.get("from")
        await self._send("restart", [self.id, _plain(start)])

    async def terminate(
        self, options: Mapping[str, object] | None = None, *, rollback: bool = _NOT_GIVEN
    ) -> None:
        """End it now; with ``rollback`` after undoing its steps. Raises InstanceEnded when it is over.

        Takes the keyword, or Cloudflare's mapping. `cancel` lets its code put things in order.
        """
        asked = _either("terminate", options, {"rollback": rollback})
        if unknown := asked.keys() - {"rollback"}:
            raise InvalidInput(
                f"terminate has no option {names.shown(min(map(str, unknown)))}; it takes rollback"
            )
        undo = asked.get("rollback", False)
        if not isinstance(undo, bool):
            raise InvalidInput(f"`rollback` is True or False, not {names.shown(undo)}")
        await self._send("rollBack" if undo else "terminate", [self.id])

    async def cancel(self) -> None:
        """Ask its code to end: that gets a CancelledError, may do more steps, and ends as ``terminated``.

        Returns at once. Raises InstanceEnded when it is over.
        """
        await self._send("cancel", [self.id])

    async def delete(self) -> None:
        """Delete it with all it has; one that runs is stopped, and nothing of it undone."""
        await self._send("delete", [self.id])

    async def send_event(self, type: str | Mapping[str, object], payload: object = None) -> None:
        """Send an event; it is kept until the instance waits for one of its type. Raises InstanceEnded.

        Takes the type and the payload, or Cloudflare's one mapping of both.
        """
        if isinstance(type, Mapping):
            if unknown := set(type) - {"type", "payload"}:
                given = min(map(str, unknown))
                raise InvalidInput(f"send_event has no option {given!r}; it takes type and payload")
            await self._send("send_event", [self.id, type.get("type"), type.get("payload", payload)])
        else:
            await self._send("send_event", [self.id, type, payload])

    async def result(self, timeout: object = None) -> Any:
        """Wait for its end and give its output.

        Raises the error that it failed with, of the same class where that can be imported;
        InstanceTerminated when it was terminated; WorkflowTimeoutError after ``timeout`` (milliseconds,
        ``"10 seconds"`` or a timedelta; None waits for ever). It may be asked for long after the end. In
        workflow code `ctx.call` is the better way: it rests while it waits.
        """
        left_ms = timeout_ms = None if timeout is None else _milliseconds(timeout)
        while True:
            told: Any = await self._send("result", [self.id, left_ms])
            if told["over"]:
                return told["output"]
            if left_ms is not None:
                left_ms -= told["waited_ms"]
                if left_ms <= 0:
                    raise WorkflowTimeoutError(f"Execution timed out after {timeout_ms}ms")

    async def subscribe(
        self,
        options: Mapping[str, object] | None = None,
        *,
        cursor: int | None = None,
        filter: Collection[str] | None = None,
    ) -> Subscription:
        """Follow its events, those that are over first: ``async for event in await instance.subscribe()``.

        ``cursor`` is the `eventId` of the last event that is known already, ``filter`` types of events, or
        groups of them. Takes the keywords, or Cloudflare's one mapping. Raises InvalidInput.
        """
        return await subscribe(self._send, self.id, options, cursor=cursor, filter=filter)

    def __repr__(self) -> str:
        """Show the id."""
        return f"<WorkflowInstance {self.id}>"

    sendEvent = send_event  # noqa: N815 - Cloudflare's name


stub = WorkflowBinding


def _either(method: str, options: object, keywords: Mapping[str, object]) -> dict[str, Any]:
    """Take what was given as one mapping, or else as keywords."""
    given = _given(keywords)
    if options is None:
        return given
    if given:
        raise InvalidInput(f"{method} takes one mapping, or keywords, not both")
    if not isinstance(options, Mapping):
        raise InvalidInput(f"{method} takes a mapping or keywords, not {type(options).__name__}")
    return dict(options)


def _given(keywords: Mapping[str, object]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in keywords.items() if value is not _NOT_GIVEN}


def _plain(given: object) -> object:
    """Make a dict of any mapping, so that it crosses the link."""
    return dict(given) if isinstance(given, Mapping) else given


def _errors(made: Any) -> Any:
    return [
        View(index=index, id=one["id"], code=one["code"], message=one["message"])
        for index, one in enumerate(made)
        if one["code"] is not None
    ]


def _viewed(value: Any) -> Any:
    """Let what was told answer to attributes, too, as deep as it goes; what is the user's stays as it is."""
    if isinstance(value, dict):
        return View({key: item if key in _USERS else _viewed(item) for key, item in value.items()})
    if isinstance(value, list):
        return [_viewed(item) for item in value]
    return value


def _milliseconds(timeout: object) -> int:
    try:
        return durations.milliseconds(timeout)
    except ValueError as wrong:
        raise InvalidInput(f"`timeout`: {wrong}") from None


__all__ = ["WorkflowBinding", "WorkflowInstance", "serve", "stub"]
