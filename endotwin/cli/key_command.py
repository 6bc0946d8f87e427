"""`endotwin key`: make, list and revoke the keys that clients of the service show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from endotwin.cli.command_line import reported

if TYPE_CHECKING:
    from endotwin.keys import Key

key_app = typer.Typer(
    help="Make, list and revoke the keys that clients of the service show.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_KeysFile = Annotated[
    Path | None, typer.Option(help="File of the keys. Default: ENDOTWIN_KEYS_FILE.", show_default=False)
]
_Name = Annotated[str, typer.Argument(help="Who has it: letters, digits and ._-, a letter first.")]


@key_app.command("create")
def create(
    name: _Name,
    scope: Annotated[
        str, typer.Option(help="What it is for: generate, jobs, metrics, admin (all), joined by commas.")
    ] = "generate",
    images_per_day: Annotated[
        int | None, typer.Option(min=1, help="Most images of a day in UTC, those of jobs included.")
    ] = None,
    streams: Annotated[int | None, typer.Option(min=1, help="Most streams at a time.")] = None,
    job_images: Annotated[int | None, typer.Option(min=1, help="Most images of one job.")] = None,
    keys_file: _KeysFile = None,
) -> None:
    """Make a key and print it, once: only its digest is stored.

    A service that runs takes it at once. The first key makes the file.

    \b
    Examples:
      endotwin key create operator --scope admin
      endotwin key create lab-7 --scope generate,jobs --images-per-day 100000 --streams 4
      curl -H "Authorization: Bearer KEY" -X POST "http://127.0.0.1:3000/generate?n=500"
    """
    from endotwin.keys import KeysError, create_key  # noqa: PLC0415
    from endotwin.settings import SettingsError  # noqa: PLC0415

    with reported(KeysError, SettingsError, OSError):
        token = create_key(
            _find_file(keys_file),
            name,
            tuple(part.strip() for part in scope.split(",") if part.strip()),
            images_per_day=images_per_day,
            streams=streams,
            job_images=job_images,
        )
    typer.echo(f"The key of {name}; it cannot be shown again:", err=True)
    typer.echo(token)


@key_app.command("list")
def list_keys(keys_file: _KeysFile = None) -> None:
    """List the keys: name, scopes, limits, day of its making. No key can be shown again."""
    from endotwin.keys import KeysError, read_keys  # noqa: PLC0415
    from endotwin.settings import SettingsError  # noqa: PLC0415

    with reported(KeysError, SettingsError, OSError):
        keys = read_keys(_find_file(keys_file))
    width = max((len(key.name) for key in keys), default=0)
    for key in keys:
        typer.echo(f"{key.name:{width}}  {', '.join([','.join(key.scopes), *_limits(key)])}")


@key_app.command("revoke")
def revoke(name: _Name, keys_file: _KeysFile = None) -> None:
    """Revoke a key: the service refuses it from its next request on."""
    from endotwin.keys import KeysError, revoke_key  # noqa: PLC0415
    from endotwin.settings import SettingsError  # noqa: PLC0415

    with reported(KeysError, SettingsError, OSError):
        revoke_key(_find_file(keys_file), name)
    typer.echo(f"{name} is revoked", err=True)


def _find_file(given: Path | None) -> Path:
    from endotwin.keys import KeysError  # noqa: PLC0415
    from endotwin.settings import load_settings, variable  # noqa: PLC0415

    path = given or load_settings(quiet=True).keys_file
    if path is None:
        raise KeysError(f"no file of keys is named: set {variable('keys_file')}, or give --keys-file")
    return path


def _limits(key: Key) -> list[str]:
    limits = {
        "images a day": key.images_per_day,
        "streams": key.streams,
        "images of a job": key.job_images,
    }
    known = [f"{most} {what}" for what, most in limits.items() if most is not None]
    return [*known, f"made {key.created:%Y-%m-%d}"]
