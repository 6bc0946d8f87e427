"""The commands with `--url`, against a live service: the same files, and errors that say what was wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_run import Run, command_in
from live_server import LiveServer, free_port

from endotwin.cli.remote import describe_job
from endotwin.client.views import Job


@pytest.fixture
def run(labelled_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command in an empty folder, with the models of the service."""
    return command_in(tmp_path, labelled_checkpoint, monkeypatch)


@pytest.fixture
def url(server: LiveServer) -> str:
    return f"http://127.0.0.1:{server.port}"


@pytest.mark.parametrize("name", ["set.tar", "set.npy", "set"])
def test_a_service_gives_the_files_of_the_command_without(
    name: str, url: str, run: Run, tmp_path: Path
) -> None:
    order = ["generate", "--n", 20, "--seed", 7, "--start", 10, "--density", "1500:2500"]
    order += [] if name == "set.npy" else ["--labels", "borders,instances"]
    remote = run(*order, "-o", f"remote/{name}", "--url", url)
    assert remote.exit_code == 0, remote.output
    assert f"20 images of seed 7, from index 10 on, of {url}, in remote/{name}" in remote.output
    assert run(*order, "-o", f"local/{name}").exit_code == 0
    found = {
        side: {
            path.relative_to(tmp_path / side): path.read_bytes()
            for path in (tmp_path / side).rglob("*")
            if path.is_file()
        }
        for side in ("remote", "local")
    }
    assert found["remote"] == found["local"] != {}


def test_models_are_those_of_the_service(url: str, run: Run) -> None:
    assert run("models", "--url", url).output == run("models").output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("--layout masks", 2, "--layout does not go with --url"),
        ("--device cpu", 2, "--device does not go with --url"),
        ("--format zip", 2, "with --url the output is a folder, NAME.tar or NAME.npy"),
        ("--density 9", 2, "Invalid value for '--density': density must be"),
        ("--model other", 2, "Invalid value for '--model': model must be one of tiny"),
        ("--seed 18446744073709551616", 2, "Invalid value for '--seed': seed must be from 0"),
    ],
)
def test_what_a_service_does_not_take_is_said(
    arguments: str, code: int, message: str, url: str, run: Run, tmp_path: Path
) -> None:
    result = run("generate", "-o", "set", "--url", url, *arguments.split())
    assert result.exit_code == code, result.output
    assert message in result.output
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_no_service_is_one_line(run: Run) -> None:
    result = run("models", "--url", "nowhere")
    assert result.exit_code == 2
    assert "Invalid value for '--url'" in result.output
    result = run("models", "--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(result.output.splitlines()) == 1


def test_a_service_without_jobs_says_so(url: str, run: Run) -> None:
    for command in ("job list", "set --n 5 --seed 7 s3://bucket/set"):
        result = run(*command.split(), "--url", url)
        assert result.exit_code == 1, result.output
        assert "no_jobs" in result.output


def test_the_key_comes_from_a_file_or_the_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str | None] = []

    class Recording:
        def __init__(self, _: str, key: str | None) -> None:
            keys.append(key)
            raise ValueError("enough")

    monkeypatch.setattr("endotwin.client.client.Client", Recording)
    (tmp_path / "key").write_text("from-a-file\n")
    monkeypatch.setenv("ENDOTWIN_KEY", "from-the-environment")
    run("models", "--url", "http://host")
    run("models", "--url", "http://host", "--key-file", "key")
    assert keys == ["from-the-environment", "from-a-file"]
    missing = run("models", "--url", "http://host", "--key-file", "none")
    assert missing.exit_code == 1
    assert missing.output == "Error: none: No such file or directory\n"


def test_a_job_is_one_line() -> None:
    fields = dict.fromkeys(Job.model_fields)
    fields |= {"id": "ab", "state": "failed", "destination": "s3://b/p", "shards": {"done": 1, "total": 2}}
    fields |= {"images": {"done": 5, "total": 9}, "errors": [{"time": None, "message": "no bucket"}]}
    job = Job.model_validate(fields)
    assert describe_job(job) == "ab  failed  5 of 9 images  s3://b/p: no bucket"
