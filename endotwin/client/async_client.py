"""The client of a service for asyncio: the methods of `endotwin.client.client`, awaited."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Literal, Self, TypeVar, Unpack

import httpx
import numpy as np

from endotwin.client import calls
from endotwin.client.calls import Call, Download
from endotwin.client.errors import ServiceError, read_error
from endotwin.client.image_stream import ImageStream
from endotwin.client.patience import Patience
from endotwin.client.receivers import BrokenStreamError
from endotwin.client.views import Job, JobPage, ModelInfo, ModelList
from endotwin.files import new_file
from endotwin.image_range import ImageRange
from endotwin.samples.arguments import ConditionArguments, LabelNames
from endotwin.samples.arrays import Sample

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


class AsyncClient:
    """Calls a service from asyncio; what `Client` says of its methods holds for these.

    Close it, or use it in an `async with` statement. An iterator that is left before its end keeps its
    stream open until `aclose()` is called or it is collected.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        patience: float = 60.0,
        timeout: float = 120.0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        """Name a service; nothing is sent yet. See `Client`.

        Raises:
            ValueError: the address is none.
        """
        self.url = url
        self._patience = patience
        self._reached = False
        self._http = httpx.AsyncClient(**calls.http_options(url, key, timeout, verify))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def images(
        self,
        seed: int,
        count: int,
        start: int = 0,
        *,
        model: str | None = None,
        **conditions: Unpack[ConditionArguments],
    ) -> np.ndarray:
        """Return images, uint8 (count, H, W); see `Client.images`."""
        images, at = calls.empty_images(count, conditions), 0
        async for image in self.stream_images(seed, count, start, model=model, **conditions):
            images[at] = image
            at += 1
        return images

    def stream_images(
        self,
        seed: int,
        count: int,
        start: int = 0,
        *,
        model: str | None = None,
        **conditions: Unpack[ConditionArguments],
    ) -> AsyncIterator[np.ndarray]:
        """Return an iterator of images, uint8 (H, W), as they arrive; see `Client.images`."""
        return self._receive(calls.image_stream(ImageRange(seed, start, count), model, conditions))

    def samples(
        self,
        seed: int,
        count: int,
        start: int = 0,
        *,
        labels: LabelNames = (),
        model: str | None = None,
        **conditions: Unpack[ConditionArguments],
    ) -> AsyncIterator[Sample]:
        """Return an iterator of samples as they arrive; see `Client.samples`."""
        stream = calls.sample_stream(ImageRange(seed, start, count), model, labels, conditions)

        async def only_samples() -> AsyncGenerator[Sample, None]:
            async with aclosing(self._receive(stream)) as received:
                async for sample, _ in received:
                    yield sample

        return only_samples()

    async def download(
        self,
        path: Path | str,
        seed: int,
        count: int,
        start: int = 0,
        *,
        labels: LabelNames = (),
        model: str | None = None,
        replace: bool = False,
        **conditions: Unpack[ConditionArguments],
    ) -> None:
        """Write a tar or an npy; see `Client.download`."""
        path = Path(path)
        download = Download(path, ImageRange(seed, start, count), model, labels, conditions)
        with new_file(path, replace=replace) as file:
            file.write(download.head)
            async for item in self._receive(download.stream):
                file.write(download.part(item))
            file.write(download.tail())

    async def models(self) -> list[ModelInfo]:
        """Return the models of the service."""
        return (await self._call(calls.MODELS, ModelList.model_validate_json)).models

    async def model(self, name: str) -> ModelInfo:
        """Return one model with its card."""
        return await self._call(calls.model_call(name), ModelInfo.model_validate_json)

    async def start_job(
        self,
        destination: str,
        seed: int,
        count: int,
        *,
        labels: LabelNames = (),
        model: str | None = None,
        format: Literal["tar", "zip"] = "tar",  # noqa: A002 (its name everywhere)
        shard_size: int | None = None,
        validation_every: int | None = None,
        idempotency_key: str | None = None,
        **conditions: Unpack[ConditionArguments],
    ) -> Job:
        """Start a job that writes a large set to storage; see `Client.start_job`."""
        call = calls.start_call(
            destination,
            seed,
            count,
            labels=labels,
            model=model,
            kind=format,
            shard_size=shard_size,
            validation_every=validation_every,
            idempotency_key=idempotency_key,
            conditions=conditions,
        )
        return await self._call(call, Job.model_validate_json)

    async def job(self, identity: str) -> Job:
        """Return how far a job is."""
        return await self._call(calls.job_call(identity), Job.model_validate_json)

    async def jobs(self) -> AsyncGenerator[Job, None]:
        """Yield the jobs, the newest first."""
        call: Call | None = calls.JOBS
        while call is not None:
            page = await self._call(call, JobPage.model_validate_json)
            for job in page.jobs:
                yield job
            call = None if page.next is None else Call("GET", page.next)

    async def cancel_job(self, identity: str) -> Job:
        """Cancel a job: what it wrote is removed, which may take a while."""
        return await self._call(calls.job_call(identity, "DELETE"), Job.model_validate_json)

    async def resume_job(self, identity: str) -> Job:
        """Let a job go on that failed."""
        return await self._call(calls.job_call(identity, "POST", "/resume"), Job.model_validate_json)

    async def abandon_job(self, identity: str) -> Job:
        """Give up a job that failed; what it wrote stays."""
        return await self._call(calls.job_call(identity, "POST", "/abandon"), Job.model_validate_json)

    async def job_progress(self, identity: str, every: float = 2.0) -> AsyncGenerator[Job, None]:
        """Yield a job now, and again whenever it has changed, until it has ended."""
        seen = None
        while True:
            job = await self.job(identity)
            if job != seen:
                yield job
            if job.ended:
                return
            seen = job
            await asyncio.sleep(every)

    async def wait_for_job(self, identity: str, timeout: float | None = None, every: float = 2.0) -> Job:
        """Wait for a set to be complete; see `Client.wait_for_job`."""

        async def ended() -> Job:
            while not (job := await self.job(identity)).ended:
                await asyncio.sleep(every)
            return job

        return calls.check_complete(await asyncio.wait_for(ended(), timeout))

    async def _call(self, call: Call, read: Callable[[bytes], _Result]) -> _Result:
        patience = Patience(self._patience, reached=self._reached)
        while True:
            try:
                response = await self._http.request(
                    call.method, call.path, json=call.json, headers=dict(call.headers)
                )
                await self._check(response)
                return calls.read_answer(read, response.content)
            except ServiceError as error:
                pause = patience.after_refusal(error)
            except httpx.RequestError as error:
                pause = patience.after_failure(error, self.url)
            await asyncio.sleep(pause)

    async def _receive(self, stream: ImageStream[_Item]) -> AsyncGenerator[_Item, None]:
        if stream.needs_limit:
            stream.limit((await self._call(calls.MODELS, ModelList.model_validate_json)).max_images)
        patience = Patience(self._patience, reached=self._reached)
        while not stream.done:
            try:
                async with self._http.stream("POST", "/generate", params=stream.query()) as response:
                    await self._check(response)
                    stream.begin(response.headers)
                    async for piece in response.aiter_bytes():
                        for item in stream.feed(piece):
                            patience.renew()
                            yield item
                    stream.end()
                continue
            except ServiceError as error:
                pause = patience.after_refusal(error)
            except (httpx.RequestError, BrokenStreamError) as error:
                pause = patience.after_failure(error, self.url)
            if not stream.done:
                await asyncio.sleep(pause)

    async def _check(self, response: httpx.Response) -> None:
        self._reached = True
        if response.status_code >= 300:
            raise read_error(response.status_code, response.headers, await response.aread())
