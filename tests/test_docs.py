"""What README.md and ARCHITECTURE.md say is so: commands, keys, limits, routes, errors, examples."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import shlex
import tomllib
from dataclasses import MISSING, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest
import typer

import wflow
from wflow import catalogue
from wflow.bundle import lint
from wflow.bundle import tree as packed
from wflow.cli import failure, tree
from wflow.config import load, model, wrangler
from wflow.config.keys import keys_of
from wflow.engine import names, retry, status
from wflow.engine.durations import milliseconds
from wflow.errors import Refused, WflowError
from wflow.runner import spawned, watch
from wflow.runtime.context import Context
from wflow.server import routes, scopes
from wflow.wire import envelope

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "wflow"
TEMPLATE = ROOT / "templates" / "workflows"
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (PACKAGE / "ARCHITECTURE.md").read_text(encoding="utf-8")

# Numbers of the code that limit nothing, with the reason.
NO_LIMITS = {
    "databases/history.py BLOCK_PAGES": "is how many pages are compressed together",
    "databases/opened.py PAGE_BYTES": "is the size of SQLite's pages",
    "runner/creations.py SEED_BYTES": "is how much chance a seed holds",
    "runner/runner.py LEFT": "is a status",
    "runtime/together.py TASKS": "is how many tasks go on when a body waits",
    "stores/_sqlite_queues.py HELD": "is a mark",
    "stores/_sqlite_wal.py FIRST_BYTES": "is how far the log's file grows by itself first",
    "stores/_sqlite_wal.py PAGES": "is when SQLite begins its log anew",
    "stores/_sqlite_wal.py PIECE_BYTES": "is how much is written ahead at once",
    "stores/_sqlite_lists.py BLOCK": "is how many keys are counted together",
    "stores/_sqlite_rows.py SIZES": "is how many rows one statement takes",
    "wire/wanted.py PRIORITY": "is a default, told with the commands",
    "bindings/_workflow_served.py TWICE": "names an error",
    "bundle/manifest.py FORMAT": "names a format",
    "wire/history.py FORMAT": "names a format",
    "cli/failure.py FINE": "is an exit code",
    "cli/failure.py MENDABLE": "is an exit code",
    "cli/failure.py OUR_BUG": "is an exit code",
    "cli/failure.py STOPPED": "is an exit code",
    "cli/remote.py DEV_PORT": "is a default, told with the commands",
    "engine/causes.py ALIKE": "is how much alike two names are that are taken for one",
    "engine/facts.py FAILED": "names a fact",
    "engine/facts.py LOGGED": "names a fact",
    "engine/facts.py MOVED": "names a fact",
    "engine/facts.py OPENED": "names a fact",
    "engine/facts.py RECEIVED": "names a fact",
    "engine/facts.py SETTLED": "names a fact",
    "engine/facts.py TRIED": "names a fact",
    "engine/names.py DAY_MS": "is a unit",
    "engine/names.py HOUR_MS": "is a unit",
    "engine/names.py KIB": "is a unit",
    "engine/names.py MIB": "is a unit",
    "engine/names.py MINUTE_MS": "is a unit",
    "engine/names.py SECOND_MS": "is a unit",
    "link/frames.py PROTOCOL": "names a format",
    "runner/instances.py SEED_BYTES": "is how much chance a seed holds",
    "runner/listen.py PORTS": "is how many ports TCP has",
    "runner/options.py PORT": "is a default, told with the commands",
    "server/queries.py BIGGEST": "is more than any number that can be asked for",
    "stores/_sqlite_rows.py DIED": "is a mark",
    "stores/sqlite.py OLDEST_SQLITE": "is a version",
    "wire/envelope.py INTERNAL": "names an error",
}

SHARING = [["workflows"], ["logs"], ["kv"], ["d1"], ["queues"], ["cron"]]
"""Whose commands have options that are told once, at the head of their section."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
UNITS = {"day": names.DAY_MS, "hour": names.HOUR_MS, "minute": names.MINUTE_MS, "second": names.SECOND_MS}


# -- commands --------------------------------------------------------------------------------------------


def test_every_command_has_a_section_and_every_such_section_a_command():
    assert {title.strip("`") for title in sections() if title.startswith("`wflow")} == set(commands())


def test_every_option_is_in_its_commands_table_with_its_default():
    shared = told_options("Commands")
    for path, command in commands().items():
        told = told_options(f"`{path}`")
        options = [each for each in command.params if each.param_type_name == "option"]
        taken = {frozenset((*each.opts, *each.secondary_opts)) for each in options}
        if path.split()[1:2] in SHARING and path != "wflow d1 migrations create":
            told |= {option: default for option, default in shared.items() if option in taken}
            assert {frozenset({"--local"}), frozenset({"--port"})} <= taken, path
        assert set(told) == taken, path
        for each in options:
            if not isinstance(each.default, bool) and each.default not in {None, ""}:
                default = told[frozenset((*each.opts, *each.secondary_opts))]
                assert default.replace(",", "").strip("`") == str(each.default), (path, each.opts)


@pytest.mark.parametrize(
    "file",
    [ROOT / "README.md", *sorted((ROOT / "templates").glob("*/README.md"))],
    ids=lambda file: file.parent.name,
)
def test_every_command_that_is_shown_is_one_that_wflow_takes(file: Path):
    shown = list(shell_commands(file.read_text(encoding="utf-8"), file))
    assert len(shown) > 3
    for words in shown:
        command, path, rest = resolved(words)
        assert not hasattr(command, "commands") or words[1].startswith("-"), words
        command.make_context(path, rest)  # raises what typer says to a wrong one


def test_every_command_named_in_a_sentence_is_one():
    pages = "\n".join([README, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))])
    named = [found for found in CODE.findall(prose(pages)) if found.startswith("wflow ")]
    assert len(named) > 20
    for text in named:
        command, _, rest = resolved(text.split())
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        wrong = [word for word in rest if word.startswith("-") and word not in known]
        assert not wrong, text
        assert not hasattr(command, "commands") or not rest or rest == ["--version"], text


def test_every_make_target_that_is_named_exists():
    targets = set(
        re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = re.findall(r"\bmake ([a-z-]+)", "\n".join([*CODE.findall(README), *blocks("sh")]))
    assert {"demo", "test"} <= set(named) <= targets


# -- config ----------------------------------------------------------------------------------------------


def test_every_key_of_the_config_is_in_the_table_with_its_default():
    told = {CODE.findall(row[0])[0]: row[1].strip("`").replace(",", "") for row in rows("Keys")}
    known = dict(config_keys(model.Project))
    assert set(told) == set(known)
    assert {key for key, default in told.items() if default == "required"} == {
        key for key, default in known.items() if default is MISSING
    }
    for key, default in known.items():
        if isinstance(default, (int, str)):
            assert told[key] == str(default), key


def test_every_key_of_wrangler_that_is_ignored_or_refused_is_listed():
    ignored, _, refused = sections()["wrangler's other keys"].partition("Refused")
    for text, keys in ((ignored, wrangler.IGNORED), (refused, wrangler.UNSERVED)):
        listed = {found for found in CODE.findall(text) if not found.startswith("[")}
        assert listed == frozenset().union(*keys.values())


def test_every_toml_block_is_toml_and_the_complete_ones_load(tmp_path: Path):
    complete = 0
    for number, text in enumerate(blocks("toml")):
        read = tomllib.loads(text)
        if not {"name", "main"} <= set(read):
            continue
        complete += 1
        main = tmp_path / str(number) / read["main"]
        main.parent.mkdir(parents=True)
        main.write_text("".join(f"class {each['class_name']}: ...\n" for each in read["workflows"]))
        config = tmp_path / str(number) / "wflow.toml"
        config.write_text(text, encoding="utf-8")
        for environment in (None, *read.get("env", {})):
            assert load.load(path=config, environment=environment).notes == ()
    assert complete


# -- limits ----------------------------------------------------------------------------------------------


def test_every_number_of_the_code_is_in_the_table_of_limits_or_limits_nothing():
    told = {" ".join(CODE.findall(row[2])): row[1] for row in rows("Limits")}
    found = dict(constants())
    assert NO_LIMITS.keys() <= found.keys()
    assert told == {name: spoken(name, value) for name, value in found.items() if name not in NO_LIMITS}


def test_the_defaults_of_retries_and_timeouts_are_the_ones_told():
    told = {CODE.findall(row[0])[0]: row[1].strip('`"') for row in rows("Retries and timeouts")}
    assert told['retries["limit"]'] == str(retry.DEFAULT.limit)
    assert milliseconds(told['retries["delay"]']) == retry.DEFAULT.delay_ms
    assert told['retries["backoff"]'] == retry.DEFAULT.backoff
    assert milliseconds(told["timeout"]) == retry.DEFAULT.timeout_ms


# -- the API, errors, names ------------------------------------------------------------------------------


def test_every_endpoint_is_in_the_table_with_its_scope():
    told = {(*CODE.findall(row[0])[0].split(), row[1].strip("`")) for row in rows("Endpoints")}
    found = [route for _, module in catalogue.modules(routes) for route in module.routes]
    assert told == {(route.method, route.path, route.scope) for route in found}
    assert [row[0].strip("`") for row in rows("Tokens")] == list(scopes.ALL)


def test_every_error_is_in_the_table_with_its_number_and_status():
    known = {kind.__name__: kind for kind in below(WflowError) if kind.__module__.startswith("wflow.")}
    told: set[str] = set()
    for number, named, code, _ in rows("Error numbers"):
        for name in CODE.findall(named):
            told.add(name)
            assert (known[name].code, envelope.status_of(known[name]("x"))) == (int(number), int(code)), name
    assert {name for name, kind in known.items() if issubclass(kind, Refused)} - {"Refused"} <= told


def test_everything_that_user_code_imports_is_named():
    assert set(wflow.__all__) <= set(CODE.findall(prose(README)))


def test_the_lists_of_rules_statuses_and_exit_codes_are_complete():
    assert {row[0].strip("`"): row[1] for row in rows("The checks of `wflow check`")} == lint.RULES
    statuses = [name for row in rows("Statuses and concurrency") for name in CODE.findall(row[0])]
    assert sorted(statuses) == sorted(status.ALL)
    codes = {failure.FINE, failure.MENDABLE, failure.OUR_BUG, failure.STOPPED}
    assert {int(row[0]) for row in rows("Exit codes")} == codes


def test_every_environment_variable_is_named():
    source = "\n".join(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))
    read = set(re.findall(r'"(WFLOW_[A-Z_]+|XDG_[A-Z_]+|CLOUDFLARE_[A-Z_]+|NO_COLOR|TERM)"', source))
    table = " ".join(row[0] for row in rows("Environment variables"))
    assert {name.partition("=")[0] for name in CODE.findall(table)} == read
    assert set(spawned.INHERITED) <= set(CODE.findall(sections()["Variables and secrets"]))


def test_what_is_never_packed_and_what_is_not_watched_is_listed():
    assert set(packed.NEVER) <= set(CODE.findall(sections()["Bundles"]))
    assert set(watch.SKIPPED) <= set(CODE.findall(sections()["The dev session"]))


def test_the_changes_begin_with_this_version():
    changes = README.partition("\n## Changes\n")[2]
    assert HEADING.findall(changes)[0][1].split()[0] == wflow.__version__


# -- examples and links ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", FENCE.findall(README), ids=lambda block: block[0] or "text")
def test_every_python_block_compiles_and_asks_for_what_there_is(code: tuple[str, str]):
    language, text = code
    if language == "python":
        parsed = ast.parse(text)
        for node in ast.walk(parsed):
            match node:
                case ast.ImportFrom(module=str(module), names=imported) if module.split(".")[0] == "wflow":
                    assert all(hasattr(importlib.import_module(module), each.name) for each in imported)
                case ast.Attribute(value=ast.Name(id="ctx"), attr=name):
                    assert hasattr(Context, name), name
    assert language in {"", "python", "sh", "toml"}


def test_the_first_example_is_what_init_writes():
    assert blocks("python")[0] in (TEMPLATE / "src" / "workflow.py").read_text(encoding="utf-8")


def test_every_link_leads_somewhere():
    links = LINK.findall(prose(README))
    assert len(links) > 20
    for link in links:
        path, _, anchor = link.partition("#")
        titles = sections((ROOT / path).read_text(encoding="utf-8") if path else README) if anchor else ()
        assert (ROOT / path).exists(), link
        assert not anchor or anchor in map(slug, titles), link
    top = [
        title
        for level, title in HEADING.findall(prose(README))
        if level == "##" and title not in {"Contents", "Guides"}
    ]
    assert {f"#{slug(title)}" for title in top} <= set(LINK.findall(sections()["Contents"]))


def test_the_floors_of_the_architecture_are_those_that_are_enforced():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    enforced = next(each["layers"] for each in contracts if each["type"] == "layers")
    told = [CODE.findall(row[1]) for row in rows("Floors", ARCHITECTURE)]
    assert told == [layer.split(" | ") for layer in enforced]
    assert [int(row[0]) for row in rows("Floors", ARCHITECTURE)] == list(range(len(told)))[::-1]


# -- reading the pages -----------------------------------------------------------------------------------


def prose(text: str) -> str:
    """Leave out what stands in fences."""
    return FENCE.sub("", text)


def blocks(language: str, text: str = README) -> list[str]:
    return [block for found, block in FENCE.findall(text) if found == language]


def sections(text: str = README) -> dict[str, str]:
    """Give what stands below each heading, up to the next one."""
    _, *parts = HEADING.split(prose(text))
    titles = parts[1::3]
    assert len(set(titles)) == len(titles), "a heading stands there twice"
    return dict(zip(titles, parts[2::3], strict=True))


def rows(title: str, text: str = README) -> list[list[str]]:
    """Give the rows of the first table of a section, without its head."""
    found: list[list[str]] = []
    for line in sections(text)[title].splitlines():
        if line.startswith("|"):
            found.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif found:
            break
    return found[2:]


def told_options(title: str) -> dict[frozenset[str], str]:
    """Give the options in the first table of a section, with their defaults."""
    return {frozenset(CODE.findall(row[0])): row[1] for row in rows(title)}


def slug(title: str) -> str:
    """Make the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def shell_commands(text: str, file: Path) -> Iterator[list[str]]:
    """Give the `wflow` commands in shell blocks (in the template's page: in all blocks), word by word."""
    for language in ("sh",) if file.parent == ROOT else ("sh", ""):
        for line in "".join(blocks(language, text)).replace("\\\n", " ").splitlines():
            words = shlex.shlex(line, posix=True, punctuation_chars=True)
            words.whitespace_split = True
            found = [*words]
            if found[:1] == ["wflow"]:
                end = next((n for n, word in enumerate(found) if set(word) <= set("();<>|&")), None)
                yield found[:end]


# -- reading the code ------------------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    """Give every command by what is typed for it."""

    def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", {})
        if path == "wflow" or not inner:
            yield path, command
        for name, each in inner.items():
            yield from walk(each, f"{path} {name}")

    return dict(walk(whole_tree(), "wflow"))


@functools.cache
def whole_tree() -> Any:
    """Give the whole command line; building it takes 60 ms."""
    return typer.main.get_command(tree.build())


def resolved(words: list[str]) -> tuple[Any, str, list[str]]:
    """Follow words down the tree; give the command, its path and the words that are left."""
    command = whole_tree()
    path, *rest = words
    while rest and rest[0] in getattr(command, "commands", {}):
        path = f"{path} {rest[0]}"
        command = command.commands[rest.pop(0)]
    return command, path, rest


def config_keys(kind: type, way: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """Give every key by its dotted way, with its default."""
    hints = get_type_hints(kind)
    for each, known in keys_of(kind):
        hint = hints[each.name]
        inner = next((found for found in (hint, *get_args(hint)) if is_dataclass(found)), None)
        if isinstance(inner, type):
            yield from config_keys(inner, (*way, *known.way))
        else:
            default = each.default if each.default_factory is MISSING else None
            yield ".".join((*way, *known.way)), default


def constants() -> Iterator[tuple[str, Any]]:
    """Give every public constant of a module that is a number, or numbers."""
    for file in sorted(PACKAGE.rglob("*.py")):
        nodes = ast.parse(file.read_text(encoding="utf-8")).body
        targets: list[ast.expr] = [node.target for node in nodes if isinstance(node, ast.AnnAssign)]
        targets += [target for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
        named = [each.id for each in targets if isinstance(each, ast.Name) and re.match("[A-Z]", each.id)]
        way = file.relative_to(PACKAGE).as_posix()
        module = (
            importlib.import_module("wflow." + way.removesuffix(".py").replace("/", ".")) if named else None
        )
        for name in named:
            value = getattr(module, name)
            if all(type(one) in {int, float} for one in (value if isinstance(value, tuple) else (value,))):
                yield f"{way} {name}", value


def spoken(name: str, value: Any) -> str:
    """Write a limit as people read it; its unit is in its name."""
    if isinstance(value, tuple):
        return ", ".join(spoken(name, one) for one in value)
    units = set(name.rpartition(" ")[2].split("_"))
    if "BYTES" in units:
        size, unit = next(
            (n, u) for n, u in ((names.MIB, "MiB"), (names.KIB, "KiB"), (1, "bytes")) if not value % n
        )
        return f"{value // size:,} {unit}"
    if units & {"MS", "S", "SECONDS"}:
        span = round(value if "MS" in units else value * 1_000)
        for unit, size in UNITS.items():
            if span and not span % size:
                return f"{span // size:,} {unit}{'s' * (span > size)}"
        return f"{span} ms"
    return f"{value:,}"


def below(kind: type[WflowError]) -> Iterator[type[WflowError]]:
    for each in kind.__subclasses__():
        yield from below(each)
    yield kind
