"""`endotwin set --url` and `endotwin job`: jobs of a live service from a shell."""

from __future__ import annotations

from pathlib import Path

from job_tools import Held, Serve, contents, undisturbed
from swift_server import Swift
from typer.testing import CliRunner, Result

from endotwin.cli.main import app
from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_set_is_made_by_a_service(
    serve_jobs: Serve, bucket: str, swift_server: Swift, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    url = ("--url", f"http://127.0.0.1:{serve_jobs(Sampler(checkpoint)).port}")
    made = run("set", "--n", 100, "--seed", 7, "--shard-size", 24, *url, f"s3://{bucket}/first")
    assert made.exit_code == 0, made.output
    assert f"complete  100 of 100 images  s3://{bucket}/first" in made.stdout
    expected = undisturbed(tmp_path / "undisturbed", checkpoint.card, Sampler(checkpoint))
    assert contents(swift_server, bucket, "first/") == expected
    listed = run("job", "list", *url)
    assert listed.stdout == made.stdout
    identity = listed.stdout.split()[0]
    assert run("job", "follow", identity, *url).stdout == made.stdout
    refused = run("job", "cancel", identity, *url)
    assert refused.exit_code == 1
    assert "job_complete" in refused.output
    other = run("set", "--n", 100, "--seed", 8, "--shard-size", 24, *url, f"s3://{bucket}/first")
    assert other.exit_code == 1
    assert "failed  0 of 100 images" in other.stdout
    assert "another set is there" in other.stdout


def test_a_part_is_for_validation_as_without_a_service(
    serve_jobs: Serve, bucket: str, swift_server: Swift, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    url = f"http://127.0.0.1:{serve_jobs(Sampler(checkpoint)).port}"
    wanted = {"n": 40, "shard_size": 20, "validation_every": 10}
    options = ("--n", 40, "--seed", 7, "--shard-size", 20, "--validation-every", 10)
    made = run("set", *options, "--url", url, f"s3://{bucket}/first")
    assert made.exit_code == 0, made.output
    expected = undisturbed(tmp_path / "undisturbed", checkpoint.card, Sampler(checkpoint), **wanted)
    assert contents(swift_server, bucket, "first/") == expected
    assert len([key for key in expected if key.startswith("validation/")]) == 2


def test_a_job_is_cancelled(serve_jobs: Serve, bucket: str, held: Held) -> None:
    client = serve_jobs(held)
    url = ("--url", f"http://127.0.0.1:{client.port}")
    identity = client.created({"n": 96, "seed": 7, "shard_size": 16, "destination": f"s3://{bucket}/set"})
    cancelled = run("job", "cancel", identity, *url)
    assert cancelled.exit_code == 0, cancelled.output
    assert cancelled.stdout.startswith(f"{identity}  ")
    held.release()
    ended = run("job", "follow", identity, *url)
    assert ended.exit_code == 1
    assert "cancelled" in ended.stdout
