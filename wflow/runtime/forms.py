"""Forms and files, as browsers send them: `FormData`, `Blob`, `File`."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import parse_qsl

from wflow.runtime.clock import now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FORM_FIELDS: Final = 1_000
"""Fields of one form, and as many files."""
FIELD_BYTES: Final = 16 * 1024 * 1024
"""A field of a form that is no file."""
OCTETS: Final = "application/octet-stream"
URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
_TYPE: Final = re.compile(r"[\x20-\x7e]*")
Octets: TypeAlias = bytes
"""What `bytes` is, where a method has that name."""


class Blob:
    """Bytes with a type."""

    def __init__(self, blob_parts: Any, content_type: str | None = None, endings: object = None) -> None:
        """Join text, bytes and blobs, one or several; the ``endings`` of lines stay as they are.

        Raises TypeError for anything else.
        """
        del endings
        single = isinstance(blob_parts, (str, bytes, bytearray, memoryview, Blob))
        parts: Iterable[object] = (blob_parts,) if single else blob_parts
        self.whole: bytes = b"".join(_bytes(part) for part in parts)
        inherited = blob_parts.content_type if isinstance(blob_parts, Blob) else ""
        # As in browsers, where another one is none; a line break would begin a header of a form's part.
        self.content_type: str = content_type if content_type and _TYPE.fullmatch(content_type) else inherited

    @property
    def size(self) -> int:
        """How many bytes they are."""
        return len(self.whole)

    @property
    def type(self) -> str:
        """The type, as JavaScript calls it."""
        return self.content_type

    @property
    def js_object(self) -> Blob:
        """The blob itself: there is no JavaScript behind it."""
        return self

    async def bytes(self) -> Octets:
        """Give the bytes."""
        return self.whole

    async def text(self) -> str:
        """Give the text; bytes that are no UTF-8 are replaced."""
        return self.whole.decode(errors="replace")

    def slice(
        self, start: int | None = None, end: int | None = None, content_type: str | None = None
    ) -> Blob:
        """Give a part of it."""
        return Blob(self.whole[start:end], content_type)

    def __repr__(self) -> str:
        """Show size and type."""
        return f"{type(self).__name__}(size={self.size}, content_type={self.content_type!r})"


class File(Blob):
    """A blob with a name."""

    def __init__(  # noqa: PLR0917 - Cloudflare's
        self,
        blob_parts: Any,
        filename: str,
        content_type: str | None = None,
        endings: object = None,
        last_modified: int | None = None,
    ) -> None:
        """Make one; ``last_modified`` is in milliseconds since 1970."""
        super().__init__(blob_parts, content_type, endings)
        self.name = filename
        inherited = blob_parts.last_modified if isinstance(blob_parts, File) else None
        self.last_modified: int = last_modified or inherited or now()


class FormData(MutableMapping[str, Any]):
    """The fields of a form, in order; one name may have several values, of which the first answers."""

    def __init__(self, form_data: MutableMapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        """Copy a mapping, or pairs, whose values are text, blobs or files. Raises TypeError."""
        self._fields: list[tuple[str, str | File]] = []
        self._boundary = f"wflow-{secrets.token_hex(16)}"
        pairs: Any = getattr(form_data, "items", lambda: form_data or ())()
        for name, value in pairs:
            self.append(name, value)

    def append(self, key: str, value: str | Blob, filename: str | None = None) -> None:
        """Add one more value. Raises TypeError."""
        self._fields.append((str(key), _field(value, filename)))

    def set(self, key: str, value: str | Blob, filename: str | None = None) -> None:
        """Set a field, for good."""
        new = _field(value, filename)
        self._fields = [*(field for field in self._fields if field[0] != key), (str(key), new)]

    def delete(self, key: str) -> None:
        """Remove a field; one that is not there is no error."""
        self._fields = [field for field in self._fields if field[0] != key]

    def has(self, key: str) -> bool:
        """Tell whether a field is there."""
        return key in self

    def get_all(self, key: str) -> list[Any]:
        """List all values of a field."""
        return [value for name, value in self._fields if name == key]

    getAll = get_all  # noqa: N815 - Cloudflare's spelling

    def items(self) -> list[tuple[str, Any]]:  # type: ignore[override]
        """List names and values, as often as they stand."""
        return list(self._fields)

    def keys(self) -> list[str]:  # type: ignore[override]
        """List the names, as often as they stand."""
        return [name for name, _ in self._fields]

    def values(self) -> list[Any]:  # type: ignore[override]
        """List the values."""
        return [value for _, value in self._fields]

    @property
    def js_object(self) -> FormData:
        """The form itself: there is no JavaScript behind it."""
        return self

    @property
    def content_type(self) -> str:
        """What `encode` gives."""
        return f"{MULTIPART}; boundary={self._boundary}"

    def encode(self) -> bytes:
        """Write it as multipart/form-data (RFC 7578)."""
        parts = []
        for name, value in self._fields:
            head = f'content-disposition: form-data; name="{_quoted(name)}"'
            raw = value.encode() if isinstance(value, str) else value.whole
            if isinstance(value, File):
                head += f'; filename="{_quoted(value.name)}"\r\ncontent-type: {value.content_type or OCTETS}'
            parts.append(f"--{self._boundary}\r\n{head}\r\n\r\n".encode() + raw + b"\r\n")
        return b"".join((*parts, f"--{self._boundary}--\r\n".encode()))

    def __getitem__(self, key: str) -> Any:
        """Get the first value of a field, or raise KeyError."""
        for name, value in self._fields:
            if name == key:
                return value
        raise KeyError(key)

    def __setitem__(self, key: str, value: str | Blob) -> None:
        """Set a field, for good."""
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        """Remove a field, or raise KeyError."""
        if key not in self:
            raise KeyError(key)
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        """Tell whether a field is there."""
        return any(name == key for name, _ in self._fields)

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(dict.fromkeys(self.keys()))

    def __len__(self) -> int:
        """Count the names."""
        return len(dict.fromkeys(self.keys()))


async def parse(content_type: str | None, read: Callable[[], Awaitable[bytes]]) -> FormData:
    """Read a form from a body.

    Raises TypeError for a body of another type, ValueError for one that is broken or has too many fields.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in {URLENCODED, MULTIPART}:
        raise TypeError(
            "Unrecognized Content-Type header value. FormData can only parse the following MIME types: "
            f"{MULTIPART}, {URLENCODED}."
        )
    if kind == URLENCODED:
        return _urlencoded(await read())
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException
    from starlette.requests import Request

    whole = await read()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": whole, "more_body": False}

    headers = [(b"content-type", (content_type or "").encode("latin-1"))]
    asked = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    form = FormData()
    try:
        parts = asked.form(max_files=FORM_FIELDS, max_fields=FORM_FIELDS, max_part_size=FIELD_BYTES)
        async with parts as given:
            for name, value in given.multi_items():
                if isinstance(value, UploadFile):
                    raw = await value.read()
                    form.append(name, File(raw, value.filename or "", value.content_type))
                else:
                    form.append(name, value)
    except MultiPartException as wrong:
        raise ValueError(f"the body is no form: {wrong.message}") from None
    except (UnicodeError, KeyError) as wrong:
        raise ValueError(f"the body is no form: {wrong}") from None
    return form


def _urlencoded(whole: bytes) -> FormData:
    """Read it; the fields are counted before any of them is made."""
    if whole.count(b"&") >= 2 * FORM_FIELDS:
        raise ValueError(f"the form has more than {FORM_FIELDS:,} fields")
    return FormData(parse_qsl(whole.decode(errors="replace"), keep_blank_values=True))


def _field(value: object, filename: str | None) -> str | File:
    if isinstance(value, str):
        return value
    if isinstance(value, File) and filename is None:
        return value
    if isinstance(value, Blob):
        return File(value, str(filename or getattr(value, "name", "blob")))
    raise TypeError(f"a form's field is text, a Blob or a File, not {type(value).__name__}")


def _bytes(part: object) -> bytes:
    if isinstance(part, str):
        return part.encode()
    if isinstance(part, Blob):
        return part.whole
    if isinstance(part, (bytes, bytearray, memoryview)):
        return bytes(part)
    raise TypeError(f"a Blob is made of text, bytes and blobs, not of {type(part).__name__}")


def _quoted(text: str) -> str:
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
