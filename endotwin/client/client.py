"""The client of a service, for ordinary code; `endotwin.client.async_client` has the one for asyncio."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
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


class Client:
    """Calls a service. A call that fails on the way is made again, a stream that was cut goes on.

    Every method raises:

    - `ServiceError`, the service's own error. Where it says when to try again (Retry-After), that is done
      first, within `patience`.
    - `ConnectionFailedError`: nothing answers, or the service was lost for longer than `patience`.
    - `MismatchError`: the service sends something else than what was asked for, or another model since.

    Use it from one thread, and close it, or use it in a `with` statement.
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
        """Name a service; nothing is sent yet.

        Args:
            url: address of the service, such as `https://endotwin.example`; a path goes before all routes.
            key: access key, if the service asks for one.
            patience: most seconds to wait before a call is given up, while nothing arrives.
            timeout: most seconds between two pieces of an answer.
            verify: how the certificate of an https address is checked; as httpx takes it.

        Raises:
            ValueError: the address is none.
        """
        self.url = url
        self._patience = patience
        self._reached = False
        self._http = httpx.Client(**calls.http_options(url, key, timeout, verify))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def images(
        self,
        seed: int,
        count: int,
        start: int = 0,
        *,
        model: str | None = None,
        **conditions: Unpack[ConditionArguments],
    ) -> np.ndarray:
        """Return images start to start + count - 1 of a seed.

        Args:
            seed: 0 to 2**64 - 1.
            count: at least 1.
            start: index of the first image, 0 to 2**53 - 1.
            model: a name from `models`; default: the service's, with conditions a labelled one.
            conditions: what every image meets, such as `density=(1500, 2500)`.

        Returns:
            uint8 grey levels, (count, 128, 128), or (count, H, W) with a `size`.

        Raises:
            ImageRangeError: a number is out of range.
        """
        images = calls.empty_images(count, conditions)
        for at, image in enumerate(self.stream_images(seed, count, start, model=model, **conditions)):
            images[at] = image
        return images

    def stream_images(
        self,
        seed: int,
        count: int,
        start: int = 0,
        *,
        model: str | None = None,
        **conditions: Unpack[ConditionArguments],
    ) -> Iterator[np.ndarray]:
        """Return an iterator of images, uint8 (H, W), as they arrive; see `images`."""
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
    ) -> Iterator[Sample]:
        """Return an iterator of samples as they arrive.

        Args:
            seed: 0 to 2**64 - 1.
            count: at least 1.
            start: index of the first image, 0 to 2**53 - 1.
            labels: names such as `["borders", "instances"]`.
            model: a name from `models`; default: the service's, with labels or conditions a labelled one.
            conditions: what every image meets, such as `density=(1500, 2500)`.

        Raises:
            ImageRangeError: a number is out of range.
        """
        stream = calls.sample_stream(ImageRange(seed, start, count), model, labels, conditions)
        return (sample for sample, _ in self._receive(stream))

    def download(
        self,
        path: Path | str,
        seed: int,
        count: int,
        start: int = 0,
        *,
        labels: LabelNames = (),
        model: str | None = None,
        replace: bool = False,
        on_images: Callable[[int], None] = lambda _: None,
        **conditions: Unpack[ConditionArguments],
    ) -> None:
        """Write a tar or an npy, the same one as `endotwin generate`; it appears when it is complete.

        Args:
            path: ends in `.tar` or `.npy`.
            seed: as for `samples`, like all that follows.
            count: number of images.
            start: index of the first image.
            labels: names; of a tar only.
            model: a name from `models`.
            replace: replace a file that is there.
            on_images: called with the number of images that have arrived; what it raises ends the work.
            conditions: what every image meets.

        Raises:
            OutputError: something is there already.
            OSError: the file cannot be written.
            ValueError: the path has another ending, or labels are asked for in an npy.
        """
        path = Path(path)
        download = Download(path, ImageRange(seed, start, count), model, labels, conditions)
        with new_file(path, replace=replace) as file:
            file.write(download.head)
            for item in self._receive(download.stream):
                file.write(download.part(item))
                on_images(1)
            file.write(download.tail())

    def models(self) -> list[ModelInfo]:
        """Return the models of the service."""
        return self._call(calls.MODELS, ModelList.model_validate_json).models

    def model(self, name: str) -> ModelInfo:
        """Return one model with its card."""
        return self._call(calls.model_call(name), ModelInfo.model_validate_json)

    def start_job(
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
        """Start a job that writes a large set to storage.

        Args:
            destination: `s3://bucket/prefix`, below what the operator allows.
            seed: 0 to 2**64 - 1.
            count: number of images.
            labels: names such as `["borders", "instances"]`.
            model: a name from `models`.
            format: of the shards.
            shard_size: images of every shard but the last; default: as in the set that is there, in a new
                one so many that it has 32 shards or more, at most 25,000.
            validation_every: of so many consecutive indices, at least 2, the last is a validation image, in
                shards of their own; default: none is.
            idempotency_key: the same key and arguments are the same job, also from another process;
                default: a new one.
            conditions: what every image meets.
        """
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
        return self._call(call, Job.model_validate_json)

    def job(self, identity: str) -> Job:
        """Return how far a job is."""
        return self._call(calls.job_call(identity), Job.model_validate_json)

    def jobs(self) -> Iterator[Job]:
        """Yield the jobs, the newest first."""
        call: Call | None = calls.JOBS
        while call is not None:
            page = self._call(call, JobPage.model_validate_json)
            yield from page.jobs
            call = None if page.next is None else Call("GET", page.next)

    def cancel_job(self, identity: str) -> Job:
        """Cancel a job: what it wrote is removed, which may take a while."""
        return self._call(calls.job_call(identity, "DELETE"), Job.model_validate_json)

    def resume_job(self, identity: str) -> Job:
        """Let a job go on that failed."""
        return self._call(calls.job_call(identity, "POST", "/resume"), Job.model_validate_json)

    def abandon_job(self, identity: str) -> Job:
        """Give up a job that failed; what it wrote stays."""
        return self._call(calls.job_call(identity, "POST", "/abandon"), Job.model_validate_json)

    def job_progress(self, identity: str, every: float = 2.0) -> Iterator[Job]:
        """Yield a job now, and again whenever it has changed, until it has ended.

        Args:
            identity: of the job.
            every: seconds between two looks.
        """
        seen = None
        while True:
            job = self.job(identity)
            if job != seen:
                yield job
            if job.ended:
                return
            seen = job
            time.sleep(every)

    def wait_for_job(self, identity: str, timeout: float | None = None, every: float = 2.0) -> Job:
        """Wait for a set to be complete; return its job.

        Args:
            identity: of the job.
            timeout: most seconds to wait; None for no limit.
            every: seconds between two looks.

        Raises:
            JobFailedError: the job came to another end.
            TimeoutError: it has not ended in time; it goes on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not (job := self.job(identity)).ended:
            if end is not None and time.monotonic() + every > end:
                raise TimeoutError(f"job {identity} is {job.state} after {timeout:g} s")
            time.sleep(every)
        return calls.check_complete(job)

    def _call(self, call: Call, read: Callable[[bytes], _Result]) -> _Result:
        patience = Patience(self._patience, reached=self._reached)
        while True:
            try:
                response = self._http.request(
                    call.method, call.path, json=call.json, headers=dict(call.headers)
                )
                self._check(response)
                return calls.read_answer(read, response.content)
            except ServiceError as error:
                pause = patience.after_refusal(error)
            except httpx.RequestError as error:
                pause = patience.after_failure(error, self.url)
            time.sleep(pause)

    def _receive(self, stream: ImageStream[_Item]) -> Iterator[_Item]:
        if stream.needs_limit:
            stream.limit(self._call(calls.MODELS, ModelList.model_validate_json).max_images)
        patience = Patience(self._patience, reached=self._reached)
        while not stream.done:
            try:
                with self._http.stream("POST", "/generate", params=stream.query()) as response:
                    self._check(response)
                    stream.begin(response.headers)
                    for piece in response.iter_bytes():
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
                time.sleep(pause)

    def _check(self, response: httpx.Response) -> None:
        """Raise the error that an answer is, if it is one."""
        self._reached = True
        if response.status_code >= 300:
            raise read_error(response.status_code, response.headers, response.read())
