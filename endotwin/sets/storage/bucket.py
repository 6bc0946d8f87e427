"""A set below a prefix of an S3-compatible bucket.

An object's record is its metadata, which S3 takes before the first byte of an upload. It holds the digest
of the content, so content is first written to a temporary file without a name (it is removed with its
process), and sent when it is complete. So any part can be sent again, and the device can work on the next
shard while a slow network sends this one. Large files are sent in parts; an object is there when all of
it is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import IncompleteReadError
from botocore.parsers import ResponseParserError

from endotwin.sets.storage.destination import ContentionError, StorageError, Stored
from endotwin.sets.storage.place import Bucket
from endotwin.sets.storage.record import ObjectRecord, read_record
from endotwin.sets.storage.retry import Retry
from endotwin.sets.storage.s3_errors import S3_FAILURES, code_of, explain, is_passing
from endotwin.settings import Settings

PART = 16 << 20
"""Bytes of a part, and of the largest file that is sent in one piece. S3 takes at most
10,000 parts, of 5 MiB or more: enough for 160 GB."""

_PARTS_AT_ONCE = 4
_CHUNK = 1 << 20
_LOOKS = 3
"""Requests until an object counts as one without a record: truncated headers look complete."""

_GONE = {"NoSuchUpload", "PreconditionFailed", "412"}
_MISSING = {"404", "NoSuchKey"}
_CONTENT_TYPES = {".tar": "application/x-tar", ".zip": "application/zip", ".json": "application/json"}

_Result = TypeVar("_Result")


class BucketDestination:
    """A prefix of a bucket; a `endotwin.sets.storage.destination.Destination`."""

    def __init__(self, place: Bucket, settings: Settings, retry: Retry) -> None:
        """Create a client from the usual AWS variables and files; nothing is sent yet.

        Raises:
            StorageError: the configuration there is invalid.
        """
        self.place = place
        self._retry = retry
        try:
            self.client = _make_client(settings)
        except (*S3_FAILURES, ValueError) as error:
            raise StorageError(f"{place}: {error}; check the AWS variables and configuration") from error

    def call(self, action: str, key: str, function: Callable[..., _Result], **arguments: Any) -> _Result:
        """Send a request about an object; retry while that helps.

        Args:
            action: for messages, such as `writing`.
            key: relative to the place.
            function: a method of the client.
            **arguments: of the request, without bucket and key.

        Raises:
            ContentionError: a condition of the request does not hold, or its upload was removed.
            StorageError: it failed for good, or for too long.
        """
        what = f"{action} s3://{self.place.name}/{self.place.key(key)}"
        arguments |= {"Bucket": self.place.name, "Key": self.place.key(key)}
        return self._send(what, lambda: function(**arguments))

    def list_keys(self, folder: str) -> Iterator[str]:
        """Yield the keys below a folder, a thousand for each request."""
        prefix = self.place.key(folder)
        what = f"listing s3://{self.place.name}/{prefix}"
        for page in self._pages("list_objects_v2", prefix, what):
            for entry in page.get("Contents", []):
                yield entry["Key"][len(self.place.key("")) :]

    def stat(self, key: str) -> Stored | None:
        """Return size and record of an object; None if it is missing."""
        stored = None
        for _ in range(_LOOKS):
            head = self.call("looking at", key, self._head)
            if head is None:
                return None
            stored = Stored(head["ContentLength"], read_record(head["Metadata"]))
            if stored.record is not None:
                break
        return stored

    def read(self, key: str) -> Iterator[bytes]:
        """Yield an object's content in ranges, each requested again if it comes incomplete."""
        head = self.call("reading", key, self._head)
        if head is None:
            raise StorageError(f"{self.place}/{key} is not there")
        size = head["ContentLength"]
        for start in range(0, size, PART):
            end = min(start + PART, size)
            wanted = {"Range": f"bytes={start}-{end - 1}", "IfMatch": head["ETag"]}
            try:
                yield self.call("reading", key, partial(self._get, end - start), **wanted)
            except ContentionError as error:
                raise StorageError(f"{error}; it was replaced while it was read: try again") from error

    def stage(self, key: str) -> StagedObject:
        """Begin an object, in a temporary file (in TMPDIR)."""
        return StagedObject(self, key)

    def delete(self, key: str) -> None:
        """Remove an object."""
        self.call("removing", key, self.client.delete_object)

    def discard_unfinished(self) -> None:
        """Abort all multipart uploads below the place.

        One of a living process may be among them: that process gets a ContentionError and looks again.
        """
        prefix = self.place.key("")
        what = f"listing uploads below {self.place}"
        with suppress(ContentionError):  # rclone answers NoSuchUpload if there are none
            for page in self._pages("list_multipart_uploads", prefix, what):
                for upload in page.get("Uploads", []):
                    self.abort(upload["Key"][len(prefix) :], upload["UploadId"])

    def abort(self, key: str, upload: str) -> None:
        """Abort a multipart upload; it is no error if it is missing."""
        with suppress(ContentionError):
            self.call("aborting", key, self.client.abort_multipart_upload, UploadId=upload)

    def abort_now(self, key: str, upload: str) -> None:
        """Abort a multipart upload without retries: `discard_unfinished` removes it otherwise."""
        with suppress(*S3_FAILURES):
            self.client.abort_multipart_upload(
                Bucket=self.place.name, Key=self.place.key(key), UploadId=upload
            )

    def _get(self, size: int, **arguments: str) -> bytes:
        content = cast(bytes, self.client.get_object(**arguments)["Body"].read())
        if len(content) != size:
            raise IncompleteReadError(actual_bytes=len(content), expected_bytes=size)
        return content

    def _head(self, **arguments: str) -> dict[str, Any] | None:
        try:
            return _complete(self.client.head_object(**arguments), "ContentLength", "ETag")
        except S3_FAILURES as error:
            if code_of(error) in _MISSING:
                return None
            if not is_passing(error):  # a HEAD request is answered without the reason
                self.client.list_objects_v2(Bucket=self.place.name, Prefix=arguments["Key"], MaxKeys=1)
            raise

    def _pages(self, operation: str, prefix: str, what: str) -> Iterator[dict[str, Any]]:
        """Yield the pages of a listing, each requested again while that helps."""
        paginator = self.client.get_paginator(operation)
        request = getattr(self.client, operation)
        # Retried here and not around the loop: after an error a page iterator begins at its first page.
        paginator._method = lambda **arguments: self._send(what, lambda: request(**arguments))
        yield from paginator.paginate(Bucket=self.place.name, Prefix=prefix)

    def _send(self, what: str, request: Callable[[], _Result]) -> _Result:
        try:
            return self._retry.call(what, request, is_passing)
        except S3_FAILURES as error:
            if code_of(error) in _GONE:
                raise ContentionError(f"{what}: {error}") from error
            raise explain(error, what) from error


class StagedObject:
    """An object that is being written; a `endotwin.sets.storage.destination.Staged`."""

    def __init__(self, destination: BucketDestination, key: str) -> None:
        """Open the temporary file."""
        self._destination = destination
        self._key = key
        with _spool_errors():
            self.file: BinaryIO = cast(BinaryIO, tempfile.TemporaryFile(buffering=_CHUNK))  # noqa: SIM115

    def publish(self, record: ObjectRecord, *, replace: bool) -> None:
        """Send the content; see `endotwin.sets.storage.destination.Staged.publish`."""
        with _spool_errors():
            self.file.flush()
        suffix = os.path.splitext(self._key)[1]  # noqa: PTH122
        about = {"ContentType": _CONTENT_TYPES.get(suffix, "text/plain; charset=utf-8")}
        condition = {} if replace else {"IfNoneMatch": "*"}
        if record.size <= PART:
            self._call(
                "put_object", Body=self._part(0), Metadata=record.to_metadata(), **about, **condition
            )
        else:
            self._send_parts(record, about, condition)

    def _send_parts(self, record: ObjectRecord, about: dict[str, str], condition: dict[str, str]) -> None:
        upload = self._call("create_multipart_upload", Metadata=record.to_metadata(), **about)["UploadId"]

        def send(number: int) -> dict[str, Any]:
            body = self._part(number)
            reply = self._destination.call(
                "writing",
                self._key,
                lambda **arguments: _complete(self._destination.client.upload_part(**arguments), "ETag"),
                UploadId=upload,
                PartNumber=number + 1,
                Body=body,
            )
            return {"PartNumber": number + 1, "ETag": reply["ETag"]}

        try:
            with ThreadPoolExecutor(_PARTS_AT_ONCE) as threads:
                parts = list(threads.map(send, range(-(-record.size // PART))))
            self._call(
                "complete_multipart_upload", UploadId=upload, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            self._destination.abort_now(self._key, upload)
            raise

    def _part(self, number: int) -> bytes:
        return os.pread(self.file.fileno(), PART, number * PART)

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        function = getattr(self._destination.client, method)
        return cast(dict[str, Any], self._destination.call("writing", self._key, function, **arguments))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the temporary file. A failure to write becomes a StorageError."""
        with _spool_errors():
            self.file.close()
            if isinstance(error, OSError):
                raise error


def _complete(reply: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return an answer after a check that it is complete.

    Raises:
        ResponseParserError: it was truncated; the request can be retried.
    """
    missing = [name for name in names if name not in reply]
    if missing:
        raise ResponseParserError(f"the answer lacks {', '.join(missing)}")
    return reply


@contextmanager
def _spool_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{tempfile.gettempdir()}: {error.strerror or error}; shards wait there to be sent, two "
            "at a time: make room, or set TMPDIR to a folder that has it, and run the same command again"
        ) from error


def _make_client(settings: Settings) -> Any:
    """Create a client; servers other than AWS get requests that all of them understand.

    Those are checksums only where S3 demands them, because over TLS the others are sent as trailers,
    which some servers refuse (TLS itself and, over plain HTTP, the signature protect the content on its
    way); and the bucket in the path, because a server's own name seldom covers `bucket.name`.
    """
    session = boto3.session.Session()
    common = Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": 1},  # `Retry` retries, and can be stopped
        connect_timeout=settings.storage_timeout_seconds,
        read_timeout=settings.storage_timeout_seconds,
    )
    endpoint = session.client("s3", config=common).meta.endpoint_url
    amazon = (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
    checksums = settings.storage_checksums
    if checksums == "auto":
        checksums = "when_supported" if amazon else "when_required"
    addressing = settings.storage_addressing
    if addressing == "auto" and not amazon:
        addressing = "path"
    own = Config(
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        s3={"addressing_style": addressing},
    )
    return session.client("s3", config=common.merge(own))
