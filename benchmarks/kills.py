"""A set in S3 whose command is killed again and again, compared with one that nothing disturbed.

Run it as `python -m benchmarks.kills`; README.md in this folder says what it does.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.borrowed import BUCKET, Swift, swift_with_bucket, untrained_checkpoint
from benchmarks.report import describe_machine
from benchmarks.set_command import run_set, start_set
from benchmarks.throughput import SEED
from endotwin.generator.device import describe_device, resolve_device
from endotwin.sets.plan import DOCUMENT_KEYS, MANIFEST_KEY

PREFIX = "killed"
POLL_SECONDS = 0.05


def main(
    *,
    n: Annotated[int, typer.Option(help="Images of the set.")] = 100_000,
    shard_size: Annotated[
        int, typer.Option(help="Images of a shard; from 1,800 on it is sent in parts.")
    ] = 2_500,
    kills: Annotated[int, typer.Option(min=1, help="How often to kill.")] = 20,
    chance: Annotated[int, typer.Option(help="Seed of the moments of the kills.")] = 0,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="With the untrained network of the tests: much faster.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder for the report and the logs.")] = Path(
        "out/benchmarks"
    ),
) -> None:
    """Make a set in a folder undisturbed, and in a Swift server with SIGKILLs; compare every object.

    Ends with 1 if anything differs or is left behind.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # stops the server, too
    output.mkdir(parents=True, exist_ok=True)
    log = output / "kills.log"
    machine = describe_machine(describe_device(resolve_device("auto")))
    order = ["--n", str(n), "--seed", str(SEED), "--shard-size", str(shard_size)]
    with tempfile.TemporaryDirectory(prefix="endotwin-kills-") as name:
        folder = Path(name)
        if untrained:
            order += ["--checkpoint", str(untrained_checkpoint(folder / "checkpoints"))]
        undisturbed = run_set([*order, str(folder / "set")], {}, log)
        expected = _digests_of_folder(folder / "set")
        working = n / undisturbed.rate
        start_up = undisturbed.seconds - working
        typer.echo(f"undisturbed: {start_up:.1f} s to start, {working:.1f} s at work")
        with swift_with_bucket(folder / "swift") as (swift, variables):
            place = f"s3://{BUCKET}/{PREFIX}"
            lives = _kill_again_and_again(
                [*order, place],
                variables,
                log,
                swift,
                random.Random(chance),
                kills,
                start_up,
                working,
                sum(key.startswith("train/") for key in expected),
            )
            last = run_set([*order, place], variables, log)
            there = _digests_of_bucket(swift)
            uploads = _open_uploads(swift)
    problems = [
        *(f"{key} is missing" for key in sorted(expected.keys() - there.keys())),
        *(f"{key} was not expected" for key in sorted(there.keys() - expected.keys())),
        *(
            f"{key} differs"
            for key in sorted(expected.keys() & there.keys())
            if expected[key] != there[key]
        ),
        *(f"the upload of {key} is open" for key in uploads),
    ]
    content = {
        "machine": machine,
        "n": n,
        "shard_size": shard_size,
        "seed_of_kills": chance,
        "undisturbed_seconds": undisturbed.seconds,
        "lives": lives,
        "last_seconds": last.seconds,
        "objects": len(there),
        "manifest_sha256": expected[MANIFEST_KEY],
        "problems": problems,
    }
    (output / "kills.json").write_text(json.dumps(content, indent=2) + "\n")
    typer.echo(
        f"{n:,} images, {len(expected)} objects expected, {len(there)} there, {len(uploads)} open uploads, "
        f"{sum(life['killed'] for life in lives)} kills; {len(problems)} problems"
    )
    for problem in problems:
        typer.echo(problem, err=True)
    raise typer.Exit(1 if problems else 0)


def _kill_again_and_again(
    arguments: list[str],
    variables: dict[str, str],
    log: Path,
    swift: Swift,
    moments: random.Random,
    kills: int,
    start_up: float,
    working: float,
    shards: int,
) -> list[dict[str, Any]]:
    """Start the command and kill it at a random moment, several times.

    Args:
        arguments: of the command.
        variables: that lead to the server.
        log: gets the output of the command.
        swift: the server.
        moments: decides.
        kills: how often.
        start_up: seconds that the command needs before it works; it lives at least so long.
        working: seconds that the undisturbed command worked. Each life takes its share of what is still to
            be done, on average, and the last run, too: so no command ends before it is killed.
        shards: of the whole set.

    Returns:
        For each start how long it lived, whether it was killed, or done before, and what was there then.
    """
    lives = []
    done = 0
    for turn in range(kills):
        mean_seconds = working * (1 - done / shards) / (kills - turn + 1)
        process = start_set(arguments, variables, log)
        try:
            began = time.monotonic()
            end = began + start_up + moments.uniform(0, 2 * mean_seconds)
            while process.poll() is None and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
        finally:
            process.kill()
            process.wait()
        keys = _keys(swift)
        done = sum(key.startswith("train/") for key in keys)
        lives.append(
            {
                "seconds": round(time.monotonic() - began, 2),
                "killed": process.returncode < 0,
                "shards": done,
                "finished": MANIFEST_KEY in keys,
                "open_uploads": len(_open_uploads(swift)),
            }
        )
        typer.echo(f"{turn + 1} of {kills}: {lives[-1]}")
    return lives


def _keys(swift: Swift) -> dict[str, int]:
    pages = swift.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {
        entry["Key"].removeprefix(f"{PREFIX}/"): entry["Size"]
        for page in pages
        for entry in page.get("Contents", [])
    }


def _open_uploads(swift: Swift) -> list[str]:
    pages = swift.client().get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET)
    return [upload["Key"] for page in pages for upload in page.get("Uploads", [])]


def _digests_of_bucket(swift: Swift) -> dict[str, str]:
    digests = {}
    for key in _keys(swift):
        digest = hashlib.sha256()
        for piece in (
            swift.client().get_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}")["Body"].iter_chunks(1 << 20)
        ):
            digest.update(piece)
        digests[key] = digest.hexdigest()
    return digests


def _digests_of_folder(folder: Path) -> dict[str, str]:
    """Return the digests of the files of a set, by key."""
    names = [*DOCUMENT_KEYS, MANIFEST_KEY, *(f"train/{path.name}" for path in (folder / "train").iterdir())]
    digests = {}
    for name in names:
        with (folder / name).open("rb") as file:
            digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


if __name__ == "__main__":
    typer.run(main)
