"""Secrets at rest: sealed with AES-256-GCM under a key that lies in a file of its own, or in the environment.

Sealed is: a byte for the format, four that tell which key, twelve of a nonce, and the text with its tag. The
place that it is kept at is sealed along: a secret that somebody moved in the store does not open there.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import stat
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY: Final = "WFLOW_SECRETS_KEY"
"""The environment variable that holds the key instead of a file."""
FILE: Final = "secrets.key"
KEY_BYTES: Final = 32
KEYS: Final = 16
"""The one that seals, and older ones that what was sealed before still opens with."""

_FORMAT: Final = b"\x01"
_MARK_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_HEAD: Final = len(_FORMAT) + _MARK_BYTES + _NONCE_BYTES
_HINT: Final = f"put the key back into the folder, or into {KEY}; nothing is lost meanwhile"


class Sealing:
    """Seals under the first of a runner's keys, and opens with whichever it was.

    The keys are read when they are needed first, so who has no secrets needs none. Every method raises
    UsageError for keys that make no sense or that others may read.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        """Keep the key in ``folder``, unless the ``environment`` has one."""
        self._path = folder / FILE
        self._given = environment.get(KEY, "")
        self._keys: dict[bytes, bytes] = {}

    def check(self) -> None:
        """Read the keys, if there are any, so that what is wrong with them is told early."""
        if self.has_key:
            self._known()

    @property
    def has_key(self) -> bool:
        """Tell whether there is a key."""
        return bool(self._given) or self._path.exists()

    def seal(self, text: str, place: str) -> bytes:
        """Seal a text that is to be kept at ``place``; makes the key if there is none."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        mark, key = next(iter(self._known().items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORMAT + mark + nonce + AESGCM(key).encrypt(nonce, text.encode(), place.encode())

    def open(self, sealed: bytes, place: str) -> str:
        """Open what was sealed for ``place``; raises UsageError when it was sealed with a key not at hand."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not self.has_key:
            raise UsageError(f"the key of the secrets is gone: there is no {self._path}", hint=_HINT)
        key = self._known().get(sealed[1 : 1 + _MARK_BYTES])
        if key is None or sealed[:1] != _FORMAT:
            raise UsageError(f"it was sealed with a key that {self._where} does not have", hint=_HINT)
        nonce, text = sealed[_HEAD - _NONCE_BYTES : _HEAD], sealed[_HEAD:]
        try:
            return AESGCM(key).decrypt(nonce, text, place.encode()).decode()
        except (InvalidTag, ValueError):
            raise UsageError("it was changed since it was sealed, or moved from another place") from None

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether something is sealed with the first key, so that the others are not needed for it."""
        return sealed[1 : 1 + _MARK_BYTES] == next(iter(self._known()))

    # -- inside ----------------------------------------------------------------------------------------------

    @property
    def _where(self) -> str:
        return KEY if self._given else str(self._path)

    def _known(self) -> dict[bytes, bytes]:
        """Read the keys, each under what marks it."""
        if not self._keys:
            text = self._given or self._read() or self._make()
            lines = [line.strip() for line in text.replace(",", "\n").splitlines()]
            found = [self._key(line) for line in lines if line and not line.startswith("#")]
            if not 1 <= len(found) <= KEYS:
                raise UsageError(f"{self._where} has {len(found)} keys; 1 to {KEYS} are possible", hint=_HINT)
            self._keys = {sha256(key).digest()[:_MARK_BYTES]: key for key in found}
        return self._keys

    def _key(self, text: str) -> bytes:
        with contextlib.suppress(binascii.Error, ValueError):
            key = base64.b64decode(text, validate=True)
            if len(key) == KEY_BYTES:
                return key
        raise UsageError(
            f"{self._where} has a line that is no key of {KEY_BYTES} bytes in Base64",
            hint="`openssl rand -base64 32` makes one",
        )

    def _read(self) -> str:
        """Read the file; raises UsageError when others than its owner may."""
        try:
            with self._path.open(encoding="ascii", errors="replace") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                if mode & 0o077:
                    raise UsageError(
                        f"{self._path} may be read by others (mode {mode:04o}); it opens every secret",
                        hint=f"chmod 600 {self._path}",
                    )
                return file.read(KEYS * 4 * KEY_BYTES + 4096)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise UsageError(f"cannot read {self._path}: {error.strerror}") from error

    def _make(self) -> str:
        """Make the file with a new key; it is on disk before anything is sealed with it."""
        text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n"
        draft = self._path.with_name(f"{FILE}.{secrets.token_hex(4)}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, self._path)
            except FileExistsError:  # another process was quicker
                return self._read()
            finally:
                draft.unlink()
            _sync_folder(self._path.parent)
        except OSError as error:
            raise UsageError(f"cannot make {self._path}: {error.strerror}") from error
        return text


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
