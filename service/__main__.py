"""`python -m service`: the service in one process, which listens on one TCP port and on nothing else.

`bentoml serve` runs the same application under a supervisor that takes commands from every process of the
machine (docs/operator.md).
"""

from __future__ import annotations

import gc
import signal

from endotwin.process_environment import GENERATING, restart_with


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit with 1 and one line on standard error if that cannot be done."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    restart_with(GENERATING)
    gc.disable()  # until it is ready: imports leave little to collect, and it takes a fifth of their time
    from service.process import serve  # noqa: PLC0415 - not before the restart

    serve()


if __name__ == "__main__":
    main()
