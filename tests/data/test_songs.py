import time

import numpy as np
import pytest
import soundfile

from keras_mmdense.data.songs import VALIDATION_SONGS, find_songs
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS


def write_song(folder, samples=2000, rate=44100, suffix=".wav", leave_out=None, **lengths):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(abs(hash(folder.name)) % 2**32)
    for stem in STEMS:
        if stem != leave_out:
            audio = rng.uniform(-0.5, 0.5, (lengths.get(stem, samples), 2))
            soundfile.write(folder / f"{stem}{suffix}", audio, rate)


def names(root, split):
    return [song.name for song in find_songs(root, split)]


def test_musdb18_through_musdb(musdb_root):
    valid, train = (find_songs(musdb_root, split) for split in ("valid", "train"))
    assert {song.name for song in valid} == VALIDATION_SONGS
    assert len(train) == 80 and not VALIDATION_SONGS & {song.name for song in train}
    stems = valid[0].stems()
    assert tuple(stems) == STEMS and valid[0].sample_rate == 44100
    assert len({stem.shape for stem in stems.values()}) == 1
    assert all(stem.dtype == np.float32 and np.abs(stem).max() > 0.05 for stem in stems.values())


def test_stems_are_not_mixed_up(musdb_root):
    """The coded mixture of a song is the sum of its stems to 20 dB, whatever the codec lost."""
    import musdb

    track = musdb.DB(root=str(musdb_root), subsets="train", split="valid")[0]
    song = next(song for song in find_songs(musdb_root, "valid") if song.name == track.name)
    total, mixture = sum(song.stems().values()), track.audio
    assert 10 * np.log10(np.sum(mixture**2) / np.sum((mixture - total) ** 2)) > 20
    np.testing.assert_allclose(song.read("bass"), track.targets["bass"].audio, atol=1e-6)


def test_the_standard_validation_songs_are_musdbs(musdb_root):
    import musdb

    setup = musdb.DB(root=str(musdb_root), subsets="train").setup
    assert set(setup["validation_tracks"]) == VALIDATION_SONGS


def test_full_songs_as_folders(stems_root):
    songs = find_songs(stems_root, "train") + find_songs(stems_root, "valid")
    assert sorted(song.name for song in songs) == sorted(p.name for p in stems_root.iterdir())


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_folders_with_and_without_train(tmp_path, suffix):
    for i in range(12):
        write_song(tmp_path / "plain" / f"song {i:02}", suffix=suffix)
        write_song(tmp_path / "hq" / "train" / f"song {i:02}", suffix=suffix)
    write_song(tmp_path / "hq" / "test" / "unseen")
    for root in ("plain", "hq"):
        assert names(tmp_path / root, "valid") == ["song 11"]
        assert names(tmp_path / root, "train") == [f"song {i:02}" for i in range(11)]
    assert names(tmp_path / "hq", "test") == ["unseen"]


def test_musdb18_hq_has_the_standard_validation_songs(tmp_path):
    valid = sorted(VALIDATION_SONGS)[:2]
    for name in [*valid, "Z Last", "Another"]:
        write_song(tmp_path / "train" / name)
    assert names(tmp_path, "valid") == valid
    assert names(tmp_path, "train") == ["Another", "Z Last"]


def test_hidden_folders_are_no_songs(tmp_path):
    write_song(tmp_path / "a")
    write_song(tmp_path / "b")
    write_song(tmp_path / ".half")
    assert names(tmp_path, "train") + names(tmp_path, "valid") == ["a", "b"]


def test_roots_without_songs_fail_at_once(tmp_path):
    start = time.monotonic()
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=str(root)):
            find_songs(root, "train")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("song", "message"),
    [
        ({"leave_out": "bass"}, "the stem bass is missing"),
        ({"drums": 1999}, "1999 samples at 44100 Hz, expected 2000"),
    ],
)
def test_songs_that_do_not_fit_are_named(tmp_path, song, message):
    write_song(tmp_path / "good")
    write_song(tmp_path / "wrong", **song)
    with pytest.raises(InputError, match=f"wrong.*{message}"):
        find_songs(tmp_path, "train")


def test_stems_of_another_rate_and_no_audio_are_named(tmp_path):
    write_song(tmp_path / "good")
    write_song(tmp_path / "wrong")
    soundfile.write(tmp_path / "wrong" / "other.wav", np.zeros((2000, 2)), 48000)
    with pytest.raises(InputError, match=r"other.wav: 2000 samples at 48000 Hz"):
        find_songs(tmp_path, "train")
    (tmp_path / "wrong" / "other.wav").write_text("words")
    with pytest.raises(InputError, match="other.wav: not an audio file"):
        find_songs(tmp_path, "train")


def test_one_song_is_not_enough(tmp_path):
    write_song(tmp_path / "only")
    with pytest.raises(InputError, match="one song"):
        find_songs(tmp_path, "train")


def test_unknown_split_and_missing_test_are_named(tmp_path):
    write_song(tmp_path / "a")
    with pytest.raises(InputError, match="'dev'"):
        find_songs(tmp_path, "dev")
    with pytest.raises(InputError, match="test: no songs"):
        find_songs(tmp_path, "test")


def test_no_ffmpeg_is_said_in_one_line(musdb_root, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="needs ffmpeg"):
        find_songs(musdb_root, "train")
