import dataclasses
import json

import numpy as np
import pytest
import yaml

from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.models.registry import parameters
from keras_mmdense.pretrained import card as cards
from keras_mmdense.pretrained import catalog
from keras_mmdense.pretrained.network_card import (
    DataSet,
    NetworkCard,
    Provenance,
    ScoreTable,
    join_cards,
)
from keras_mmdense.pretrained.networks import NetworkSpec, load_network, save_network

SECTIONS = ["How to use", "Parameters", "Training data", "Terms", "Scores", "Limits"]
SPEC = NetworkSpec(dataclasses.replace(TABLES["fnn"], hidden=4, n_fft=64, hop=32), ("vocals",))
CARD = NetworkCard(
    license="research",
    terms="research only (trained on songs of that kind)",
    description="For tests.",
    training_data=(DataSet("songs", "research", 5.5, 80, "The last eight validate."),),
    provenance=Provenance("keras-mmdense train", 3, "abc1234", "a laptop", "Keras", "today", 9, 2),
    scores=(
        ScoreTable(
            "Two songs",
            "keras-mmdense evaluate",
            {"mixture": {"a": -1, "b": -2}, "separated": {"a": [4, 3.5, 4.5], "b": 5.0}},
        ),
    ),
    limits="Loud choirs.",
)


def front_matter(text):
    _, matter, rest = text.split("---\n", 2)
    return yaml.safe_load(matter), rest


def headings(text):
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


@pytest.mark.parametrize("name", catalog.list_weights())
def test_shipped_weights_load_and_their_card_is_the_rendering_of_its_data(name):
    folder = catalog.network_folder(name)
    card = catalog.read_card(folder)
    spec, model = load_network(name)
    assert np.isfinite(model(np.ones((1, 9, spec.bins, spec.channels), "float32"))).all()
    text = (folder / catalog.CARD).read_text(encoding="utf-8")
    assert text == cards.render_card(name, spec, card, parameters(model))
    matter, _ = front_matter(text)
    assert matter["library_name"] == "keras" and "music-source-separation" in matter["tags"]
    assert matter["license"] in ("other", card.license.lower()) and card.license != "unknown"
    assert headings(text) == SECTIONS
    assert card.description and card.training_data and card.provenance and card.scores
    assert card.limits and all(table.command for table in card.scores)


def test_research_terms_and_intervals_are_rendered():
    matter, text = front_matter(cards.render_card("mine", SPEC, CARD, 1234))
    assert matter["license"] == "other" and matter["license_name"] == "research-only"
    assert "| a | -1.00 | 4.00 (3.50 to 4.50) |" in text
    assert "| mean | -1.50 | 4.50 |" in text
    for fact in ("1,234", "5.5 hours", "Seed: 3. Commit: abc1234", CARD.terms, "Loud choirs."):
        assert fact in text


def test_a_card_survives_json():
    assert NetworkCard.from_dict(json.loads(json.dumps(CARD.to_dict()))) == CARD
    assert NetworkCard.from_dict({}) == NetworkCard()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"color": "blue"}, "color"),
        ({"terms": "two\nlines"}, "terms must be one line"),
        ({"license": None}, "license must be one line"),
        ({"training_data": [{"name": "songs"}]}, "missing"),
        ({"scores": [{"data": "", "command": "", "systems": {}}]}, "same stems"),
        ({"scores": [{"data": "", "command": "", "systems": {"x": {"a": "high"}}}]}, "'high'"),
        ({"scores": [{"data": "", "command": "", "systems": {"x": {"a": [1, 2]}}}]}, r"\[1, 2\]"),
    ],
)
def test_bad_cards_are_named(tmp_path, fields, message):
    with pytest.raises(ValueError, match=message):
        NetworkCard.from_dict(fields)
    (tmp_path / "network.json").write_text(json.dumps({"card": fields}))
    with pytest.raises(InputError, match=f"network.json: not the description.*{message}"):
        catalog.read_card(tmp_path)


def test_a_card_is_put_into_a_network_and_stays(tmp_path, capsys):
    save_network(tmp_path / "net", SPEC, SPEC.build())
    (tmp_path / "card.json").write_text(json.dumps(CARD.to_dict()))
    cards.main([str(tmp_path / "net"), str(tmp_path / "card.json")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "net" / "CARD.md")
    assert load_network(tmp_path / "net").spec == SPEC
    assert catalog.read_card(tmp_path / "net") == CARD
    before = (tmp_path / "net" / "CARD.md").read_text()
    assert before.startswith("---\nlicense: other\n") and "# net\n" in before
    cards.main([str(tmp_path / "net")])
    assert (tmp_path / "net" / "CARD.md").read_text() == before


def test_names_that_are_no_utf8_are_written(tmp_path):
    data = DataSet("songs-\udcff", "unknown", 0.1, 2)
    card = dataclasses.replace(CARD, training_data=(data,))
    save_network(tmp_path / "net", SPEC, SPEC.build(), card)
    cards.render_to_folder(tmp_path / "net", SPEC, card, 1)
    assert "songs-\\udcff: 2 songs" in (tmp_path / "net" / "CARD.md").read_text()
    assert catalog.read_card(tmp_path / "net") == card


def test_a_file_that_is_no_card_changes_nothing(tmp_path):
    (tmp_path / "card.json").write_text("[]")
    with pytest.raises(InputError, match="card.json: not the card of a network"):
        cards.main([str(tmp_path), str(tmp_path / "card.json")])
    assert len(list(tmp_path.iterdir())) == 1


def test_networks_together_have_the_terms_of_all():
    free = NetworkCard("CC0-1.0", "CC0 1.0")
    both = join_cards(free, CARD, free)
    assert both.restricted and both.terms == f"CC0 1.0; {CARD.terms}"
    assert join_cards(free, free) == free
    assert join_cards(free, NetworkCard()).license == "unknown"
