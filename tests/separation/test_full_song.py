"""The shipped network on a full song; run with `pytest -m slow`."""

import numpy as np
import pytest
import soundfile

from keras_mmdense.data.songs import find_songs
from keras_mmdense.separation.separator import Separator
from keras_mmdense.stems import STEMS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mixture(stems_root):
    song = next(s for s in find_songs(stems_root, "train") if s.name == "Caesium")
    return sum(song.stems().values())


def test_stems_have_the_songs_length_and_sum_to_it(mixture, tmp_path):
    soundfile.write(tmp_path / "song.wav", mixture, 44100, "FLOAT")
    written = Separator().separate_file(tmp_path / "song.wav", tmp_path)
    assert set(written.files) == set(STEMS)
    total = 0
    for file in written.files.values():
        stem, rate = soundfile.read(file)
        assert rate == 44100 and stem.shape == mixture.shape
        total = total + stem
    assert 10 * np.log10(np.sum(mixture**2) / np.sum((total - mixture) ** 2)) > 30


def test_windows_give_the_same_stems_as_the_whole_song_at_once(mixture):
    """Takes about 10 GB of memory for the whole song."""
    frames = len(mixture) // 1024 + 1
    windows = (-(-frames // 8) * 8, 512)
    whole, parts = (Separator(window=window).separate(mixture, 44100) for window in windows)
    for name, stem in whole.items():
        error = stem - parts[name]
        assert np.sum(error**2) <= 1e-6 * np.sum(stem**2)
        seams = np.add.outer(np.arange(1, 19) * 512 * 1024, np.arange(-1024, 1024)).ravel()
        assert np.sum(error[seams] ** 2) <= 1e-4 * np.sum(stem[seams] ** 2)
