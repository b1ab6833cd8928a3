"""`wflow replay --step`: a person walks through a replay, outcome by outcome, forward and back.

Going back is playing again up to there: a replay costs next to nothing.
"""

from __future__ import annotations

import contextlib
import linecache
import reprlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wflow.cli import output, when
from wflow.cli.debugger import Debugger
from wflow.cli.outcomes import HIDDEN
from wflow.runtime import suspended

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from wflow.cli.interrupted import Interrupts
    from wflow.cli.outcomes import Shown
    from wflow.cli.prints import Prints
    from wflow.engine.divergence import Verdict
    from wflow.engine.seen import News
    from wflow.errors import NonDeterminismError
    from wflow.runtime.rehearsal import Rehearsal

    Make = Callable[..., Rehearsal]

PROMPT: Final = "(replay) "
AROUND: Final = 4
"""Lines of code that are shown before and after the one that waits."""
LOCALS: Final = 200
"""Local variables of one frame that are shown."""
HELP: Final = """\
n, next, Enter   hand over the outcome that is shown
b, back          go back by one: play again up to there
g, goto N        go to outcome N, forward or back
l, list          list all outcomes
v, value         show the whole value of the outcome
p, locals        show the local variables at each await, of all tasks
w, where         show the code around the await
pdb              debug the code there: `n` and `s` go on in it with this outcome, `q` leaves pdb
q, quit          leave"""
_NAMES: Final = {
    "": "next",
    "n": "next",
    "b": "back",
    "g": "goto",
    "l": "list",
    "v": "value",
    "p": "locals",
    "w": "where",
    "q": "quit",
    "h": "help",
    "?": "help",
}


class _Goto(BaseException):
    """Play again up to an outcome; no code of the user's is to stop it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Quit(BaseException):
    """Leave."""


class Stepper:
    """Walks through what ``make`` makes, whose outcomes are ``shown``."""

    def __init__(
        self, make: Make, shown: Sequence[Shown], root: Path, *, prints: Prints, interrupts: Interrupts
    ) -> None:
        """Talk with whoever is at stdin and stdout; files are called as seen from ``root``.

        ``prints`` takes what the code prints; ``interrupts`` is told when it is the person's turn.
        """
        self._root = root
        self._interrupts = interrupts
        self._interrupted = False
        self._make = make
        self._shown = shown
        self._out = sys.stdout
        self._terminal = sys.stdin.isatty()
        self._debugger = Debugger(None if self._terminal else sys.stdin, self._out, interrupts.talking)
        self._target = 1
        self._prints = prints
        self._leaves: _Goto | _Quit | None = None
        self._rehearsal: Rehearsal

    def run(self) -> Verdict | None:
        """Walk until the person leaves; gives the verdict if the end was seen. Call it on a running loop."""
        verdict: Verdict | None = None
        while True:
            self._leaves = None
            self._prints.heard = False
            self._rehearsal = self._make(watch=self._stop, parted=self._part)
            try:
                with (
                    self._hooked(),
                    contextlib.redirect_stdout(self._prints),
                    contextlib.redirect_stderr(self._prints),
                ):
                    verdict = self._rehearsal.play()
                self._debugger.stop()
                if self._leaves is not None:
                    raise self._leaves
                self._end(verdict)
            except _Goto as there:
                self._target = there.number
            except _Quit:
                if self._interrupted:
                    raise KeyboardInterrupt from None
                return verdict
            finally:
                self._debugger.stop()
                self._rehearsal.close()

    # -- where it stops ------------------------------------------------------------------------------------

    def _stop(self, news: News) -> None:
        """Stop before the code hears of an outcome, if it is one to stop at."""
        del news
        if self._debugger.goes_on:
            return
        at = self._rehearsal.at
        if at < self._target:
            return
        with contextlib.redirect_stdout(self._out):
            self._tell(at)
            while not self._asked(at):
                pass
        self._prints.heard = True

    def _part(self, error: NonDeterminismError) -> None:
        """Stop where the code stands when it and the journal part; what follows is the end."""
        self._debugger.stop()
        at = self._rehearsal.heard + 1
        with contextlib.redirect_stdout(self._out):
            output.data("here the code and the journal part; `locals` and `where` show where the code is")
            output.data(output.printable(str(error).partition("\n")[0]))
            try:
                while not self._asked(at):
                    pass
            except (_Goto, _Quit) as leave:  # it may be the code at hand that asks, which would catch it
                self._leaves = leave

    def _end(self, verdict: Verdict) -> None:
        """Stop at the journal's end, or where the two part."""
        at = len(self._shown) + 1
        if verdict.failure is None:
            output.data(f"end: replays cleanly, {verdict.heard} of {verdict.recorded}")
        else:
            at = verdict.heard + 1
            output.data(f"the first difference, after {verdict.heard} of {verdict.recorded}:")
            output.data(output.printable(verdict.failure.message))
        while True:
            if self._asked(at, over=True):
                output.data("this is the end; `back` goes back, `quit` leaves")

    def _asked(self, at: int, *, over: bool = False) -> bool:
        """Read a command and do it; True is to go on."""
        name, _, argument = self._read().strip().partition(" ")
        name = _NAMES.get(name, name)
        match name:
            case "next":
                self._target = at + 1
                return True
            case "back":
                if at > 1:
                    raise _Goto(at - 1)
                output.data("this is the beginning")
            case "goto":
                return self._goto(at, argument.strip(), over=over)
            case "list":
                self._list(at)
            case "value":
                self._value(at)
            case "locals":
                self._locals(at)
            case "where":
                self._where(at)
            case "pdb":
                return self._debug(at)
            case "quit":
                raise _Quit
            case "help":
                output.data(HELP)
            case _:
                output.data(f"there is no command {name[:40]!r}; `help` lists them")
        return False

    def _read(self) -> str:
        self._out.flush()
        try:
            with self._interrupts.talking():
                return self._line()
        except KeyboardInterrupt:  # not here, where the code's end would be made of it
            self._interrupted = True
            raise _Quit from None

    def _line(self) -> str:
        if self._terminal:
            try:
                return input(PROMPT)
            except EOFError:
                raise _Quit from None
        line = sys.stdin.readline()
        if not line:
            raise _Quit
        return line

    def _goto(self, at: int, argument: str, *, over: bool) -> bool:
        if not argument.isdecimal() or not 1 <= int(argument[:9]) <= len(self._shown) + 1:
            output.data(f"goto takes a number from 1 to {len(self._shown) + 1}")
            return False
        number = int(argument[:9])
        if number <= at or over:
            raise _Goto(number)
        self._target = number
        return True

    # -- what it shows -------------------------------------------------------------------------------------

    def _tell(self, at: int) -> None:
        one = self._shown[at - 1]
        output.data(f"{at}/{len(self._shown)}  {one.name} ({one.kind}) gives {_printable(one.short)}")
        if one.site:
            output.data(f"     {output.printable(one.site)}")

    def _list(self, at: int) -> None:
        rows = [
            ("=>" if one.number == at else "", str(one.number), one.name, one.kind, one.site, one.short)
            for one in self._shown
        ]
        output.table(("", "#", "Outcome", "Kind", "Asked for at", "Gives"), rows)

    def _value(self, at: int) -> None:
        if at > len(self._shown):
            output.data("there are no more outcomes")
            return
        one = self._shown[at - 1]
        if one.error is not None or one.value is HIDDEN:
            output.data(_printable(one.text))
        else:
            output.payload(one.value)
        output.data(f"at {when.exact(one.at)}")

    def _locals(self, at: int) -> None:
        for task, heading in self._tasks(at):
            output.data(heading)
            for frame in suspended.frames(task):
                output.data(f"  {frame.f_code.co_qualname}, {self._place(frame)}")
                names = [name for name in frame.f_locals if not name.startswith("__")]
                for name in names[:LOCALS]:
                    output.data(f"    {name} = {_printable(self._text(frame.f_locals[name]))}")

    def _where(self, at: int) -> None:
        for task, heading in self._tasks(at):
            output.data(heading)
            for frame in suspended.frames(task)[-1:]:
                output.data(f"  {frame.f_code.co_qualname}, {self._place(frame)}")
                for line in _source(frame):
                    output.data(line)

    def _tasks(self, at: int) -> Iterator[tuple[asyncio.Task[Any], str]]:
        """Give the tasks that wait, the one first that hears of the outcome, each with a heading."""
        waiter = self._waiter(at)
        found = suspended.tasks(self._rehearsal)
        if not found:
            output.data("no task of the code waits: it is over")
        for task in sorted(found, key=lambda one: one is not waiter):
            yield task, f"{task.get_name()} {'hears of it next' if task is waiter else 'waits'}"

    def _waiter(self, at: int) -> asyncio.Task[Any] | None:
        if at > len(self._shown):
            return None
        return suspended.waiter(self._rehearsal, self._shown[at - 1].name)

    def _debug(self, at: int) -> bool:
        """Go into pdb where the code waits for the outcome; True when it goes on from there."""
        tasks = suspended.tasks(self._rehearsal)
        task = self._waiter(at) or next(iter(tasks), None)
        frames = [] if task is None else suspended.frames(task)
        if not frames:
            output.data("no code of yours waits here")
            return False
        if not self._debugger.hold(frames):
            return False
        self._target = at + 1
        return True

    def _text(self, value: object) -> str:
        """Show a local variable in a line; what a sensitive step gave is hidden here as well."""
        for one in self._shown:
            with contextlib.suppress(Exception):  # values of the user's may fail at being compared
                if one.value is HIDDEN and one.secret is not None and one.secret == value:
                    return HIDDEN
        try:
            return _short.repr(value)
        except Exception as error:  # noqa: BLE001 - their __repr__ is the user's
            return f"<{type(value).__qualname__} whose repr fails: {type(error).__qualname__}>"

    def _place(self, frame: FrameType) -> str:
        file = Path(frame.f_code.co_filename)
        shown = file.relative_to(self._root) if file.is_relative_to(self._root) else file
        return f"{shown}:{frame.f_lineno}"

    @contextlib.contextmanager
    def _hooked(self) -> Iterator[None]:
        """Have `breakpoint()` in the code lead into our pdb."""
        before = sys.breakpointhook

        def hook(*_args: object, **_options: object) -> None:
            self._debugger.begin(sys._getframe(1))  # noqa: SLF001 - what inspect.currentframe is made of

        sys.breakpointhook = hook
        try:
            yield
        finally:
            sys.breakpointhook = before


def _source(frame: FrameType) -> Iterator[str]:
    """Give the lines around where a frame waits."""
    file, at = frame.f_code.co_filename, frame.f_lineno
    for number in range(max(1, at - AROUND), at + AROUND + 1):
        line = linecache.getline(file, number)
        if not line:
            continue
        text = f"{'>' if number == at else ' '} {number:4}  {_printable(line.rstrip())}"
        yield output.paint(text, "bold", sys.stdout) if number == at else text


def _printable(text: str) -> str:
    return output.printable(text)


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200
_short.maxlevel = 4
_short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = 20
