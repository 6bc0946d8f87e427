"""What is known about a request while it is answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from endotwin.image_range import ImageRange
    from endotwin.samples.labelling import Labelling

_Result = TypeVar("_Result")


class RequestRecord:
    """What is known about a request: it becomes its line in the log.

    Attributes:
        id: of the request; empty for work that belongs to none.
        fields: such as the model and the seed.
        seconds: spent on it by what they were spent on: queue, device, encoding, sending. Some of them pass
            at the same time.
        code: of the error that it got; empty for none.
    """

    def __init__(self, identity: str = "") -> None:
        self.id = identity
        self.fields: dict[str, object] = {}
        self.seconds: dict[str, float] = {}
        self.code = ""

    def note(self, **fields: object) -> None:
        """Set fields."""
        self.fields |= fields

    def note_images(self, model: str, images: ImageRange, kind: str, labelling: Labelling) -> None:
        """Set the fields for a range of images in a format. Their seed is a text: programs may round it."""
        self.note(
            model=model,
            seed=str(images.seed),
            start=images.start,
            n=images.count,
            format=kind,
            labels=",".join(labelling.labels) or "none",
            conditions=labelling.query or "none",
        )

    def add(self, name: str, seconds: float) -> None:
        """Add to one of `seconds`."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add what the block takes to one of `seconds`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - began)


CURRENT_RECORD: ContextVar[RequestRecord | None] = ContextVar("request record", default=None)


def current_record() -> RequestRecord:
    """Return the record of the request that is being answered, or an empty one where none is."""
    return CURRENT_RECORD.get() or RequestRecord()


def in_this_context(function: Callable[[], _Result]) -> Callable[[], _Result]:
    """Return the function so that another thread runs it for the request that is being answered here."""
    return partial(copy_context().run, function)
