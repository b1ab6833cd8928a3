"""`/d1/database/{id}/export` and `import`: SQL out and in, asked after until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from starlette.responses import FileResponse, Response

from wflow.databases.dump import Wanted
from wflow.databases.faults import D1Error
from wflow.errors import InvalidInput
from wflow.server.route import Answer, Call, Route
from wflow.server.routes.d1 import about_of, read_body
from wflow.server.scopes import DEPLOY, READ
from wflow.server.signed import signed
from wflow.wire import envelope

if TYPE_CHECKING:
    from wflow.databases.transfers import Transfer, Transfers

TABLES: Final = 1_000
"""Tables that an export may name."""
Text = Annotated[str, msgspec.Meta(max_length=1_000)]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What an export is to have."""

    no_data: bool = False
    no_schema: bool = False
    tables: Annotated[list[Text], msgspec.Meta(max_length=TABLES)] = []


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """The body that begins an export, or, with its bookmark, asks after it."""

    output_format: Literal["polling"] = "polling"
    current_bookmark: Text | None = None
    dump_options: Options = Options()


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a step of an import."""

    action: Literal["init", "ingest", "poll"]
    etag: Text = ""
    filename: Text = ""
    current_bookmark: Text = ""


async def export(call: Call) -> Answer:
    """Begin an export, or tell how it goes."""
    transfers = await _of(call)
    wish = await read_body(call, Export)
    if wish.current_bookmark is not None:
        transfer = transfers.get("export", wish.current_bookmark)
    else:
        chosen = wish.dump_options
        transfer = await transfers.export(
            Wanted(no_data=chosen.no_data, no_schema=chosen.no_schema, tables=tuple(chosen.tables))
        )
    told = await _told(transfer)
    if isinstance(result := told.get("result"), dict):
        result["signed_url"] = await _url(call, "GET", str(result["filename"]))
    return Answer(result=told)


async def fetch(call: Call) -> Response:
    """Give the file of an export, as it is read from the disk."""
    path = (await _of(call)).exported(call.part("filename"))
    return FileResponse(path, media_type="application/sql")


async def import_(call: Call) -> Answer:
    """Begin an import, have an uploaded file run, or tell how it goes."""
    transfers = await _of(call)
    wish = await read_body(call, Import)
    if wish.action == "init":
        filename = transfers.filename(wish.etag)
        if not transfers.has(filename):
            begun = {"success": True, "type": "import", "filename": filename}
            return Answer(result={**begun, "upload_url": await _url(call, "PUT", filename)})
        return Answer(result=await _told(await transfers.ingest(filename)))
    if wish.action == "ingest":
        if wish.etag and transfers.filename(wish.etag) != wish.filename:
            raise InvalidInput("the etag is of another file")
        return Answer(result=await _told(await transfers.ingest(wish.filename)))
    return Answer(result=await _told(transfers.get("import", wish.current_bookmark)))


async def upload(call: Call) -> Response:
    """Take the file of an import in, as it comes."""
    transfers = await _of(call)
    etag = await transfers.upload(call.part("filename"), call.request.stream())
    return Response(
        envelope.done({"etag": etag}), headers={"etag": f'"{etag}"'}, media_type="application/json"
    )


async def _of(call: Call) -> Transfers:
    return await call.host.databases.transfers((await about_of(call)).id)


async def _told(transfer: Transfer) -> dict[str, object]:
    said: dict[str, object] = {
        "success": True,
        "type": transfer.kind,
        "at_bookmark": transfer.bookmark,
        "messages": [],
    }
    try:
        result = await transfer.settled()
    except D1Error as refused:
        failed = {"success": False, "status": "error", "error": refused.plain, "errors": [refused.plain]}
        return {**said, **failed}
    if result is None:
        return {**said, "status": "active"}
    return {**said, "status": "complete", "result": {**result}}


async def _url(call: Call, method: str, filename: str) -> str:
    """Give the address of a file, below that of the request, signed."""
    asked = urlsplit(str(call.request.url))
    path = f"{call.request.scope['path'].rstrip('/')}/{filename}"
    async with call.site.tokens_lock:  # the first one ever makes the key
        path = await signed(call.host.store, method, path, now=call.host.now())
    return f"{asked.scheme}://{asked.netloc}{path}"


_ONE: Final = "/accounts/{account}/d1/database/{database}"

routes = [
    Route("POST", f"{_ONE}/export", DEPLOY, export),
    Route("GET", f"{_ONE}/export/{{filename}}", READ, fetch),
    Route("POST", f"{_ONE}/import", DEPLOY, import_),
    Route("PUT", f"{_ONE}/import/{{filename}}", DEPLOY, upload),
]
