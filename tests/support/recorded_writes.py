"""Run a module as `python -m` does and list every path that this process of torchrun opened to write."""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

from endotwin.process_environment import MEMORY

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main(report: str, module: str, *arguments: str) -> None:
    """Run `module`; the list goes to `report`-RANK.json."""
    written: set[str] = set()

    def hook(event: str, details: tuple[Any, ...]) -> None:
        opened = event == "open" and details[2] & _WRITING
        if opened or event in ("os.rename", "os.remove", "os.truncate"):
            written.update(str(Path(path).absolute()) for path in details if isinstance(path, str | Path))

    os.environ |= MEMORY  # else the process would start itself again, without the hook
    sys.argv = [module, *arguments]
    sys.addaudithook(hook)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        Path(f"{report}-{os.environ['RANK']}.json").write_text(json.dumps(sorted(written)))


if __name__ == "__main__":
    main(*sys.argv[1:])
