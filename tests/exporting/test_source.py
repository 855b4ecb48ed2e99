"""What an export tells of scores."""

import json

import pytest

from keras_mmdense.errors import InputError
from keras_mmdense.exporting.source import load_source

ROW = {"vocals": {"SDR": 1.5}}
SCORES = {"rule": "museval", "data": {"root": "r"}, "systems": {"runs/tiny": {"summary": ROW}}}


def write(folder, text):
    (folder / "scores").mkdir(exist_ok=True)
    (folder / "scores" / "scores.json").write_text(text)


def test_scores_of_the_run_are_told(tmp_path, save_network):
    folder = save_network(tmp_path / "tiny", ("vocals",))
    write(folder, json.dumps(SCORES))
    scores = load_source([folder]).separator.card.scores
    assert scores == {"tiny": {"data": {"root": "r"}, "rule": "museval", "sdr": {"vocals": 1.5}}}
    for text in ("{", json.dumps({**SCORES, "systems": {"tiny": 5}})):
        write(folder, text)
        with pytest.raises(InputError, match=r"scores\.json: "):
            load_source([folder])
