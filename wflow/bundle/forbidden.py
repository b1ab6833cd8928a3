"""What workflow code may not call outside a step: clocks, chance, I/O and what blocks, by full name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ast


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """A rule's id, what is wrong with such a call, and the way out; ``{ctx}`` is the step API's name."""

    rule: str
    problem: str
    hint: str


CLOCK: Final = Ban(
    rule="WF101",
    problem="reads the clock: a replay sees another time",
    hint='read it in a step, which keeps it: `await {ctx}.do("now", function)`',
)
CHANCE: Final = Ban(
    rule="WF102",
    problem="is left to chance: a replay gets another value",
    hint='draw in a step, which keeps it: `await {ctx}.do("draw", function)`',
)
IO: Final = Ban(
    rule="WF103",
    problem="reaches outside: a replay does it again, and may get another answer",
    hint='put it in a step: `await {ctx}.do("name", function)`',
)
BLOCKING: Final = Ban(
    rule="WF104",
    problem="stops every instance in this process while it waits",
    hint='use `await {ctx}.sleep("name", "10 seconds")`, which is durable',
)

_CLOCKS: Final = {
    *(f"time.{name}" for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")),
    *(f"time.{name}_ns" for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("pendulum.now", "pendulum.today", "arrow.now", "arrow.utcnow", "django.utils.timezone.now"),
}
_CLOCKS_WITHOUT_ARGUMENT: Final = {"time.localtime", "time.gmtime", "time.ctime", "time.asctime"}
_CHANCES: Final = {
    *("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7"),
    *("os.urandom", "os.getrandom", "random.SystemRandom"),
}
_CHANCE_MODULES: Final = ("random.", "secrets.", "numpy.random.")
_SURE: Final = {"secrets.compare_digest"}
_SURE_WITH_SEED: Final = {
    "random.Random",
    *(
        f"numpy.random.{name}"
        for name in ("default_rng", "RandomState", "SeedSequence", "Generator", "PCG64")
    ),
}
_HTTP: Final = ("get", "post", "put", "patch", "delete", "head", "options", "request")
_IO: Final = {
    *("builtins.open", "io.open", "os.open", "codecs.open"),
    *("tempfile.mkdtemp", "tempfile.mkstemp", "tempfile.TemporaryFile"),
    *("tempfile.NamedTemporaryFile", "tempfile.TemporaryDirectory"),
    *(f"httpx.{name}" for name in (*_HTTP, "stream", "Client", "AsyncClient")),
    *(f"requests.{name}" for name in (*_HTTP, "Session", "session")),
    *("aiohttp.ClientSession", "aiohttp.request", "aiofiles.open"),
    *("urllib.request.urlopen", "urllib.request.urlretrieve", "urllib3.request", "urllib3.PoolManager"),
    *("http.client.HTTPConnection", "http.client.HTTPSConnection", "smtplib.SMTP", "smtplib.SMTP_SSL"),
    *("workers.fetch", "js.fetch", "pyodide.http.pyfetch"),
    *("socket.socket", "socket.create_connection", "socket.create_server", "socket.socketpair"),
    *("socket.getaddrinfo", "socket.gethostbyname"),
    *(f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen", "getoutput")),
    *("os.system", "os.popen", "os.listdir", "os.scandir", "os.walk", "os.stat"),
    *("os.mkdir", "os.makedirs", "os.remove", "os.unlink", "os.rename", "os.replace", "os.rmdir"),
    *("os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.getsize", "os.path.getmtime"),
    *(f"shutil.{name}" for name in ("copy", "copy2", "copyfile", "copytree", "move", "rmtree")),
    *("sqlite3.connect", "psycopg.connect", "psycopg2.connect", "asyncpg.connect", "asyncpg.create_pool"),
    *("asyncio.open_connection", "asyncio.start_server", "asyncio.to_thread"),
    *("asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"),
}
_BLOCKING: Final = {"time.sleep", "builtins.input"}

_UNSTABLE: Final = {"builtins.id", "builtins.hash"}
_FILE_METHODS: Final = {"read_text", "read_bytes", "write_text", "write_bytes"}
_PATH_METHODS: Final = {
    *("open", "exists", "is_file", "is_dir", "stat", "iterdir", "glob", "rglob"),
    *("mkdir", "rmdir", "touch", "unlink", "rename", "replace", "chmod", "symlink_to", "hardlink_to"),
}
PATH: Final = "pathlib.Path"


def ban_on(full_name: str, call: ast.Call) -> Ban | None:
    """Give the rule against a call of ``full_name``, if there is one."""
    arguments = len(call.args) + len(call.keywords)
    if full_name in _CLOCKS or (full_name in _CLOCKS_WITHOUT_ARGUMENT and not arguments):
        return CLOCK
    if full_name == "time.strftime" and arguments < 2:
        return CLOCK
    if full_name in _CHANCES or full_name.startswith(_CHANCE_MODULES):
        sure = full_name in _SURE or (full_name in _SURE_WITH_SEED and arguments)
        return None if sure else CHANCE
    if full_name in _IO:
        return IO
    return BLOCKING if full_name in _BLOCKING else None


def ban_on_method(name: str, *, of_a_path: bool) -> Ban | None:
    """Give the rule against a method: those that only files have, and those of a `pathlib.Path`."""
    return IO if name in _FILE_METHODS or (of_a_path and name in _PATH_METHODS) else None


def is_unstable(full_name: str) -> bool:
    """Say whether a builtin gives another value in another process: nothing to name a step after."""
    return full_name in _UNSTABLE
