import dataclasses

import pytest

from keras_mmdense.configs import TABLES, Conv, Dense


@pytest.fixture(scope="session")
def small():
    """The table of the smallest network that has every kind of weight."""
    (stream,) = TABLES["densenet"].streams
    stream = dataclasses.replace(stream, first=Conv((3, 3), 2), blocks=(Dense(2, 1),))
    return dataclasses.replace(TABLES["densenet"], streams=(stream,), final=Dense(2, 1))
