"""What a dev session shows of a handler that raised: its traceback with the lines, the request, a hint."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wflow.link.mishap import Mishap, Place
    from wflow.wire.types import HttpRequest

VALUE_CHARS: Final = 500
"""Characters that are shown of a header's value."""
SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers whose values are not shown: people send such pages to each other."""

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c1917; --dim: #78716c; --paper: #fafaf9; --card: #fff;
  --edge: #e7e5e4; --red: #b91c1c; --mark: #fef2f2; }
@media (prefers-color-scheme: dark) { :root { --ink: #f5f5f4; --dim: #a8a29e; --paper: #1c1917;
  --card: #292524; --edge: #44403c; --red: #f87171; --mark: #44201f; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; color: var(--red); overflow-wrap: anywhere; }
h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .06em; color: var(--dim);
  margin: 2rem 0 .5rem; }
.message { font: 1rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  margin: 0; }
.hint { border-left: 3px solid var(--red); padding: .25rem .75rem; margin: 1rem 0 0; }
details, table { background: var(--card); border: 1px solid var(--edge); border-radius: 6px; width: 100%; }
details { margin: 0 0 .5rem; }
summary { padding: .5rem .75rem; cursor: pointer; font-family: ui-monospace, monospace; font-size: .85rem;
  overflow-wrap: anywhere; }
summary span, .number { color: var(--dim); }
pre { margin: 0; padding: .5rem 0; border-top: 1px solid var(--edge); overflow-x: auto;
  font: .85rem/1.55 ui-monospace, monospace; }
pre div { padding: 0 .75rem; min-width: max-content; }
pre .at { background: var(--mark); font-weight: 600; }
.number { display: inline-block; width: 3.5em; user-select: none; }
table { border-collapse: collapse; font-size: .85rem; }
td { padding: .3rem .75rem; border-top: 1px solid var(--edge); vertical-align: top; overflow-wrap: anywhere; }
tr:first-child td { border-top: 0; }
td:first-child { color: var(--dim); white-space: nowrap; width: 1%; }
footer { color: var(--dim); font-size: .8rem; margin-top: 2rem; }
"""


def text(mishap: Mishap, trace: bytes) -> bytes:
    """Tell it to a terminal: the traceback as Python writes it, and the hint."""
    if mishap.hint is None:
        return trace
    return trace.rstrip() + f"\n\nhint: {mishap.hint}\n".encode(errors="replace")


def page(mishap: Mishap, request: HttpRequest) -> bytes:
    """Tell it to a browser; nothing in it is taken for markup."""
    title = f"{mishap.name}: {mishap.message.splitlines()[0] if mishap.message else ''}"
    hint = "" if mishap.hint is None else f'<p class="hint">{escape(mishap.hint)}</p>'
    last_own = max((n for n, place in enumerate(mishap.places) if place.own), default=len(mishap.places) - 1)
    places = [_place(place, shown=n == last_own) for n, place in enumerate(mishap.places)]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title[:200])}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(mishap.name)}</h1>
<p class="message">{escape(mishap.message)}</p>
{hint}
<h2>Traceback, the last call first</h2>
{"".join(reversed(places)) or "<p>It has none in your code.</p>"}
<h2>Request</h2>
<table>{_request(request)}</table>
<footer>A dev session shows this; on a runner a visitor sees nothing of it, and the log has it.</footer>
</main>
</body>
</html>
""".encode(errors="replace")


def _place(place: Place, *, shown: bool) -> str:
    where = f"{escape(place.file)}:{place.line} <span>in {escape(place.function)}</span>"
    lines = "".join(_line(number, text, at=number == place.line) for number, text in place.lines)
    listing = f"<pre>{lines}</pre>" if lines else ""
    return f"<details{' open' if shown else ''}><summary>{where}</summary>{listing}</details>\n"


def _line(number: int, text: str, *, at: bool) -> str:
    return f'<div{" class=at" if at else ""}><span class="number">{number}</span>{escape(text)}</div>'


def _request(request: HttpRequest) -> str:
    rows = [("method", request.method), ("url", request.url)]
    rows += [(name, "…" if name.lower() in SECRET else value) for name, value in request.headers]
    return "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value[:VALUE_CHARS])}</td></tr>" for name, value in rows
    )
