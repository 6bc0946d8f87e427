"""`endotwin` and `python -m endotwin`: the command line."""

from __future__ import annotations

import sys

from endotwin.process_environment import GENERATING, restart_with


def main() -> None:
    """Run the command line; nothing that takes long is imported before it is known that it is needed."""
    if sys.argv[1:2] == ["serve"]:
        from endotwin.cli.serve import serve_app  # noqa: PLC0415 - without the other commands

        serve_app(prog_name="endotwin")
    restart_with(GENERATING)
    from endotwin.cli.main import main as run  # noqa: PLC0415 - not before `restart_with`

    run()


if __name__ == "__main__":
    main()
