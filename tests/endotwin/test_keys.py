"""The file of keys: what is in it, who may read it, and what happens when two change it."""

from __future__ import annotations

import hmac
import json
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from key_tools import make_key

from endotwin.keys import KeysError, find_key, read_keys, revoke_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_is_stored_as_its_digest_alone(path: Path) -> None:
    token = make_key(path, "lab", "jobs", "generate", images_per_day=5, streams=2, job_images=7)
    assert re.fullmatch(r"endotwin_[A-Za-z0-9_-]{43}", token), "256 random bits"
    assert token.removeprefix("endotwin_") not in path.read_text()
    [key] = read_keys(path)
    assert (key.name, key.scopes) == ("lab", ("generate", "jobs"))
    assert (key.images_per_day, key.streams, key.job_images) == (5, 2, 7)
    assert find_key([key], token) == key
    assert make_key(path, "other", "admin") != token


def test_only_the_whole_token_finds_a_key(path: Path) -> None:
    token, other = make_key(path, "lab", "generate"), make_key(path, "other", "admin")
    keys = read_keys(path)
    assert find_key(keys, token).name == "lab"
    assert find_key(keys, other).name == "other"
    for wrong in ("", token[:-1], f"{token}x", token.swapcase(), keys[0].sha256, "lab", "\udcff", "é"):
        assert find_key(keys, wrong) is None


def test_a_token_is_compared_with_every_key_in_constant_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = make_key(path, "first", "admin"), make_key(path, "second", "admin")
    keys, compared = read_keys(path), []

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return hmac.compare_digest(one, other)

    monkeypatch.setattr("endotwin.keys.compare_digest", compare)
    for token in (first, "wrong"):
        find_key(keys, token)
        assert compared == [key.sha256 for key in keys]
        compared.clear()


def test_only_its_owner_can_read_a_new_file(path: Path) -> None:
    before = os.umask(0)
    try:
        make_key(path, "lab", "generate")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o620, 0o666])
def test_a_file_that_others_can_read_or_change_is_refused(path: Path, mode: int) -> None:
    make_key(path, "lab", "generate")
    path.chmod(mode)
    with pytest.raises(KeysError, match=f"mode {mode:04o}.*chmod 600 {path}"):
        read_keys(path)
    with pytest.raises(KeysError, match="chmod"):
        make_key(path, "other", "generate")


def test_a_file_of_a_group_keeps_its_mode(path: Path) -> None:
    make_key(path, "lab", "generate")
    path.chmod(0o640)
    make_key(path, "other", "generate")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert len(read_keys(path)) == 2


def test_a_revoked_key_is_gone(path: Path) -> None:
    token, other = make_key(path, "lab", "generate"), make_key(path, "other", "generate")
    revoke_key(path, "lab")
    assert find_key(read_keys(path), token) is None
    assert find_key(read_keys(path), other) is not None
    with pytest.raises(KeysError, match="no key named 'lab'"):
        revoke_key(path, "lab")


def test_keys_that_are_made_at_once_are_all_there(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        names = [f"key-{number}" for number in range(24)]
        tokens = list(threads.map(lambda name: make_key(path, name, "generate"), names))
    keys = read_keys(path)
    assert {key.name for key in keys} == set(names)
    assert [find_key(keys, token).name for token in tokens] == names
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_name_is_used_once_and_is_never_an_address(path: Path) -> None:
    make_key(path, "lab", "generate")
    with pytest.raises(KeysError, match="there is a key named lab; revoke it first"):
        make_key(path, "lab", "generate")
    for name in ("", "127.0.0.1", "::1", "fe80::1", "a:b", "a b", "a\n", "-", "x" * 65, "é"):
        with pytest.raises(KeysError, match="begins with a letter"):
            make_key(path, name, "generate")


@pytest.mark.parametrize("scopes", [(), ("everything",), ("generate", "Admin")])
def test_scopes_are_those_there_are(path: Path, scopes: tuple[str, ...]) -> None:
    with pytest.raises(KeysError, match="scopes are generate, jobs, metrics, admin"):
        make_key(path, "lab", *scopes)
    assert not path.exists()


KEY = {"name": "lab", "sha256": "0" * 64, "scopes": ["generate"], "created": "2026-11-28T00:00:00Z"}
NO_FILES_OF_KEYS = {
    "empty": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "another version": b'{"version": 2}',
    "an unknown member": json.dumps({"keys": [{**KEY, "expires": 1}]}).encode(),
    "a short digest": json.dumps({"keys": [{**KEY, "sha256": "00"}]}).encode(),
    "no scope": json.dumps({"keys": [{**KEY, "scopes": []}]}).encode(),
    "an unknown scope": json.dumps({"keys": [{**KEY, "scopes": ["all"]}]}).encode(),
    "a limit of nothing": json.dumps({"keys": [{**KEY, "streams": 0}]}).encode(),
    "a name twice": json.dumps({"keys": [KEY, KEY]}).encode(),
}


@pytest.mark.parametrize("content", NO_FILES_OF_KEYS.values(), ids=NO_FILES_OF_KEYS)
def test_what_is_no_file_of_keys_is_one_line(path: Path, content: bytes) -> None:
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(KeysError) as refusal:
        read_keys(path)
    assert str(refusal.value).startswith(f"{path} is no file of keys: ")
    assert "\n" not in str(refusal.value)


def test_what_is_not_there_or_no_file(path: Path) -> None:
    with pytest.raises(KeysError, match="No such file"):
        read_keys(path)
    path.mkdir()
    with pytest.raises(KeysError, match="Is a directory"):
        read_keys(path)
