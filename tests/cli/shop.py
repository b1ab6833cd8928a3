"""A Worker with versions and deployments, as a runner's API shows them."""

from __future__ import annotations

from typing import Any

PLACE = "/accounts/local/workers/scripts/shop"
IDS = {
    1: "11aa0000-0000-4000-8000-000000000001",
    2: "22bb0000-0000-4000-8000-000000000002",
    3: "33cc0000-0000-4000-8000-000000000003",
}


def version(number: int, **more: Any) -> dict[str, Any]:
    id_ = IDS.get(number, f"{number:08x}-0000-4000-8000-000000000000")
    return {
        "id": id_,
        "number": number,
        "annotations": {"workers/triggered_by": "upload"},
        "digest": "sha256:abc",
        "message": "",
        "tag": "",
        "author": "ada",
        "created_on": f"2026-11-22T12:00:{number:02d}.000Z",
        "size_bytes": 2_048,
        "workflows": ["orders"],
        **more,
    }


def deployment(*shares: tuple[int, float], trigger: str = "upload", message: str = "") -> dict[str, Any]:
    said = {"workers/message": message} if message else {}
    return {
        "id": "d",
        "author_email": "ada",
        "created_on": "2026-11-22T12:30:00.000Z",
        "annotations": {**said, "workers/triggered_by": trigger},
        "versions": [{"version_id": IDS[number], "percentage": share} for number, share in shares],
    }


def gives(runner: Any, versions: list[dict[str, Any]], *deployments: dict[str, Any]) -> None:
    """Have a runner answer with these, newest first."""
    runner.gives("GET", f"{PLACE}/versions", {"items": versions})
    info = {"page": 1, "per_page": 10, "total_count": len(deployments)}
    runner.gives("GET", f"{PLACE}/deployments", {"deployments": list(deployments)}, info)


def wished(runner: Any) -> Any:
    """Give the deployment that was asked for."""
    (asked,) = [one for one in runner.asked if one.method == "POST"]
    assert asked.path == f"{PLACE}/deployments"
    return asked.json
