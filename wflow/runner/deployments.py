"""Which versions of a Worker are live: shares that make 100, who gets which, and what was live before."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.errors import InvalidInput, VersionNotFound
from wflow.stores.store import Cell
from wflow.wire.types import Deployment, Share, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.stores.store import Store

WORKERS: Final = "workers"
"""The space of cells that says which version of a Worker is the main one."""
DEPLOYMENTS: Final = "deployments"
"""The space of each Worker's deployments, the newest first."""
KEPT: Final = 100
"""Deployments that are remembered of a Worker."""
LIVE: Final = 2
"""Versions that are live at once."""
EPSILON: Final = 0.001
"""How far from 100 the shares may be together, in percent: what rounding makes of thirds."""

UPLOAD: Final = "upload"
ROLLBACK: Final = "rollback"
DEPLOYMENT: Final = "deployment"
TRIGGERS: Final = (UPLOAD, ROLLBACK, DEPLOYMENT)


def point(worker: str, key: str) -> float:
    """Give the place of an instance id, or of a visitor's key, from 0 to below 100.

    It depends on no version and no share, so that each has it for ever.
    """
    digest = hashlib.blake2b(f"{worker}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53 * 100


def checked(worker: str, shares: Sequence[Share], versions: Sequence[Version]) -> list[Share]:
    """Check shares of a Worker that has ``versions``; the newest version comes first, it is the main one.

    Raises InvalidInput, and VersionNotFound for one that the Worker does not have.
    """
    if not 1 <= len(shares) <= LIVE:
        raise InvalidInput(f"a deployment has one version or {LIVE}, not {len(shares)}")
    numbers = {version.id: version.number for version in versions}
    for share in shares:
        if share.version not in numbers:
            raise unknown(worker, share.version)
        if not (math.isfinite(share.percentage) and 0 < share.percentage <= 100):
            raise InvalidInput(
                f"a share is more than 0 and at most 100 percent, not {share.percentage:g}",
                hint="leave a version out that is to get nothing",
            )
    if len({share.version for share in shares}) < len(shares):
        raise InvalidInput(f"the version {shares[0].version} is there twice")
    total = sum(share.percentage for share in shares)
    if abs(total - 100) > EPSILON:
        raise InvalidInput(f"the shares make {total:g} percent together; they must make 100")
    return sorted(shares, key=lambda share: numbers[share.version], reverse=True)


def trigger_of(shares: Sequence[Share], before: Sequence[Deployment], versions: Sequence[Version]) -> str:
    """Say what asks for ``shares`` when nobody does: an older version alone is a rollback."""
    numbers = {version.id: version.number for version in versions}
    if len(shares) == 1 and before:
        main = before[0].shares[0].version
        if numbers[shares[0].version] < numbers.get(main, 0):
            return ROLLBACK
    return DEPLOYMENT


async def find(store: Store, worker: str, *, now: int) -> list[Deployment]:
    """Read a Worker's deployments, newest first; none for one that was never live."""
    current = (await store.read(WORKERS, [worker], now=now)).get(worker)
    if current is None:
        return []
    main = msgspec.json.decode(current.value, type=Version)
    kept = (await store.read(DEPLOYMENTS, [worker], now=now)).get(worker)
    found = [] if kept is None else msgspec.json.decode(kept.value, type=list[Deployment])
    if found and found[0].shares[0].version == main.id:
        return found
    return [made_before(main), *found]


def made_before(main: Version) -> Deployment:
    """Give the deployment that a wflow has made which kept none, or a dev session."""
    return Deployment(
        id=main.id,
        worker=main.worker,
        created_at=main.created_at,
        shares=[Share(version=main.id, percentage=100)],
        message=main.message,
        author=main.author,
    )


def unknown(worker: str, version: str) -> VersionNotFound:
    """Say that a Worker does not have a version."""
    return VersionNotFound(
        f"the Worker {worker!r} has no version {version[:80]!r}",
        hint="`wflow versions list` shows those there are",
    )


def cell(worker: str, newest_first: Sequence[Deployment]) -> Cell:
    """Give the cell that keeps the newest of them."""
    return Cell(space=DEPLOYMENTS, key=worker, value=msgspec.json.encode(newest_first[:KEPT]))
