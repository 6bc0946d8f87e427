"""`endotwin-training`, `python -m training`, and what torchrun starts."""

from endotwin.process_environment import MEMORY, restart_with


def main() -> None:
    """Run the command line."""
    restart_with(MEMORY)
    from training.cli.main import main as run  # noqa: PLC0415 - not before `restart_with`

    run()


if __name__ == "__main__":
    main()
