"""`endotwin-training blind-test`: build and score from a command line, and errors that help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from blind_sets import drawn_dataset
from typer.testing import CliRunner, Result

from endotwin.files import OutputError
from endotwin.image_reading import DataError
from training.blind_test.answers import Answer, AnswerStore
from training.blind_test.blind_set import (
    ANSWERS_FILE,
    KEY_FILE,
    AnswerKey,
    Origin,
    read_answer_key,
    read_blind_set,
)
from training.blind_test.command import blind_test_app
from training.cli.options import UsageError


def run(*arguments: str | Path) -> Result:
    """Run the command in this process; whatever it raises comes through, as it does in `main`."""
    result = CliRunner().invoke(blind_test_app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def built(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    drawn_dataset(tmp_path / "made-up")
    options = ["--generated", "3", "--real", "2", "--device", "cpu"]
    result = run("build", tiny_checkpoint, tmp_path / "set", "--data", tmp_path / "made-up", *options)
    assert "3 generated images, 2 crops of training images" in result.output
    assert "was not trained on these images" in result.output  # the tiny card's digest is made up
    return tmp_path / "set"


def key_of(folder: Path) -> AnswerKey:
    return read_answer_key(folder / KEY_FILE, read_blind_set(folder))


def answer_all(folder: Path, expert: str, *, right: bool) -> None:
    store = AnswerStore(folder / ANSWERS_FILE)
    for image, entry in key_of(folder).images.items():
        answer = entry.kind if right else next(kind for kind in Origin if kind is not entry.kind)
        store.add(Answer(expert, image, answer, 1500))
    store.close()


def test_scores_of_two_experts(built: Path) -> None:
    answer_all(built, "anna", right=True)
    answer_all(built, "bert", right=False)
    result = run("score", built)
    assert "anna" in result.output
    assert "Cohen's kappa -0.923 on 5 images" in result.output
    scores = json.loads((built / "score" / "score.json").read_text())
    assert [one["against_chance"]["accuracy"] for one in scores["experts"]] == [1.0, 0.0]
    assert scores["pooled"]["confusion"]["counts"]["generated"] == {"generated": 3, "real": 3}
    page = (built / "score" / "score.html").read_text()
    assert page.count('src="data:image/png;base64,') == 4
    assert "generated taken for generated: 3; generated taken for real: 0" in page
    assert 'src="http' not in page


def test_the_key_may_lie_elsewhere(built: Path, tmp_path: Path) -> None:
    answer_all(built, "anna", right=True)
    (built / KEY_FILE).rename(tmp_path / "safe.json")
    with pytest.raises(DataError, match=r"key.private.json: the key is missing; --key FILE says"):
        run("score", built)
    run("score", built, "--key", tmp_path / "safe.json", "-o", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "score.html").is_file()
    assert not (built / "score").exists()


def test_a_key_of_another_set_and_missing_images_are_reported(built: Path) -> None:
    answer_all(built, "anna", right=True)
    key = json.loads((built / KEY_FILE).read_text())
    (built / KEY_FILE).write_text(json.dumps({**key, "digest": "f" * 64}))
    with pytest.raises(DataError, match="the key of another set"):
        run("score", built)
    (built / KEY_FILE).write_text("{}")
    with pytest.raises(DataError, match=r"key.private.json: digest: Field required"):
        run("score", built)
    next((built / "images").iterdir()).unlink()
    with pytest.raises(DataError, match="1 of 5 images are missing"):
        run("score", built)


def test_no_answers_and_no_set_are_reported(built: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nobody has answered yet"):
        run("score", built)
    with pytest.raises(DataError, match="not a blind test"):
        run("serve", tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "either as --data FOLDER or as --sources FILE"),
        (["--data", "a", "--sources", "b"], "either as --data FOLDER or as --sources FILE"),
        (
            ["--data", "a", "--generated", "0"],
            "--generated: Input should be greater than or equal to 1, got 0",
        ),
        (
            ["--data", "a", "--real", "10001"],
            "--real: Input should be less than or equal to 10000, got 10001",
        ),
        (["--data", "a", "--real-from", "all"], "--real-from: 'all' is not one of training, held-out"),
        (["--data", "a", "--display", "big"], "--display: 'big' is not one of crisp, smooth"),
    ],
)
def test_options_are_checked(tmp_path: Path, options: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("build", tmp_path / "none.safetensors", tmp_path / "set", *options)


def test_a_full_folder_is_reported_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="the folder is not empty"):
        run("build", tmp_path / "none.safetensors", tmp_path, "--data", tmp_path)


def test_other_addresses_come_with_a_warning(tmp_path: Path) -> None:
    result = CliRunner().invoke(blind_test_app, ["serve", str(tmp_path), "--host", "0.0.0.0"])
    assert "There is no login and no encryption" in result.output
