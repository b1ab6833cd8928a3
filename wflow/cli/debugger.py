"""pdb in workflow code: begun where a task waits, going on in the code as it hears of the next outcome."""

from __future__ import annotations

import pdb  # noqa: T100 - this is what it is made of
import sys
from typing import TYPE_CHECKING, Any, TextIO

from wflow.runtime import suspended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from types import FrameType


class Debugger(pdb.Pdb):
    """A pdb that stops in the user's frames alone, and shows no others."""

    def __init__(
        self, read: TextIO | None, write: TextIO, talking: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """Talk over these; without a ``read`` with the terminal. It does so inside ``talking()``."""
        super().__init__(stdin=read, stdout=write, nosigint=True)
        if read is not None:  # a pipe sees no prompt
            self.use_rawinput, self.prompt = False, ""
        self._talking = talking
        self._held: Sequence[FrameType] = ()
        self._raised: FrameType | None = None

    @property
    def goes_on(self) -> bool:
        """Whether it waits in the code for something to stop at."""
        return sys.gettrace() == self.trace_dispatch

    def hold(self, frames: Sequence[FrameType]) -> bool:
        """Talk at the innermost of ``frames``, which wait for something; False when the person has left.

        True is to go on: by steps (`n`, `s`), or to a breakpoint (`c`), if there are any.
        """
        self.reset()
        # bdb would take the first frame that it meets, which is ours.
        self.botframe: Any = sys._getframe()  # noqa: SLF001 - what inspect.currentframe is made of
        self._held, self._left = frames, False
        try:
            self.interaction(frames[-1], None)
        finally:
            self._held = ()
        if not self._left and (self.stoplineno != -1 or self.breaks):
            sys.settrace(self.trace_dispatch)
        return not self._left

    def stop(self) -> None:
        """Look at nothing any more."""
        if self.goes_on:
            sys.settrace(None)

    def begin(self, frame: FrameType) -> None:
        """Stop where the code calls `breakpoint()`."""
        self.reset()
        self.botframe = sys._getframe()  # noqa: SLF001 - as above
        for each in suspended.running(frame):
            each.f_trace = self.trace_dispatch
        self.set_step()
        sys.settrace(self.trace_dispatch)

    def cmdloop(self, intro: Any = None) -> None:
        """Talk with the person; then Ctrl-C is theirs, and pdb says so."""
        with self._talking():
            super().cmdloop(intro)

    def get_stack(self, f: FrameType | None, t: Any) -> tuple[list[tuple[FrameType, int]], int]:
        """Give the frames to show, and which one is looked at first."""
        del t
        frames = self._held if self._held and f is self._held[-1] else suspended.running(f)
        if not frames and f is not None:
            frames = [f]
        return [(each, each.f_lineno) for each in frames], len(frames) - 1

    def stop_here(self, frame: FrameType) -> bool:
        """Stop in the user's code only, breakpoints elsewhere aside."""
        return suspended.is_users(frame) and bool(super().stop_here(frame))

    def user_call(self, frame: FrameType, argument_list: Any) -> None:
        """Say nothing: a coroutine that goes on is no call, and the first line of one that begins will do."""

    def user_return(self, frame: FrameType, return_value: Any) -> None:
        """Say nothing when a coroutine only waits again."""
        if not self._pauses(frame):
            super().user_return(frame, return_value)

    def dispatch_return(self, frame: FrameType, arg: Any) -> Any:
        """Go on in whoever awaits a coroutine that ends, which bdb loses sight of."""
        if frame is self.stopframe and self.stoplineno != -1 and not self._pauses(frame):
            for each in suspended.running(frame.f_back):
                each.f_trace = self.trace_dispatch
            self.set_step()
            return self.trace_dispatch
        return super().dispatch_return(frame, arg)

    def dispatch_exception(self, frame: FrameType, arg: Any) -> Any:
        """Remember which frame raises: it may be left for good while it looks as if it waits."""
        self._raised = frame
        return super().dispatch_exception(frame, arg)

    def do_quit(self, arg: str) -> bool:
        """Leave pdb, with its breakpoints; the replay goes on."""
        del arg
        self._left = True
        self.clear_all_breaks()
        self.set_continue()
        return True

    do_q = do_quit
    do_exit = do_quit

    def do_EOF(self, arg: str) -> bool:  # noqa: N802 - pdb's name
        """Leave at the end of what is piped in."""
        self.message("")
        return self.do_quit(arg)

    def _pauses(self, frame: FrameType) -> bool:
        return frame is not self._raised and suspended.waits(frame)
