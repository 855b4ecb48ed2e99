"""`keras-mmdense compare` on scores of real clips, as `evaluate` writes them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from keras_mmdense.cli import app
from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.evaluate import evaluate_songs
from keras_mmdense.evaluation.results_file import write_scores
from keras_mmdense.evaluation.systems import System

RATE = 44100


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def succeeds(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    return result.output


def fails(*arguments):
    result = run(*arguments)
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


class Clip:
    """A second of a real song, its left channel."""

    sample_rate = RATE

    def __init__(self, number, song):
        self.name = f"second {number}"
        self.audio = {stem: audio[number * RATE :][:RATE, :1] for stem, audio in song.items()}

    def stems(self):
        return self.audio


def leaking(label, clips, share):
    """A system whose vocals have a share of the drums."""

    def separate(name, mixture, rate):
        audio = next(clip.audio for clip in clips if clip.name == name)
        return {"vocals": audio["vocals"] + share * audio["drums"]}

    return System(label, ("vocals",), separate)


@pytest.fixture(scope="module")
def scores(real_stems, tmp_path_factory):
    """Scores of two systems whose vocals have more and less of the drums, on clips of 1 s."""
    folder = tmp_path_factory.mktemp("compare")
    clips = [Clip(number, real_stems) for number in range(7)]
    for name, share, oracles in (("leaky", 0.3, ["ideal ratio mask"]), ("clean", 0.1, [])):
        systems = [leaking(name, clips, share)]
        results = evaluate_songs(clips, systems, oracles=oracles, engine="fast")
        facts = {oracle: {"oracle": True} for oracle in oracles}
        path = folder / f"{name}-scores" / "scores.json"
        write_scores(path, results, engine="fast", descriptions=facts)
    return folder


def test_compares_two_folders_and_writes_what_it_found(scores, tmp_path):
    out = tmp_path / "out"
    folders = scores / "leaky-scores", scores / "clean-scores"
    printed = succeeds("compare", *folders, "--output", out)
    content = json.loads((out / "comparison.json").read_text())
    assert (content["format"], content["rule"]) == ("keras-mmdense comparison 1", "museval")
    assert content["baseline"].startswith("leaky (") and content["other"].startswith("clean (")
    assert list(content["stems"]) == ["vocals", "accompaniment"] and not content["left_out"]
    systems = [
        json.loads((folder / "scores.json").read_text())["systems"][name]
        for folder, name in zip(folders, ("leaky", "clean"), strict=True)
    ]
    # A third of the leak, and nothing else: 9.54 dB.
    vocals = content["stems"]["vocals"]
    assert vocals["mean"]["difference"] == pytest.approx(20 * np.log10(3), abs=0.1)
    assert vocals["verdict"] == f"better by {vocals['mean']['difference']:.2f} dB"
    assert f"vocals: {vocals['verdict']}" in printed
    for side, system in zip(("baseline", "other"), systems, strict=True):
        assert vocals["median"][side] == system["summary"]["vocals"]["SDR"]
    for song in vocals["songs"]:
        one, two = (
            next(entry for entry in system["songs"] if entry["name"] == song)["medians"]["vocals"]
            for system in systems
        )
        assert vocals["songs"][song] == pytest.approx(two["SDR"] - one["SDR"], abs=1e-12)
    assert len(vocals["songs"]) == 7
    text = (out / "comparison.md").read_text()
    mean = vocals["mean"]
    cells = [f"{mean['baseline']:.2f}", f"{mean['other']:.2f}", f"{mean['difference']:+.2f}"]
    interval = "{:+.2f} to {:+.2f}".format(*mean["interval"])
    assert f"| mean | {' | '.join(cells)} | {interval} |" in text
    assert f"- vocals: {vocals['verdict']}" in text
    assert imread(out / "comparison.png").shape[0] > 400


def test_swapped_folders_and_the_same_folder(scores):
    folders = scores / "leaky-scores", scores / "clean-scores"
    assert "vocals: worse by 9.5" in succeeds("compare", *folders[::-1])
    same = succeeds("compare", folders[0], folders[0])
    assert same.count("no difference") == 3 and "average: no difference" in same


def test_one_folder_with_a_named_system(scores):
    folder = scores / "leaky-scores"
    oracle = ("--system", "ideal ratio mask")
    assert "vocals: better by" in succeeds("compare", folder, *oracle)
    assert "vocals: worse by" in succeeds(
        "compare", folder, "--baseline", oracle[1], "--system", "leaky"
    )
    line = fails("compare", folder)
    assert f"{folder}: select a system with --system; choices: leaky, ideal ratio mask" == line
    line = fails("compare", folder, "--system", "other")
    assert f"{folder}: no system 'other'; choices: leaky, ideal ratio mask" == line


def test_what_does_not_pair_is_refused_and_nothing_is_written(scores, tmp_path):
    folder, other, out = scores / "leaky-scores", tmp_path / "other", tmp_path / "out"
    other.mkdir()
    path = other / "scores.json"
    content = json.loads((folder / "scores.json").read_text())
    gone = [content["systems"]["leaky"]["songs"].pop()["name"] for _ in range(2)]
    path.write_text(json.dumps(content))
    line = fails("compare", folder, other, "-o", out)
    assert line == f"songs that only the baseline has: {', '.join(sorted(gone))}"
    path.write_text(json.dumps({**content, "rule": "dsd100"}))
    line = fails("compare", folder, other, "-o", out)
    assert line == f"{other}: scored by rule dsd100, expected museval as in {folder}"
    path.write_text("{}")
    assert str(path) in fails("compare", folder, other, "-o", out)
    path.unlink()
    assert f"{other}: expected scores.json" in fails("compare", folder, other, "-o", out)
    assert not out.exists()


def test_command_in_a_process_ends_with_one_line_and_status_2(tmp_path):
    code = "from keras_mmdense.cli import main; main()"
    run = [sys.executable, "-c", code, "compare", str(tmp_path)]
    result = subprocess.run(run, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and not result.stdout
    expected = f"{tmp_path}: expected scores.json, which evaluate --output writes"
    assert result.stderr == f"keras-mmdense: error: {expected}\n"
