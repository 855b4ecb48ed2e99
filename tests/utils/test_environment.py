import os

import pytest

from keras_mmdense.utils.environment import environment


def test_values_hold_within_the_block(monkeypatch):
    monkeypatch.setenv("KNOWN", "before")
    monkeypatch.delenv("UNKNOWN", raising=False)
    with pytest.raises(ZeroDivisionError), environment({"KNOWN": "1", "UNKNOWN": "2"}):
        assert (os.environ["KNOWN"], os.environ["UNKNOWN"]) == ("1", "2")
        _ = 1 / 0
    assert os.environ["KNOWN"] == "before" and "UNKNOWN" not in os.environ
