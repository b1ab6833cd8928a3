from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.bundle import limits, tree
from wflow.errors import BundleError


def found(root):
    return {source.name for source in tree.walk(root)}


def write(root, *names, content=b""):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def test_every_file_is_found_with_its_size_and_content(tmp_path):
    write(tmp_path, "a.py", "src/deep/b.txt", ".gitignore", content=b"hello")
    sources = {source.name: source for source in tree.walk(tmp_path)}
    assert sorted(sources) == [".gitignore", "a.py", "src/deep/b.txt"]
    assert sources["src/deep/b.txt"].size_bytes == 5
    assert sources["src/deep/b.txt"].read() == b"hello"


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        ".git",
        "a/.wflow/state.sqlite",
        ".venv/x.py",
        "venv/x.py",
        "src/__pycache__/x.py",
        "src/x.pyc",
        ".env",
        ".env.production",
        ".ENV",
        "conf/.env.local",
        ".dev.vars",
        ".dev.vars.staging",
        "node_modules/x/index.js",
        ".wrangler/state",
        ".idea/x",
        ".vscode/settings.json",
        "src/x.py~",
        "src/.x.py.swp",
        "#x#",
        ".DS_Store",
        "Thumbs.db",
    ],
)
def test_what_never_leaves_a_machine_is_left_out_even_if_gitignore_wants_it_back(tmp_path, name):
    write(tmp_path, name, "keep.py")
    (tmp_path / ".gitignore").write_text("!*\n")
    assert found(tmp_path) == {".gitignore", "keep.py"}


@pytest.mark.parametrize(
    "name", ["env.py", "venv.py", "my.env", "git", "wflow.toml", "src/environment/.keep", "x.pyx"]
)
def test_names_that_only_resemble_those_are_kept(tmp_path, name):
    write(tmp_path, name)
    assert found(tmp_path) == {name}


def test_a_virtual_environment_is_left_out_whatever_its_name(tmp_path):
    write(tmp_path, "a.py", "my-python/pyvenv.cfg", "my-python/lib/x.py")
    assert found(tmp_path) == {"a.py"}


def test_a_gitignore_below_adds_to_the_one_above(tmp_path):
    write(tmp_path, "x.log", "a/x.log", "a/y.log", "data/big", "a/data/big")
    (tmp_path / ".gitignore").write_text("*.log\n/data/\n")
    (tmp_path / "a" / ".gitignore").write_text("!y.log\n")
    assert found(tmp_path) == {".gitignore", "a/.gitignore", "a/y.log", "a/data/big"}


def test_a_gitignore_above_the_project_counts_within_one_repository(tmp_path):
    write(tmp_path, "apps/shop/a.py", "apps/shop/secret.key")
    (tmp_path / ".gitignore").write_text("*.key\n")
    assert found(tmp_path / "apps/shop") == {"a.py", "secret.key"}
    (tmp_path / ".git").mkdir()
    assert found(tmp_path / "apps/shop") == {"a.py"}


def test_a_link_is_refused_by_name_with_a_hint(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "lib").symlink_to("/usr/lib")
    with pytest.raises(BundleError) as refused:
        found(tmp_path)
    assert "'src/lib' is a symbolic link" in refused.value.message
    assert ".gitignore" in (refused.value.hint or "")


def test_a_link_that_git_ignores_does_not_matter(tmp_path):
    write(tmp_path, "a.py")
    (tmp_path / "data").symlink_to("/")
    (tmp_path / ".venv").symlink_to("/")
    (tmp_path / ".gitignore").write_text("data\n")
    assert found(tmp_path) == {".gitignore", "a.py"}


def test_a_linked_gitignore_is_refused_and_not_followed(tmp_path):
    (tmp_path / ".gitignore").symlink_to("/dev/zero")
    with pytest.raises(BundleError, match="symbolic link"):
        found(tmp_path)


def test_a_pipe_and_a_socket_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BundleError, match="'pipe' is a pipe"):
        found(tmp_path)
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(tmp_path):
        listener.bind("talk")
        with pytest.raises(BundleError, match="'talk' is a pipe, a socket"):
            found(tmp_path)


def test_a_file_and_a_folder_that_cannot_be_read_are_named():
    with tempfile.TemporaryDirectory() as folder, unprivileged(Path(folder)):
        root = Path(folder) / "shop"
        write(root, "closed.py", "shut/a.py")
        (root / "closed.py").chmod(0)
        sources = list(tree.walk(root))
        with pytest.raises(BundleError, match=r"'closed\.py' cannot be read: Permission denied"):
            sources[0].read()
        (root / "shut").chmod(0)
        with pytest.raises(BundleError, match="'shut/' cannot be read"):
            found(root)
        (root / "shut").chmod(stat.S_IRWXU)


@contextlib.contextmanager
def unprivileged(folder):
    """Be nobody in particular for a while: root reads everything."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        found(tmp_path / "missing")


def test_a_file_over_25_mib_is_refused_with_its_size(tmp_path):
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate(limits.FILE_BYTES)
    assert found(tmp_path) == {"big.bin"}
    with (tmp_path / "big.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match=r"'big\.bin' has 25\.0 MiB \(26,214,401 bytes\)"):
        found(tmp_path)


def test_a_file_that_grew_since_it_was_found_is_refused_when_it_is_read(tmp_path):
    write(tmp_path, "log")
    (source,) = tree.walk(tmp_path)
    with (tmp_path / "log").open("wb") as file:
        file.truncate(limits.FILE_BYTES + 1)
    with pytest.raises(BundleError, match="'log' has"):
        source.read()


def test_more_than_10_000_files_are_refused(tmp_path):
    for number in range(limits.FILES + 1):
        (tmp_path / str(number)).touch()
    with pytest.raises(BundleError, match="more than 10,000 files"):
        found(tmp_path)
    (tmp_path / "0").unlink()
    assert len(found(tmp_path)) == limits.FILES


def test_a_name_comes_in_nfc_however_the_disk_spells_it(tmp_path):
    write(tmp_path, unicodedata.normalize("NFD", "é") + "/ü.py", content=b"x")
    (source,) = tree.walk(tmp_path)
    assert source.name == "é/ü.py"
    assert source.read() == b"x"


def test_a_name_that_is_no_utf8_is_refused(tmp_path):
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.py"))).touch()
    except OSError:
        return  # a disk that keeps no such names
    with pytest.raises(BundleError, match="no UTF-8"):
        found(tmp_path)


segment = st.sampled_from(["a", "b", "ab", "a.c"])
name = st.lists(segment, min_size=1, max_size=4).map("/".join)
glob = st.sampled_from(["a", "b", "*", "**", "?", "[ab]", "[!a]*", "a*", "*.c", "ab"])
rule = st.builds(
    lambda bang, root, parts, end: bang + root + "/".join(parts) + end,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(glob, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
)
rules = st.lists(rule, max_size=4)


@pytest.mark.timeout(600)  # a storm starts git 20,000 times
@given(names=st.sets(name, min_size=1, max_size=8), top=rules, below=rules)
def test_the_walk_finds_what_git_finds(names, top, below):
    git = shutil.which("git")
    if git is None:
        assert not os.environ.get("CI"), "the one judge of what git ignores is git"
        pytest.skip("git is not installed")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for given_name in sorted(names):
            with contextlib.suppress(OSError):  # a name that is a folder already, or below a file
                write(root, given_name)
        (root / ".gitignore").write_text("\n".join(top))
        if (root / "a").is_dir():
            (root / "a" / ".gitignore").write_text("\n".join(below))
        quiet = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": folder}
        subprocess.run([git, "init", "-q"], cwd=root, env=quiet, check=True)
        listed = subprocess.run(
            [git, "ls-files", "-z", "--others", "--exclude-per-directory=.gitignore"],
            cwd=root,
            env=quiet,
            check=True,
            capture_output=True,
            text=True,
        )
        assert found(root) == set(listed.stdout.split("\0")) - {""}
