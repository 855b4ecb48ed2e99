import dataclasses

import pytest

from keras_mmdense.configs import TABLES, Conv, DenseBlock


@pytest.fixture(scope="session")
def small():
    """The table of the smallest network that has every kind of weight."""
    (branch,) = TABLES["densenet"].branches
    branch = dataclasses.replace(branch, first=Conv((3, 3), 2), blocks=(DenseBlock(2, 1),))
    return dataclasses.replace(TABLES["densenet"], branches=(branch,), final=DenseBlock(2, 1))
