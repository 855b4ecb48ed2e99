"""Scores written, read, drawn and laid out."""

import dataclasses
import json
import os

import numpy as np
import pytest

from keras_mmdense.evaluation.museval_json import Tracks
from keras_mmdense.evaluation.protocols import METRICS
from keras_mmdense.evaluation.results_file import read_scores, write_scores
from keras_mmdense.evaluation.scoring import SongScores, summarize
from keras_mmdense.report.plots import box_plot, plot_scores
from keras_mmdense.report.terminal import scores_table


def song(name, frames, stems=("vocals", "accompaniment"), silent=None):
    metrics = {metric: np.array(frames, float) + index for index, metric in enumerate(METRICS)}
    return SongScores(name, 44100, 1.0, 0.5, {stem: metrics for stem in stems}, silent or {})


@pytest.fixture
def results():
    return {
        "network": [song("a", [1.1, np.nan, 3.3]), song("b", [0.1, 2.0])],
        "mixture": [song("a", [np.inf, -np.inf, np.inf]), song("b", [np.nan], silent={"x": "y"})],
    }


def test_round_trip(tmp_path, results):
    path = tmp_path / "scores.json"
    write_scores(path, results)
    again = read_scores(path)
    assert list(again) == list(results)
    for system, songs in results.items():
        assert len(again[system]) == len(songs)
        for before, after in zip(songs, again[system], strict=True):
            assert {**vars(after), "frames": None} == {**vars(before), "frames": None}
            for stem, metrics in before.frames.items():
                for metric, values in metrics.items():
                    np.testing.assert_array_equal(after.frames[stem][metric], values)


def test_file_is_strict_json_with_rule_versions_summary_and_medians(tmp_path, results):
    path = tmp_path / "scores.json"
    write_scores(path, results)

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(path.read_text(), parse_constant=refuse)
    assert (content["rule"], content["engine"]) == ("museval", "museval")
    assert content["data"] == {"songs": 2}
    assert content["versions"]["numpy"] == np.__version__
    network = content["systems"]["network"]
    assert network["summary"]["vocals"] == summarize(results["network"])["vocals"]
    assert network["songs"][0]["medians"]["vocals"]["SDR"] == pytest.approx(2.2)
    assert network["songs"][0]["means"]["vocals"]["SDR"] == pytest.approx(2.2)
    assert network["songs"][0]["frames"]["vocals"]["SDR"] == [1.1, None, 3.3]
    assert network["description"] == {}
    mixture = content["systems"]["mixture"]["songs"]
    assert mixture[0]["frames"]["vocals"]["SDR"] == ["inf", "-inf", "inf"]
    assert mixture[1]["medians"]["vocals"]["SDR"] is None


def test_file_says_what_was_measured_and_how(tmp_path):
    path = tmp_path / "scores.json"
    timed = [dataclasses.replace(song(name, [1, 2, 6]), seconds=1.5) for name in "ab"]
    data = {"root": "musdb18", "split": "test"}
    known = {"network": {"model": "runs/vocals", "parameters": 338352}}
    write_scores(path, {"network": timed}, "dsd100", data=data, descriptions=known)
    content = json.loads(path.read_text())
    assert content["data"] == {"root": "musdb18", "split": "test", "songs": 2}
    network = content["systems"]["network"]
    assert network["description"] == {**known["network"], "seconds": 3.0}
    assert network["summary"]["vocals"]["SDR"] == 3.0
    assert [song.seconds for song in read_scores(path)["network"]] == [1.5, 1.5]


def test_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path, results, monkeypatch):
    path = tmp_path / "scores.json"
    path.write_text("old")

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    for write in (lambda: write_scores(path, results), lambda: plot_scores(results, path)):
        with pytest.raises(OSError, match="disk full"):
            write()
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.json"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "other"}'])
def test_other_files_are_refused_by_name(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"broken\.json"):
        read_scores(path)


def test_figure_is_a_png_of_every_finite_score(tmp_path, results):
    image = pytest.importorskip("matplotlib.image")
    path = tmp_path / "scores.png"
    plot_scores(results, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    pixels = image.imread(path)[..., :3]
    assert pixels.shape[0] > 400
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
    plot_scores({}, path)
    with pytest.raises(ValueError, match=r"'PESQ'.*SDR"):
        plot_scores(results, path, metric="PESQ")


@pytest.mark.parametrize("name", ["$x^{_$", "\\$", "{}%", "a\nb", "caf\udce9", "$" * 99])
def test_names_in_figures_are_no_formulas(tmp_path, results, name):
    plot_scores({name: next(iter(results.values()))}, tmp_path / "scores.png")
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert box_plot({name: [1.0, 2.0]}, ["#000000"], "light").startswith(b"<?xml")


@pytest.mark.parametrize("name", ["n" * 253, "é" * 126, "n" * 195, "a"])
def test_tracks_of_long_names_are_found_again(tmp_path, results, name):
    scores = dataclasses.replace(next(iter(results.values()))[0], name=name)
    tracks = Tracks(tmp_path / "system", "valid", {})
    tracks.write(scores, {})
    assert tracks.read(name, list(scores.frames), dict).name == name
    other = f"{name[:-1]}b"
    assert tracks.read(other, list(scores.frames), dict) is None


def test_table_fits_80_columns_and_shows_all_rows():
    console = pytest.importorskip("rich.console").Console(width=80, record=True, quiet=False)
    wide = [song("a", [-108.123]), song("b", [np.nan])]
    table = scores_table({"ideal ratio mask": wide, "mixture": wide}, title="valid")
    with console.capture() as capture:
        console.print(table)
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert "rule museval" in capture.get() and "shorter" not in capture.get()
    rows = [line.split() for line in lines]
    expected = ["-108.12", "-107.12", "-106.12", "-105.12", "1", "1"]
    assert ["ideal", "ratio", "mask", "vocals", *expected] in rows
    assert ["mixture", "vocals", *expected] in rows
    assert rows.count(["accompaniment", *expected]) == 2


def test_table_says_how_many_songs_are_shorter_than_a_window():
    console = pytest.importorskip("rich.console").Console(width=80, record=True)
    with console.capture() as capture:
        console.print(scores_table({"network": [song("a", [1.0]), song("b", [2.0])]}, "dsd100"))
    assert "songs shorter than 30 s, each one frame: 2" in " ".join(capture.get().split())
