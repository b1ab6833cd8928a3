"""A database goes out as SQL and comes in again as it was, whole or not at all."""

from __future__ import annotations

from hashlib import md5

import pytest

from tests.databases.asked import Asked
from wflow.databases import limits
from wflow.databases.dump import Wanted
from wflow.databases.faults import D1Error
from wflow.errors import InvalidInput, TooMany

SCHEMA = [
    'CREATE TABLE "odd ""name;" (id INTEGER PRIMARY KEY AUTOINCREMENT, "a b" TEXT, c AS (id * 2) STORED)',
    "CREATE TABLE plain (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
    "CREATE TABLE child (p TEXT REFERENCES parent (k))",
    "CREATE TABLE parent (k TEXT PRIMARY KEY)",
    "CREATE VIRTUAL TABLE words USING fts5(word)",
    "CREATE INDEX by_v ON plain (v) WHERE v > 0",
    "CREATE VIEW seen AS SELECT k FROM plain",
    "CREATE TABLE log (what)",
    "CREATE TRIGGER noted AFTER INSERT ON plain BEGIN INSERT INTO log VALUES ('in; ' || new.k); END",
]
ROWS = [
    ('INSERT INTO "odd ""name;" ("a b") VALUES (?)', "it's; -- /* \n \0 ü"),
    ('INSERT INTO "odd ""name;" ("a b") VALUES (?)', b"\0\xff"),
    ("INSERT INTO plain VALUES ('a', ?)", 1e300),
    ("INSERT INTO plain VALUES ('b', ?)", float("inf")),
    ("INSERT INTO plain VALUES ('c', ?)", -(2**63)),
    ("INSERT INTO plain VALUES ('d', ?)", 0.1),
    ("INSERT INTO parent VALUES (?)", "p"),
    ("INSERT INTO child VALUES (?)", "p"),
    ("INSERT INTO words VALUES (?)", "hello world"),
]
LOOKS = [
    'SELECT * FROM "odd ""name;"',
    "SELECT k, v, typeof(v) FROM plain",
    "SELECT * FROM child",
    "SELECT * FROM seen",
    "SELECT * FROM log ORDER BY 1",
    "SELECT word FROM words WHERE words MATCH 'world'",
    "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1",
]


@pytest.fixture
def filled(loop, asked):
    async def fill():
        await asked.run(*SCHEMA)
        for sql, value in ROWS:
            await asked.rows(sql, value)
        return asked

    return loop.run(fill())


async def test_what_is_exported_comes_in_as_it_was(filled, databases):
    text = await exported(databases, "app")
    other = Asked(await databases.open((await databases.create("other")).id))
    await imported(databases, "other", text)
    for look in LOOKS:
        assert await other.rows(look) == await filled.rows(look), look
    assert await exported(databases, "other") == text
    assert await other.rows('INSERT INTO "odd ""name;" ("a b") VALUES (1) RETURNING id') == [[3]]


async def test_rows_of_any_size_and_those_that_are_searched_come_in_again(asked, databases):
    await asked.run(
        "CREATE TABLE docs (id INTEGER PRIMARY KEY, body)",
        "INSERT INTO docs VALUES (7, 'seven'), (9, 'nine')",
        "CREATE VIRTUAL TABLE found USING fts5(body, content='docs', content_rowid='id')",
        "INSERT INTO found (found) VALUES ('rebuild')",
        "CREATE VIRTUAL TABLE own USING fts5(a)",
        "INSERT INTO own (rowid, a) VALUES (100, 'hundred')",
        "CREATE VIRTUAL TABLE words USING fts5vocab(own, 'row')",
        "CREATE TABLE big (a)",
        "INSERT INTO big VALUES (randomblob(1900000)), (replace(hex(zeroblob(900000)), '0', char(39)))",
    )
    for value in ("a\0" * 300, "it's" * 100_000):
        await asked.rows("INSERT INTO big VALUES (?)", value)
    text = await exported(databases, "app")
    other = Asked(await databases.open((await databases.create("other")).id))
    await imported(databases, "other", text)
    for look in (
        "SELECT rowid FROM found WHERE found MATCH 'nine'",
        "SELECT rowid, a FROM own",
        "SELECT term FROM words",
        "SELECT a, typeof(a) FROM big",
    ):
        assert await other.rows(look) == await asked.rows(look), look
    assert "statement too long" in await other.refusal(f"SELECT '{'x' * 100_000}'")


async def test_an_export_has_what_is_asked_for(filled, databases):
    schema = await exported(databases, "app", no_data=True)
    assert 'INSERT INTO "' not in schema
    assert all(sql in schema for sql in SCHEMA)
    data = await exported(databases, "app", no_schema=True)
    assert "CREATE" not in data
    one = await exported(databases, "app", tables=("plain",))
    assert one.count("CREATE") == 3, "the table, its index, its trigger"
    assert '"parent"' not in one
    with pytest.raises(D1Error, match="no such table: nope"):
        await exported(databases, "app", tables=("nope",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CREATE TABLE one (a);\n\nINSERT INTO nope VALUES (1);\n", "at line 3: no such table: nope"),
        ("-- nothing\n", "No SQL statements detected."),
        ("CREATE TABLE one (a); BEGIN; COMMIT;", "To execute a transaction"),
        (b"CREATE TABLE one (a); -- \xff\n", "no UTF-8"),
        (b"SQLite format 3\0...", "a SQLite database, not SQL text"),
        (f"CREATE TABLE one (a); SELECT '{'x' * 4_200_000}';", "statement too long"),
        ("CREATE TABLE one (a); INSERT INTO one VALUES ('never ends);", "at line 1"),
    ],
)
async def test_an_import_that_fails_leaves_nothing(asked, databases, text, said):
    with pytest.raises(D1Error, match=said):
        await imported(databases, "app", text)
    assert await asked.rows("SELECT name FROM sqlite_master WHERE name = 'one'") == []
    await asked.run("CREATE TABLE one (a)")


async def test_a_file_that_is_not_what_was_said_is_refused(databases, asked):
    transfers = await databases.transfers("app")
    for etag in ("", "no", "../../etc/passwd", "A" * 32):
        with pytest.raises(InvalidInput):
            transfers.filename(etag)
    name = transfers.filename("0" * 32)
    with pytest.raises(InvalidInput, match="another MD5"):
        await transfers.upload(name, pieces(b"SELECT 1"))
    for wrong in (name, "../db.sqlite", "db.sqlite"):
        with pytest.raises(InvalidInput):
            await transfers.ingest(wrong)
        with pytest.raises(InvalidInput):
            transfers.exported(wrong)
    assert list(asked.database.folder.rglob("*.part")) == []


async def test_only_so_many_are_kept_and_those_under_way_are_never_let_go(databases, asked):
    transfers = await databases.transfers("app")
    for number in range(limits.TRANSFERS + 2):
        await asked.run(f"CREATE TABLE t{number} (a)")
        last = await transfers.export(Wanted())
        await last.task
    assert len(list(asked.database.folder.glob("exports/*"))) == limits.TRANSFERS
    assert transfers.exported(last.path.name) == last.path
    going = []
    for number in range(limits.TRANSFERS):
        await asked.run(f"CREATE TABLE u{number} (a)")
        going.append(await transfers.export(Wanted()))
        going[-1].task = last.task.get_loop().create_future()
    assert await transfers.export(Wanted()) is going[-1], "the same of the same moment"
    with pytest.raises(TooMany, match="of this very state"):
        await transfers.export(Wanted(no_data=True))
    await asked.run("CREATE TABLE last (a)")
    with pytest.raises(TooMany, match="an hour"):
        await transfers.export(Wanted())
    for each in going:
        each.task.set_result({})


async def test_imports_go_one_after_the_other(databases, asked):
    texts = ["CREATE TABLE one (a);", "CREATE TABLE two (a);"]
    transfers = await databases.transfers("app")
    names = [transfers.filename(md5(text.encode(), usedforsecurity=False).hexdigest()) for text in texts]
    for name, text in zip(names, texts, strict=True):
        await transfers.upload(name, pieces(text.encode()))
    first = await transfers.ingest(names[0])
    with pytest.raises(TooMany, match="another import"):
        await transfers.ingest(names[1])
    await first.task
    await (await transfers.ingest(names[1])).task
    assert await asked.rows("SELECT count(*) FROM one, two") == [[0]]


async def exported(databases, name, **wanted):
    """Export a database; gives the text."""
    transfers = await databases.transfers(name)
    transfer = await transfers.export(Wanted(**wanted))
    await transfer.task
    return transfer.path.read_text()


async def imported(databases, name, text):
    """Import a text into a database."""
    raw = text.encode() if isinstance(text, str) else text
    transfers = await databases.transfers(name)
    filename = transfers.filename(md5(raw, usedforsecurity=False).hexdigest())
    await transfers.upload(filename, pieces(raw))
    return await (await transfers.ingest(filename)).task


async def pieces(raw):
    """Give bytes in small parts."""
    for at in range(0, len(raw), 50_000):
        yield raw[at : at + 50_000]
