"""The whole command on made-up images: outputs, overrides, resuming, hostile folders, errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from broken_png import png
from dicom_files import write_dicom
from drawn_mosaics import mosaic
from PIL import Image
from typer.testing import CliRunner
from waiting import wait_for

from endotwin.image_reading import DataError
from training.curation.command import curate_command
from training.curation.record_store import digest_of
from training.curation.report import write_curation_report
from training.curation.run import CurationSettings, curate
from training.curation.summary import CurationSummary
from training.curation.thresholds import read_thresholds
from training.curation.worker_pool import run_each

app = typer.Typer()
app.command()(curate_command)

NAME = "Mueller^Hans 1950-01-31"


def save(path: Path, pixels: np.ndarray) -> str:
    """Write an image file and return its digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return digest_of(path.read_bytes())


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a folder with three good images, a copy, a smaller crop and a black one."""
    folder = tmp_path / "raw"
    for seed in range(3):
        save(folder / NAME / f"{NAME} {seed}.png", mosaic(seed))
    save(folder / "copy.bmp", mosaic(0))
    save(folder / "crop.png", mosaic(1)[20:220, 30:250])
    save(folder / "black.png", np.zeros((200, 200), dtype=np.uint8))
    write_dicom(folder / NAME / "scan", mosaic(3), bits=12)
    return folder


def run(raw: Path, out: Path, *options: str, exit_code: int = 0) -> CurationSummary:
    result = CliRunner().invoke(app, [str(raw), str(out), "--workers", "1", *options])
    assert result.exit_code == exit_code, result.output
    return CurationSummary.model_validate_json((out / "curation.json").read_text())


def state_of(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()
    }


def test_a_folder_is_sorted_and_nothing_in_it_changes(raw: Path, tmp_path: Path) -> None:
    before = state_of(raw)
    out = tmp_path / "out"
    summary = run(raw, out)
    counts = {name: count for name, count in summary.counts.items() if count}
    assert counts == {"found": 7, "kept": 4, "exact duplicate": 1, "near duplicate": 1, "empty": 1}
    assert state_of(raw) == before
    kept = {f"{file.digest}.png" for file in summary.files if file.kept}
    assert {path.name for path in (out / "images").iterdir()} == kept
    shared = b"".join(path.read_bytes() for path in [out / "curation.json", *(out / "images").iterdir()])
    assert b"Mueller" not in shared
    assert str(tmp_path).encode() not in shared
    originals = json.loads((out / "originals.private.json").read_text())["originals"]
    assert {item["path"] for item in originals} == {path.relative_to(raw).as_posix() for path in before}
    assert (out / "report.private.html").read_text().count("<figure>") == 7


def test_the_same_folder_gives_the_same_output_whatever_its_files_are_called(
    raw: Path, tmp_path: Path
) -> None:
    run(raw, tmp_path / "one")
    (raw / NAME).rename(raw / "renamed")
    run(raw, tmp_path / "two")
    for name in ("curation.json", "report.private.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_overrides_are_honoured_and_can_be_taken_back(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(raw, out)
    black = digest_of((raw / "black.png").read_bytes())
    good = digest_of((raw / NAME / f"{NAME} 2.png").read_bytes())
    (out / "overrides.txt").write_text(f"keep: {black}\ndrop: {good}\n")
    summary = run(raw, out)
    assert summary.counts["kept by hand"] == summary.counts["dropped by hand"] == 1
    assert (out / "images" / f"{black}.png").exists()
    assert not (out / "images" / f"{good}.png").exists()
    (out / "overrides.txt").write_text("")
    assert run(raw, out).counts["kept by hand"] == 0
    assert not (out / "images" / f"{black}.png").exists()
    assert (out / "images" / f"{good}.png").exists()


def test_an_unknown_digest_in_the_overrides_is_reported(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep: 0000000000000000")
    arguments = [str(raw), str(tmp_path / "out"), "--workers", "1", "--overrides", str(tmp_path / "mine")]
    assert "names 0000000000000000, which no image here has" in CliRunner().invoke(app, arguments).output


def test_own_thresholds_count_and_are_recorded(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[limits]\nbrightness_min = 250\n")
    summary = run(raw, tmp_path / "out", "--thresholds", str(tmp_path / "own.toml"), exit_code=1)
    assert summary.counts["kept"] == 0
    assert summary.counts["too dark"] == 5
    assert summary.thresholds.limits.brightness_min == 250


def test_nothing_kept_is_a_failure_that_says_why(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[limits]\nbrightness_min = 250\n")
    arguments = [
        str(raw),
        str(tmp_path / "out"),
        "--workers",
        "1",
        "--thresholds",
        str(tmp_path / "own.toml"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert (
        "No image is kept: 5 of 7 files were dropped as too dark, most by their brightness "
        "(threshold brightness_min = 250; --thresholds changes it)"
    ) in result.output
    assert (tmp_path / "out" / "report.private.html").is_file()


def test_nothing_readable_is_a_failure_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "notes.txt").write_text("none")
    result = CliRunner().invoke(app, [str(tmp_path / "raw"), str(tmp_path / "out"), "--workers", "1"])
    assert result.exit_code == 1
    assert "No image is kept: 1 of 1 files were dropped as unreadable\n" in result.output


def test_flattening_is_off_unless_asked_for(raw: Path, tmp_path: Path) -> None:
    digest = save(
        raw / "drift.png", np.clip(mosaic(9) + np.linspace(-60, 60, 256), 0, 255).astype(np.uint8)
    )
    slopes = {}
    for option in ((), ("--flatten",)):
        out = tmp_path / f"out{len(option)}"
        assert run(raw, out, *option).flattened is bool(option)
        pixels = np.asarray(Image.open(out / "images" / f"{digest}.png")).astype(float)
        slopes[option] = pixels[:, -60:].mean() - pixels[:, :60].mean()
    assert slopes[()] > 60
    assert abs(slopes["--flatten",]) < 15


def test_explain_prints_every_value_beside_its_threshold(raw: Path) -> None:
    result = CliRunner().invoke(app, ["--explain", str(raw / "black.png")])
    assert result.exit_code == 0
    for name in type(read_thresholds().limits).model_fields:
        assert (name in result.output) == (name not in ("points_min", "overlap_min"))
    assert "dropped: empty" in result.output


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[limits]\nvisible_min = 2", r"limits\.visible_min"),
        ("[limits]\nblurr_max = 0.5", r"limits\.blurr_max: Extra inputs"),
        ("limits = 3", "limits: Input should be"),
        ("[limits", "not a TOML file"),
    ],
)
def test_a_wrong_thresholds_file_is_reported(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    result = CliRunner().invoke(app, ["--thresholds", str(path), "--explain", str(path)])
    with pytest.raises(DataError, match=why):
        raise result.exception or AssertionError


@pytest.mark.parametrize(("raw_name", "out_name"), [("a", "a/out"), ("a/raw", "a"), ("a", "a")])
def test_no_folder_may_lie_in_the_other(tmp_path: Path, raw_name: str, out_name: str) -> None:
    (tmp_path / raw_name).mkdir(parents=True)
    result = CliRunner().invoke(app, [str(tmp_path / raw_name), str(tmp_path / out_name)])
    assert isinstance(result.exception, DataError)
    assert "originals stay untouched" in str(result.exception)


def test_a_hostile_folder_is_finished_and_everything_in_it_reported(raw: Path, tmp_path: Path) -> None:
    bombs = raw / "bombs"
    bombs.mkdir()
    (bombs / "bomb.png").write_bytes(png(10_000, 8_000, zlib.compress(bytes(80_008_000), 9)))
    (bombs / "huge.png").write_bytes(png(100_000, 100_000, b"x"))
    save(bombs / "half.tif", mosaic(7))
    (bombs / "half.tif").write_bytes((bombs / "half.tif").read_bytes()[:20_000])
    (bombs / "loop").symlink_to(raw, target_is_directory=True)
    (bombs / "gone.png").symlink_to("nowhere")
    os.mkfifo(bombs / "pipe.png")
    (bombs / os.fsdecode(b"bad \xff name.png")).write_bytes(b"")
    closed = 0
    if os.geteuid() != 0:  # root may read everything
        (bombs / "closed.png").write_bytes(b"x")
        (bombs / "closed.png").chmod(0)
        closed = 1
    summary = run(raw, tmp_path / "out")
    assert summary.counts["kept"] == 4
    assert summary.counts["unreadable"] == 7 + closed
    details = sorted(file.detail or "" for file in summary.files if file.detail)
    assert len(details) == 7 + closed
    assert "folder: a link to one that is searched already" in details
    assert not any(str(tmp_path) in detail for detail in details)


def kills_its_process(item: int) -> int:
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def test_a_file_that_kills_its_process_costs_only_itself() -> None:
    results = dict(run_each(kills_its_process, range(12), workers=2))
    assert results == {item: None if item == 5 else item * item for item in range(12)}


def records_in(out: Path) -> list[Path]:
    return sorted((out / "work.private").rglob("*.npz"))


def test_a_killed_run_goes_on_where_it_was(raw: Path, tmp_path: Path) -> None:
    for seed in range(10, 30):
        save(raw / f"{seed}.png", mosaic(seed))
    out = tmp_path / "out"
    script = (
        "import sys, typer; from training.curation.command import curate_command; typer.run(curate_command)"
    )
    command = [sys.executable, "-c", script, str(raw), str(out), "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: len(records_in(out)) >= 5, "five records")
        process.kill()
    time.sleep(1.0)  # its worker ends with it
    done = records_in(out)
    times = [path.stat().st_mtime_ns for path in done]
    assert not (out / "curation.json").exists()
    assert len(done) < 27
    summary = run(raw, out)
    assert summary.counts["kept"] == 24
    assert [path.stat().st_mtime_ns for path in done] == times
    fresh = tmp_path / "fresh"
    run(raw, fresh)
    for name in ("curation.json", "report.private.html"):
        assert (out / name).read_bytes() == (fresh / name).read_bytes()


def test_an_original_that_changes_meanwhile_is_not_written(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    changed = raw / NAME / f"{NAME} 2.png"
    digest = digest_of(changed.read_bytes())

    def progress(steps: Iterator[object], what: str, total: int) -> Iterator[object]:
        if what == "writing":
            save(changed, mosaic(50))
        yield from steps

    curation = curate(raw, out, CurationSettings(read_thresholds(), False, 1), progress)  # type: ignore[arg-type]
    [file] = [file for file in curation.summary.files if file.digest == digest]
    assert "has changed" in (file.detail or "")
    assert not (out / "images" / f"{digest}.png").exists()
    write_curation_report(curation, out)


def test_whatever_a_decoder_says_is_escaped_in_the_report(tmp_path: Path) -> None:
    """Names of files are not in the report; messages of decoders are, and they may quote a file."""
    save(tmp_path / "raw" / "<script>.png", mosaic(0))
    (tmp_path / "raw" / "broken.png").write_bytes(b"x")
    curation = curate(
        tmp_path / "raw",
        tmp_path / "out",
        CurationSettings(read_thresholds(), False, 1),
        lambda steps, *_: steps,
    )
    files = [
        file.model_copy(update={"detail": "<script>"}) if file.detail else file
        for file in curation.summary.files
    ]
    summary = curation.summary.model_copy(update={"files": files})
    page = write_curation_report(replace(curation, summary=summary), tmp_path / "out").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 1


def test_images_of_one_folder_are_written_together_and_apart_again(raw: Path, tmp_path: Path) -> None:
    save(raw / "other" / "4.png", mosaic(4))
    out = tmp_path / "out"
    result = CliRunner().invoke(app, [str(raw), str(out), "--workers", "1", "--keep-together", "folder"])
    assert result.exit_code == 0, result.output
    groups = {path.parent.name for path in (out / "images").rglob("*.png")}
    assert groups == {"group-0001", "group-0002", "group-0003"}
    names = {path.name for path in (out / "images").rglob("*.png")}
    assert CliRunner().invoke(app, [str(raw), str(out), "--workers", "1"]).exit_code == 0
    assert {path.name for path in (out / "images").iterdir()} == names
