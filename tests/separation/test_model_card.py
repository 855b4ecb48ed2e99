import dataclasses
import json

import pytest

from keras_mmdense.errors import InputError
from keras_mmdense.separation.model_card import ModelCard

CARD = ModelCard(("tiny",), ("vocals",), 44100, 2, n_fft=2048, hop=1024, window=1024, context=2048)


def test_what_is_written_is_read():
    card = dataclasses.replace(CARD, precision="int8", weights=("ab",), scores={"sdr": {"x": 1.5}})
    assert ModelCard.from_json(card.to_json()) == card


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("stems", value) for value in ([], ["a", "a"], ["../up"], ["/abs"], [""], [1], "ab", 5)),
        *(("window", value) for value in (0, -5, "x", 44100.5, 4_000_000_000, None)),
        *(("context", value) for value in (-100, 1e12, 10**12)),
        *(("channels", value) for value in (0, -2, 10**9)),
        *(("sample_rate", value) for value in (0, -44100, "44100", 2**31)),
        *(("hop", value) for value in (0, 2**40)),
        ("n_fft", 2**40),
        ("network", 5),
    ],
)
def test_values_out_of_bounds_are_named(field, value):
    content = {**json.loads(CARD.to_json()), field: value}
    named = "not iterable" if field == "network" else field
    with pytest.raises(InputError, match=f"a.json: not a model card of keras_mmdense: .*{named}"):
        ModelCard.from_json(json.dumps(content), "a.json")


def test_a_window_is_bounded_over_all_channels():
    big = {"window": 1 << 26, "channels": 2}
    with pytest.raises(InputError, match="a window must hold up to"):
        dataclasses.replace(CARD, **big)


def test_deep_json_is_refused():
    with pytest.raises(InputError, match="not a model card"):
        ModelCard.from_json("[" * 100_000)
