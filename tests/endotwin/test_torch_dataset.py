"""The torch data set: each image once over workers and ranks, and on from where it was."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

import endotwin
from endotwin import torch_dataset
from endotwin.loaded_model import LoadedModel
from endotwin.torch_dataset import ImageDataset, Place

LABELS = ["borders", "instances", "parameters"]


class OnlyIndices(LoadedModel):
    """Makes no images: who gets which index takes none."""

    def __init__(self) -> None:
        pass

    def samples(self, seed: int, count: int, start: int = 0, **_: Any) -> Any:
        image = np.zeros((128, 128), np.uint8)
        return (endotwin.Sample(seed, index, image, {}, {}) for index in range(start, start + count))


@pytest.fixture
def only_indices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_dataset, "load", lambda *_: OnlyIndices())


def indices(items: Any) -> list[int]:
    return [int(item["index"]) for item in items]


def at(place: Place, monkeypatch: pytest.MonkeyPatch, **asked: Any) -> ImageDataset:
    """Return a data set as one worker of one rank has it."""
    dataset = endotwin.dataset("any", 7, tensors=False, **asked)
    monkeypatch.setattr(dataset, "_place", lambda: place)
    return dataset


@pytest.mark.usefixtures("only_indices")
@settings(max_examples=100)
@given(
    start=st.integers(0, 50),
    count=st.integers(1, 200),
    ranks=st.integers(1, 4),
    workers=st.integers(1, 4),
    stop=st.integers(0, 60),
)
def test_every_image_comes_once_whoever_shares_and_wherever_one_stops(
    start: int, count: int, ranks: int, workers: int, stop: int
) -> None:
    found: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        for rank in range(ranks):
            of_rank: list[int] = []
            for worker in range(workers):
                place = Place(rank + ranks * worker, ranks * workers)
                dataset = at(place, patch, count=count, start=start)
                first = indices(item for item, _ in zip(dataset, range(stop), strict=False))
                resumed = at(place, patch, count=count, start=start)
                resumed.load_state_dict({**dataset.state_dict(), "done": len(first)})
                assert resumed.state_dict()["done"] == len(first)
                part = first + indices(resumed)
                assert part == indices(at(place, patch, count=count, start=start))
                of_rank += part
            whole = endotwin.dataset("any", 7, count, start, rank=rank, ranks=ranks)
            assert len(whole) == len(of_rank)
            found += of_rank
    assert sorted(found) == list(range(start, start + count))


@pytest.mark.usefixtures("only_indices")
def test_without_a_count_there_is_no_end() -> None:
    dataset = endotwin.dataset("any", 7, start=10, rank=1, ranks=2)
    assert indices(item for item, _ in zip(dataset, range(20), strict=False)) == [
        *range(16, 32),
        *range(48, 52),
    ]
    with pytest.raises(TypeError, match="has no length"):
        len(dataset)


def test_tensors_for_a_loader_are_the_images_and_labels(labelled_checkpoint: Path) -> None:
    dataset = endotwin.dataset(labelled_checkpoint, 7, 40, 3, labels=LABELS, density=2000)
    loader = DataLoader(dataset, batch_size=8, num_workers=2)
    assert len(loader) == 5
    batches = list(loader)
    found = {int(i): (batch, at) for batch in batches for at, i in enumerate(batch["index"])}
    assert sorted(found) == list(range(3, 43))
    expected = endotwin.load(labelled_checkpoint, "cpu").samples(7, 40, 3, labels=LABELS, density=2000)
    for sample in expected:
        batch, row = found[sample.index]
        assert batch["name"][row] == sample.name
        for name, factor, kind in (
            ("image", 255, torch.float32),
            ("borders", 255, torch.float32),
            ("instances", 1, torch.int64),
        ):
            assert batch[name].dtype == kind
            assert batch[name].shape[1:] == (1, 128, 128)
            array = sample.image if name == "image" else sample.labels[name]
            assert np.array_equal((batch[name][row, 0] * factor).round().numpy(), array)
        assert sample.parameters is not None
        assert batch["parameters"]["asked"]["density"][row] == sample.parameters["asked"]["density"]
        assert math.isnan(batch["parameters"]["asked"]["age"][row])


def test_arrays_reach_a_transform(labelled_checkpoint: Path) -> None:
    def only_some(item: dict[str, Any]) -> tuple[Any, ...]:
        return item["image"].dtype, item["instances"].dtype, item["image"].shape, len(item["cells"]) > 3

    dataset = endotwin.dataset(
        labelled_checkpoint, 7, 2, labels="instances,cells", tensors=False, transform=only_some
    )
    assert list(dataset) == [(np.uint8, np.uint16, (128, 128), True)] * 2


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_goes_on_where_it_was(tiny_checkpoint: Path, workers: int) -> None:
    def loader() -> StatefulDataLoader:
        return StatefulDataLoader(
            endotwin.dataset(tiny_checkpoint, 7, 70, 5), batch_size=8, num_workers=workers
        )

    whole = [batch["index"].tolist() for batch in loader()]
    first = loader()
    iterator = iter(first)
    begun = [next(iterator)["index"].tolist() for _ in range(3)]
    state = first.state_dict()
    del iterator
    second = loader()
    second.load_state_dict(state)
    assert begun + [batch["index"].tolist() for batch in second] == whole
    assert sorted(itertools.chain(*whole)) == list(range(5, 75))
    assert [batch["index"].tolist() for batch in second] == whole  # the next epoch


@pytest.mark.usefixtures("only_indices")
def test_the_rank_is_that_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert indices(endotwin.dataset("any", 7, 64)) == list(range(32, 48))


@pytest.mark.usefixtures("only_indices")
def test_the_rank_is_that_of_torch_distributed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        early = endotwin.dataset("any", 7, 64)
    given = endotwin.dataset("any", 7, 64, rank=1, ranks=2)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1
    )
    try:
        assert len(endotwin.dataset("any", 7, 64)) == 64
        with pytest.raises(RuntimeError, match=r"made before torch\.distributed was initialised"):
            next(iter(early))
        assert next(iter(given))["index"] == 16
    finally:
        torch.distributed.destroy_process_group()


def test_what_cannot_be_is_refused_at_once(labelled_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="take tensors=False"):
        endotwin.dataset(labelled_checkpoint, 7, labels=["cells"])
    with pytest.raises(ValueError, match="labels must be one or more of"):
        endotwin.dataset(labelled_checkpoint, 7, labels=["cell"])
    with pytest.raises(ValueError, match="give both rank and ranks"):
        endotwin.dataset(labelled_checkpoint, 7, rank=1)
    with pytest.raises(ValueError, match="got 2 of 2"):
        endotwin.dataset(labelled_checkpoint, 7, rank=2, ranks=2)
    state = endotwin.dataset(labelled_checkpoint, 7, 100).state_dict()
    with pytest.raises(ValueError, match=r"the state is of another data set: seed 7 \(now 8\)"):
        endotwin.dataset(labelled_checkpoint, 8, 100).load_state_dict(state)
