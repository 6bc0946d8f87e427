"""`endotwin job`: the jobs of a service that write large sets; `endotwin set --url` starts one."""

from __future__ import annotations

from typing import Annotated

import typer

from endotwin.cli.remote import KeyFile, ServiceUrl, connected, describe_job, follow_job

job_app = typer.Typer(
    help="List, follow and cancel a service's jobs; `endotwin set --url` starts one.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_Identity = Annotated[str, typer.Argument(metavar="JOB", help="Its id, as `endotwin job list` shows it.")]


@job_app.command("list")
def list_jobs(url: ServiceUrl, key_file: KeyFile = None) -> None:
    """List the jobs, the newest first."""
    with connected(url, key_file) as client:
        for job in client.jobs():
            typer.echo(describe_job(job))


@job_app.command("follow")
def follow(job: _Identity, url: ServiceUrl, key_file: KeyFile = None) -> None:
    """Show how far a job is until it has ended. Exits with 1 if it failed or was cancelled."""
    with connected(url, key_file) as client:
        follow_job(client, client.job(job), url)


@job_app.command("cancel")
def cancel(job: _Identity, url: ServiceUrl, key_file: KeyFile = None) -> None:
    """Cancel a job: what it wrote is removed, which may take a while."""
    with connected(url, key_file) as client:
        typer.echo(describe_job(client.cancel_job(job)))


@job_app.command("resume")
def resume(job: _Identity, url: ServiceUrl, key_file: KeyFile = None) -> None:
    """Let a job go on that failed."""
    with connected(url, key_file) as client:
        typer.echo(describe_job(client.resume_job(job)))
