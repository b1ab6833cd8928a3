from __future__ import annotations

import hashlib
import os
import unicodedata

import pytest

from wflow.bundle import archive, limits, manifest
from wflow.bundle.pack import pack, wheels
from wflow.errors import BundleError


def entries(packed):
    return dict(archive.read(packed.data))


def test_a_bundle_is_the_manifest_and_then_the_files_by_name(project):
    packed = pack(project({"b.txt": "2", "a/z.txt": "1"}))
    found = list(archive.read(packed.data))
    assert [name for name, _ in found] == [
        "manifest.json",
        "files/a/z.txt",
        "files/b.txt",
        "files/src/worker.py",
    ]
    assert manifest.decode(found[0][1]) == packed.manifest
    assert packed.manifest.files["b.txt"] == hashlib.sha256(b"2").hexdigest()


def test_it_tells_its_files_and_what_they_take_unpacked(project):
    packed = pack(project({"b.txt": "22", "a/z.txt": "1"}))
    assert packed.files == (("a/z.txt", 1), ("b.txt", 2), ("src/worker.py", 37))
    assert packed.size_bytes == 40


def test_the_same_sources_give_the_same_bytes_whatever_the_disk_says_of_them(project):
    first = project({"b.txt": "2", "a.txt": "1"}, at="one")
    second = project({"a.txt": "1", "b.txt": "2"}, at="two")
    os.utime(second.root / "a.txt", (0, 0))
    (second.root / "b.txt").chmod(0o755)
    (second.root / "empty").mkdir()
    assert pack(first).data == pack(second).data
    assert pack(first).manifest.digest == pack(second).manifest.digest


def test_any_change_of_a_source_changes_the_digest(project):
    before = pack(project({"a.txt": "1"})).manifest.digest
    assert pack(project({"a.txt": "2"})).manifest.digest != before
    assert pack(project({"a.txt": "1"})).manifest.digest == before
    assert pack(project({"b.txt": ""})).manifest.digest != before


def test_secrets_and_state_never_enter_a_bundle(project):
    packed = pack(
        project(
            {
                ".env": "KEY=1",
                ".dev.vars": "KEY=1",
                ".wflow/state.sqlite": "x",
                ".git/config": "x",
                "local.txt": "x",
                ".gitignore": "local.txt\n!.env\n",
            }
        )
    )
    assert set(packed.manifest.files) == {".gitignore", "src/worker.py"}
    assert b"KEY=1" not in b"".join(entries(packed).values())


def test_a_link_is_refused(project):
    made = project()
    (made.root / "data").symlink_to("/etc")
    with pytest.raises(BundleError, match="'data' is a symbolic link"):
        pack(made)


def test_two_names_that_are_one_where_case_is_ignored_are_refused(project):
    with pytest.raises(BundleError, match=r"'A\.txt' and 'a\.txt' are one name"):
        pack(project({"a.txt": "", "A.txt": ""}))


def test_two_spellings_of_one_letter_are_one_name(project):
    with pytest.raises(BundleError, match="are one name"):
        pack(project({unicodedata.normalize(form, "é.txt"): "" for form in ("NFC", "NFD")}))


@pytest.mark.parametrize("name", ["a\\b.txt", "a\tb.txt", "C:x"])
def test_a_name_that_no_runner_takes_is_refused_before_it_is_sent(project, name):
    with pytest.raises(BundleError, match="a file cannot be called"):
        pack(project({name: ""}))


def test_a_main_that_is_not_shipped_is_refused(project):
    with pytest.raises(BundleError, match=r"`main` is 'src/worker\.py', which is not among the files"):
        pack(project({".gitignore": "src/\n"}))
    with pytest.raises(BundleError, match=r"`main` is 'src/other\.py'"):
        pack(project(main="src/other.py"))


def test_a_project_over_64_mib_is_refused_with_its_size_and_the_largest_files(project):
    made = project()
    for name in "abc":
        with (made.root / name).open("wb") as file:
            file.truncate(limits.FILE_BYTES - ord(name))
    with pytest.raises(BundleError) as refused:
        pack(made)
    assert "the project has 75.0 MiB in 4 files; a bundle may have 64.0 MiB" in refused.value.message
    assert "the largest are 'a' (25.0 MiB), 'b' (25.0 MiB), 'c' (25.0 MiB)" in (refused.value.hint or "")


def test_a_project_that_is_too_much_only_with_its_headers_is_refused_too(project):
    made = project()
    for name, size in (("a", limits.FILE_BYTES), ("b", limits.FILE_BYTES), ("c", 14 * 1024 * 1024 - 100)):
        with (made.root / name).open("wb") as file:
            file.truncate(size)
    with pytest.raises(BundleError, match="headers included"):
        pack(made)


def test_a_variable_that_json_cannot_hold_is_refused(project):
    with pytest.raises(BundleError, match=r"vars\.RATE"):
        pack(project(vars={"RATE": float("nan")}))


def test_what_a_runner_would_refuse_is_refused_here(project):
    with pytest.raises(BundleError, match="has a slash"):
        pack(project(name="a/b"))


def test_wheels_are_shipped_along_and_known_by_their_digests(project, tmp_path):
    shipped = [tmp_path / "b-1-py3-none-any.whl", tmp_path / "a-1-py3-none-any.whl"]
    for wheel in shipped:
        wheel.write_text(wheel.name)
    packed = pack(project({"wheels.txt": ""}), shipped)
    digests = [hashlib.sha256(wheel.name.encode()).hexdigest() for wheel in sorted(shipped)]
    assert list(wheels(packed.manifest)) == digests
    assert entries(packed)["files/wflow_wheels/a-1-py3-none-any.whl"] == b"a-1-py3-none-any.whl"
    assert wheels(pack(project({"wheels.txt": ""})).manifest) == ()
