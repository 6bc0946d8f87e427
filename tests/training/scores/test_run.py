"""`endotwin-training evaluate` from end to end: the JSON, the report, the card, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_evaluation import COUNT, MadeUp, card_of
from PIL import Image
from safetensors import safe_open
from tiny_checkpoints import save_tiny

from endotwin.generator.card import Card
from endotwin.generator.checkpoint import file_sha256, load_checkpoint, read_card
from endotwin.generator.device import describe_device
from endotwin.samples.grid import draw_grid
from training.data.split import ImageFolder, load_dataset
from training.learning.run_folder import RunFolder
from training.learning.settings import TrainingSettings
from training.scores import evaluation
from training.scores import run as run_module
from training.scores.evidence import Evidence, evidence_record, evidence_schema, scores_protocol
from training.scores.report import Pictures, write_evaluation_report
from training.scores.report_tables import console_table
from training.scores.request import EvaluationError, EvaluationRequest
from training.scores.run import run_evaluation

ROOT = Path(__file__).resolve().parents[3]


class Page(HTMLParser):
    """What a report holds: its text, its pictures, and whether anything comes from elsewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.pictures: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "img":
            self.pictures.append(found.get("src") or "")
            assert found.get("alt"), "a picture without words"
        self.addresses += [found[name] or "" for name in ("href", "src") if name in found]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def scores_only(request: EvaluationRequest, **changes: object) -> EvaluationRequest:
    """Return a request that leaves out nearest crops and cells."""
    return replace(request, memorisation_count=0, morphometry_count=0, **changes)


def test_the_json_keeps_to_its_schema_and_says_what_was_done(made_up: MadeUp) -> None:
    found = made_up.done.evidence
    assert Evidence.model_validate_json(made_up.done.json.read_text()) == found
    assert (found.count, found.seed, found.recordable) == (COUNT, 5, False)
    assert found.device == describe_device(torch.device("cpu"))
    assert found.checkpoint_sha256 == file_sha256(made_up.checkpoint)
    assert found.generator_sha256 == load_checkpoint(made_up.checkpoint).generator_sha256
    assert found.image_list_sha256 == made_up.dataset.digest
    assert found.recorded == made_up.card.fid
    assert found.difference is None  # the card's is of 3,000 images
    assert [comparison.name for comparison in found.comparisons] == [
        "generated_training",
        "generated_held_out",
        "real_real",
        "real_held_out",
        "noise_real",
    ]
    for comparison in found.comparisons:
        assert comparison.count == COUNT
        fids = [draw.fid for draw in comparison.draws]
        assert len(set(fids)) == 3
        assert comparison.summary.fid.mean == pytest.approx(np.mean(fids))
        assert comparison.summary.fid.deviation == pytest.approx(np.std(fids, ddof=1))
        assert getattr(found.measured, comparison.name).fid == fids[0]
    by_name = {comparison.name: comparison.summary for comparison in found.comparisons}
    assert by_name["real_real"].fid.mean < by_name["generated_training"].fid.mean
    assert by_name["real_real"].fid.mean < by_name["noise_real"].fid.mean
    assert by_name["real_real"].kid.mean < by_name["noise_real"].kid.mean
    assert by_name["noise_real"].coverage.mean == 0.0


def test_the_protocol_says_how_kid_was_measured(made_up: MadeUp) -> None:
    assert "(x.y / 2048 + 1)^3, all images at once." in evidence_record(made_up.done.evidence).protocol
    assert "(x.y / 2048 + 1)^3, 20 subsets of 1000." in scores_protocol(3000, 0)


def test_the_published_schema_is_current() -> None:
    published = (ROOT / "docs" / "evaluation.schema.json").read_text(encoding="utf-8")
    assert published == evidence_schema(), (
        "write it again: python -m training.scores.evidence > docs/evaluation.schema.json"
    )


def test_the_report_stands_alone_and_begins_with_its_command(made_up: MadeUp) -> None:
    assert made_up.done.report.name == "report.html"
    html = made_up.done.report.read_text(encoding="utf-8")
    page = Page(html)
    assert not page.open
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not re.search(r"url\(|@import|<script|<link", html)
    command = made_up.done.evidence.command
    assert page.text.index(command) < page.text.index("Checkpoint")
    assert command.startswith("endotwin-training evaluate ")
    assert f" --count {COUNT} --seed 5 --device cpu " in command
    assert str(Path.home()) not in html
    assert "A quick look at 6 images" in page.text
    assert "Contains real images" not in page.text
    assert found_in(page.text, "generated images / training crops")
    assert file_sha256(made_up.checkpoint) in page.text
    assert made_up.dataset.digest in page.text
    assert "--run runs/" in page.text  # what is missing, and how to get it


def found_in(text: str, words: str) -> bool:
    return words in " ".join(text.split())


def test_nothing_else_is_written(made_up: MadeUp) -> None:
    assert sorted(path.name for path in made_up.request.output.iterdir()) == [
        "evaluation.json",
        "report.html",
    ]


def test_the_same_again_is_the_same_and_needs_no_features(
    made_up: MadeUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("features were computed again")

    monkeypatch.setattr("training.scores.fid.features", refuse)
    again = run_evaluation(replace(made_up.request, output=tmp_path))
    assert again.evidence == made_up.done.evidence


def test_the_console_table_shows_mean_spread_and_the_card(made_up: MadeUp) -> None:
    found = made_up.done.evidence
    text = console_table(found)
    (row,) = [line for line in text.splitlines() if line.startswith("generated images / training crops")]
    summary = found.comparisons[0].summary.fid
    assert f"{summary.mean:.2f} ± {summary.deviation:.2f}" in row
    assert row.split()[-1] == "-"
    assert "measured at 3,000 / 3,000 images with seed 0; scores of other counts or seeds" in text


def test_recording_keeps_the_weights_and_the_old_fid(
    made_up: MadeUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "RECORD_MINIMUM", COUNT)
    monkeypatch.setattr(run_module, "RECORD_MINIMUM", COUNT)
    path = tmp_path / "tiny.safetensors"
    shutil.copy(made_up.checkpoint, path)
    request = scores_only(made_up.request, checkpoint=path, output=tmp_path / "out", record=True)
    done = run_evaluation(request)
    assert done.evidence.recordable
    assert done.evidence.checkpoint_sha256 == file_sha256(made_up.checkpoint)
    assert done.evidence.recorded_sha256 == file_sha256(path)
    card = read_card(path)
    assert card.evidence == evidence_record(done.evidence)
    assert card.fid == made_up.card.fid
    assert weights(path) == weights(made_up.checkpoint)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "tiny.safetensors"]
    assert file_sha256(path) in done.report.read_text()
    assert done.evidence.generator_sha256 == made_up.done.evidence.generator_sha256
    assert load_checkpoint(path).generator_sha256 == made_up.done.evidence.generator_sha256
    # The same again finds the same: features are known by the weights, not by the file.
    monkeypatch.setattr("training.scores.fid.features", None)
    again = run_evaluation(replace(request, record=False, output=tmp_path / "again"))
    assert again.evidence.comparisons == done.evidence.comparisons
    load_checkpoint(path)


def weights(path: Path) -> dict[str, bytes]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def test_a_checkpoint_without_a_score_gets_one(
    made_up: MadeUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "RECORD_MINIMUM", COUNT)
    checkpoint = load_checkpoint(made_up.checkpoint)
    unscored = replace(checkpoint, card=made_up.card.model_copy(update={"fid": None}))
    unscored = replace(unscored, path=tmp_path / "tiny.safetensors")
    evidence = made_up.done.evidence
    run_module._record(unscored, evidence)
    card = read_card(tmp_path / "tiny.safetensors")
    assert card.fid == evidence.measured
    assert card.statistics == evidence.statistics


def test_an_old_card_still_loads(made_up: MadeUp) -> None:
    old = json.loads(made_up.card.model_dump_json(exclude={"evidence"}))
    assert Card.model_validate(old).evidence is None


def test_too_few_images_are_refused(made_up: MadeUp) -> None:
    before = file_sha256(made_up.checkpoint)
    with pytest.raises(EvaluationError, match="at least 2048 images on either side, got 2047"):
        run_evaluation(replace(made_up.request, count=2047, record=True))
    with pytest.raises(EvaluationError, match="a quick look needs at least 6 images on either side, got 5"):
        run_evaluation(replace(made_up.request, count=5))
    assert file_sha256(made_up.checkpoint) == before


def test_without_held_out_images_their_comparisons_are_absent(made_up: MadeUp, tmp_path: Path) -> None:
    dataset = load_dataset([ImageFolder(made_up.folder / "made-up")], validation_share=0.0)
    path = save_tiny(tmp_path, card_of(dataset))
    done = run_evaluation(
        replace(made_up.request, checkpoint=path, output=tmp_path / "out", morphometry_count=0)
    )
    assert [comparison.name for comparison in done.evidence.comparisons] == [
        "generated_training",
        "real_real",
        "noise_real",
    ]
    assert done.evidence.memorisation is None
    assert "no images are held out" in Page(done.report.read_text()).text


def test_copies_and_cells_are_reported(made_up: MadeUp, tmp_path: Path) -> None:
    found = made_up.done.evidence
    assert found.memorisation is not None
    assert found.morphometry is not None
    assert found.memorisation.generated_training.count == COUNT
    assert found.morphometry.training.cells > 0
    assert found.memorisation.sentence in Page(made_up.done.report.read_text()).text
    left_out = scores_only(made_up.request, output=tmp_path / "out")
    without = run_evaluation(left_out).evidence
    assert (without.memorisation, without.morphometry) == (None, None)
    assert without.comparisons == found.comparisons


def test_sources_may_come_from_their_file(made_up: MadeUp, tmp_path: Path) -> None:
    file = tmp_path / "images.toml"
    file.write_text(f'[[source]]\npath = "{made_up.folder / "made-up"}"\n')
    done = run_evaluation(scores_only(made_up.request, data=None, sources=file, output=tmp_path / "out"))
    assert done.evidence.comparisons == made_up.done.evidence.comparisons
    assert "--sources" in done.evidence.command


def test_the_run_adds_the_history_of_training(made_up: MadeUp, tmp_path: Path) -> None:
    settings = TrainingSettings(name="tiny", architecture=made_up.card.architecture)
    folder = RunFolder.of(tmp_path / "runs", settings, made_up.dataset.digest)
    folder.write_text("settings.json", settings.model_dump_json())
    images_seen = made_up.card.training.images_seen  # 0: the made-up generator was never trained
    folder.append_statistics({"images": images_seen, "quick_fid": 222.25})
    folder.save_grid(
        f"{images_seen:08d}.png", draw_grid(made_up.dataset.training[0].pixels[None, :128, :128], 1)
    )
    done = run_evaluation(scores_only(made_up.request, run=folder.path, output=tmp_path / "out"))
    assert done.evidence.course is not None
    assert [stage.quick_fid for stage in done.evidence.course.shown] == [222.25]
    page = Page(done.report.read_text())
    assert found_in(page.text, "0 images seen (epoch 0): quick FID 222.2")
    assert found_in(page.text, "the checkpoint: FID 123.5 at 3,000 / 3,000 images")
    assert f"--run {os.path.relpath(folder.path)}" in done.evidence.command


def test_real_images_are_shown_only_where_asked_for(made_up: MadeUp, tmp_path: Path) -> None:
    done = run_evaluation(replace(made_up.request, show_real=True, output=tmp_path))
    assert done.report.name == "report.private.html"
    page = Page(done.report.read_text())
    assert "Contains real images: do not publish." in page.text
    public = Page(made_up.done.report.read_text())
    assert len(page.pictures) > len(public.pictures)
    assert done.evidence.command == made_up.done.evidence.command + " --show-real"


def test_pictures_are_whole(made_up: MadeUp) -> None:
    for address in Page(made_up.done.report.read_text()).pictures:
        data = base64.b64decode(address.partition(",")[2], validate=True)
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert np.asarray(image.convert("L")).std() > 1


def test_names_are_escaped_in_the_report(made_up: MadeUp, tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    evidence = made_up.done.evidence.model_copy(update={"name": script, "command": script})
    source = made_up.card.data.sources[0].model_copy(update={"name": script})
    data = made_up.card.data.model_copy(update={"sources": (source,)})
    card = made_up.card.model_copy(update={"data": data})
    pictures = Pictures(b"", b"", b"", None, None, None, None, None)
    page = write_evaluation_report(evidence, card, pictures, tmp_path).read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 4
