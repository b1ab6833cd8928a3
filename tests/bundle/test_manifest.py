from __future__ import annotations

import hashlib
import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow import __version__
from wflow.bundle import manifest
from wflow.bundle.manifest import (
    Admission,
    ConsumerEntry,
    D1Entry,
    KvEntry,
    Manifest,
    ProducerEntry,
    ServiceEntry,
    WorkflowEntry,
)
from wflow.config.model import (
    Consumer,
    D1Database,
    KvNamespace,
    Producer,
    Retention,
    Service,
    Workflow,
)
from wflow.errors import BundleError

SHA = "0" * 64
PLAIN = Manifest(
    name="shop",
    main="src/worker.py",
    python="3.11",
    wflow="0.1.0",
    compatibility_date=None,
    workflows=(WorkflowEntry(name="orders", class_name="Orders", binding="ORDERS"),),
    kv=(KvEntry(binding="CACHE", id="shop-cache"),),
    vars={"GREETING": "hé", "DEEP": {"list": [1, 2.5, None, True]}},
    files={"src/worker.py": SHA},
)


def changed(**fields):
    """Encode PLAIN with some fields replaced, or removed when they are `...`."""
    raw = {**json.loads(manifest.encode(PLAIN)), **fields}
    return json.dumps({name: value for name, value in raw.items() if value is not ...}).encode()


def test_a_manifest_says_what_the_project_says(project):
    described = manifest.of(
        project(
            main="./src/worker.py",
            compatibility_date="2026-01-31",
            workflows=(
                Workflow(
                    binding="A",
                    name="a",
                    class_name="A",
                    step_limit=25_000,
                    concurrency=5,
                    concurrency_key="customer.id",
                    per_key=2,
                    start_rate=0.5,
                    default_retention=Retention(success_ms=0, error_ms=86_400_000),
                ),
                Workflow(binding="B", name="b", class_name="B", script_name="shop"),
                Workflow(binding="C", name="c", class_name="C", script_name="another"),
            ),
            kv_namespaces=(KvNamespace(binding="SHOP_CACHE"), KvNamespace(binding="KV", id="given")),
            vars={"LEVEL": 3},
        ),
        {"src/worker.py": SHA},
    )
    assert described == Manifest(
        name="shop",
        main="src/worker.py",
        python=manifest.PYTHON,
        wflow=__version__,
        compatibility_date="2026-01-31",
        workflows=(
            WorkflowEntry(
                name="a",
                class_name="A",
                binding="A",
                step_limit=25_000,
                concurrency=5,
                admission=Admission(key="customer.id", per_key=2, start_rate=0.5),
                success_retention_ms=0,
                error_retention_ms=86_400_000,
            ),
            WorkflowEntry(name="b", class_name="B", binding="B"),
        ),
        kv=(KvEntry(binding="SHOP_CACHE", id="shop-shop-cache"), KvEntry(binding="KV", id="given")),
        vars={"LEVEL": 3},
        files={"src/worker.py": SHA},
    )


def test_a_manifest_says_what_else_the_project_is_bound_to(project):
    described = manifest.of(
        project(
            workflows=(Workflow(binding="A", name="a", class_name="A", schedules=("0 * * * *",)),),
            d1_databases=(
                D1Database(binding="MY_DB"),
                D1Database(binding="DB", id="d1", name="app", migrations_dir="db", migrations_table="moves"),
            ),
            producers=(Producer(binding="MY_JOBS"), Producer(binding="Q", queue="q", delivery_delay=5)),
            consumers=(Consumer(queue="q", max_retries=0, dead_letter_queue="dead"),),
            services=(Service(binding="AUTH", service="auth", entrypoint="Admin"),),
            crons=("*/5 * * * *",),
            required_secrets=("KEY",),
        )
    )
    assert described.workflows[0].schedules == ("0 * * * *",)
    assert described.d1 == (
        D1Entry(binding="MY_DB", id="shop-my-db", name="shop-my-db"),
        D1Entry(binding="DB", id="d1", name="app", migrations_dir="db", migrations_table="moves"),
    )
    assert described.producers == (
        ProducerEntry(binding="MY_JOBS", queue="shop-my-jobs"),
        ProducerEntry(binding="Q", queue="q", delivery_delay=5),
    )
    assert described.consumers == (ConsumerEntry(queue="q", max_retries=0, dead_letter_queue="dead"),)
    assert described.services == (ServiceEntry(binding="AUTH", service="auth", entrypoint="Admin"),)
    assert (described.crons, described.required_secrets) == (("*/5 * * * *",), ("KEY",))
    assert manifest.decode(manifest.encode(described)) == described


def test_no_crons_and_no_word_of_crons_are_two_things(project):
    none, silent = manifest.of(project(crons=())), manifest.of(project())
    assert (none.crons, silent.crons) == ((), None)
    assert manifest.decode(manifest.encode(none)) == none
    assert manifest.decode(manifest.encode(silent)) == silent


def test_a_manifest_that_says_nothing_new_has_the_digest_that_it_always_had():
    assert PLAIN.digest == "sha256:4d9080e0075365d45f52357a54770a0eb44fee6e5620fb91cd13f092beeb91a4"


def test_a_project_that_is_not_packed_is_described_without_files(project):
    assert manifest.of(project()).files == {}
    assert manifest.decode(manifest.encode(manifest.of(project()))) == manifest.of(project())


def test_the_encoding_is_canonical_json():
    raw = manifest.encode(PLAIN)
    assert (
        raw == json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert raw.startswith(b'{"compatibility_date":null,"files":{"src/worker.py":')


def test_the_digest_is_that_of_the_encoding():
    assert PLAIN.digest == "sha256:" + hashlib.sha256(manifest.encode(PLAIN)).hexdigest()


def test_the_order_of_names_changes_no_digest():
    turned = msgspec.structs.replace(PLAIN, vars=dict(reversed(PLAIN.vars.items())))
    assert turned.digest == PLAIN.digest


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "other"},
        {"wflow": "0.2.0"},
        {"python": "3.12"},
        {"vars": {}},
        {"files": {"src/worker.py": "1" * 64}},
        {"kv": ()},
        {"workflows": ()},
    ],
)
def test_any_difference_changes_the_digest(fields):
    assert msgspec.structs.replace(PLAIN, **fields).digest != PLAIN.digest


def test_what_is_encoded_comes_back():
    assert manifest.decode(manifest.encode(PLAIN)) == PLAIN


@pytest.mark.parametrize("value", [math.nan, math.inf, b"x", {"a": [object()]}])
def test_a_variable_that_json_cannot_hold_is_refused_by_name(project, value):
    with pytest.raises(BundleError, match=r"`vars\.LEVEL"):
        manifest.of(project(vars={"LEVEL": value}))


def test_a_variable_that_contains_itself_is_refused(project):
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(BundleError, match="more than 100 levels"):
        manifest.of(project(vars={"LEVEL": endless}))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "makes no sense"),
        (b"[]", "makes no sense"),
        (b"\xff", "makes no sense"),
        (b'{"name":"\xff"}', "makes no sense"),
        (b'{"vars":{"a":' + b"[" * 100_000, "makes no sense"),
        (b'{"vars":{"a":' + b"9" * 10_000 + b"}}", "makes no sense"),
        (b" " * 9_000_000, "the limit is 8,388,608"),
        (changed(format=2), "has format 2"),
        (changed(format="1"), "makes no sense"),
        (changed(surprise=1), "unknown field `surprise`"),
        (changed(name=...), "missing required field `name`"),
        (changed(name=""), "length >= 1"),
        (changed(name=".."), "climbs"),
        (changed(name="a/b"), "has a slash"),
        (changed(name="a\x1b"), "control"),
        (changed(main="../worker.py"), "climbs"),
        (changed(main="/worker.py"), "absolute"),
        (changed(python="three"), "$.python"),
        (changed(python="3.11\n"), "$.python"),
        (changed(wflow=None), "$.wflow"),
        (changed(files={"../x": SHA}), "climbs"),
        (changed(files={"a": SHA, "A": SHA}), "ignore case"),
        (changed(files={"a": "0"}), "$.files"),
        (changed(files={"a": SHA + "\n"}), "$.files"),
        (changed(files={str(number): SHA for number in range(10_001)}), "has 10,001 files"),
        (changed(kv=[{"binding": "not a name", "id": "x"}]), "$.kv"),
        (changed(kv=[{"binding": "A", "id": "x"}] * 2), "binding `A` twice"),
        (changed(kv=[{"binding": "ORDERS", "id": "x"}]), "binding `ORDERS` twice"),
        (changed(d1=[{"binding": "ORDERS", "id": "x", "name": "x"}]), "binding `ORDERS` twice"),
        (changed(producers=[{"binding": "CACHE", "queue": "x"}]), "binding `CACHE` twice"),
        (changed(services=[{"binding": "CACHE", "service": "x"}]), "binding `CACHE` twice"),
        (changed(consumers=[{"queue": "x"}] * 2), "consumer of queue `x` twice"),
        (changed(consumers=[{"queue": "x", "max_batch_size": 0}]), "max_batch_size"),
        (changed(consumers=[{"queue": "x", "type": "push"}]), "type"),
        (changed(producers=[{"binding": "A", "queue": "x", "delivery_delay": 86_401}]), "delivery_delay"),
        (changed(crons=["x" * 257]), "$.crons"),
        (changed(crons=["* * * *"]), "the schedule '* * * *'"),
        (changed(crons=[f"{n % 60} {n // 60} * * *" for n in range(101)]), "101 crons and schedules"),
        (
            changed(workflows=[{"name": "a", "class_name": "A", "binding": "A", "schedules": ["never"]}]),
            "the schedule 'never'",
        ),
        (changed(required_secrets=["a b"]), "$.required_secrets"),
        (changed(requirements=["a @ https://x/a.whl\n--index-url=https://y"]), "is no requirement"),
        (changed(requirements=["a\n>=1"]), "which `pack` writes otherwise"),
        (changed(requirements=["a @ file:///etc/passwd"]), "where a runner cannot get it"),
        (changed(requirements=["-r /etc/passwd"]), "is no requirement"),
        (changed(requirements=[f"a{n}" for n in range(501)]), "more than 500 packages"),
        (changed(kv=[{"binding": f"A{n}", "id": "x"} for n in range(1_001)]), "$.kv"),
        (changed(workflows=[{"name": "-", "class_name": "A", "binding": "A"}]), "Workflow names must be"),
        (changed(workflows=[{"name": "a", "class_name": "A;", "binding": "A"}]), "class_name"),
        (
            changed(workflows=[{"name": "a", "class_name": "A", "binding": b} for b in "AB"]),
            "workflow `a` twice",
        ),
        (
            changed(workflows=[{"name": "a", "class_name": "A", "binding": "A", "step_limit": 0}]),
            "step_limit",
        ),
        (
            changed(workflows=[{"name": "a", "class_name": "A", "binding": "A", "step_limit": 25_001}]),
            "step_limit",
        ),
        (
            changed(
                workflows=[
                    {
                        "name": "a",
                        "class_name": "A",
                        "binding": "A",
                        "error_retention_ms": 365 * 86_400_000 + 1,
                    }
                ]
            ),
            "error_retention_ms",
        ),
        (
            changed(workflows=[{"name": "a", "class_name": "A", "binding": "A", "concurrency": 0}]),
            "concurrency",
        ),
        (
            changed(
                workflows=[{"name": "a", "class_name": "A", "binding": "A", "admission": {"per_key": 0}}]
            ),
            "per_key",
        ),
        (
            changed(
                workflows=[{"name": "a", "class_name": "A", "binding": "A", "admission": {"start_rate": -1}}]
            ),
            "start_rate",
        ),
        (changed(vars={"a": json.loads("[" * 102 + "]" * 102)}), "more than 100 levels"),
        (changed(vars=[]), "$.vars"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused_with_the_place(raw, why):
    with pytest.raises(BundleError) as refused:
        manifest.decode(raw)
    assert why in refused.value.message


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(raw):
    with pytest.raises(BundleError):
        manifest.decode(raw)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_a_changed_manifest_is_refused_or_says_so_in_its_digest(at, new):
    raw = manifest.encode(PLAIN)
    at %= len(raw)
    try:
        found = manifest.decode(raw[:at] + new + raw[at + len(new) :])
    except BundleError:
        return
    assert (found.digest == PLAIN.digest) == (found == PLAIN)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_json_in_the_variables_comes_back(variables):
    described = msgspec.structs.replace(PLAIN, vars=variables)
    found = manifest.decode(manifest.encode(described))
    assert found == described
    assert found.digest == described.digest


def test_a_workflow_that_says_nothing_of_admission_has_the_digest_that_it_always_had():
    plain = WorkflowEntry(name="a", class_name="A", binding="A")
    assert b"admission" not in manifest.encode(msgspec.structs.replace(PLAIN, workflows=(plain,)))
    ruled = msgspec.structs.replace(plain, admission=Admission(creation_rate=5.0))
    kept = manifest.decode(manifest.encode(msgspec.structs.replace(PLAIN, workflows=(ruled,))))
    assert kept.workflows == (ruled,)
