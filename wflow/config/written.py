"""What a binding was given, written back into the config file, with its comments and its layout kept."""

from __future__ import annotations

import copy
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wflow.config import environments, insertion, jsonc, tree
from wflow.config.insertion import Unfit
from wflow.config.load import FILE_BYTES_MAX
from wflow.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.config.tree import Node

TRIES: Final = 5
"""How often a file is read anew that others change meanwhile."""

_BOM: Final = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a binding is bound to from now on: ``values`` belong into its entry below ``way``."""

    way: tuple[str, ...]
    binding: str
    values: Mapping[str, str]


def write(path: Path, environment: str | None, given: Sequence[Given]) -> None:
    """Write into the config file at ``path`` what bindings of an environment were given.

    An entry that the environment inherits is repeated below it. The file is replaced all at once, or stays as
    it is. Raises UsageError with what a person is to write when there is no telling where it belongs.
    """
    path = Path(os.path.realpath(path))
    for _ in range(TRIES):
        try:
            before = path.read_bytes()
            after = _edited(before, path.name, environment, given)
            if _replaced(path, before, after):
                return
        except OSError as error:
            raise UsageError(
                f"cannot write {path}: {error.strerror}", hint=_by_hand(environment, given)
            ) from error
    raise UsageError(f"{path} is being changed all the time", hint=_by_hand(environment, given))


def _edited(raw: bytes, name: str, environment: str | None, given: Sequence[Given]) -> bytes:
    text = raw.decode()
    mark, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    windows = "\r\n" in text
    text = text.replace("\r\n", "\n")
    is_json = name.endswith((".json", ".jsonc"))
    parse = jsonc.parse if is_json else tree.parse
    try:
        wanted = _plain(parse(text, name))
        for one in given:
            text = _with(text, wanted, environment, one, is_json=is_json)
        done = _plain(parse(text, name)) == wanted and len(text.encode()) <= FILE_BYTES_MAX
    except (Unfit, ConfigError, KeyError, TypeError, RecursionError):
        done = False
    if not done:
        raise UsageError(
            f"there is no telling where in `{name}` this belongs", hint=_by_hand(environment, given)
        )
    return (mark + (text.replace("\n", "\r\n") if windows else text)).encode()


def _with(text: str, wanted: Any, environment: str | None, one: Given, *, is_json: bool) -> str:
    """Put one thing into the text, and into the tree that it should be read as."""
    above: tuple[str, ...] = () if environment is None else ("env", environment)
    entries = _at(wanted, (*above, *one.way)) or []
    index = next((n for n, entry in enumerate(entries) if entry["binding"] == one.binding), None)
    if index is not None:
        missing = {key: value for key, value in one.values.items() if key not in entries[index]}
        entries[index] |= missing
        beside = insertion.beside_in_json if is_json else insertion.beside_in_toml
        return beside(text, (*above, *one.way, index), missing) if missing else text
    if environment is None:
        raise Unfit
    inherited = next(entry for entry in _at(wanted, one.way) or [] if entry["binding"] == one.binding)
    entry = {**environments.without_ids(one.way[0], inherited), **one.values}
    if any(not isinstance(value, str | int) for value in entry.values()):
        raise Unfit
    place: Any = wanted
    for name in (*above, *one.way[:-1]):
        place = place.setdefault(name, {})
    place.setdefault(one.way[-1], []).append(entry)
    add = insertion.added_in_json if is_json else insertion.added_in_toml
    return add(text, (*above, *one.way), entry)


def _at(tree: Any, way: Sequence[str]) -> Any:
    for name in way:
        if not isinstance(tree, dict) or name not in tree:
            return None
        tree = tree[name]
    return tree


def _plain(node: Node) -> Any:
    match node.value:
        case dict() as table:
            return {name: _plain(child) for name, child in table.items()}
        case list() as array:
            return [_plain(child) for child in array]
    return copy.copy(node.value)


def _replaced(path: Path, before: bytes, after: bytes) -> bool:
    """Put ``after`` in the place of ``before``, unless somebody was quicker."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
            file.flush()
            os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        if path.read_bytes() != before:
            return False
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return True


def _by_hand(environment: str | None, given: Sequence[Given]) -> str:
    """Say what a person is to write where we cannot."""
    where = "" if environment is None else f"env.{environment}."
    pairs = "; ".join(
        f"{where}{'.'.join(one.way)}, binding {one.binding}: "
        + ", ".join(f'{key} = "{value}"' for key, value in one.values.items())
        for one in given
    )
    return f"write it there yourself: {pairs}"
