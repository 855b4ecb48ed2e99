"""Scores of the pipeline are those of `evaluate`."""

import json
import shutil

import apache_beam as beam
import numpy as np
import pytest
import soundfile

from keras_mmdense.beam import evaluate
from keras_mmdense.beam.evaluate import EvaluateSongs
from keras_mmdense.data.songs import find_songs, locate_songs
from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.evaluate import evaluate_songs
from keras_mmdense.evaluation.results_file import write_scores
from keras_mmdense.evaluation.systems import from_separator
from keras_mmdense.stems import STEMS

ORACLES = ("mixture",)


class Leaning:
    """A separator that gives each stem another share of the mixture."""

    stems = STEMS

    def separate(self, mixture, sample_rate):
        return {stem: mixture / (2 + index) for index, stem in enumerate(STEMS)}


@pytest.fixture
def songs(real_stems, tmp_path):
    """Two songs of one channel as folders of stems."""
    root = tmp_path / "songs"
    for number, name in enumerate(("b", "a [live]")):
        (root / name).mkdir(parents=True)
        for stem, audio in real_stems.items():
            part = audio[2 * number * 44100 :, :1][: 2 * 44100]
            noise = np.random.default_rng(number).uniform(-1e-3, 1e-3, part.shape)
            soundfile.write(root / name / f"{stem}.wav", part + noise, 44100, "FLOAT")
    return root


def test_the_table_is_that_of_evaluate(songs, collect, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "_open", lambda model: Leaning())
    (songs / "broken").mkdir()
    (songs / "broken" / "bass.wav").write_text("words")
    urls = [str(path) for path in songs.iterdir()] + [str(tmp_path / "none")]
    transform = EvaluateSongs(["leaning"], oracles=ORACLES, engine="fast")
    found, metrics = collect(lambda p: p | beam.Create(urls) | transform)
    (table,) = found["scores"]
    shutil.rmtree(songs / "broken")
    known = locate_songs(songs, "train", validate=False)
    system = from_separator("leaning", Leaning())
    expected = evaluate_songs(known, [system], oracles=ORACLES, engine="fast")
    assert list(table) == list(expected) == ["leaning", *ORACLES]
    assert written(table, tmp_path) == written(expected, tmp_path)
    reasons = {failure.input: failure.reason for failure in found["failures"]}
    assert "neither a .stem.mp4 file nor a folder" in reasons[str(tmp_path / "none")]
    assert f"{songs / 'broken'}: the stem vocals is missing" in reasons[str(songs / "broken")]
    assert (metrics["scored"], metrics["failed_input"]) == (2, 2)


def written(table, folder):
    """What `write_scores` makes of a table, without the time that separation took."""
    write_scores(folder / "scores.json", table)
    content = json.loads((folder / "scores.json").read_text())
    for system in content["systems"].values():
        system["description"].pop("seconds", None)
        for song in system["songs"]:
            song.pop("seconds")
    return content


def test_unknown_settings_are_named_before_the_pipeline_runs():
    for options, reason in (
        ({"rule": "sisec"}, "unknown rule 'sisec'"),
        ({"oracles": ["magic"]}, "unknown oracle 'magic'"),
        ({"engine": "fast", "rule": "dsd100"}, "dsd100"),
    ):
        with pytest.raises(InputError, match=reason):
            EvaluateSongs(**options)


@pytest.mark.slow
def test_scores_of_the_shipped_network(musdb_root, collect):
    """Two clips of MUSDB18, by the engine and the network that the command takes."""
    from keras_mmdense.pretrained.catalog import DEFAULT
    from keras_mmdense.separation.separator import Separator

    songs = find_songs(musdb_root, "valid")[:2]
    urls = [str(song.path) for song in songs]
    found, _ = collect(lambda p: p | beam.Create(urls) | EvaluateSongs(engine="fast"))
    system = from_separator(DEFAULT, Separator.from_pretrained(DEFAULT, engine="tensorflow"))
    expected = evaluate_songs(songs, [system], engine="fast")
    for name, scores in expected.items():
        for one, other in zip(scores, found["scores"][0][name], strict=True):
            assert one.name == other.name
            for stem, metrics in one.frames.items():
                np.testing.assert_array_equal(other.frames[stem]["SDR"], metrics["SDR"])
