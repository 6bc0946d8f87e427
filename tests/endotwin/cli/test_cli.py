"""The `endotwin` command: what it writes, what it says, and what it leaves when it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest
from help_imports import heavy_imports
from live_server import (
    GRACE_SECONDS,
    PATIENCE_SECONDS,
    ROOT,
    Client,
    LiveServer,
    environment,
    free_port,
    serve_command,
    wait_for,
)
from PIL import Image
from typer.testing import CliRunner, Result

from endotwin.cli.generate import FormatName
from endotwin.cli.main import app
from endotwin.generator.checkpoint import load_checkpoint, save_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import MAX_INDEX, MAX_SEED
from endotwin.samples.formats import FORMATS

Run = Callable[..., Result]


@pytest.fixture
def run(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command in an empty folder, with the tiny checkpoint as the model."""
    for name in [name for name in os.environ if name.startswith("ENDOTWIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(tiny_checkpoint.parent))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def expected(tiny_checkpoint: Path) -> np.ndarray:
    """Return images 10 to 29 of seed 7, from the sampler."""
    return Sampler(load_checkpoint(tiny_checkpoint)).images(7, 20, 10)


@pytest.fixture
def run_labelled(run: Run, labelled_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `run` with a second model, one with labels."""
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(labelled_checkpoint.parent))
    monkeypatch.setenv("ENDOTWIN_DEFAULT_MODEL", "tiny")
    return run


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_archive_format_can_be_asked_for() -> None:
    assert {str(kind) for kind in FormatName} == {"folder", "npz", *FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
def test_an_archive_is_the_one_the_service_streams(
    kind: str, run: Run, server: LiveServer, tmp_path: Path
) -> None:
    result = run("generate", "--n", 20, "--seed", 7, "--start", 10, "--format", kind, "-o", "set")
    assert result.exit_code == 0, result.output
    reply = server.generate(f"n=20&seed=7&start=10&format={kind}")
    assert (tmp_path / "set").read_bytes() == reply.body
    assert entries(tmp_path) == ["set"]


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("tar", "borders,instances,cells"),
        ("zip", "soft,guttae,parameters"),
        ("npy", None),
    ],
)
def test_labels_are_those_that_the_service_streams(
    kind: str,
    labels: str | None,
    run_labelled: Run,
    server: LiveServer,
    tmp_path: Path,
) -> None:
    order = ["--n", 5, "--seed", 7, "--start", 13, "--density", "1500:2500", "--pixel-size", "1.0"]
    order += [] if labels is None else ["--labels", labels]
    result = run_labelled("generate", *order, "-o", f"set.{kind}")
    assert result.exit_code == 0, result.output
    assert "model tiny-labelled," in result.output
    query = f"n=5&seed=7&start=13&format={kind}&density=1500:2500&pixel_size=1.0"
    reply = server.generate(query if labels is None else f"{query}&labels={labels}")
    assert (tmp_path / f"set.{kind}").read_bytes() == reply.body


def test_a_folder_with_labels_holds_the_files_of_the_tar(run_labelled: Run, tmp_path: Path) -> None:
    order = ("generate", "--n", 3, "--seed", 7, "--labels", "borders,instances,parameters", "--age", 60)
    for output in ("set", "set.tar"):
        assert run_labelled(*order, "-o", output).exit_code == 0
    with tarfile.open(tmp_path / "set.tar") as tar:
        contents = {member.name: tar.extractfile(member).read() for member in tar}
    assert {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()} == contents
    assert len(contents) == 3 * 4
    assert run_labelled("generate", "-o", "set", "--force").exit_code == 0
    assert len(entries(tmp_path / "set")) == 2


def test_the_suffix_chooses_the_format(run: Run, tmp_path: Path, expected: np.ndarray) -> None:
    assert run("generate", "--n", 20, "--seed", 7, "--start", 10, "-o", "set.npy").exit_code == 0
    assert np.array_equal(np.load(tmp_path / "set.npy", allow_pickle=False), expected)


def test_a_folder_holds_the_files_of_the_tar(run: Run, tmp_path: Path, expected: np.ndarray) -> None:
    order = ("generate", "--n", 20, "--seed", 7, "--start", 10)
    assert run(*order, "-o", "deep/er/set").exit_code == 0
    assert run(*order, "-o", "set.tar").exit_code == 0
    folder = tmp_path / "deep" / "er" / "set"
    with tarfile.open(tmp_path / "set.tar") as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        contents = {name: file.read() for name, file in files.items() if file is not None}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
    for i, path in enumerate(sorted(folder.glob("*.png"))):
        with Image.open(path) as image:
            assert np.array_equal(np.asarray(image), expected[i])
    assert entries(tmp_path) == ["deep", "set.tar"]
    assert entries(folder.parent) == ["set"]


def test_the_summary_says_what_was_made(run: Run) -> None:
    output = run("generate", "--n", 3, "--seed", 7, "-o", "set.tar").output
    assert "3 images of seed 7, from index 0 on, in set.tar" in output
    assert "model tiny, recorded FID 123.50, terms: none" in output
    assert "images/s on cpu" in output


def test_a_random_seed_is_told_and_gives_the_same_images_again(run: Run, tmp_path: Path) -> None:
    first = run("generate", "--n", 2, "-o", "one.npy").output
    seed = first.split("of seed ")[1].split(",")[0]
    run("generate", "--n", 2, "--seed", seed, "-o", "two.npy")
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()
    assert seed not in run("generate", "--n", 2, "-o", "three.npy").output


def test_a_checkpoint_file_instead_of_a_name(run: Run, tiny_checkpoint: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(tiny_checkpoint)
    own = tmp_path / "own" / "file.safetensors"
    save_checkpoint(own, loaded.generator, loaded.card.model_copy(update={"name": "own"}))
    result = run("generate", "--seed", 7, "--checkpoint", own, "-o", "set.tar")
    assert result.exit_code == 0, result.output
    assert "model own," in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--output'"),
        (["-o", "set", "--n", "0"], "--n"),
        (["-o", "set", "--n", "many"], "--n"),
        (["-o", "set", "--seed", "-1"], "--seed"),
        (["-o", "set", "--seed", str(MAX_SEED + 1)], f"from 0 to {MAX_SEED}"),
        (["-o", "set", "--n", "2", "--start", str(MAX_INDEX)], f"from 0 to {MAX_INDEX}"),
        (["-o", "set", "--format", "rar"], "rar"),
        (["-o", "set", "--device", "tpu"], "auto, cpu, cuda or cuda:INDEX, got 'tpu'"),
        (["-o", "set", "--model", "other"], "there is no model 'other'; there are tiny"),
        (["-o", "set", "--labels", "border"], "labels must be one or more of borders, soft"),
        (["-o", "set", "--labels", "soft"], "labels takes a labelled model, and there is none here"),
        (["-o", "set", "--labels", "soft", "--format", "npy"], "format npy has no place for soft"),
        (["-o", "set", "--density", "2e3"], "density must be a number or LOW:HIGH"),
        (["-o", "set", "--density", "2000"], "density takes a labelled model"),
        (["-o", "set", "--cv", "0.6", "--hexagonality", "0.85"], "cannot be had together"),
        (["-o", "set", "--model", "tiny", "--checkpoint", "x"], "--model or --checkpoint, not both"),
    ],
)
def test_bad_usage_is_explained(arguments: list[str], message: str, run: Run, tmp_path: Path) -> None:
    result = run("generate", *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint", "none.safetensors"], "none.safetensors: no such file"),
        (["--device", "cuda:99"], "--device=cuda:99, but"),
    ],
)
def test_a_failure_is_one_line(arguments: list[str], message: str, run: Run, tmp_path: Path) -> None:
    result = run("generate", "-o", "set", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.splitlines()) == 1
    assert entries(tmp_path) == []


def test_no_help_loads_what_it_does_not_need() -> None:
    heavy = {"bentoml", "boto3", "matplotlib", "ray", "scipy", "skimage", "torch", "torchvision"}
    found = heavy_imports("endotwin.cli.main", heavy)
    assert {"", "generate", "set", "set export", "sheet", "models", "serve"} <= found.keys()
    assert {command: names for command, names in found.items() if names} == {}


def test_a_set_that_is_there_is_only_replaced_by_force(run: Run, tmp_path: Path) -> None:
    for output in ("set.tar", "set"):
        path = tmp_path / output
        assert run("generate", "--n", 3, "--seed", 7, "-o", output).exit_code == 0
        before = path.stat().st_ino
        refused = run("generate", "--n", 2, "--seed", 8, "-o", output)
        assert refused.exit_code == 1
        assert "--force replaces" in refused.output
        assert path.stat().st_ino == before
        assert run("generate", "--n", 2, "--seed", 8, "-o", output, "--force").exit_code == 0
    assert entries(tmp_path / "set") == [f"8-0000000{i}.{kind}" for i in (0, 1) for kind in ("json", "png")]
    assert entries(tmp_path) == ["set", "set.tar"]


def test_an_empty_folder_is_filled(run: Run, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert run("generate", "--seed", 7, "-o", "set").exit_code == 0
    assert entries(tmp_path / "set") == ["7-00000000.json", "7-00000000.png"]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_no_force_replaces_what_is_not_a_set(force: list[str], run: Run, tmp_path: Path) -> None:
    precious = tmp_path / "home" / "thesis.tex"
    precious.parent.mkdir()
    precious.write_text("years of work")
    for output, message in (("home", "thesis.tex"), (".", "in use"), ("home/thesis.tex", "is a file")):
        refused = run("generate", "-o", output, *force)
        assert refused.exit_code == 1
        assert message in refused.output
    refused = run("generate", "--format", "tar", "-o", "home", *force)
    assert refused.exit_code == 1
    assert "is a folder" in refused.output
    assert precious.read_text() == "years of work"


@pytest.mark.parametrize(
    ("number", "output"),
    [
        (signal.SIGINT, "set"),
        (signal.SIGTERM, "set.tar"),
        pytest.param(signal.SIGTERM, "set", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, "set.tar", marks=pytest.mark.long),
    ],
)
def test_a_stopped_command_leaves_nothing(
    number: signal.Signals, output: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    folder = tmp_path / "results"
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "endotwin.cli.main",
        "generate",
        "--n",
        "1000000",
        "-o",
        str(folder / output),
    ]
    variables = environment(tmp_path, checkpoint_dir=str(tiny_checkpoint.parent))
    process = subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: bool(entries(folder)) or process.poll() is not None, "the first bytes")
        assert process.poll() is None
        process.send_signal(number)
        _, message = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert process.returncode not in (0, -signal.SIGKILL)
    assert "Traceback" not in message
    assert entries(folder) == []


def test_an_unscored_file_is_used_with_a_warning(run: Run, tiny_checkpoint: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(tiny_checkpoint)
    own = tmp_path / "own.safetensors"
    card = loaded.card.model_copy(update={"name": "own", "fid": None})
    save_checkpoint(own, loaded.generator, card, unscored=True)
    warning = "Warning: own is unscored: nobody has measured how real its images look\n"
    result = run("generate", "--seed", 7, "--checkpoint", own, "-o", "images.tar")
    assert (result.exit_code, result.stderr) == (0, warning)
    assert "recorded FID not recorded" in result.stdout
    result = run("set", "--n", 2, "--seed", 7, "--checkpoint", own, "set")
    assert result.exit_code == 0
    assert warning in result.stderr
    assert run("generate", "--seed", 7, "-o", "scored.tar").stderr == ""


def test_models_are_listed_with_their_fid(run: Run, tiny_checkpoint: Path, tmp_path: Path) -> None:
    assert run("models").output == "tiny  FID 123.50  none (default)\n"


def test_a_model_with_labels_is_marked(run_labelled: Run) -> None:
    assert run_labelled("models").output.splitlines() == [
        "tiny           FID 123.50  none (default)",
        "tiny-labelled  FID 150.00  none (labels)",
    ]


def test_a_checkpoint_file_without_labels(run: Run, tiny_checkpoint: Path, tmp_path: Path) -> None:
    result = run("generate", "--checkpoint", tiny_checkpoint, "--labels", "soft", "-o", "set")
    assert result.exit_code == 2
    assert "has no labels and takes no conditions" in " ".join(result.output.split())
    assert entries(tmp_path) == []


def test_a_folder_without_models(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(tmp_path))
    result = run("models")
    assert result.exit_code == 1
    assert "no *.safetensors in" in result.output


@pytest.mark.parametrize("source", ["set", "set.tar", "set.zip", "set.npy", "set.npz"])
def test_a_sheet_of_every_format(source: str, run: Run, tmp_path: Path, expected: np.ndarray) -> None:
    run("generate", "--n", 20, "--seed", 7, "--start", 10, "-o", source)
    result = run("sheet", source, "-o", "sheet.png")
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (4 * 130 - 2, 5 * 130 - 2)
    assert np.array_equal(pixels[130:258, 130:258], expected[6])


def test_a_sheet_of_nothing(run: Run, tmp_path: Path) -> None:
    result = run("sheet", "none.tar", "-o", "sheet.png")
    assert result.exit_code == 1
    assert "none.tar: no such file or folder" in result.output
    assert entries(tmp_path) == []


def test_serve_takes_nothing_of_the_other_commands() -> None:
    code = (
        "import sys; from endotwin.__main__ import main; sys.argv = ['endotwin', 'serve', '--help']\n"
        "try: main()\n"
        "finally: assert not {'numpy', 'endotwin.cli.main'} & set(sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    same = CliRunner().invoke(app, ["serve", "--help"], prog_name="endotwin").output
    assert ended.stdout.split() == same.split()  # lines are as long as the terminal allows


def test_serve_serves_from_any_folder(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The checkpoint folder is named relative to where the command runs, which is not the repository."""
    port = free_port()
    variables = environment(tmp_path / "home", checkpoint_dir=tiny_checkpoint.parent.name)
    variables["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "endotwin", "serve"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--grace-seconds", str(GRACE_SECONDS)],
        cwd=tiny_checkpoint.parent.parent,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ready() -> bool:
        assert process.poll() is None
        try:
            return Client(port).request("/readyz", "GET").status == 200
        except OSError:
            return False

    try:
        wait_for(ready, "the service")
        assert Client(port).generate("n=1&seed=7").headers["X-Endotwin-Model"] == "tiny"
        assert psutil.Process(process.pid).cmdline() == serve_command(port)  # as the other tests serve
        assert psutil.Process(process.pid).children() == []
    finally:
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0


def test_serve_names_the_extra_that_it_needs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "endotwin.packages.find_spec", lambda name: None if name == "bentoml" else find_spec(name)
    )
    result = run("serve")
    assert result.exit_code == 1
    assert result.output == "Error: serving needs bentoml: pip install 'endotwin[service]'\n"


def test_help_shows_examples(run: Run) -> None:
    for command in ("generate", "sheet", "models", "serve"):
        result = run(command, "--help")
        assert result.exit_code == 0
        assert f"  endotwin {command}" in result.output.split("Example", 1)[1]
