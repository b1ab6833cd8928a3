"""A bundle as it is sent: a form of two parts, the bundle and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from wflow.bundle.limits import PACKED_BYTES
from wflow.engine.names import MIB
from wflow.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM_BYTES: Final = PACKED_BYTES + 1 * MIB
"""The bundle with its metadata and what a form writes around them."""
MESSAGE_CHARS: Final = 1_000
TAG_CHARS: Final = 100

MESSAGE: Final = "workers/message"
TAG: Final = "workers/tag"

Message = Annotated[str, msgspec.Meta(max_length=MESSAGE_CHARS)]
Tag = Annotated[str, msgspec.Meta(max_length=TAG_CHARS)]


class Annotations(msgspec.Struct, frozen=True, kw_only=True):
    """What Cloudflare's clients say of a version; the rest of it is of no matter here."""

    message: Message = msgspec.field(default="", name=MESSAGE)
    tag: Tag = msgspec.field(default="", name=TAG)


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What comes with a bundle; ``digest`` is the one that the sender computed."""

    digest: str
    message: Message = ""
    tag: Tag = ""
    annotations: Annotations = Annotations()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A bundle, and what its sender says of it."""

    bundle: bytes
    digest: str
    message: str
    tag: str


def sent(form: Mapping[str, bytes]) -> Sent:
    """Read a form; raises InvalidInput."""
    if set(form) != {"metadata", "bundle"}:
        raise InvalidInput(
            "the form must have the parts `metadata` and `bundle`, and no others",
            hint="a runner takes what `wflow deploy` and `wflow versions upload` send, and no modules",
        )
    try:
        given = msgspec.json.decode(form["metadata"], type=Metadata)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise InvalidInput(f"the part `metadata`: {wrong}") from None
    said = given.annotations
    return Sent(
        bundle=form["bundle"],
        digest=given.digest,
        message=given.message or said.message,
        tag=given.tag or said.tag,
    )
