"""What workflow code may not call outside a step, by full name: clocks, chance, I/O, and more."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.bundle.scopes import Self, StepApi, Variable

if TYPE_CHECKING:
    from wflow.bundle.scopes import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """A rule's id, what is wrong with such a call, and the way out; ``{ctx}`` is the step API's name."""

    rule: str
    problem: str
    hint: str


CLOCK: Final = Ban(
    rule="WF101",
    problem="reads the clock: a replay sees another time",
    hint='use `{ctx}.now()`, or read it in a step, which keeps it: `await {ctx}.do("now", function)`',
)
CHANCE: Final = Ban(
    rule="WF102",
    problem="is left to chance: a replay gets another value",
    hint="use `{ctx}.random()` or `{ctx}.uuid4()`, or draw in a step, which keeps it: "
    '`await {ctx}.do("draw", function)`',
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
PROCESS: Final = Ban(
    rule="WF110",
    problem="tells of this process or machine: a replay in another one sees something else",
    hint="use `self.env`, which holds what the config declares, or ask in a step: "
    '`await {ctx}.do("name", function)`',
)
THREADS: Final = Ban(
    rule="WF111",
    problem="runs code beside the workflow's own loop: its order is another one on each replay",
    hint="let a step do it: a plain function runs in a thread of its own, "
    "and `asyncio.gather` over steps runs them side by side",
)

_CLOCKS: Final = {
    *(f"time.{name}" for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")),
    *(f"time.{name}_ns" for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")),
    *("time.clock_gettime", "time.clock_gettime_ns"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("pendulum.now", "pendulum.today", "arrow.now", "arrow.utcnow", "django.utils.timezone.now"),
    *("whenever.Instant.now", "whenever.ZonedDateTime.now", "js.Date.now", "timeit.default_timer"),
}
_CLOCKS_WITHOUT_ARGUMENT: Final = {"time.localtime", "time.gmtime", "time.ctime", "time.asctime"}
_CHANCES: Final = {
    *("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7"),
    *("os.urandom", "os.getrandom", "random.SystemRandom"),
    *("ulid.ULID", "nanoid.generate", "cuid.cuid", "shortuuid.uuid", "js.Math.random"),
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
    *("os.system", "os.popen", "os.listdir", "os.scandir", "os.walk", "os.stat", "os.read", "os.write"),
    *("os.mkdir", "os.makedirs", "os.remove", "os.unlink", "os.rename", "os.replace", "os.rmdir"),
    *("os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.getsize", "os.path.getmtime"),
    *("glob.glob", "glob.iglob"),
    *(f"shutil.{name}" for name in ("copy", "copy2", "copyfile", "copytree", "move", "rmtree")),
    *("sqlite3.connect", "psycopg.connect", "psycopg2.connect", "asyncpg.connect", "asyncpg.create_pool"),
    *("redis.Redis", "redis.asyncio.Redis", "pymongo.MongoClient", "boto3.client", "boto3.resource"),
    *("asyncio.open_connection", "asyncio.start_server", "asyncio.to_thread"),
    *("asyncio.open_unix_connection", "asyncio.start_unix_server"),
    *("asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"),
}
_BLOCKING: Final = {
    *("time.sleep", "builtins.input", "signal.pause", "signal.sigwait", "select.select", "os.wait"),
    *("concurrent.futures.wait", "concurrent.futures.as_completed"),
}
_PROCESS: Final = {
    *("os.getenv", "os.getenvb", "os.getpid", "os.getppid", "os.getcwd", "os.getlogin", "os.uname"),
    *("os.cpu_count", "os.process_cpu_count", "os.getloadavg", "os.sched_getaffinity"),
    *("socket.gethostname", "socket.getfqdn", "getpass.getuser", "uuid.getnode"),
    *(f"platform.{name}" for name in ("node", "platform", "system", "release", "machine", "uname")),
    *("threading.get_ident", "threading.get_native_id", "threading.active_count"),
    *("psutil.Process", "psutil.cpu_percent", "psutil.virtual_memory"),
    "builtins.hash",
}
ENVIRONMENT: Final = {"os.environ", "os.environb"}
_THREADS: Final = {
    *("threading.Thread", "threading.Timer", "_thread.start_new_thread"),
    *("concurrent.futures.ThreadPoolExecutor", "concurrent.futures.ProcessPoolExecutor"),
    *("concurrent.futures.InterpreterPoolExecutor", "concurrent.futures.thread.ThreadPoolExecutor"),
    *("multiprocessing.Process", "multiprocessing.Pool", "multiprocessing.pool.ThreadPool"),
    *("multiprocessing.dummy.Pool", "joblib.Parallel", "os.fork", "os.forkpty"),
    *("asyncio.run", "asyncio.Runner", "asyncio.new_event_loop", "asyncio.set_event_loop"),
    *("asyncio.run_coroutine_threadsafe", "asyncio.SelectorEventLoop"),
    *("uvloop.run", "uvloop.new_event_loop", "anyio.run", "trio.run", "nest_asyncio.apply"),
    *("anyio.to_thread.run_sync", "trio.to_thread.run_sync", "asgiref.sync.sync_to_async"),
    *("asgiref.sync.async_to_sync", "starlette.concurrency.run_in_threadpool"),
}
_THREAD_METHODS: Final = {"run_in_executor", "run_until_complete", "run_forever", "call_soon_threadsafe"}

_UNSTABLE: Final = {"builtins.id", "builtins.hash"}
_FILE_METHODS: Final = {"read_text", "read_bytes", "write_text", "write_bytes"}
_PATH_METHODS: Final = {
    *("open", "exists", "is_file", "is_dir", "stat", "iterdir", "glob", "rglob"),
    *("mkdir", "rmdir", "touch", "unlink", "rename", "replace", "chmod", "symlink_to", "hardlink_to"),
}
PATHS: Final = {"pathlib.Path", "pathlib.PosixPath", "anyio.Path"}


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
    for banned, ban in ((_IO, IO), (_BLOCKING, BLOCKING), (_PROCESS, PROCESS), (_THREADS, THREADS)):
        if full_name in banned:
            return ban
    return None


def ban_in(scope: Scope, call: ast.Call) -> Ban | None:
    """Give the rule against a call as it stands in ``scope``: of a function by its name, or of a method."""
    full_name = scope.full_name(call.func)
    if full_name is not None:
        return ban_on(full_name, call) or _ban_on_method(scope, call.func)
    return _ban_on_method(scope, call.func)


def is_unstable(full_name: str) -> bool:
    """Say whether a builtin gives another value in another process: nothing to name a step after."""
    return full_name in _UNSTABLE


def root_of(expression: ast.expr) -> str | None:
    """Give the name that a chain of attributes, items and calls begins with."""
    while isinstance(expression, ast.Attribute | ast.Subscript | ast.Call):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression.id if isinstance(expression, ast.Name) else None


def _ban_on_method(scope: Scope, function: ast.expr) -> Ban | None:
    """Give the rule against a method: those that only files and loops have, and those of a `pathlib.Path`."""
    if not isinstance(function, ast.Attribute):
        return None
    root = root_of(function.value)
    if root is not None and isinstance(scope.meaning(root), Self | StepApi):
        return None  # a method of their own, or a binding, whose calls are recorded
    if function.attr in _THREAD_METHODS:
        return THREADS
    is_file = function.attr in _FILE_METHODS or (
        function.attr in _PATH_METHODS and is_path(scope, function.value)
    )
    return IO if is_file else None


def is_path(scope: Scope, expression: ast.expr, hops: int = 8) -> bool:
    """Say whether an expression is visibly a `pathlib.Path`; variables are followed so many ``hops``."""
    match expression:
        case ast.Call(func=function):
            is_method = isinstance(function, ast.Attribute) and is_path(scope, function.value, hops)
            return is_method or scope.full_name(function) in PATHS
        case ast.BinOp(left=value, op=ast.Div()) | ast.Attribute(value=value):
            return is_path(scope, value, hops)
        case ast.Name(id=name) if hops:
            meaning = scope.meaning(name)
            made = meaning.whole if isinstance(meaning, Variable) else None
            return made is not None and is_path(scope, made, hops - 1)
    return False
