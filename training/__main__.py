"""`endotwin-training`, `python -m training`, and what torchrun starts."""

import sys

from endotwin.packages import INSTALL_TRAINING
from endotwin.process_environment import MEMORY, restart_with


def main() -> None:
    """Run the command line."""
    restart_with(MEMORY)
    try:
        from training.cli.main import main as run  # noqa: PLC0415 - not before `restart_with`

        run()
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name in ("", "endotwin", "training"):
            raise
        sys.exit(f"Error: this needs {name}: {INSTALL_TRAINING}")


if __name__ == "__main__":
    main()
