"""benchmarks/ablations.py: levers read, and the table of runs and scores that are there."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from keras_mmdense.evaluation.protocols import METRICS
from keras_mmdense.evaluation.results_file import write_scores
from keras_mmdense.evaluation.scoring import SongScores

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ablations():
    path = REPOSITORY / "benchmarks" / "ablations.py"
    spec = importlib.util.spec_from_file_location("ablations", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def levers_file(folder, *entries):
    path = folder / "levers.json"
    path.write_text(json.dumps(entries))
    return path


BASE = {"name": "base", "arguments": "--model tiny --steps 6"}
LEVER = {"name": "wide", "arguments": "--frames '64'", "baseline": "base"}
DEEPER = {"name": "wide-long", "arguments": "--steps 9", "baseline": "wide"}


def finish(folder, vocals, accompaniment, minutes):
    """A folder as a run leaves it, with the SDR of each song."""
    stems = {"vocals": vocals, "accompaniment": accompaniment}
    songs = [
        SongScores(
            f"song {number}",
            44100,
            1.0,
            1.0,
            {stem: dict.fromkeys(METRICS, np.array([v[number]])) for stem, v in stems.items()},
        )
        for number in range(len(vocals))
    ]
    write_scores(folder / "scores" / "scores.json", {str(folder): songs}, engine="fast")
    run = {"training_seconds": 60 * minutes, "audio_seconds": 600 * minutes, "finished": False}
    (folder / "run.json").write_text(json.dumps(run))


def test_levers_take_the_arguments_of_their_baselines(ablations, tmp_path):
    levers = ablations.read_levers(levers_file(tmp_path, BASE, LEVER, DEEPER))
    assert levers["wide"]["all"] == ["--model", "tiny", "--steps", "6", "--frames", "64"]
    assert levers["wide-long"]["all"] == [*levers["wide"]["all"], "--steps", "9"]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([LEVER, BASE], "wide: no earlier lever is called 'base'"),
        ([BASE, BASE], "'base' is taken twice"),
        ([{**BASE, "name": "a/b"}], "'a/b' is taken twice or cannot name a folder"),
        ([{"name": "base"}], "expected name, arguments and perhaps baseline"),
        ([{**BASE, "minutes": 3}], "expected name, arguments and perhaps baseline"),
    ],
)
def test_bad_levers_are_refused(ablations, tmp_path, entries, words):
    with pytest.raises(SystemExit, match=words):
        ablations.read_levers(levers_file(tmp_path, *entries))


def test_table_has_a_line_a_lever(ablations, tmp_path):
    levers = ablations.read_levers(levers_file(tmp_path, BASE, LEVER, DEEPER))
    vocals, rest = np.arange(8.0), np.arange(8.0) + 10
    finish(tmp_path / "base", vocals, rest, 1)
    finish(tmp_path / "wide", vocals + 1, rest + 2, 1.5)
    finish(tmp_path / "wide-long", vocals + 1 + np.tile([3.0, -3.0], 4), rest + 2, 2)
    head, ruler, *lines = ablations.table(ablations.rows(levers, tmp_path)).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len(head.split("|")) == len(ruler.split("|")) == len(cells[0]) + 2
    columns = ["base", "`--model tiny --steps 6`", "", "10.0", "1.0", "8", "8.50", "", "", ""]
    assert cells[0] == columns
    compared = ["base", "15.0", "1.5", "8", "10.00", "+1.50", "+1.50 to +1.50", "better by 1.50 dB"]
    assert cells[1] == ["wide", "`--frames '64'`", *compared]
    assert cells[2][2:5] == ["wide", "20.0", "2.0"] and cells[2][7] == "+0.00"
    assert cells[2][9] == "within noise: the interval includes 0"


def test_folder_of_other_arguments_is_refused(ablations, tmp_path):
    finish(tmp_path, np.zeros(6), np.zeros(6), minutes=2)
    ablations.train(tmp_path, {"all": ["--steps", "6"]}, ["songs"], minutes=1)
    ablations.train(tmp_path, {"all": ["--steps", "6"]}, ["songs"], minutes=2)
    words = "arguments.json: trained with --root songs --steps 6, expected --root songs --steps 7"
    with pytest.raises(SystemExit, match=words):
        ablations.train(tmp_path, {"all": ["--steps", "7"]}, ["songs"], minutes=1)


def test_table_goes_between_the_marks_of_the_page(ablations, tmp_path):
    page = tmp_path / "page.md"
    page.write_text((REPOSITORY / "docs" / "ablations.md").read_text())
    ablations.fill_page(page, "| one |")
    ablations.fill_page(page, "| two |")
    text = page.read_text()
    assert text.count("| two |") == 1 and "| one |" not in text
    before, after = text.split(f"{ablations.MARKS[0]}\n| two |\n{ablations.MARKS[1]}")
    assert before.startswith("# Ablations") and "keras-mmdense compare" in after
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="expected one"):
        ablations.fill_page(page, "| one |")
    assert page.read_text() == "no marks"


def test_levers_of_the_repository_are_arguments_that_train_knows(ablations):
    from typer.main import get_command

    from keras_mmdense.cli import app

    train = get_command(app).commands["train"]
    for lever in ablations.read_levers(REPOSITORY / "benchmarks" / "ablations.json").values():
        train.make_context("train", [*ablations.ENDLESS, "--output", "runs", *lever["all"]])
