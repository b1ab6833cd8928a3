"""Every error wflow raises on purpose, drawn as one tree.

::

    WflowError                     has .message, .hint and .code
    ├── UsageError                 the person can fix it here                    exit 1
    │   ├── ConfigError            the config file, one report for all problems
    │   └── BundleError            a bundle that cannot be packed or taken in
    ├── RunnerError                a runner said no; .status is the HTTP status  exit 1
    │   └── Unreachable            nobody answers there
    ├── Refused                    an operation on the runner that is not allowed
    │   ├── InvalidInput           a value at the door breaks a rule
    │   ├── Unauthorized           no token, or a wrong one
    │   ├── Forbidden              a token that lacks the scope
    │   ├── WorkerNotFound
    │   ├── VersionNotFound
    │   ├── WorkflowNotFound
    │   ├── InstanceNotFound
    │   ├── InstanceExists
    │   ├── NamespaceNotFound
    │   ├── NamespaceTaken
    │   ├── KeyNotFound
    │   ├── QueueNotFound
    │   ├── QueueTaken
    │   ├── WrongMove              the instance's status does not allow that
    │   │   └── InstanceEnded      the instance is over; nothing more can be asked of it
    │   ├── InstanceTerminated     the result of an instance is asked for that was terminated
    │   ├── TooLarge               over a limit; the message has the number
    │   └── TooMany                a queue or a page is full; try again later
    ├── LoadError                  the user's code cannot be imported; .trace is theirs
    ├── LinkError                  runner and runtime cannot talk
    └── StoreError                 the database said no
        ├── StaleClaim             someone else holds the instance now
        └── StoreBusy              another process holds the data folder

The errors that live in the user's world are exported from ``wflow`` itself:

::

    Exception
    ├── NonRetryableError          raise it in a step: no more attempts
    │   ├── UnserializableError    a value that cannot be kept (also a TypeError)
    │   └── MismatchError          a value does not fit its declared type (also a TypeError)
    ├── WorkflowTimeoutError       an attempt or a wait ran out of time (also a TimeoutError)
    ├── StepInterrupted            an attempt died with its process, and must not be made again
    ├── MapFailed                  too many items of a `ctx.map` failed; .failed, .errors
    ├── RollbackMissing            a step was given a rollback that the code has no more
    ├── StepFailed                 a step's error whose class cannot be imported; .original names it
    ├── NonDeterminismError        the code asks for something the journal contradicts
    └── WorkflowInternalError      wflow's own failure inside an instance

``code`` is Cloudflare's number where Cloudflare has one (their REST API), ours from 19000 on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self


class WflowError(Exception):
    """What happened, and what the person can do about it."""

    code: ClassVar[int] = 10001
    retryable: ClassVar[bool] = False
    """Whether the same may go well a little later, as Cloudflare's errors say it."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep ``message`` (one sentence, no final dot needed) and an optional ``hint``."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(WflowError):
    """The person who typed the command can fix it."""

    code = 19000


class ConfigError(UsageError):
    """The config file is wrong; the message is the whole grouped report."""

    code = 19001


class BundleError(UsageError):
    """A bundle cannot be packed, or was refused on the way in."""

    code = 10021


class RunnerError(WflowError):
    """A runner answered with an error."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int = 500,
        number: int = 10001,
    ) -> None:
        """Keep the HTTP ``status`` and the ``number`` of the first error in the envelope."""
        super().__init__(message, hint=hint)
        self.status = status
        self.number = number


class Unreachable(RunnerError):
    """Nothing answers at the runner's address."""


class Refused(WflowError):
    """The runner does not do that; nothing was changed."""

    code = 10001


class InvalidInput(Refused):
    """A value breaks a rule that the message names."""

    code = 10026


class Unauthorized(Refused):
    """No token was given, or one that this runner does not know."""

    code = 10000


class Forbidden(Refused):
    """The token is good, but its scope does not cover the request."""

    code = 9109


class WorkerNotFound(Refused):
    """No Worker has that name on this runner."""

    code = 10007


class VersionNotFound(Refused):
    """The Worker has no version with that id."""

    code = 100146


class WorkflowNotFound(Refused):
    """No workflow has that name."""

    code = 10200


class InstanceNotFound(Refused):
    """The workflow has no instance with that id."""

    code = 10400


class InstanceExists(Refused):
    """An instance with that id exists already; nothing was started."""

    code = 10405


class NamespaceNotFound(Refused):
    """There is no KV namespace with that id."""

    code = 10013


class NamespaceTaken(Refused):
    """A KV namespace has that title already."""

    code = 10014


class KeyNotFound(Refused):
    """A KV namespace has no such key."""

    code = 10009


class QueueNotFound(Refused):
    """There is no queue with that id or name, or it has no such consumer."""

    code = 11000


class QueueTaken(Refused):
    """A queue has that name already, or a consumer already, or is in use."""

    code = 11009


class WrongMove(Refused):
    """The instance's status does not allow what was asked; the message begins with Cloudflare's code."""

    code = 10402


class InstanceEnded(WrongMove):
    """The instance is on a finite state."""


class InstanceTerminated(Refused):
    """The instance was terminated, so that it has no result."""

    code = 19003


class TooLarge(Refused):
    """Over a limit in bytes or in number."""

    code = 10413


class TooMany(Refused):
    """The runner is at a ceiling for now; it may go well after ``retry_after_s`` seconds."""

    code = 10429
    retryable = True

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: int = 1) -> None:
        """Keep after how many seconds to try again."""
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class LoadError(WflowError):
    """The user's code does not import; ``trace`` is the traceback of their frames."""

    code = 10021

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        trace: str = "",
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        """Keep where in the user's code it happened, when that is known."""
        super().__init__(message, hint=hint)
        self.trace = trace
        self.file = file
        self.line = line


class LinkError(WflowError):
    """A frame that makes no sense, or a peer that is gone."""


class StoreError(WflowError):
    """The database said no."""


class StaleClaim(StoreError):
    """The claim's epoch is over: someone else holds the instance now."""


class StoreBusy(StoreError):
    """Another process holds the data folder."""


class NonRetryableError(Exception):
    """Raised in a step: the step fails at once, with no more attempts."""

    def __init__(self, message: str = "", name: str | None = None) -> None:
        """Take Cloudflare's two arguments: the message, and a name to show instead of the class's."""
        super().__init__(message)
        self.name = type(self).__name__ if name is None else name


class WorkflowTimeoutError(TimeoutError):
    """An attempt or a wait for an event ran out of time."""


class StepInterrupted(Exception):
    """An attempt was cut off and nobody knows how far it came; it is not made again of itself.

    Raised for a step with ``at_most_once``, and for one whose process died five times under it.
    """


class RollbackMissing(Exception):
    """A step that is to be undone was given a rollback, and the code at hand gives it none."""


class StepFailed(Exception):
    """A step failed with an error whose class cannot be brought back; ``original`` names it."""

    def __init__(self, message: str, original: str = "Exception") -> None:
        """Keep the message and the name of the class that was raised."""
        super().__init__(message)
        self.original = original


class MapFailed(ExceptionGroup[Exception]):
    """Too many items of a `ctx.map` failed; the message names the one that failed first, as does the cause.

    It is the group of all their errors: ``failed`` has the indices of these items, in item order, ``errors``
    their errors by index. One that was kept, as an instance's failure, holds the first few of many errors.
    """

    failed: Sequence[int] = ()

    def __new__(cls, message: str, errors: Mapping[int, Exception]) -> Self:
        """Take at least one error, each under the index of its item."""
        failed = sorted(errors)
        made = super().__new__(cls, message, [errors[index] for index in failed])
        made.failed = failed
        return made

    @property
    def errors(self) -> dict[int, Exception]:
        """The error of each item that failed."""
        return dict(zip(self.failed, self.exceptions, strict=False))

    def derive(self, errors: Sequence[Exception], /) -> ExceptionGroup[Exception]:  # type: ignore[override]
        """Give a plain group, for a part that `except*` takes out of it."""
        return ExceptionGroup(self.message, errors)

    def __str__(self) -> str:
        return self.message


class UnserializableError(NonRetryableError, TypeError):
    """A value that cannot be kept in the journal; the message has the path inside it."""


class MismatchError(NonRetryableError, TypeError):
    """A value does not fit the type declared for it; the message has the path, and what was expected."""


class NonDeterminismError(Exception):
    """The code asks for something that the journal contradicts.

    ``divergence`` says what, as a `wflow.engine.divergence.Divergence`, when that is known.
    """

    divergence: Any = None
    hint: str | None = None

    def __init__(self, message: str = "", *, divergence: object = None, hint: str | None = None) -> None:
        """Keep the message, which says it all for people, and what it is made of."""
        super().__init__(message)
        if divergence is not None:
            self.divergence = divergence
        if hint is not None:
            self.hint = hint


class WorkflowInternalError(Exception):
    """wflow's own failure inside an instance."""
