import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_mmdense.data.songs import (
    LAYOUTS,
    VALIDATION_SONGS,
    MusdbSong,
    check_root,
    find_songs,
    locate_songs,
)
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

KINDS = ("musdb18", "musdb18-hq", "dsd100", "folders", "synth")


def names(root, split, **options):
    return [song.name for song in locate_songs(root, split, **options)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_found_and_read(dataset, kind):
    root, paths = dataset(kind)
    detected = kind if kind in LAYOUTS else "folders"
    assert check_root(root) == detected == check_root(root, detected)
    expected = [path.name.removesuffix(".stem.mp4") for path in paths]
    assert names(root, "train") == expected[:-1] and names(root, "valid") == expected[-1:]
    for song in find_songs(root, "train") + find_songs(root, "valid"):
        stems = song.stems()
        assert tuple(stems) == STEMS and song.sample_rate == 44100
        assert len({stem.shape for stem in stems.values()}) == 1 and stems["bass"].shape[1] == 2
        assert all(stem.dtype == np.float32 for stem in stems.values())
    if kind != "folders":
        assert len(find_songs(root, "test")) == 1


@pytest.mark.parametrize("kind", ["musdb18-hq", "dsd100", "folders", "synth"])
def test_stems_are_what_the_files_hold(dataset, kind):
    root, paths = dataset(kind)
    song = find_songs(root, "train")[0]
    for stem in STEMS:
        file = next(paths[0].glob(f"{stem}.*"))
        np.testing.assert_array_equal(song.read(stem), soundfile.read(file, dtype="float32")[0])


def test_musdb18_hq_is_what_musdb_reads(dataset):
    import musdb

    root, _ = dataset("musdb18-hq")
    tracks = musdb.DB(root=str(root), is_wav=True, subsets="train").tracks
    songs = find_songs(root, "train") + find_songs(root, "valid")
    assert [song.name for song in songs] == [track.name for track in tracks]
    for stem in STEMS:
        np.testing.assert_array_equal(songs[0].read(stem), tracks[0].sources[stem].audio)


def test_musdb18_splits_are_the_standard_ones(musdb_root):
    import musdb
    import yaml

    setup = yaml.safe_load((Path(musdb.__file__).parent / "configs" / "mus.yaml").read_text())
    assert set(setup["validation_tracks"]) == VALIDATION_SONGS
    train = names(musdb_root, "train")
    assert set(names(musdb_root, "valid")) == VALIDATION_SONGS
    assert len(train) == 80 and not VALIDATION_SONGS & set(train)
    assert MusdbSong.streams == tuple(sorted(setup["stem_ids"], key=setup["stem_ids"].get))


def test_stems_are_not_mixed_up(musdb_root):
    """The coded mixture of a song is the sum of its stems to 20 dB, whatever the codec lost."""
    song = locate_songs(musdb_root, "valid")[3]
    song.check()
    total, mixture = sum(song.stems().values()), song.read("mixture")
    assert 10 * np.log10(np.sum(mixture**2) / np.sum((mixture - total) ** 2)) > 20
    frequencies = {stem: _middle(song.read(stem), song.sample_rate) for stem in STEMS}
    assert frequencies["bass"] == min(frequencies.values())


def _middle(audio, rate):
    power = np.abs(np.fft.rfft(audio.mean(axis=1))) ** 2
    return np.sum(power * np.fft.rfftfreq(len(audio), 1 / rate)) / np.sum(power)


def test_streams_of_a_stem_file_have_their_names(dataset):
    """Streams are sines of 220, 440, ... Hz: mixture, drums, bass, other, vocals."""
    song = find_songs(dataset("musdb18")[0], "valid")[0]
    for stem, pitch in {"drums": 440, "bass": 660, "other": 880, "vocals": 1100}.items():
        assert _middle(song.read(stem), 44100) == pytest.approx(pitch, rel=0.05)


def test_full_songs_as_folders(stems_root):
    songs = find_songs(stems_root, "train") + find_songs(stems_root, "valid")
    assert sorted(song.name for song in songs) == sorted(p.name for p in stems_root.iterdir())


def test_validation_is_the_last_tenth_by_name(dataset):
    root, paths = dataset("dsd100", songs=30)
    assert names(root, "valid") == [path.name for path in paths[-3:]]
    assert names(root, "train") == [path.name for path in paths[:-3]]


def test_songs_that_validate_in_musdb18_train_in_no_data_set(song_folder, tmp_path):
    title = min(VALIDATION_SONGS)
    for name in (f"052 - {title}", "053 - A - B", "054 - C - D"):
        song_folder(tmp_path / "Sources" / "Dev" / name)
    assert names(tmp_path, "valid") == [f"052 - {title}"]
    for name in (title, "A - B", "Z - Y"):
        song_folder(tmp_path / "hq" / "train" / name)
    assert names(tmp_path / "hq", "valid") == [title]
    assert names(tmp_path / "hq", "train") == ["A - B", "Z - Y"]


def test_further_files_are_summed_into_a_stem(song_folder, tmp_path):
    files = {"other": ["guitar", "keys"]}
    song_folder(tmp_path / "a", (*STEMS, "guitar", "keys"))
    song_folder(tmp_path / "b", ("vocals", "drums", "bass", "guitar", "keys"))
    song_folder(tmp_path / "c")
    with pytest.raises(InputError, match="c: the stem other, guitar is missing"):
        locate_songs(tmp_path, "valid", files=files)
    for song, parts in zip(
        find_songs(tmp_path, "train", files=files),
        (("other", "guitar", "keys"), ("guitar", "keys")),
        strict=True,
    ):
        audio = [soundfile.read(tmp_path / song.name / f"{part}.wav")[0] for part in parts]
        np.testing.assert_allclose(song.read("other"), sum(audio), atol=1e-6)


def test_missing_stems_are_silence_where_asked_for(song_folder, tmp_path):
    song_folder(tmp_path / "a", ("vocals", "other"))
    song_folder(tmp_path / "b", ("guitar",))
    song_folder(tmp_path / "c")
    song = find_songs(tmp_path, "train", missing="silence", files={"other": ["guitar"]})[0]
    assert song.read("drums").shape == song.read("vocals").shape == (2000, 2)
    assert not song.read("drums").any() and song.read("vocals").any()
    with pytest.raises(InputError, match="a: the stem drums is missing"):
        locate_songs(tmp_path, "train")


def test_files_of_several_stems_are_no_silence(song_folder, tmp_path):
    song_folder(tmp_path / "a", ("vocals", "accompaniment"))
    song_folder(tmp_path / "b")
    with pytest.raises(InputError, match='accompaniment.wav holds several stems; set "missing" to'):
        locate_songs(tmp_path, "train", missing="silence")
    assert len(locate_songs(tmp_path, "train", missing="unknown", validate=False)) == 2


def test_hidden_folders_are_no_songs(song_folder, tmp_path):
    for name in ("a", "b", ".half"):
        song_folder(tmp_path / name)
    assert names(tmp_path, "train") + names(tmp_path, "valid") == ["a", "b"]


@pytest.mark.parametrize("kind", ["auto", *LAYOUTS])
def test_roots_without_songs_fail_at_once(tmp_path, kind):
    start = time.monotonic()
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=str(root)):
            find_songs(root, "train", kind)
    assert time.monotonic() - start < 10


def test_a_named_kind_is_the_only_one_looked_for(song_folder, tmp_path):
    song_folder(tmp_path / "a")
    with pytest.raises(InputError, match="no songs found; expected Sources"):
        check_root(tmp_path, "dsd100")
    with pytest.raises(InputError, match="unknown kind of data set 'dsd'"):
        check_root(tmp_path, "dsd")


def test_one_song_is_not_enough(song_folder, tmp_path):
    song_folder(tmp_path / "only")
    with pytest.raises(InputError, match="one song"):
        find_songs(tmp_path, "train")


def test_unknown_split_and_missing_test_are_named(song_folder, tmp_path):
    song_folder(tmp_path / "a")
    with pytest.raises(InputError, match="'dev'"):
        find_songs(tmp_path, "dev")
    with pytest.raises(InputError, match="test: no songs"):
        find_songs(tmp_path, "test")


def test_no_ffmpeg_is_said_in_one_line(dataset, monkeypatch):
    root, _ = dataset("musdb18")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="needs ffmpeg"):
        find_songs(root, "train")


def test_a_stem_file_that_ends_early_is_named(dataset, musdb_root):
    root, paths = dataset("musdb18")
    whole = min((musdb_root / "train").glob("*.stem.mp4")).read_bytes()
    paths[0].write_bytes(whole[: len(whole) // 2])
    song = find_songs(root, "train")[0]
    with pytest.raises(InputError, match=r"Song 0\.stem\.mp4: only \d+ of 299880 samples of"):
        song.stems()


@pytest.mark.parametrize("kind", ["musdb18", "folders"])
def test_songs_travel_to_other_processes(dataset, kind):
    song = find_songs(dataset(kind)[0], "train")[0]
    copy = pickle.loads(pickle.dumps(song))
    np.testing.assert_array_equal(copy.read("bass"), song.read("bass"))


def test_names_need_not_be_utf8(song_folder, tmp_path):
    song_folder(tmp_path / "a").rename(tmp_path / os.fsdecode(b"caf\xe9"))
    (song,) = find_songs(tmp_path, "valid")
    assert song.name == "caf\udce9" and song.read("bass").shape == (2000, 2)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_stems_that_are_cut_are_named(song_folder, tmp_path, suffix):
    folder = song_folder(tmp_path / "a", samples=30_000, suffix=suffix)
    path = folder / f"drums{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match=r"drums\.\w+: (the file ends early|only \d+ of)"):
        find_songs(tmp_path, "valid")[0].stems()
