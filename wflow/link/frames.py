"""What crosses the link between the runner and a runtime, as types.

A frame is a length (4 bytes, big endian) and a msgpack list of messages. Both sides are of one release, since
the runner starts the runtime; PROTOCOL is compared all the same, before anything else is said.
"""

from __future__ import annotations

from typing import Final

import msgspec

from wflow.engine.changes import Change, Row
from wflow.engine.divergence import Verdict
from wflow.engine.facts import Received
from wflow.engine.outcome import Failure

PROTOCOL: Final = 4
FRAME_BYTES: Final = 512 * 1024 * 1024
"""A longer frame means that the peer has lost its mind; the link is closed."""

Headers = list[tuple[str, str]]


class _Message(msgspec.Struct, frozen=True, array_like=True, tag_field="frame"):
    """Fields are an array: their order is the format."""


# -- from the runner to a runtime ------------------------------------------------------------------------


class Load(_Message, frozen=True, tag=1):
    """Import this code. ``root`` is its folder, ``manifest`` what it declares, ``secrets`` join its vars.

    ``packages`` is the folder of packages of its own, empty when it has none.
    """

    root: str
    manifest: bytes
    secrets: dict[str, str]
    packages: str = ""


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """An instance to go on with.

    ``records`` is its journal, encoded; None says that the runtime should have it in memory, at ``seq``.
    ``events`` have arrived and are not in the journal yet. ``started_at`` and ``seed`` are the same for the
    instance's whole life (a restart gives it new ones). ``pausing`` says that it is to begin nothing new and
    rest, ``died`` that whoever played it last died over it. ``shown`` is what its code told last of itself.
    """

    instance: int
    epoch: int
    workflow: str
    id: str
    created_at: int
    params: bytes
    seq: int
    records: list[bytes] | None
    events: list[Received]
    started_at: int = 0
    seed: bytes = b""
    pausing: bool = False
    died: bool = False
    shown: bytes | None = None


class Play(_Message, frozen=True, tag=2):
    """Claims that this runtime holds from now on."""

    turns: list[Turn]


class Acked(_Message, frozen=True, tag=3):
    """The commit numbered ``batch`` is on disk but for those in ``refused``: their claims are over."""

    batch: int
    refused: list[int]


class Deliver(_Message, frozen=True, tag=4):
    """An event for an instance that this runtime holds."""

    instance: int
    event: Received


class Drop(_Message, frozen=True, tag=5):
    """These instances are no longer this runtime's; stop them without a word."""

    instances: list[int]


class Fetch(_Message, frozen=True, tag=6):
    """An HTTP request for the Worker's `fetch`, or that of its class ``entrypoint``.

    With ``more``, pieces of the body follow. ``depth`` is how many Workers it has come through.
    """

    call: int
    method: str
    url: str
    headers: Headers
    body: bytes
    more: bool = False
    entrypoint: str = ""
    depth: int = 0


class Reply(_Message, frozen=True, tag=7):
    """The answer to a `Call`: a value, or the error that the binding raises."""

    call: int
    value: bytes
    failure: Failure | None = None


class Drain(_Message, frozen=True, tag=8):
    """Begin nothing new, hand back each instance as soon as none of its attempts runs, and say so."""


class Steer(_Message, frozen=True, tag=9):
    """An instance that this runtime holds is to pause: begin nothing new, and rest; or to go on after all."""

    instance: int
    pausing: bool


class Rehearse(_Message, frozen=True, tag=10):
    """Play an instance's journal, without its claim or any effect, and tell whether the code fits."""

    call: int
    turn: Turn


class HandBack(_Message, frozen=True, tag=11):
    """Begin nothing new of these; give each back (`Released`) as soon as none of its attempts runs."""

    instances: list[int]


class Keep(_Message, frozen=True, tag=12):
    """Nobody wants these back any more: go on with those that were not given back yet."""

    instances: list[int]


class Warm(_Message, frozen=True, tag=13):
    """Import these modules, as far as that works: the code that is to be loaded will ask for most of them.

    ``packages`` is the folder of packages of its own, empty when it has none.
    """

    libraries: list[str]
    packages: str = ""


class Handle(_Message, frozen=True, tag=14):
    """An event, an encoded dict, for the Worker's handler ``kind``: `scheduled`, `queue`."""

    call: int
    kind: str
    event: bytes


class Abandon(_Message, frozen=True, tag=15):
    """Nobody waits for the answer to this `Fetch` any more; an `Over` follows when its handler has ended."""

    call: int


class Ask(_Message, frozen=True, tag=19):
    """Call a method of the Worker's class ``entrypoint`` (none: its own), as another Worker has asked for.

    ``args`` is an encoded list of the arguments by place and those by name; the answer is an `Answered`.
    """

    call: int
    entrypoint: str
    method: str
    args: bytes
    depth: int


# -- both ways: bodies of requests go to the runtime, bodies of answers to the runner ---------------------


class Piece(_Message, frozen=True, tag=16):
    """More of a body; the ``last`` one ends it."""

    call: int
    data: bytes
    last: bool = False


class Taken(_Message, frozen=True, tag=17):
    """So many bytes of a body were taken (each piece with its cost), so that as many may follow."""

    call: int
    size: int


class Cut(_Message, frozen=True, tag=18):
    """The body of an answer ends here, before its end."""

    call: int
    why: str


# -- from a runtime to the runner ------------------------------------------------------------------------


class Hello(_Message, frozen=True, tag=20):
    """The runtime is up and speaks ``protocol``."""

    protocol: int
    pid: int


class Loaded(_Message, frozen=True, tag=21):
    """The code is in: the classes it defines for workflows and the handlers its Worker has.

    ``libraries`` are the modules that another process may import ahead of code that is like it.
    """

    workflows: list[str]
    handlers: list[str]
    libraries: list[str] = []


class NotLoaded(_Message, frozen=True, tag=22):
    """The code does not import; ``trace`` shows the user's frames only."""

    message: str
    trace: str
    file: str | None = None
    line: int | None = None
    hint: str | None = None


class Commit(_Message, frozen=True, tag=23):
    """Facts of many instances, to be on disk together.

    ``claims`` are the (instance, epoch) of all that it touches, ``received`` the numbers of the events that
    are now in a journal.
    """

    batch: int
    claims: list[tuple[int, int]]
    rows: list[Row]
    changes: list[Change]
    received: list[int]


class Missing(_Message, frozen=True, tag=24):
    """These are not in memory (any more); send them with their journals."""

    instances: list[int]


class Released(_Message, frozen=True, tag=25):
    """These are handed back, in the middle of their work, with everything they said committed."""

    instances: list[int]


class Call(_Message, frozen=True, tag=26):
    """User code uses a binding: ``binding`` is its name in `env`, ``args`` an encoded list.

    ``instance`` and ``step`` say where, ``attempt`` which attempt of it and ``key`` what makes the step known
    to others; they are 0 and empty for a Worker's own call.
    """

    call: int
    binding: str
    method: str
    args: bytes
    instance: int = 0
    step: str = ""
    attempt: int = 0
    key: str = ""


class Fetched(_Message, frozen=True, tag=27):
    """The answer to a `Fetch`.

    With ``more``, pieces of the body follow, ``length`` bytes in all if that is known. ``goes_on`` says that
    an `Over` follows when all is done that goes on after the answer; it does after ``more`` as well.
    ``mishap`` tells of a handler that failed, encoded as `wflow.link.mishap` has it.
    """

    call: int
    status: int
    headers: Headers
    body: bytes
    more: bool = False
    length: int | None = None
    goes_on: bool = False
    mishap: bytes = b""


class Printed(_Message, frozen=True, tag=28):
    """A line that user code printed or logged; ``instance`` is 0 when it was not in a step."""

    level: str
    text: str
    at: int
    instance: int = 0
    step: str = ""
    detail: dict[str, object] = {}


class Evicted(_Message, frozen=True, tag=29):
    """These rested for a while and are no longer in memory."""

    instances: list[int]


class Rehearsed(_Message, frozen=True, tag=30):
    """How the journal of a `Rehearse` fits the code."""

    call: int
    verdict: Verdict


class Handled(_Message, frozen=True, tag=32):
    """What came of a `Handle`: an encoded dict, or the failure of a handler that raised."""

    call: int
    answer: bytes = b""
    failure: Failure | None = None


class Over(_Message, frozen=True, tag=33):
    """Nothing of this `Fetch` goes on any more."""

    call: int


class Answered(_Message, frozen=True, tag=34):
    """What came of an `Ask`: a value, or what the method raised; ``goes_on`` as with `Fetched`."""

    call: int
    value: bytes
    failure: Failure | None = None
    goes_on: bool = False


class Outdated(_Message, frozen=True, tag=31):
    """What was imported ahead is not what the code would import now; nothing is loaded, a new process can."""


ToRuntime = (
    Load
    | Play
    | Acked
    | Deliver
    | Drop
    | Fetch
    | Reply
    | Drain
    | Steer
    | Rehearse
    | HandBack
    | Keep
    | Warm
    | Handle
    | Abandon
    | Ask
    | Piece
    | Taken
)
ToRunner = (
    Hello
    | Loaded
    | NotLoaded
    | Outdated
    | Commit
    | Missing
    | Released
    | Call
    | Fetched
    | Printed
    | Evicted
    | Rehearsed
    | Handled
    | Over
    | Answered
    | Piece
    | Taken
    | Cut
)
