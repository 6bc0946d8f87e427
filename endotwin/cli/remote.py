"""The same commands against a service: `--url`, with the key from the environment or from a file."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from endotwin.cli.command_line import explain, usage_error

if TYPE_CHECKING:
    from endotwin.client.client import Client
    from endotwin.client.views import Job, ModelInfo
    from endotwin.image_range import ImageRange
    from endotwin.samples.arguments import ConditionArguments

KEY_VARIABLE = "ENDOTWIN_KEY"

Url = Annotated[
    str | None,
    typer.Option(
        help=f"Address of a service that does the work. Its key is in {KEY_VARIABLE} or --key-file."
    ),
]
ServiceUrl = Annotated[str, typer.Option("--url", help=f"Address of the service. Its key: {KEY_VARIABLE}.")]
KeyFile = Annotated[
    Path | None, typer.Option(help=f"File with the service's key, instead of {KEY_VARIABLE}.")
]


@contextmanager
def connected(url: str, key_file: Path | None) -> Iterator[Client]:
    """Yield a client of a service. What fails ends the command: one line, exit code 1 or 2.

    Raises:
        typer.BadParameter: the address is none, or the service does not take an option.
        typer.Exit: the service cannot be reached or refuses.
    """
    from endotwin.client.client import Client  # noqa: PLC0415
    from endotwin.client.errors import ClientError, ServiceError  # noqa: PLC0415
    from endotwin.files import OutputError  # noqa: PLC0415
    from endotwin.image_range import ImageRangeError  # noqa: PLC0415

    try:
        try:
            client = Client(url, _read_key(key_file))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="'--url'") from error
        with client:
            yield client
    except ImageRangeError as error:
        raise usage_error(error) from error
    except (ClientError, OutputError, OSError) as error:
        if isinstance(error, ServiceError) and error.status == 400 and error.field is not None:
            raise usage_error(error) from error
        typer.echo(f"Error: {explain(error)}", err=True)
        raise typer.Exit(1) from error


def require_without_url(options: Mapping[str, object]) -> None:
    """Check that none of the options that a service does not take is given.

    Raises:
        typer.BadParameter: one is.
    """
    for name, value in options.items():
        if value:
            raise typer.BadParameter(f"--{name} does not go with --url")


def download(
    client: Client,
    images: ImageRange,
    output: Path,
    *,
    labels: str | None,
    conditions: Mapping[str, Any],
    model: str | None,
    replace: bool,
    stop_if_asked: Callable[[], None],
) -> None:
    """Write images of a service as a tar, an npy, or a folder with the files of the tar.

    Raises:
        one of the errors that `connected` turns into a line.
    """
    from tqdm import tqdm  # noqa: PLC0415

    from endotwin.files import new_folder  # noqa: PLC0415
    from endotwin.samples.sample import require_only_samples  # noqa: PLC0415

    with closing(tqdm(total=images.count, unit=" images", disable=None)) as progress:

        def count(number: int) -> None:
            stop_if_asked()
            progress.update(number)

        def write(path: Path, *, replace: bool = False) -> None:
            client.download(
                path,
                images.seed,
                images.count,
                images.start,
                labels=labels or (),
                model=model,
                replace=replace,
                on_images=count,
                **cast("ConditionArguments", conditions),
            )

        if output.suffix in (".tar", ".npy"):
            write(output, replace=replace)
            return
        with (
            new_folder(output, partial(require_only_samples, replace=replace)) as folder,
            tempfile.TemporaryDirectory() as temporary,
        ):
            archive = Path(temporary) / "images.tar"
            write(archive)
            with tarfile.open(archive) as tar:
                for member in tar:
                    _extract(tar, member, folder)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write a file of an archive into a folder; `extractall(filter=…)` needs Python 3.11.4."""
    from endotwin.files import OutputError  # noqa: PLC0415

    content = tar.extractfile(member)
    if content is None or Path(member.name).name != member.name:
        raise OutputError(f"the service sent {member.name!r}, which is no plain file")
    with content:
        (folder / member.name).write_bytes(content.read())


def list_models(client: Client) -> list[str]:
    """Return a line for each model of a service, as `endotwin models` prints them."""
    found = [client.model(model.name) for model in client.models()]  # with their cards
    width = max((len(model.name) for model in found), default=0)
    return [_describe_model(model, width) for model in found]


def follow_job(client: Client, job: Job, url: str) -> None:
    """Show how far a job is until it has ended.

    Raises:
        typer.Exit: it failed or was cancelled.
    """
    from tqdm import tqdm  # noqa: PLC0415

    state = ""
    with closing(tqdm(total=job.n, unit=" images", unit_scale=True, disable=None)) as progress:
        try:
            for now in client.job_progress(job.id):
                progress.update((now.images.done or 0) - progress.n)
                if now.state != state and progress.disable:
                    typer.echo(f"job {now.id}: {now.state}", err=True)
                state, job = now.state, now
        except KeyboardInterrupt:
            typer.echo(f"The job goes on; endotwin job cancel {job.id} --url {url} ends it", err=True)
            raise
    typer.echo(describe_job(job))
    if state != "complete":
        raise typer.Exit(1)


def describe_job(job: Job) -> str:
    """Return a line about a job."""
    done, total = job.images.done or 0, job.images.total or 0
    why = f": {job.errors[-1].message}" if job.errors and job.state != "complete" else ""
    return f"{job.id}  {job.state}  {done} of {total} images  {job.destination}{why}"


def _describe_model(model: ModelInfo, width: int) -> str:
    fid = "none" if model.fid is None else f"{model.fid:.2f}"
    traits = {"default": model.default, "labels": model.labels, "unscored": model.fid is None}
    marks = ", ".join(trait for trait, present in traits.items() if present)
    terms = (model.card or {})["data"]["terms"]
    return f"{model.name:{width}}  FID {fid:>6}  {terms}{f' ({marks})' if marks else ''}"


def _read_key(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get(KEY_VARIABLE) or None
    return path.read_text(encoding="utf-8").strip()
