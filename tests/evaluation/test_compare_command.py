"""`keras-mmdense compare` on scores of real clips that `evaluate` wrote."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread
from typer.testing import CliRunner

from keras_mmdense.cli import app
from keras_mmdense.errors import InputError

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


@pytest.fixture(scope="module")
def scores(real_stems, tmp_path_factory):
    """Scores of two tools whose vocals have more and less of the drums, on clips of 1 s."""
    pytest.importorskip("museval")
    folder = tmp_path_factory.mktemp("compare")
    for number in range(7):
        clip = {stem: audio[number * RATE :][:RATE] for stem, audio in real_stems.items()}
        files = {f"clips/test/{number}/{stem}.wav": audio for stem, audio in clip.items()}
        for tool, leak in (("leaky", 0.3), ("clean", 0.1)):
            files[f"{tool}/{number}/vocals.wav"] = clip["vocals"] + leak * clip["drums"]
        for path, audio in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / path, audio, RATE, subtype="FLOAT")
    for tool in ("leaky", "clean"):
        place = ("--root", folder / "clips", "--split", "test", "--estimates", folder / tool)
        options = ("--engine", "fast", "--processes", 1, "--output", folder / f"{tool}-scores")
        succeeds("evaluate", *place, *options, "--oracles", "irm")
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
    low, high = vocals["mean"]["interval"]
    assert f"| mean | {vocals['mean']['baseline']:.2f} |" in text
    assert f"{low:+.2f} to {high:+.2f}".replace("-", "\\-" if "\\-" in text else "-") in text
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
    assert f"{folder}: name one system with --system; choices: leaky, ideal ratio mask" == line
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
