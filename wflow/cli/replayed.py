"""What `wflow replay` does: find the history, play it against the project's code, show what comes of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wflow.bundle import manifest as manifests
from wflow.cli import outcomes, output, remote, when
from wflow.cli.interrupted import Interrupts
from wflow.cli.prints import Prints
from wflow.config.secrets import dev_vars
from wflow.errors import RunnerError, UsageError
from wflow.runtime import replay
from wflow.wire.history import FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wflow.cli.outcomes import Shown
    from wflow.client.api import Api
    from wflow.config.model import Project
    from wflow.engine.divergence import Verdict
    from wflow.runtime.rehearsal import Rehearsal
    from wflow.wire.history import History

LATEST: Final = "latest"


def find(source: str, project: Project, workflow: str | None, *, local: bool, port: int | None) -> bytes:
    """Read a history: from the file that ``source`` names, or else of the instance with that id.

    The instance is one of ``workflow``, or of any of the project's. Raises UsageError for what is neither, or
    could be several; RunnerError.
    """
    file = Path(source)
    if file.is_file():
        if file.stat().st_size > FILE_BYTES:
            raise UsageError(f"`{source}` is too long for a history: the limit is {FILE_BYTES:,} bytes")
        return file.read_bytes()
    if file.suffix == ".json" or os.sep in source:
        raise UsageError(f"there is no file `{source}`", hint="`wflow workflows instances export` writes one")
    with remote.connect(local=local, port=port) as api:
        names = [workflow] if workflow else [entry.name for entry in manifests.of(project).workflows]
        return _export(api, _workflow_of(api, names, source), source)


def _workflow_of(api: Api, names: Sequence[str], id_: str) -> str:
    """Find the workflow that has the instance; of several newest ones the newest."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = str(api.instances.get(name, id_, simple=True)["queued"])
        except RunnerError as error:
            if error.status != 404:
                raise
    if not found:
        listed = ", ".join(names) or "the project has no workflow"
        raise UsageError(
            f"there is no instance `{id_}` of {listed}", hint="`--workflow NAME` looks elsewhere"
        )
    if len(found) > 1 and id_ != LATEST:
        raise UsageError(
            f"several workflows have an instance `{id_}`: {', '.join(found)}", hint="`--workflow NAME`"
        )
    return max(found, key=found.__getitem__)


def _export(api: Api, workflow: str, id_: str) -> bytes:
    try:
        with api.histories.export(workflow, id_, with_sensitive=True) as pieces:
            return _joined(pieces)
    except RunnerError as error:
        if error.status != 403:
            raise
    output.warn("this token may not read what sensitive steps gave: other values take their place")
    with api.histories.export(workflow, id_) as pieces:
        return _joined(pieces)


def _joined(pieces: Iterable[bytes]) -> bytes:
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if len(whole) > FILE_BYTES:
            raise UsageError(f"the history is too long: the limit is {FILE_BYTES:,} bytes")
    return bytes(whole)


class Replayed:
    """A history, and the project's code in this process."""

    def __init__(
        self, history: History, project: Project, *, workflow: str | None, with_sensitive: bool
    ) -> None:
        """Import the project; raises LoadError, and UsageError when it does not have the workflow."""
        self._history = history
        self._project = project
        self._workflow = workflow
        self._journal = [fact for _, fact in history.facts]
        self._with_sensitive = with_sensitive
        secrets, _ = dev_vars(project)
        self._interrupts = Interrupts()
        self._prints = Prints(sys.stderr)
        with self._inside(), self._printing():
            self._loaded = replay.load(project.root, manifests.of(project), secrets)
        self._loaded.workflow(workflow or history.subject.workflow)
        if history.replaced:
            output.say(
                f"Replaced in this history: {output.count(history.replaced, 'value')}. Arguments and the end "
                "are not compared, and code that decides by such a value goes another way."
            )

    def show(self, *, json: bool) -> bool:
        """Play it, and print all outcomes with the first difference; tell whether it fits."""
        verdict, shown = asyncio.run(self._played())
        if json:
            output.payload(self._plain(verdict, shown))
        else:
            self._print(verdict, shown)
        return verdict.clean

    def step(self) -> bool:
        """Let the person walk through it; tell whether it fits, as far as that was seen."""
        from wflow.cli.stepper import Stepper

        async def walk() -> Verdict | None:
            first = self._rehearsal()
            shown = self._listed(first)
            first.close()
            output.data(self._title())
            root = self._project.root
            return Stepper(
                self._rehearsal, shown, root, prints=self._prints, interrupts=self._interrupts
            ).run()

        with self._inside():
            verdict = asyncio.run(walk())
        return verdict is None or verdict.clean

    async def _played(self) -> tuple[Verdict, list[Shown]]:
        self._prints.heard = False
        with self._inside(), self._printing(), _unstopped():
            rehearsal = self._rehearsal()
            try:
                verdict = rehearsal.play()
            finally:
                rehearsal.close()
        return verdict, self._listed(rehearsal)

    def _rehearsal(self, **watchers: Any) -> Rehearsal:
        return self._loaded.rehearsal(self._history, workflow=self._workflow, **watchers)

    def _listed(self, rehearsal: Rehearsal) -> list[Shown]:
        return outcomes.listed(rehearsal.outcomes, self._journal, with_sensitive=self._with_sensitive)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """Work in the project's folder, as a dev session does; Ctrl-C ends whatever runs there."""
        with contextlib.chdir(self._project.root), self._interrupts.ending():
            yield

    @contextlib.contextmanager
    def _printing(self) -> Iterator[None]:
        """Have all that the code prints go by way of us."""
        with contextlib.redirect_stdout(self._prints), contextlib.redirect_stderr(self._prints):
            yield

    def _title(self) -> str:
        subject = self._history.subject
        against = "" if self._workflow in (None, subject.workflow) else f", against {self._workflow}"
        return output.printable(f"Instance {subject.id} of {subject.workflow}, {subject.status}{against}")

    def _print(self, verdict: Verdict, shown: Sequence[Shown]) -> None:
        output.data(self._title())
        rows = [
            (
                ">" if not verdict.clean and one.number == verdict.heard + 1 else "",
                str(one.number),
                one.name,
                one.kind,
                one.site,
                one.short,
                when.exact(one.at),
            )
            for one in shown
        ]
        if rows:
            output.table(("", "#", "Outcome", "Kind", "Asked for at", "Gives", "At"), rows)
        counted = f"{verdict.heard} of {verdict.recorded}"
        if verdict.failure is None:
            output.data(f"replays cleanly: {counted}")
            return
        output.data(f"the first difference comes after {counted}:")
        output.data(output.printable(verdict.failure.message))

    def _plain(self, verdict: Verdict, shown: Sequence[Shown]) -> dict[str, Any]:
        import msgspec

        subject, failure = self._history.subject, verdict.failure
        return {
            "workflow": subject.workflow,
            "id": subject.id,
            "status": subject.status,
            "clean": verdict.clean,
            "heard": verdict.heard,
            "recorded": verdict.recorded,
            "outcomes": [
                {
                    "number": one.number,
                    "name": one.name,
                    "kind": one.kind,
                    "site": one.site,
                    "value": one.value,
                    "error": one.error,
                    "at": one.at,
                    "heard": one.number <= verdict.heard,
                }
                for one in shown
            ],
            "failure": None if failure is None else {"name": failure.name, "message": failure.message},
            "divergence": msgspec.to_builtins(verdict.divergence),
        }


@contextlib.contextmanager
def _unstopped() -> Iterator[None]:
    """Have the code not stop at a `breakpoint()`."""
    before, sys.breakpointhook = sys.breakpointhook, lambda *_args, **_options: None
    try:
        yield
    finally:
        sys.breakpointhook = before
