"""The images of one call, over as many requests as it takes: what to ask for next, and what may come."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Generic

from endotwin.client.errors import MismatchError
from endotwin.client.receivers import FilesReceiver, Item, Receiver
from endotwin.field_size import STANDARD, parse_size
from endotwin.image_range import ImageRange

logger = logging.getLogger("endotwin")

_LARGEST_REQUEST = 10_000
"""Images of 128 × 128 that one request asks for; a call for more makes several, one after the other."""

_SURELY_ALLOWED = 500
"""The same, without asking first how many the operator allows."""

_CONSTANT = ("X-Endotwin-Generator", "X-Endotwin-Labels", "X-Endotwin-Conditions")
"""Headers that say what is made: the same in all responses of a call."""

_DEVICE = "X-Endotwin-Device"


class ImageStream(Generic[Item]):
    """A call for images, resumed at the first one that is missing however often it is cut."""

    def __init__(
        self, receiver: type[Receiver[Item]], images: ImageRange, parameters: Mapping[str, str]
    ) -> None:
        """Begin.

        Args:
            receiver: takes responses.
            images: that are wanted.
            parameters: further ones of the query: model, labels and conditions.

        Raises:
            ValueError: the size is none.
        """
        self._size = parse_size(parameters["size"]) if "size" in parameters else STANDARD
        self._kind = receiver
        self._images = images
        self._parameters = parameters
        self._next = images.start
        self._part = images
        self._receiver: Receiver[Item] | None = None
        self._made: dict[str, str] = {}
        self._allowed: int | None = None

    @property
    def done(self) -> bool:
        """Whether all images have come."""
        return self._next > self._images.last

    @property
    def needs_limit(self) -> bool:
        """Whether `limit` has to be called first."""
        return self._allowed is None and self._images.count > self._size.most(_SURELY_ALLOWED)

    def limit(self, allowed: int) -> None:
        """Take the most images that the operator allows in one request."""
        self._allowed = allowed

    def query(self) -> dict[str, str]:
        """Return the query of the next request."""
        most = self._size.most(min(_LARGEST_REQUEST, self._allowed or _SURELY_ALLOWED))
        left = self._images.last - self._next + 1
        self._part = ImageRange(self._images.seed, self._next, min(left, most))
        self._receiver = None
        query = {"n": self._part.count, "seed": self._part.seed, "start": self._part.start}
        kind = "tar" if self._kind is FilesReceiver else "npy"
        pinned = {"model": self._made["X-Endotwin-Model"]} if self._made else {}
        return {
            **{name: str(number) for name, number in query.items()},
            "format": kind,
            **self._parameters,
            **pinned,
        }

    def begin(self, headers: Mapping[str, str]) -> None:
        """Take the headers of the response.

        Raises:
            MismatchError: they are of something else than what was asked for, or of another model than the
                images before.
        """
        asked = {
            "X-Endotwin-Seed": str(self._part.seed),
            "X-Endotwin-Start": str(self._part.start),
            "X-Endotwin-Count": str(self._part.count),
            **{name: self._made[name] for name in _CONSTANT if name in self._made},
        }
        for name, expected in asked.items():
            if headers.get(name) != expected:
                raise MismatchError(
                    f"{name} is {headers.get(name)} in the response from index {self._part.start} on, and "
                    f"should be {expected}"
                )
        if self._made and self._made[_DEVICE] != headers.get(_DEVICE):
            logger.warning(
                "from index %d on images are made on %s, before on %s: pixels may differ by a grey level",
                self._part.start,
                headers.get(_DEVICE),
                self._made[_DEVICE],
            )
        for name in (*_CONSTANT, "X-Endotwin-Model", _DEVICE):
            if name not in headers:
                raise MismatchError(f"the response has no header {name}: it is not of an Endotwin service")
            self._made[name] = headers[name]
        self._receiver = self._kind(self._part, self._size)

    def feed(self, piece: bytes) -> Iterator[Item]:
        """Take bytes of the body; yield what is whole with them.

        Raises:
            BrokenStreamError: they cannot be.
        """
        assert self._receiver is not None
        for item in self._receiver.feed(piece):
            self._next += 1
            yield item

    def end(self) -> None:
        """Note the end of the body.

        Raises:
            BrokenStreamError: images are missing.
        """
        assert self._receiver is not None
        self._receiver.end()
