"""Images and labels as a torch data set, made while one trains: nothing is stored, nothing comes twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from endotwin import load
from endotwin.image_range import BATCH, MAX_INDEX, ImageRange
from endotwin.samples.arguments import ConditionArguments
from endotwin.samples.arrays import Sample

Item = dict[str, Any]
"""An image, its labels by their names, `index` and `name`."""


@dataclass(frozen=True)
class Place:
    """One of several processes that share the images.

    Attributes:
        number: 0 to of - 1.
        of: how many there are.
    """

    number: int
    of: int


class ImageDataset(IterableDataset[Item]):
    """Images start to start + count - 1 of a seed, shared between ranks and DataLoader workers.

    Blocks of 16 images (those that one run of the network makes) are dealt in turn: block k goes to rank
    k mod ranks, and of a rank's blocks each worker takes every workers-th. So every image comes once. Each
    process loads the checkpoint.

    `state_dict` and `load_state_dict` are of one process, as torchdata's StatefulDataLoader uses them.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        seed: int,
        count: int | None,
        start: int,
        *,
        labels: tuple[str, ...],
        conditions: ConditionArguments,
        tensors: bool,
        transform: Callable[[Item], Any] | None,
        device: str,
        rank: int | None,
        ranks: int | None,
    ) -> None:
        """Check what is asked for; see `endotwin.dataset`."""
        if tensors and "cells" in labels:
            raise ValueError("cells are a list of another length for every image: they take tensors=False")
        self._images = ImageRange(seed, start, MAX_INDEX - start + 1 if count is None else count)
        self._bounded = count is not None
        self._checkpoint, self._device = checkpoint, device
        self._labels, self._conditions = labels, conditions
        self._tensors, self._transform = tensors, transform
        self._rank_given = rank is not None
        self._rank = _find_rank(rank, ranks)
        self._done = self._resumed = 0
        load(checkpoint, "cpu").samples(seed, 1, start, labels=labels, **conditions)

    def __len__(self) -> int:
        """Return the number of images of this rank.

        Raises:
            TypeError: there is no end.
        """
        if not self._bounded:
            raise TypeError("a data set without `count` has no length")
        return self._length(self._rank)

    def __iter__(self) -> Iterator[Any]:
        """Yield the images of this process, from the first one or from the state that was loaded on."""
        self._done, self._resumed = self._resumed, 0
        return self._from(self._done)

    def state_dict(self) -> dict[str, Any]:
        """Return how far this process is, and of what."""
        return {"done": self._resumed or self._done, "share": self._share()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration go on from a state.

        Raises:
            ValueError: it is of other images, or of another number of ranks or workers.
        """
        differing = [
            f"{name} {state['share'].get(name)!r} (now {value!r})"
            for name, value in self._share().items()
            if state["share"].get(name) != value
        ]
        if differing:
            raise ValueError(f"the state is of another data set: {', '.join(differing)}")
        self._resumed = int(state["done"])

    def _from(self, done: int) -> Iterator[Any]:
        if not self._rank_given and _initialised_rank() not in (None, self._rank):
            raise RuntimeError(
                "the data set was made before torch.distributed was initialised: make it afterwards, or "
                "give it rank and ranks"
            )
        model = load(self._checkpoint, self._device)
        place, first, end = self._place(), self._images.start, self._images.last + 1
        offset = done + (first % BATCH if place.number == 0 else 0)  # the first block may begin later
        block = first // BATCH + place.number + place.of * (offset // BATCH)
        begin = block * BATCH + offset % BATCH
        while begin < end:
            count = min((block + 1) * BATCH, end) - begin
            seed, labels = self._images.seed, self._labels
            for sample in model.samples(seed, count, begin, labels=labels, **self._conditions):
                self._done += 1
                item = as_tensors(sample) if self._tensors else as_arrays(sample)
                yield item if self._transform is None else self._transform(item)
            block += place.of
            begin = block * BATCH

    def _place(self) -> Place:
        """Return the place of this process among all workers of all ranks."""
        worker = get_worker_info()
        if worker is None:
            return self._rank
        return Place(self._rank.number + self._rank.of * worker.id, self._rank.of * worker.num_workers)

    def _length(self, place: Place) -> int:
        """Return how many images a process gets."""
        first, last = self._images.start // BATCH, self._images.last // BATCH
        blocks = len(range(first + place.number, last + 1, place.of))
        at_start, at_end = self._images.start % BATCH, BATCH - 1 - self._images.last % BATCH
        has_first = place.number == 0
        has_last = (last - first) % place.of == place.number
        return blocks * BATCH - at_start * has_first - at_end * has_last

    def _share(self) -> dict[str, Any]:
        place = self._place()
        return {
            "checkpoint": str(self._checkpoint),
            "seed": self._images.seed,
            "start": self._images.start,
            "count": self._images.count,
            "labels": ",".join(sorted(self._labels)),
            "conditions": {name: str(value) for name, value in self._conditions.items()},
            "process": place.number,
            "processes": place.of,
        }


def as_arrays(sample: Sample) -> Item:
    """Return a sample as arrays.

    Returns:
        `image` uint8 (H, W), labels as in `Sample.labels`, `parameters` and `cells` if they were asked
        for, `index` and `name`.
    """
    tables = {name: sample.record[name] for name in ("parameters", "cells") if name in sample.record}
    return {"image": sample.image, **sample.labels, **tables, "index": sample.index, "name": sample.name}


def as_tensors(sample: Sample) -> Item:
    """Return a sample as tensors that a DataLoader collates.

    Returns:
        `image` and labels float32 (1, H, W), 0 to 1, but for `instances` int64; `parameters` with nan
        for what has no value; `index` and `name`.
    """
    item = as_arrays(sample)
    for name in ("image", *sample.labels):
        array = torch.from_numpy(item[name].astype(np.int64 if name == "instances" else np.float32))
        item[name] = array[None] if name == "instances" else array[None] / 255
    if "parameters" in item:
        item["parameters"] = {
            part: {name: float("nan") if value is None else float(value) for name, value in numbers.items()}
            for part, numbers in item["parameters"].items()
        }
    return item


def _find_rank(rank: int | None, ranks: int | None) -> Place:
    """Return the rank that was given, else that of torch.distributed or torchrun, else the only one.

    Raises:
        ValueError: half of it was given, or there is no such rank.
    """
    if (rank is None) != (ranks is None):
        raise ValueError("give both rank and ranks, or neither")
    if rank is None or ranks is None:
        found = _initialised_rank()
        if found is not None:
            return found
        rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if not 0 <= rank < ranks:
        raise ValueError(f"rank must be from 0 to ranks - 1, got {rank} of {ranks}")
    return Place(rank, ranks)


def _initialised_rank() -> Place | None:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return None
    return Place(distributed.get_rank(), distributed.get_world_size())
