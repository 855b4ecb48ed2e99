import json
import time

import numpy as np
import pytest
import soundfile

from keras_mmdense.data.datasets import DatasetSpec, load, locate, open_datasets
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

KINDS = ("musdb18", "musdb18-hq", "dsd100", "folders", "synth")
RATE = 44100


def fails(specs, cache):
    """The message of the error that data sets raise, which is one line; nothing is decoded."""
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        load(specs, cache, RATE, 2)
    assert time.monotonic() - began < 10
    assert len(str(caught.value).splitlines()) == 1
    assert not list(cache.glob("*.npy"))
    return str(caught.value)


def no_such_root(root, song, stem_mp4):
    root.rename(root.with_name("elsewhere"))
    return "set: no such folder"


def too_few(root, song, stem_mp4):
    return "set: 3 songs, expected 4"


def no_bass(root, song, stem_mp4):
    if song.is_dir():
        next(song.glob("bass.*")).unlink()
        return f"{song.name}: the stem bass is missing"
    stem_mp4(song, names=("mixture", "drums"))
    return f"{song.name}: the stem bass is missing; expected 5 audio streams, found 2"


def shorter_drums(root, song, stem_mp4):
    if song.is_dir():
        path = next(song.glob("drums.*"))
        audio = soundfile.read(path)[0]
        soundfile.write(path, audio[:-1], RATE)
        return f"{path.name}: {len(audio) - 1} samples"
    stem_mp4(song, drums=(4410, RATE))
    return f"{song.name}: drums has 4410 samples"


def slower_other(root, song, stem_mp4):
    if song.is_dir():
        path = next(song.glob("other.*"))
        soundfile.write(path, soundfile.read(path)[0], 22050)
        return f"{path.name}: {soundfile.info(path).frames} samples at 22050 Hz"
    stem_mp4(song, other=(4410, 22050))
    return f"{song.name}: other has 4410 samples at 22050 Hz"


def no_audio(root, song, stem_mp4):
    path = next(song.glob("vocals.*")) if song.is_dir() else song
    path.write_text("words")
    return path.name


ERRORS = (no_such_root, too_few, no_bass, shorter_drums, slower_other, no_audio)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_with_a_data_set_is_said_in_one_line(
    dataset, stem_mp4, tmp_path, kind, error
):
    root, songs = dataset(kind)
    expected = error(root, songs[1], stem_mp4)
    spec = DatasetSpec(root, songs=4 if error is too_few else 3)
    assert expected in fails([spec], tmp_path / "cache")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_chunks(dataset, tmp_path, kind):
    root, paths = dataset(kind)
    tracks = load([DatasetSpec(root, songs=3)], tmp_path / "cache", RATE, 2)
    assert [track.name for split in ("train", "valid") for track in tracks[split]] == [
        path.name.removesuffix(".stem.mp4") for path in paths
    ]
    for track in tracks["train"]:
        chunks = [track.chunk(stem, 100, 500) for stem in range(len(STEMS))]
        assert all(chunk.shape == (500, 2) and chunk.dtype == np.float32 for chunk in chunks)
        assert track.weight == track.samples > 600
    if kind != "musdb18":
        drums = soundfile.read(next(paths[0].glob("drums.*")), dtype="float32")[0]
        chunk = tracks["train"][0].chunk(STEMS.index("drums"), 100, 500)
        np.testing.assert_array_equal(chunk, drums[100:600])


def test_real_data_sets_at_once(stems_root, musdb_root, tmp_path):
    specs = [DatasetSpec(musdb_root, songs=94), DatasetSpec(stems_root, songs=5)]
    located = locate(specs)
    assert [len(songs) for songs in located["train"]] == [80, 4]
    assert [len(songs) for songs in located["valid"]] == [14, 1]
    assert "94 songs, expected 100" in fails([DatasetSpec(musdb_root, songs=100)], tmp_path)


def test_songs_that_validate_are_trained_on_in_no_data_set(song_folder, tmp_path):
    for folder in ("m/train/Actions - One Minute Smile", "m/train/a", "m/train/b"):
        song_folder(tmp_path / folder)
    for folder in ("051 - Actions - One Minute Smile", "052 - c"):
        song_folder(tmp_path / "d" / folder)
    specs = [DatasetSpec(tmp_path / "m"), DatasetSpec(tmp_path / "d", validate=False, songs=2)]
    located = locate(specs)
    names = {split: [[x.name for x in songs] for songs in located[split]] for split in located}
    assert names["train"] == [["a", "b"], ["052 - c"]]
    assert names["valid"] == [["Actions - One Minute Smile"], []]


def test_weights_are_shared_among_songs_by_length(song_folder, tmp_path):
    for name, samples in (("a", 100), ("b", 300), ("c", 50)):
        song_folder(tmp_path / "one" / name, samples=samples)
    for name in "xyz":
        song_folder(tmp_path / "two" / name, samples=1000)
    config = json.loads('[{"root": "one", "weight": 3}, {"root": "two", "weight": 1.0}]')
    specs = [DatasetSpec.from_dict(entry | {"root": tmp_path / entry["root"]}) for entry in config]
    tracks = load(specs, tmp_path / "cache", RATE, 2)["train"]
    assert [track.weight for track in tracks] == pytest.approx([0.75, 2.25, 0.5, 0.5])
    even = load([DatasetSpec(spec.root) for spec in specs], tmp_path / "cache", RATE, 2)["train"]
    assert [track.weight for track in even] == [100, 300, 1000, 1000]
    with pytest.raises(InputError, match="every data set a weight, or none"):
        load([specs[0], DatasetSpec(specs[1].root)], tmp_path / "cache", RATE, 2)


def test_the_interface_of_a_data_set(dataset, tmp_path):
    specs = [DatasetSpec(dataset(kind, name=kind)[0]) for kind in ("dsd100", "folders")]
    calls = []
    datasets = open_datasets(specs, tmp_path, RATE, 2, lambda *done: calls.append(done))
    assert calls == [(done, 6) for done in range(7)]
    for split, songs in (("train", 2), ("valid", 1)):
        found = datasets[split]
        assert [(data.name, data.sample_rate) for data in found] == [
            ("dsd100", RATE),
            ("folders", RATE),
        ]
        assert [len(data.tracks) for data in found] == [songs, songs]


def test_the_mixture_is_the_sum_of_stems_and_not_the_file(dataset, tmp_path):
    root, paths = dataset("musdb18-hq")
    soundfile.write(paths[0] / "mixture.wav", np.zeros((2000, 2)), RATE)
    track = load([DatasetSpec(root)], tmp_path / "cache", RATE, 2)["train"][0]
    stems = [soundfile.read(paths[0] / f"{stem}.wav", dtype="float32")[0] for stem in STEMS]
    total = sum(track.chunk(index, 0, 2000) for index in range(len(STEMS)))
    np.testing.assert_array_equal(total, sum(stems))


def test_missing_stems_and_further_files_come_from_the_config(song_folder, tmp_path):
    for name in "ab":
        song_folder(tmp_path / "songs" / name, ("vocals", "other", "keys"))
    entry = {"root": tmp_path / "songs", "missing": "silence", "files": {"other": ["keys"]}}
    track = load([DatasetSpec.from_dict(entry)], tmp_path / "cache", RATE, 2)["train"][0]
    assert not track.audio[STEMS.index("drums")].any()
    other, keys = (
        soundfile.read(tmp_path / "songs" / "a" / f"{name}.wav", dtype="float32")[0]
        for name in ("other", "keys")
    )
    np.testing.assert_array_equal(track.chunk(STEMS.index("other"), 0, 2000), other + keys)
    message = fails([DatasetSpec.from_dict(entry | {"missing": "error"})], tmp_path / "no")
    assert "a: the stem drums is missing" in message


def test_data_sets_of_another_rate_are_named(song_folder, tmp_path):
    for name in "ab":
        song_folder(tmp_path / "good" / name)
        song_folder(tmp_path / "slow" / name, rate=22050)
    specs = [DatasetSpec(tmp_path / "good"), DatasetSpec(tmp_path / "slow")]
    assert "a: 22050 Hz, expected 44100 Hz" in fails(specs, tmp_path / "cache")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, 'needs a "root"'),
        ("songs", 'needs a "root"'),
        ({"root": 1}, '"root" must be a folder'),
        ({"root": "x", "wieght": 1}, "unknown 'wieght'; choose from root, kind, weight"),
        ({"root": "x", "weight": 0}, '"weight" must be a number above 0, got 0'),
        ({"root": "x", "weight": float("nan")}, '"weight" must be'),
        ({"root": "x", "weight": True}, '"weight" must be'),
        ({"root": "x", "kind": "dsd"}, '"kind" must be auto or one of musdb18, dsd100, folders'),
        ({"root": "x", "missing": "skip"}, '"missing" must be one of error, silence'),
        ({"root": "x", "songs": 2.5}, '"songs" must be a number of songs'),
        ({"root": "x", "files": {"guitar": []}}, '"files" must be lists of names by stem'),
        ({"root": "x", "files": {"other": "keys"}}, '"files" must be'),
        ({"root": "x", "files": {"other": [1]}}, '"files" must be'),
    ],
)
def test_values_that_a_configuration_may_not_have_are_named(entry, message):
    with pytest.raises(InputError, match=message):
        DatasetSpec.from_dict(entry)


def test_songs_with_unknown_stems_train_and_do_not_validate(song_folder, tmp_path):
    root = tmp_path / "songs"
    for name in ("a", "b"):
        song_folder(root / name)
    (root / "b" / "bass.wav").unlink()
    spec = {"root": root, "missing": "unknown", "gain": 6, "validate": False}
    other = tmp_path / "other"
    for name in ("c", "d"):
        song_folder(other / name)
    specs = [DatasetSpec.from_dict(spec), DatasetSpec(other)]
    songs = load(specs, tmp_path / "cache", 44100, 2)
    recordings = {song.name: song.recordings for song in songs["train"]}
    assert recordings == {"a": (0, 1, 2, 3), "b": (0, 1, None, 3), "c": (0, 1, 2, 3)}
    assert [song.name for song in songs["valid"]] == ["d"]
    loud, plain = (next(s for s in songs["train"] if s.name == name) for name in ("a", "c"))
    assert loud.gain == pytest.approx(1.995, abs=1e-3) and plain.gain == 1
    assert loud.audio.dtype == np.int16
    expected = np.float32(loud.gain) * loud.audio[0, :50] / 2**15
    np.testing.assert_allclose(loud.chunk(0, 0, 50), expected, rtol=1e-6)
    with pytest.raises(InputError, match="validate: false"):
        locate([DatasetSpec.from_dict(spec)])
    with pytest.raises(InputError, match="b lacks a stem"):
        locate([DatasetSpec(root, missing="unknown")])


@pytest.mark.parametrize(
    "name, recordings", [("accompaniment", (0, 1, 1, 1)), ("bass+other", (0, None, 2, 2))]
)
def test_a_file_of_several_stems_is_their_recording(name, recordings, song_folder, tmp_path):
    folder = tmp_path / "songs" / "a"
    song_folder(folder)
    joint = (folder / "bass.wav").rename(folder / f"{name}.wav")
    for stem in ("drums", "other"):
        (folder / f"{stem}.wav").unlink()
    expected, _ = soundfile.read(joint, dtype="float32")
    complete = tmp_path / "complete"
    for title in ("c", "d"):
        song_folder(complete / title)
    specs = [
        DatasetSpec(tmp_path / "songs", missing="unknown", validate=False),
        DatasetSpec(complete),
    ]
    song = load(specs, tmp_path / "cache", 44100, 2)["train"][0]
    assert song.recordings == recordings
    stem = next(x for x in recordings if x)
    np.testing.assert_array_equal(song.chunk(stem, 0, len(expected)), expected)
    assert not song.audio[3].any()
    with pytest.raises(InputError, match="the stem drums is missing"):
        locate([DatasetSpec(tmp_path / "songs", validate=False)])
