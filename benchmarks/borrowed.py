"""What benchmarks use of the tests: a real S3 server, and an untrained network that is fast."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from browsers import browser_path, running_browser  # noqa: E402, F401
from set_tools import without_aws_configuration  # noqa: E402
from swift_server import ACCESS_KEY, SECRET_KEY, Swift, missing, running_swift  # noqa: E402
from tiny_checkpoints import make_card, save_tiny  # noqa: E402

BUCKET = "benchmark"


@contextmanager
def swift_with_bucket(folder: Path) -> Iterator[tuple[Swift, dict[str, str]]]:
    """Run Swift below an empty folder.

    Yields:
        The server, with the empty bucket `BUCKET`, and the variables that lead boto3 to it.

    Raises:
        SystemExit: Swift is not installed.
    """
    absent = missing()
    if absent is not None:
        raise SystemExit(f"no S3 server to measure with: {absent} (pip install -e '.[test]')")
    with running_swift(folder) as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield (
            server,
            {
                "AWS_ENDPOINT_URL": server.endpoint,
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                **without_aws_configuration(),
            },
        )


def untrained_checkpoint(folder: Path) -> Path:
    """Write the tests' tiny checkpoint to a folder; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    return save_tiny(folder, make_card())
