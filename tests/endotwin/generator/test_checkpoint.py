"""A checkpoint comes back bit for bit; a truncated, altered, foreign or pickled file is refused."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from failing_system import as_ordinary_user, folder_for_everyone, no_file_larger_than
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pickle_bomb import Bomb
from safetensors.torch import load_file, save_file
from tiny_checkpoints import TINY, make_card
from waiting import wait_for

from endotwin.generator.architectures import Generator, build_generator
from endotwin.generator.card import Card
from endotwin.generator.card_file import CheckpointError
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint, read_card, save_checkpoint
from endotwin.generator.compact import MosaicArchitecture
from endotwin.generator.dcgan import DcganArchitecture
from endotwin.generator.latents import draw_normals
from endotwin.image_range import ImageRange

SHIPPED = Path(__file__).resolve().parents[3] / "checkpoints"

ON_ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def make_generator(seed: int = 1) -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_generator(TINY)


def header_of(data: bytes) -> dict[str, dict[str, str]]:
    header: dict[str, dict[str, str]] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header


def with_header(data: bytes, change: Callable[[dict[str, dict[str, str]]], None]) -> bytes:
    """Return a checkpoint's bytes with another header, as a tool that edits metadata writes it."""
    header = header_of(data)
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + int.from_bytes(data[:8], "little") :]


def assert_refused(path: Path, why: str | None = None) -> None:
    with pytest.raises(CheckpointError, match=why) as error:
        load_checkpoint(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "architecture", [TINY, DcganArchitecture(channels=(16, 16, 8, 8, 8))], ids=["mosaic", "dcgan"]
)
def test_a_checkpoint_comes_back_bit_for_bit(
    architecture: MosaicArchitecture | DcganArchitecture, tmp_path: Path
) -> None:
    generator = build_generator(architecture)
    draws = torch.from_numpy(draw_normals(ImageRange(0, 0, 4), generator.draws))
    generator(draws)  # in training mode: moves the running statistics of batch normalisation
    card = make_card().model_copy(update={"architecture": architecture})
    path = tmp_path / "new folder" / "a.safetensors"
    save_checkpoint(path, generator, card)
    loaded = load_checkpoint(path)
    assert loaded.card == card == read_card(path)
    assert loaded.path == path
    state = generator.state_dict()
    assert loaded.generator.state_dict().keys() == state.keys()
    for name, tensor in loaded.generator.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert not loaded.generator.training
    assert not any(p.requires_grad for p in loaded.generator.parameters())
    with torch.inference_mode():
        assert torch.equal(loaded.generator(draws), generator.eval()(draws))


def test_weights_in_bfloat16_are_stored_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, make_generator().bfloat16(), make_card())
    assert {tensor.dtype for tensor in load_file(path).values()} == {torch.float32}


def test_any_reader_of_safetensors_finds_the_card(tiny_checkpoint: Path) -> None:
    metadata = header_of(tiny_checkpoint.read_bytes())["__metadata__"]
    assert Card.model_validate_json(metadata["endotwin_card"]) == make_card()


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.safetensors")), ids=lambda path: path.name)
def test_what_ships_loads_and_holds_its_record(path: Path) -> None:
    card = load_checkpoint(path).card
    assert card.name == path.stem
    assert card.fid is not None
    for score in (card.fid.generated_training, card.fid.real_real, card.fid.noise_real):
        assert (score.first_count, score.second_count) == (3000, 3000)
    assert card.fid.real_real.fid < card.fid.generated_training.fid < card.fid.noise_real.fid


def test_without_a_recorded_fid_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError, match="recorded FID"):
        save_checkpoint(path, make_generator(), make_card(recorded=False))
    assert list(tmp_path.iterdir()) == []


def test_an_unscored_one_is_written_where_that_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, make_generator(), make_card(recorded=False), unscored=True)
    assert read_card(path).fid is None
    assert_refused(path, "no recorded FID")


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"ends in \.safetensors"):
        save_checkpoint(tmp_path / "a.pt", make_generator(), make_card())
    assert list(tmp_path.iterdir()) == []


@ON_ONE_FILE
@given(share=st.floats(0, 1, exclude_max=True))
@example(share=0.0)
def test_a_truncated_file_is_refused(share: float, tiny_checkpoint: Path, tmp_path: Path) -> None:
    data = tiny_checkpoint.read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(data[: int(share * len(data))])
    assert_refused(path, "truncated or not a safetensors file")


@pytest.mark.parametrize("missing", [1, 2, 4, 1000])
def test_a_file_short_of_its_last_bytes_is_refused(
    missing: int, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(tiny_checkpoint.read_bytes()[:-missing])
    assert_refused(path, "truncated")


@ON_ONE_FILE
@given(data=st.data(), in_header=st.booleans(), flip=st.integers(1, 255))
def test_an_altered_byte_is_refused(
    data: st.DataObject, in_header: bool, flip: int, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    content = bytearray(tiny_checkpoint.read_bytes())
    end = 8 + int.from_bytes(content[:8], "little")
    at = data.draw(st.integers(0, end - 1) if in_header else st.integers(end, len(content) - 1))
    padding = range(len(bytes(content[:end]).rstrip(b" ")), end)
    content[at] ^= flip
    path = tmp_path / "altered.safetensors"
    path.write_bytes(content)
    if at in padding and chr(content[at]) in "\t\n\r":
        load_checkpoint(path)  # another blank after the header's JSON means the same
    else:
        assert_refused(path)


def test_an_altered_score_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def improve(header: dict[str, dict[str, str]]) -> None:
        card = header["__metadata__"]["endotwin_card"]
        assert '"fid":123.5' in card
        header["__metadata__"]["endotwin_card"] = card.replace('"fid":123.5', '"fid":12.35')

    path = tmp_path / "better.safetensors"
    path.write_bytes(with_header(tiny_checkpoint.read_bytes(), improve))
    assert read_card(path).fid is not None
    assert_refused(path, "altered or damaged")


def test_a_checkpoint_without_its_digest_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    content = tiny_checkpoint.read_bytes()
    path.write_bytes(with_header(content, lambda header: header["__metadata__"].pop("endotwin_sha256")))
    assert_refused(path, "do not match the digest")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda card: card | {"mood": "good"}, "mood: Extra inputs are not permitted"),
        (lambda card: card | {"name": "../x"}, "name: String should match"),
        (lambda card: card | {"schema_version": 2}, "schema_version: "),
        (lambda card: card | {"architecture": {"kind": "transformer"}}, "architecture: "),
        (
            lambda card: card | {"architecture": {"kind": "mosaic", "width": 9}},
            r"architecture\.mosaic\.width: ",
        ),
        (lambda card: {key: value for key, value in card.items() if key != "data"}, "data: Field required"),
        (lambda _card: ["not", "a", "card"], "Input should be an object"),
    ],
)
def test_a_card_that_is_not_valid_is_refused_by_field(
    change: Callable[[dict[str, object]], object], where: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    def rewrite(header: dict[str, dict[str, str]]) -> None:
        metadata = header["__metadata__"]
        metadata["endotwin_card"] = json.dumps(change(json.loads(metadata["endotwin_card"])))

    path = tmp_path / "card.safetensors"
    path.write_bytes(with_header(tiny_checkpoint.read_bytes(), rewrite))
    assert_refused(path, f"its card is not valid: {where}")


def write_by_hand(path: Path, tensors: dict[str, torch.Tensor], card: Card) -> None:
    """Write a file that is whole in itself, as another tool could: with its digest, whatever it holds."""
    text = card.model_dump_json()
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    metadata = {"endotwin_card": text, "endotwin_sha256": digest.hexdigest()}
    save_file(tensors, path, metadata=metadata)


def test_the_digest_is_over_the_card_and_every_tensor(tmp_path: Path) -> None:
    path = tmp_path / "by-hand.safetensors"
    write_by_hand(path, make_generator().state_dict(), make_card())
    assert load_checkpoint(path).card == make_card()


def test_a_card_without_fid_loads_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "unscored.safetensors"
    write_by_hand(path, make_generator().state_dict(), make_card(recorded=False))
    assert_refused(path, "no recorded FID")
    assert load_checkpoint(path, require_fid=False).card.fid is None


def without_last(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return dict(list(tensors.items())[:-1])


def with_one_more(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return tensors | {"extra.weight": torch.zeros(2)}


def with_another_shape(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return tensors | {"leave.bias": torch.zeros(2)}


def with_nan(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return tensors | {"leave.bias": torch.tensor([float("nan")])}


def with_infinity(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return tensors | {"leave.bias": torch.tensor([float("-inf")])}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without_last, r"missing \['leave\.bias'\], unknown \[\]"),
        (with_one_more, r"missing \[\], unknown \['extra\.weight'\]"),
        (with_another_shape, r"leave\.bias has shape \(2,\), the card's architecture needs \(1,\)"),
        (with_nan, r"leave\.bias holds values that are not finite"),
        (with_infinity, r"leave\.bias holds values that are not finite"),
    ],
)
def test_weights_that_do_not_fit_the_card_are_refused(
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "misfit.safetensors"
    write_by_hand(path, change(dict(make_generator().state_dict())), make_card())
    assert_refused(path, why)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.safetensors"
    save_checkpoint(path, build_generator(MosaicArchitecture(latent=8, width=16)), make_card())
    assert_refused(path, "the card's architecture needs")


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    assert_refused(path, "not one of Endotwin's: it has no card")
    save_file({"weight": torch.zeros(3)}, path)
    assert_refused(path, "not one of Endotwin's: it has no card")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_not_run(protocol: int, tmp_path: Path) -> None:
    marker, path = tmp_path / "unpickled", tmp_path / "pickle.safetensors"
    path.write_bytes(pickle.dumps(Bomb(marker), protocol=protocol))
    assert_refused(path, "pickle" if protocol >= 2 else "not a safetensors file")
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists()  # it would have run


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_of_torch_save_is_refused_and_not_run(zipped: bool, tmp_path: Path) -> None:
    marker, path = tmp_path / "unpickled", tmp_path / "torch.safetensors"
    torch.save({"weights": Bomb(marker)}, path, _use_new_zipfile_serialization=zipped)
    assert_refused(path, "a pickle file")
    assert not marker.exists()
    torch.load(io.BytesIO(path.read_bytes()), weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 100, b"{}", b"<html>404</html>" * 50])
def test_what_is_no_checkpoint_at_all_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(content)
    assert_refused(path, "not a safetensors file")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "missing.safetensors", "no such file")
    (tmp_path / "folder.safetensors").mkdir()
    assert_refused(tmp_path / "folder.safetensors", "not a file")
    (tmp_path / "link.safetensors").symlink_to("nowhere")
    assert_refused(tmp_path / "link.safetensors", "no such file")


def test_a_file_that_may_not_be_read_is_refused(tiny_checkpoint: Path) -> None:
    with folder_for_everyone() as folder:
        path = folder / "closed.safetensors"
        path.write_bytes(tiny_checkpoint.read_bytes())
        path.chmod(0o000)
        with as_ordinary_user():
            assert_refused(path, "Permission denied")


@pytest.mark.parametrize("before", [None, b"an older checkpoint"])
def test_a_failed_write_leaves_what_was_there(
    before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up in the middle: the limit on a file's size makes the write fail for real."""
    path = tmp_path / "a.safetensors"
    if before is not None:
        path.write_bytes(before)
    with no_file_larger_than(100_000), pytest.raises(Exception, match=r"(?i)too large|failed"):
        save_checkpoint(path, make_generator(), make_card())
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == (
        {} if before is None else {path.name: before}
    )


def write_forever(path: Path, generator: Generator) -> None:
    while True:
        save_checkpoint(path, generator, make_card())


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05, 0.2])
def test_a_kill_while_writing_leaves_a_whole_file(delay: float, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    writer = multiprocessing.get_context("fork").Process(
        target=write_forever, args=(path, make_generator())
    )
    writer.start()
    wait_for(path.exists, "the first checkpoint")
    time.sleep(delay)
    writer.kill()
    writer.join()
    assert load_checkpoint(path).card == make_card()


def test_the_digest_names_what_decides_pixels_and_nothing_else(tmp_path: Path) -> None:
    """A new score changes the file; weights, architecture and the mosaic's version change the digest."""

    def saved(name: str, card: Card, seed: int = 1) -> Checkpoint:
        path = tmp_path / f"{name}.safetensors"
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            generator = build_generator(card.architecture)
        save_checkpoint(path, generator, card)
        return load_checkpoint(path)

    plain, scored = saved("plain", make_card()), saved("scored", make_card(fid=5.0))
    assert plain.path.read_bytes() != scored.path.read_bytes()
    assert plain.generator_sha256 == scored.generator_sha256
    assert saved("trained", make_card(), seed=2).generator_sha256 != plain.generator_sha256
    wider = TINY.model_copy(update={"spacing_median": 25.0})
    assert saved("wider", make_card(architecture=wider)).generator_sha256 != plain.generator_sha256


def test_the_digest_of_a_labelled_checkpoint_holds_the_version_of_the_mosaic(
    labelled_checkpoint: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [load_checkpoint(path).generator_sha256 for path in (labelled_checkpoint, tiny_checkpoint)]
    monkeypatch.setattr("endotwin.generator.checkpoint.MOSAIC_VERSION", 99)
    after = [load_checkpoint(path).generator_sha256 for path in (labelled_checkpoint, tiny_checkpoint)]
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


def test_the_digest_is_computed_in_the_thread_that_loads(tiny_checkpoint: Path) -> None:
    """A second thread that computes gets a team of OpenMP threads: a quarter of the speed was lost."""
    assert "generator_sha256" in vars(load_checkpoint(tiny_checkpoint))
