"""What an operator can set: environment variables that begin with ENDOTWIN_ (docs/operator.md)."""

from __future__ import annotations

import difflib
import ipaddress
import logging
import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from endotwin.image_range import MAX_INDEX
from endotwin.quoting import shorten
from endotwin.sets.storage.place import parse_bucket

logger = logging.getLogger("endotwin")

PREFIX = "ENDOTWIN_"
FOREIGN_VARIABLES = frozenset({"ENDOTWIN_DATA", "ENDOTWIN_KEY"})
"""Variables with the prefix that others read: the tests look for real images under ENDOTWIN_DATA, and the
commands that call a service take its key from ENDOTWIN_KEY."""

_KUBERNETES = re.compile(
    r"""ENDOTWIN_(\w+_)?(
        SERVICE_HOST=.*
        | SERVICE_PORT(_\w+)?=.*
        | PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://.*
        | PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)=.*
    )""",
    re.VERBOSE,
)
"""A variable that Kubernetes sets in every pod for a Service called endotwin or endotwin-something."""

_DEVICE = r"(cpu|cuda(:\d{1,3})?)"
_DEVICES = re.compile(rf"auto|{_DEVICE}(,{_DEVICE})*")

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED, _CHECKOUT = _PACKAGE / "checkpoints", _PACKAGE.parent / "checkpoints"
SHIPPED_CHECKPOINTS = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
"""Folder of the checkpoints that ship: in the package, or beside it in a checkout, a Bento or the image."""


class SettingsError(Exception):
    """A setting is wrong; the message says which, why, and what is allowed."""


class Settings(BaseSettings):
    """The settings of the service. An empty variable counts as one that is not set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    checkpoint_dir: Path = Field(
        default=SHIPPED_CHECKPOINTS,
        description="folder of checkpoints; every *.safetensors file in it is served",
    )
    default_model: str | None = Field(
        default=None,
        description="model of a request that names none; by default the only one, else `compact`",
    )
    device: str = Field(
        default="auto",
        description="where images are generated: auto (cuda if there is one), cpu, cuda or cuda:INDEX; the "
        "service takes several of one kind, as in cuda:0,cuda:1",
    )
    max_images: int = Field(
        default=100_000, ge=1, le=MAX_INDEX, description="most images that one request may ask for"
    )
    max_streams: int = Field(
        default=16, ge=1, le=1024, description="open streams beyond which requests are answered 503"
    )
    max_streams_per_caller: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="open streams of one key or address beyond which its requests are answered 429",
    )
    small_images: int = Field(
        default=64, ge=1, le=MAX_INDEX, description="a request for so many images or fewer is a small one"
    )
    small_streams: int = Field(
        default=2,
        ge=0,
        le=1024,
        description="further streams for small requests alone, when all others are in use",
    )
    stall_seconds: float = Field(
        default=600.0,
        gt=0,
        le=86_400,
        description="a client that is this far behind the least rate is cut off, so that its place becomes "
        "free; in a place for small requests one that keeps it waiting for a tenth of this",
    )
    least_rate: float = Field(
        default=4096.0,
        gt=0,
        le=1e9,
        description="bytes per second that a client has to take while data waits for it",
    )
    max_stream_seconds: float = Field(
        default=86_400.0,
        gt=0,
        le=31_536_000,
        description="how long a stream may last from its first byte on; then it is cut off",
    )
    max_connections: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="open connections beyond which the one that has waited longest for a request is closed",
    )
    request_seconds: float = Field(
        default=20.0,
        gt=0,
        le=3600,
        description="how long a request may take to arrive, its body included, or its connection is closed",
    )
    allow_unscored: bool = Field(
        default=False, description="also serve checkpoints without a recorded FID, for experiments"
    )
    keys_file: Path | None = Field(
        default=None,
        description="file of the keys that `endotwin key` makes; with it every route but health needs one",
    )
    gallery: bool = Field(
        default=True, description="whether there is a page at /gallery on which to look at images"
    )
    usage_store: Path | None = Field(
        default=None,
        description="file in which images per key and day are counted; by default beside the keys' file",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="proxies whose X-Forwarded-For names the client: addresses or networks separated by "
        "commas, or * for everybody",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="origins whose pages may use the service from a browser, such as https://lab.example, "
        "separated by commas",
    )
    storage_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="where clients may have sets written: bucket or bucket/prefix, separated by commas",
    )
    storage_checksums: Literal["auto", "when_supported", "when_required"] = Field(
        default="auto",
        description="when S3 requests carry checksums: auto is when_supported for AWS, else when_required",
    )
    storage_addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto",
        description="where S3 requests name the bucket: auto is boto3's choice for AWS, else the path",
    )
    storage_timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="an S3 server that sends or takes nothing for this long counts as gone",
    )
    storage_patience_seconds: float = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="how long a request to S3 that fails is tried again",
    )

    jobs_store: Path | None = Field(
        default=None,
        description="file in which the service keeps its jobs, on a disk of this machine; without it there "
        "are none",
    )
    jobs_max_images: int = Field(
        default=10_000_000, ge=1, le=MAX_INDEX, description="most images that one job may ask for"
    )
    jobs_max_open: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="jobs of one key, or without keys of all, that wait or run; more are refused",
    )
    jobs_lease_seconds: float = Field(
        default=20.0,
        ge=1,
        le=3600,
        description="a service that has not renewed its lease of a job for this long counts as dead",
    )

    log_format: Literal["auto", "json", "text"] = Field(
        default="auto",
        description="lines of the log: json, text, or auto: text on a terminal, else json",
    )

    @field_validator("device")
    @classmethod
    def _check_devices(cls, value: str) -> str:
        if not _DEVICES.fullmatch(value):
            allowed = "auto, cpu, cuda, cuda:N, or several of the last three joined by commas"
            raise ValueError(f"must be {allowed}, got {shorten(value)}")
        return value

    @field_validator("jobs_store", "keys_file", "usage_store")
    @classmethod
    def _check_absolute(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            raise ValueError(
                f"must be an absolute path, since the service may run in another folder, got "
                f"{shorten(str(value))}"
            )
        return value

    @field_validator("storage_allow", "trusted_proxies", "cors_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            if value != ("*",):
                try:
                    ipaddress.ip_network(proxy)
                except ValueError as error:
                    raise ValueError(
                        "must be addresses or networks, such as 10.0.0.0/8, separated by commas, or * "
                        f"alone, got {shorten(proxy)}{_bits_beyond_mask(proxy)}"
                    ) from error
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"an origin is http(s)://host or http(s)://host:port, got {shorten(origin)}"
                )
        return value

    @field_validator("storage_allow")
    @classmethod
    def _check_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in value:
            if place.startswith("s3://"):
                raise ValueError(
                    f"leave out s3://: a place is bucket or bucket/prefix, got {shorten(place)}"
                )
            parse_bucket(place)
        return value


def variable(field: str) -> str:
    """Return the name of the environment variable of a setting."""
    return PREFIX + field.upper()


def load_settings(*, quiet: bool = False) -> Settings:
    """Read the settings from the environment.

    Variables that Kubernetes sets for a Service called endotwin or endotwin-something are ignored.

    Args:
        quiet: do not log which variables were ignored.

    Raises:
        SettingsError: a variable has a value that is not allowed, or its name is not one of a setting.
    """
    known = {variable(field) for field in Settings.model_fields} | FOREIGN_VARIABLES
    others = {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    others = {name: value for name, value in sorted(others.items()) if name not in known}
    ignored = [name for name, value in others.items() if _KUBERNETES.fullmatch(f"{name}={value}")]
    if unknown := [name for name in others if name not in ignored]:
        raise SettingsError(_describe_unknown(unknown))
    if ignored and not quiet:
        logger.info("ignored %s: Kubernetes sets them for a Service of that name", ", ".join(ignored))
    try:
        return Settings()
    except ValidationError as error:
        problems = (
            f"{variable(str(problem['loc'][0]))}: "
            + _describe(problem["type"], problem["msg"], problem["input"])
            for problem in error.errors()
        )
        raise SettingsError("; ".join(problems)) from error


def _describe_unknown(names: list[str]) -> str:
    """Return what to say of variables that are no settings, the settings of similar names first."""
    allowed = sorted(Settings.model_fields)
    similar = [
        variable(field)
        for name in names
        for field in difflib.get_close_matches(name.removeprefix(PREFIX).lower(), allowed, 1)
    ]
    text = f"unknown setting{'s' if len(names) > 1 else ''} {', '.join(names)}; "
    text += f"did you mean {', '.join(dict.fromkeys(similar))}? There are " if similar else "there are "
    return text + ", ".join(map(variable, allowed))


def _describe(kind: str, message: str, given: object) -> str:
    """Return what pydantic found wrong with a value, in words for an operator."""
    if kind == "value_error":
        return message.removeprefix("Value error, ")  # a validator's here, which says what was given
    wanted = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    known = wanted.get(kind.partition("_")[0])
    said = f"must be {known}" if known else message.replace("Input should be", "must be")
    return f"{said}, got {shorten(str(given))}"


def _bits_beyond_mask(network: str) -> str:
    """Return which network somebody may have meant that gave an address with a length; else ""."""
    try:
        meant = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return ""
    return f"; the network is {meant}"
