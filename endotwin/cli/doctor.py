"""`endotwin doctor`: what is wrong with this machine, in words."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    places: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or s3://bucket/prefix to try. Default: ENDOTWIN_STORAGE_ALLOW."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address that the service is to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port that it is to listen on.")] = 3000,
) -> None:
    """Look at all that a service and large sets need, and say in words what is wrong.

    A line for each thing: ok, advice, or problem with what to do about it. A small object is written to
    every place for sets, read and removed; nothing else is changed. Exits with 1 if there is a problem.

    \b
    Examples:
      endotwin doctor
      endotwin doctor s3://data/sets
    """
    from endotwin.doctor.examination import examine  # noqa: PLC0415
    from endotwin.doctor.finding import Level  # noqa: PLC0415

    problems = advised = 0
    for finding in examine(host, port, tuple(places or ())):
        typer.echo(finding)
        problems += finding.level is Level.PROBLEM
        advised += finding.level is Level.ADVICE
    if problems:
        typer.echo(f"{problems} problem{'s' if problems > 1 else ''}")
        raise typer.Exit(1)
    typer.echo(f"nothing is wrong{'; there is advice above' if advised else ''}")
