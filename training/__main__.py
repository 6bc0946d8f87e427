"""`endotwin-training`, `python -m training`, and what torchrun starts."""

from endotwin.process_environment import MEMORY, enter


def main() -> None:
    """Run the command line."""
    enter(MEMORY)
    from training.cli.main import main as run  # noqa: PLC0415 - not before `enter`

    run()


if __name__ == "__main__":
    main()
