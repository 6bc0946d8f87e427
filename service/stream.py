"""One stream: batches from the device, through an archive, to one client.

While a batch is encoded and sent the next one is generated, and never more than that one ahead of what the
client takes: memory does not grow with the number of images, and a slow reader holds up nothing but its own
stream.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, closing
from functools import partial
from typing import TypeVar

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from endotwin.generator.batch import Batch, BatchesAhead, images_at_once
from endotwin.samples.archive import Archive
from endotwin.samples.formats import FORMATS
from endotwin.samples.sample import Provenance
from service import metrics
from service.access.caller import Caller
from service.admission import Place
from service.client_pace import ClientPace, SlowClientError
from service.connections import keep_connection
from service.error_codes import ErrorCode
from service.errors import ApiError
from service.query import Query
from service.request_record import current_record, in_this_context
from service.runtime import Runtime
from service.stream_headers import stream_headers

logger = logging.getLogger("endotwin")

_Result = TypeVar("_Result")

_SMALL_SHARE = 0.1
"""Of the stall limit: how long a client may keep a place for small requests waiting."""


class ImagesResponse(Response):
    """The response to a request for images.

    Everything happens while it is sent: it takes a place among the open streams, generates the first batch
    and only then sends the status line, so whatever fails up to there is answered with a real status. A
    failure after that is raised, which makes the server cut the connection.
    """

    def __init__(self, runtime: Runtime, query: Query, caller: Caller) -> None:
        """Prepare a response; nothing is generated yet."""
        super().__init__()
        self._runtime = runtime
        self._query = query
        self._begun = False
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Generate and send the images (ASGI).

        Raises:
            ApiError: no place is free, the caller has as many streams as one may have, or no device works.
        """
        with self._runtime.admission.place(self._caller, self._query.counted) as place:
            keep_connection(scope)
            outcome, code = "failed", ErrorCode.INTERNAL_ERROR.value
            try:
                complete = await self._stream(scope, receive, self._pace(place, send).send)
                outcome = "complete" if complete else "aborted"
            except asyncio.CancelledError:
                outcome = "aborted"
                raise
            except ApiError as error:
                if not self._begun:
                    outcome = "refused"
                code = error.code.value
                raise
            except SlowClientError as error:
                # Returning without the end of the body makes the server cut the connection.
                outcome = "aborted"
                logger.warning("cut a client: %s", error)
            finally:
                if outcome != "refused":  # the answer to it is counted
                    metrics.REQUESTS.labels(outcome, code if outcome == "failed" else "").inc()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Send the images; return whether all of them went out before the client left."""
        began = time.perf_counter()
        query = self._query
        provenance = Provenance(query.model.name, query.model.generator_sha256, query.labelling)
        archive = FORMATS[query.format](query.images, provenance)
        complete = False

        async with aclosing(self._pieces(archive)) as pieces:
            first = await anext(pieces)
            self._begun = True
            metrics.FIRST_BYTE_SECONDS.observe(time.perf_counter() - began)

            async def body() -> AsyncIterator[bytes]:
                nonlocal complete
                yield first
                async for piece in pieces:
                    yield piece
                complete = True

            response = StreamingResponse(
                body(),
                headers=stream_headers(query, archive, self._runtime.device_name),
                media_type=archive.media_type,
            )
            limit = self._runtime.settings.max_stream_seconds
            try:
                async with asyncio.timeout(limit):
                    await response(scope, receive, send)
            except TimeoutError as error:
                raise SlowClientError(f"its stream lasted {limit:g} s") from error
        return complete

    async def _pieces(self, archive: Archive) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the archive, a piece for each batch; the last one holds the end of the file.

        Nothing is waited for behind the last piece: a client that knows the length may leave as soon as it
        has it, and would seem to have left too early.
        """
        query = self._query
        images_sent = metrics.IMAGES.labels(query.model.name, query.format)
        bytes_sent = metrics.BYTES.labels(query.model.name, query.format)
        conditions = query.labelling.conditions
        begin = partial(self._runtime.device.generate, query.model, conditions=conditions)
        piece = archive.head()
        with closing(BatchesAhead(query.images, begin, images_at_once(conditions))) as batches:
            async for batch in batches:
                piece += await self._in_encoder(partial(self._encode, archive, batch))
                if batch.range.last == query.images.last:
                    piece += archive.tail()
                yield piece
                images_sent.inc(batch.range.count)
                current_record().note(images=batch.range.last - query.images.start + 1)
                bytes_sent.inc(len(piece))
                piece = b""

    def _encode(self, archive: Archive, batch: Batch) -> bytes:
        began = time.perf_counter()
        piece = archive.add(batch)
        taken = time.perf_counter() - began
        metrics.ENCODING_SECONDS.labels(self._query.format).observe(taken)
        current_record().add("encoding", taken)
        return piece

    async def _in_encoder(self, work: Callable[[], _Result]) -> _Result:
        """Run work on the archive in an encoder's thread.

        Cancelled, it still waits for the work to end: only then can the archive be closed.
        """
        running = asyncio.get_running_loop().run_in_executor(self._runtime.encoders, in_this_context(work))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    def _pace(self, place: Place, send: Send) -> ClientPace:
        settings = self._runtime.settings
        if place is Place.SMALL:
            return ClientPace(send, settings.stall_seconds * _SMALL_SHARE, math.inf)
        return ClientPace(send, settings.stall_seconds, settings.least_rate)
