"""The history of an instance as a file: what it takes to replay it anywhere, readable, one fact a line.

The file is JSON, and says its format. Every format that a release has written stays readable for ever: a
format is never changed but by new fields with defaults; anything else is a new number, and this module keeps
reading the old one (`tests/histories` holds files of every release).

Times are milliseconds since 1970. What is given by its bytes has `:base64` behind its name, see
`wflow.wire.portable`.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from wflow.engine import names
from wflow.engine.facts import Fact, Received
from wflow.engine.outcome import Failure
from wflow.engine.status import ALL
from wflow.wire import portable, strict
from wflow.wire.redaction import Redaction, Redactor
from wflow.wire.strict import HistoryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wflow.wire.portable import Plain

WFLOW: Final[str] = sys.modules["wflow"].__version__
"""The release that writes; an import of it would be one of all that users need."""
FORMAT: Final = 1
FILE_BYTES: Final = 2 * names.STATE_BYTES
"""What a file may take that is read."""
FACTS: Final = 5_000_000
EVENTS: Final = 2 * names.EVENTS_BUFFERED
"""Events that were not received yet."""
TAGS: Final = 100
WORDS: Final = 1_000
HASH_SEED_MAX: Final = 2**32 - 1


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The instance: ``key`` is its number in its store, from which its tasks have their hashes.

    ``class_name`` is the class that its workflow had; empty when the runner did not know it any more.
    ``seed`` is what its chance comes from. ``params``, ``output`` and ``shown`` are encoded values.
    """

    workflow: str
    id: str
    key: int
    status: str
    created_at: int
    params: bytes
    class_name: str = ""
    version: str = ""
    trigger: str = ""
    started_at: int | None = None
    ended_at: int | None = None
    seed: bytes = b""
    tags: tuple[str, ...] = ()
    output: bytes | None = None
    failure: Failure | None = None
    shown: bytes | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """An instance with its journal, as numbered facts, and the events that it has not received.

    ``hash_seed`` is PYTHONHASHSEED of the processes that played it; ``wflow`` the release that wrote it.
    ``redacted`` says what was to be taken out, ``replaced`` how much that was.
    """

    subject: Subject
    hash_seed: int
    facts: list[tuple[int, Fact]]
    events: list[Received] = []
    wflow: str = WFLOW
    redacted: list[str] = []
    replaced: int = 0

    @property
    def seq(self) -> int:
        """The number of the last fact; 0 when there is none."""
        return self.facts[-1][0] if self.facts else 0


class Writer:
    """Writes a history piece by piece: `begin`, `fact` for each of them, `end`."""

    def __init__(self, redaction: Redaction | None = None) -> None:
        """Take out what ``redaction`` says; nothing without one."""
        self._redaction = Redaction(sensitive=False) if redaction is None else redaction
        self._redactor = Redactor(self._redaction)
        self._began = False

    def begin(self, subject: Subject, hash_seed: int, *, wflow: str = WFLOW) -> str:
        """Write all that comes before the facts."""
        head: Plain = {
            "format": FORMAT,
            "wflow": wflow,
            "redacted": self._redaction.words(),
            "hash_seed": hash_seed,
            "instance": self._subject(subject),
        }
        return _indented(head).removesuffix("\n}") + ',\n "facts": ['

    def fact(self, seq: int, fact: Fact) -> str:
        """Write a fact."""
        return self._line({"seq": seq, **portable.fact(self._redactor.fact(fact))})

    def end(self, events: Iterable[Received] = ()) -> str:
        """Write what comes after the last fact."""
        closing = "\n ]" if self._began else "]"
        self._began = False
        lines = [self._line(portable.received(self._redactor.received(one))) for one in events]
        listed = "".join(lines) + ("\n ]" if lines else "]")
        return f'{closing},\n "events": [{listed},\n "replaced": {self._redactor.replaced}\n}}\n'

    def _line(self, one: Plain) -> str:
        comma = "," if self._began else ""
        self._began = True
        return f"{comma}\n  {_compact(one)}"

    def _subject(self, one: Subject) -> Plain:
        redactor = self._redactor
        found: Plain = {
            "workflow": one.workflow,
            "class": one.class_name,
            "id": one.id,
            "key": one.key,
            "version": one.version,
            "status": one.status,
            "trigger": one.trigger,
            "created_at": one.created_at,
            "started_at": one.started_at,
            "ended_at": one.ended_at,
            "tags": redactor.tags(one.tags),
            "seed": redactor.seed(one.seed).hex(),
        }
        for name, raw in (("params", one.params), ("output", one.output), ("shown", one.shown)):
            if raw is not None:
                found |= portable.value(name, redactor.value(raw))
        if one.failure is not None:
            found["error"] = portable.failure(redactor.failure(one.failure))
        return found


def write(history: History, redaction: Redaction | None = None) -> Iterator[str]:
    """Write a history, in pieces."""
    writer = Writer(redaction)
    yield writer.begin(history.subject, history.hash_seed, wflow=history.wflow)
    for seq, fact in history.facts:
        yield writer.fact(seq, fact)
    yield writer.end(history.events)


def read(raw: bytes) -> History:
    """Read a history; raises HistoryError, with the path in the document, for all that is wrong."""
    if len(raw) > FILE_BYTES:
        raise HistoryError("", f"the history takes {len(raw):,} bytes; the limit is {FILE_BYTES:,}")
    given = strict.mapping(_document(raw), "the document")
    number = given.get("format")
    if number != FORMAT or type(number) is not int:
        hint = "it may be of a later release of wflow" if isinstance(number, int) else _HINT
        raise HistoryError(
            "format", f"{FORMAT} is what this release reads, not {strict.shown(number)}", hint=hint
        )
    return _read(given)


def _read(given: Plain) -> History:
    strict.only(given, _FIELDS, "")
    for name in ("hash_seed", "instance", "facts"):
        if name not in given:
            raise HistoryError(name, "this field is missing", hint=_HINT)
    hash_seed = strict.whole(given["hash_seed"], "hash_seed", at_least=0)
    if hash_seed > HASH_SEED_MAX:
        raise HistoryError("hash_seed", f"it is at most {HASH_SEED_MAX}, not {hash_seed}")
    words = strict.listing(given.get("redacted", []), "redacted", at_most=WORDS)
    return History(
        subject=_read_subject(strict.mapping(given["instance"], "instance")),
        hash_seed=hash_seed,
        facts=_read_facts(given["facts"]),
        events=_read_events(given.get("events", [])),
        wflow=strict.text(given.get("wflow", ""), "wflow"),
        redacted=[strict.text(word, f"redacted[{at}]") for at, word in enumerate(words)],
        replaced=strict.whole(given.get("replaced", 0), "replaced", at_least=0),
    )


def _read_facts(given: object) -> list[tuple[int, Fact]]:
    found: list[tuple[int, Fact]] = []
    last = 0
    for at, each in enumerate(strict.listing(given, "facts", at_most=FACTS)):
        path = f"facts[{at}]"
        fields = strict.mapping(each, path)
        seq = strict.whole(fields.get("seq"), f"{path}.seq", at_least=1)
        if seq <= last:
            raise HistoryError(f"{path}.seq", f"{seq} does not come after {last}")
        last = seq
        rest = {name: value for name, value in fields.items() if name != "seq"}
        found.append((seq, portable.read_fact(rest, path)))
    return found


def _read_events(given: object) -> list[Received]:
    return [
        portable.read_received(strict.mapping(each, f"events[{at}]"), f"events[{at}]")
        for at, each in enumerate(strict.listing(given, "events", at_most=EVENTS))
    ]


def _read_subject(given: Plain) -> Subject:
    path = "instance"
    strict.only(given, _SUBJECT, path)
    for name in ("workflow", "id", "key", "status", "created_at"):
        if name not in given:
            raise HistoryError(f"{path}.{name}", "this field is missing", hint=_HINT)
    params = portable.read_value(given, "params", path)
    if params is None:
        raise HistoryError(f"{path}.params", "this field is missing", hint=_HINT)
    if given["status"] not in ALL:
        raise HistoryError(f"{path}.status", f"one of {', '.join(ALL)} is expected")
    tags = strict.listing(given.get("tags", []), f"{path}.tags", at_most=TAGS)

    def text(name: str) -> str:
        return strict.text(given.get(name, ""), f"{path}.{name}")

    def instant(name: str) -> int | None:
        found = given.get(name)
        return None if found is None else strict.whole(found, f"{path}.{name}")

    return Subject(
        workflow=text("workflow"),
        class_name=text("class"),
        id=text("id"),
        key=strict.whole(given["key"], f"{path}.key", at_least=0),
        version=text("version"),
        status=text("status"),
        trigger=text("trigger"),
        created_at=strict.whole(given["created_at"], f"{path}.created_at"),
        started_at=instant("started_at"),
        ended_at=instant("ended_at"),
        seed=strict.digits(given.get("seed", ""), f"{path}.seed"),
        tags=tuple(strict.text(tag, f"{path}.tags[{at}]") for at, tag in enumerate(tags)),
        params=params,
        output=portable.read_value(given, "output", path),
        failure=None if "error" not in given else portable.read_failure(given["error"], f"{path}.error"),
        shown=portable.read_value(given, "shown", path),
    )


def _document(raw: bytes) -> object:
    try:
        return json.loads(
            raw.decode(),
            parse_constant=_no_number,
            parse_float=_number,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as wrong:
        raise HistoryError("", f"the file is no text: {wrong}", hint=_HINT) from None
    except json.JSONDecodeError as wrong:
        where = f"line {wrong.lineno}, column {wrong.colno}"
        raise HistoryError("", f"the file is no JSON: {wrong.msg}, at {where}", hint=_HINT) from None
    except (RecursionError, ValueError) as wrong:
        raise HistoryError("", f"the file cannot be read: {wrong}", hint=_HINT) from None


def _object(pairs: list[tuple[str, Any]]) -> Plain:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {names.shown(twice)} twice")
    return found


def _number(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise ValueError(f"{names.shown(digits)} is too big a number")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _indented(given: Mapping[str, object]) -> str:
    return json.dumps(given, indent=1, ensure_ascii=False, allow_nan=False)


def _compact(given: Mapping[str, object]) -> str:
    return json.dumps(given, ensure_ascii=False, allow_nan=False)


_HINT: Final = "a history is what `wflow workflows instances export` writes"
_FIELDS: Final = {"format", "wflow", "redacted", "hash_seed", "instance", "facts", "events", "replaced"}
_CODED: Final = {f"{name}{portable.BASE64}" for name in ("params", "output", "shown")}
_SUBJECT: Final = {
    *("workflow", "class", "id", "key", "version", "status", "trigger"),
    *("created_at", "started_at", "ended_at", "tags", "seed", "params", "output", "error", "shown"),
    *_CODED,
}
