"""Files of earlier versions still load."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_mmdense.analysis.run_folders import read_score_folder
from keras_mmdense.pretrained.catalog import read_card
from keras_mmdense.pretrained.networks import load_network
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.stems import STEMS

HERE = Path(__file__).parent


def test_a_network_folder_loads():
    spec, model = load_network(HERE / "network")
    assert spec.targets == STEMS and (spec.bins, spec.channels) == (33, 1)
    expected = json.loads((HERE / "network_output.json").read_text())
    x = np.linspace(0, 1, 165, dtype="float32").reshape(1, 5, 33, 1)
    output = np.array(model(x))
    assert list(output.shape) == expected["shape"]
    np.testing.assert_allclose(output[0].sum(axis=(1, 2, 3)), expected["sums"], rtol=1e-4)


def test_the_terms_and_scores_of_a_card_in_prose_are_read(tmp_path):
    shutil.copy(HERE / "network" / "network.json", tmp_path)
    assert read_card(tmp_path).terms == "unknown"
    shutil.copy(HERE / "CARD.md", tmp_path)
    card = read_card(tmp_path)
    assert card.terms == "CC0 1.0 (trained on CC0 and synthesised music alone)"
    assert card.scores[0].systems["separated"]["vocals"] == 4.03


@pytest.mark.parametrize(
    ("name", "precision"),
    [("saved_model_card.json", "float32"), ("tflite_metadata.json", "float16")],
)
def test_the_card_of_an_exported_file_is_read(name, precision):
    card = ModelCard.from_json((HERE / name).read_text())
    assert card.stems == STEMS and card.license == "unknown" and card.precision == precision
    assert (card.n_fft, card.hop, card.window, card.context) == (64, 32, 2048, 2560)


def test_a_file_of_scores_is_read():
    scores = read_score_folder(HERE)
    assert scores.rule.name == "museval" and list(scores.systems) == ["network", "mixture"]
    (song,) = scores.systems["network"]
    assert song.name == "Synth 0001 - Calm Glacier"
    assert scores.descriptions["network"]["parameters"] == 590
