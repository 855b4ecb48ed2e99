import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from keras_mmdense.data import cache as cache_module
from keras_mmdense.data.cache import CachedSong, cache_songs
from keras_mmdense.data.song_files import FolderSong, Song
from keras_mmdense.data.songs import find_songs, locate_songs
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

RATE = 44100


def one(folder, cache, rate=RATE, channels=2, **options):
    """Caches the song of a folder; gives it and the names of the stems that were decoded."""
    files = {stem: list(folder.glob(f"{stem}.*")) for stem in STEMS}
    song, read = FolderSong(folder, files), []
    decode = song.read
    song.read = lambda stem: read.append(stem) or decode(stem)
    return cache_songs([song], cache, rate, channels, **options)[0], read


def entries(cache):
    return sorted(path.name for path in cache.glob("[!.]*.npy"))


@pytest.mark.parametrize(
    ("subtype", "suffix", "dtype"),
    [
        ("PCM_16", ".wav", "int16"),
        ("PCM_16", ".flac", "int16"),
        ("VORBIS", ".ogg", "int16"),
        ("PCM_24", ".wav", "float32"),
        ("FLOAT", ".wav", "float32"),
    ],
)
def test_stems_are_kept_as_exactly_as_they_were_coded(tmp_path, subtype, suffix, dtype):
    rng = np.random.default_rng(0)
    for stem in STEMS:
        audio = rng.uniform(-0.4, 0.4, (5000, 2))
        soundfile.write(tmp_path / f"{stem}{suffix}", audio, RATE, subtype=subtype)
    song, _ = one(tmp_path, tmp_path / "cache")
    assert song.audio.dtype == dtype and isinstance(song.audio, np.memmap)
    error = 2**-16 if subtype == "VORBIS" else 0
    for index, stem in enumerate(STEMS):
        coded = soundfile.read(tmp_path / f"{stem}{suffix}", dtype="float32")[0]
        np.testing.assert_allclose(song.chunk(index, 0, 5000), coded, rtol=0, atol=error)


def test_nothing_clips(song_folder, tmp_path):
    """Two loud 16-bit files summed into a stem leave the range of int16."""
    loud = np.full((100, 2), 0.75)
    song_folder(tmp_path / "song", samples=100)
    for name in ("other", "keys"):
        soundfile.write(tmp_path / "song" / f"{name}.wav", loud, RATE)
    files = {"other": ["keys"]}
    for name in ("a", "z"):
        song_folder(tmp_path / name, (*STEMS, "keys"))
    songs = [song for song in find_songs(tmp_path, "train", files=files) if song.name == "song"]
    song = cache_songs(songs, tmp_path / "cache", RATE, 2)[0]
    assert song.audio.dtype == "float32"
    np.testing.assert_allclose(song.chunk(STEMS.index("other"), 0, 100), 1.5)
    np.testing.assert_array_equal(song.chunk(0, 0, 100), songs[0].read("vocals"))


def test_chunks_are_read_at_random_and_end_in_zeros(song_folder, tmp_path):
    folder = song_folder(tmp_path / "song", samples=100)
    song, _ = one(folder, tmp_path / "cache")
    drums = soundfile.read(folder / "drums.wav", dtype="float32")[0]
    np.testing.assert_array_equal(song.chunk(1, 40, 20), drums[40:60])
    tail = song.chunk(1, 90, 20)
    np.testing.assert_array_equal(tail[:10], drums[90:])
    assert tail.dtype == np.float32 and not tail[10:].any()
    assert song.samples == song.weight == 100


def test_real_stems_are_decoded_once(musdb_root, tmp_path):
    songs, calls = locate_songs(musdb_root, "valid")[:2], []
    for _ in range(2):
        cached = cache_songs(songs, tmp_path, RATE, 2, lambda *done: calls.append(done))
    assert calls == [(0, 2), (1, 2), (2, 2)] * 2
    for index, stem in enumerate(STEMS):
        audio = songs[1].read(stem)
        np.testing.assert_array_equal(cached[1].chunk(index, 0, len(audio)), audio)


def test_the_bytes_of_the_files_are_the_key(song_folder, tmp_path):
    folder, cache = song_folder(tmp_path / "song"), tmp_path / "cache"
    assert one(folder, cache)[1] == list(STEMS)
    assert one(folder, cache)[1] == []
    os.utime(folder / "bass.wav", (1, 1))
    folder = folder.rename(tmp_path / "moved")
    assert one(folder, cache)[1] == []
    (folder / "bass.wav").rename(folder / "x")
    (folder / "drums.wav").rename(folder / "bass.wav")
    (folder / "x").rename(folder / "drums.wav")
    song, read = one(folder, cache)
    assert read == list(STEMS) and len(entries(cache)) == 2
    bass = soundfile.read(folder / "bass.wav", dtype="float32")[0]
    np.testing.assert_array_equal(song.chunk(STEMS.index("bass"), 0, len(bass)), bass)


def test_a_changed_file_of_equal_size_and_date_is_decoded_again(song_folder, tmp_path):
    folder, cache = song_folder(tmp_path / "song"), tmp_path / "cache"
    one(folder, cache)
    path = folder / "vocals.wav"
    before = path.stat()
    soundfile.write(path, np.full((2000, 2), 0.25), RATE)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    song, read = one(folder, cache)
    assert read == list(STEMS) and (song.chunk(0, 0, 2000) == 0.25).all()


def test_files_are_not_read_twice_while_they_do_not_change(song_folder, tmp_path, monkeypatch):
    folder, cache, hashed = song_folder(tmp_path / "song"), tmp_path / "cache", []
    monkeypatch.setattr(cache_module, "sha256", lambda path: hashed.append(path.name) or "0")
    one(folder, cache)
    assert sorted(hashed) == sorted(f"{stem}.wav" for stem in STEMS)
    one(folder, cache)
    (folder / "bass.wav").touch()
    one(folder, cache)
    assert hashed[4:] == ["bass.wav"]


@pytest.mark.parametrize("size", [0, 50, 500, -1])
def test_entries_cut_short_are_built_again(song_folder, tmp_path, size):
    folder, cache = song_folder(tmp_path / "song"), tmp_path / "cache"
    one(folder, cache)
    entry = cache / entries(cache)[0]
    whole = entry.read_bytes()
    entry.write_bytes(whole[:size])
    song, read = one(folder, cache)
    assert read == list(STEMS) and entry.read_bytes() == whole
    assert song.samples == 2000


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_broken_index_is_written_again(song_folder, tmp_path, text):
    folder, cache = song_folder(tmp_path / "song"), tmp_path / "cache"
    one(folder, cache)
    (cache / "index.json").write_text(text)
    assert one(folder, cache)[1] == []
    assert len(json.loads((cache / "index.json").read_text())) == 4


SLOW_RUN = """
import sys, time
from keras_mmdense.data.cache import cache_songs
from keras_mmdense.data.song_files import FolderSong
from keras_mmdense.data.songs import find_songs
read = FolderSong.read
def slowly(self, stem):
    print(self.name, stem, flush=True)
    time.sleep(float(sys.argv[3]))
    return read(self, stem)
FolderSong.read = slowly
songs = cache_songs(find_songs(sys.argv[1], "train"), sys.argv[2], 44100, 2)
assert [song.name for song in songs] == ["0", "1", "2", "3"], songs
"""


def start(root, cache, delay):
    command = [sys.executable, "-c", SLOW_RUN, str(root), str(cache), str(delay)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_runs_at_once_decode_no_song_twice(song_folder, tmp_path):
    for name in "01234":
        song_folder(tmp_path / "songs" / name)
    runs = [start(tmp_path / "songs", tmp_path / "cache", 0.05) for _ in range(2)]
    lines = [line for run in runs for line in run.communicate(timeout=60)[0].splitlines()]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted(lines) == sorted(f"{name} {stem}" for name in "0123" for stem in STEMS)
    assert len(entries(tmp_path / "cache")) == 4


def test_a_killed_run_blocks_nobody_and_leaves_nothing(song_folder, tmp_path):
    for name in "01234":
        song_folder(tmp_path / "songs" / name)
    killed = start(tmp_path / "songs", tmp_path / "cache", 0.5)
    for expected in ("0 vocals", "0 drums"):
        assert killed.stdout.readline().strip() == expected
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert list((tmp_path / "cache").glob(".*.npy")) and not entries(tmp_path / "cache")
    began = time.monotonic()
    songs = cache_songs(find_songs(tmp_path / "songs", "train"), tmp_path / "cache", RATE, 2)
    assert len(songs) == 4 and time.monotonic() - began < 20
    assert not list((tmp_path / "cache").glob(".*.npy"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 48000}, "song: 44100 Hz, expected 48000 Hz"),
        (
            {"channels": 1},
            r"vocals has shape \(2000, 2\) \(samples, channels\), expected \(2000, 1",
        ),
    ],
)
def test_other_rates_and_channels_are_named(song_folder, tmp_path, options, message):
    folder = song_folder(tmp_path / "song")
    with pytest.raises(InputError, match=message):
        one(folder, tmp_path / "cache", **options)
    assert not entries(tmp_path / "cache")


def test_songs_of_another_rate_are_refused_where_they_were_cached_before(song_folder, tmp_path):
    folder, cache = song_folder(tmp_path / "song"), tmp_path / "cache"
    one(folder, cache)
    with pytest.raises(InputError, match="44100 Hz, expected 48000 Hz"):
        one(folder, cache, rate=48000)
    with pytest.raises(InputError, match="shape"):
        one(folder, cache, channels=1)


def test_no_song_is_decoded_where_a_later_one_does_not_fit(song_folder, tmp_path):
    for name in "abc":
        song_folder(tmp_path / name, rate=48000 if name == "b" else RATE)
    with pytest.raises(InputError, match="b: 48000 Hz"):
        cache_songs(find_songs(tmp_path, "train"), tmp_path / "cache", RATE, 2)
    assert not entries(tmp_path / "cache")


@pytest.mark.parametrize(
    ("audio", "message"),
    [(np.zeros((0, 2)), "no samples"), (np.full((9, 2), np.nan), "not finite")],
)
def test_samples_that_are_none_are_named(tmp_path, audio, message):
    for stem in STEMS:
        soundfile.write(tmp_path / f"{stem}.wav", audio, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=f"vocals.* {message}"):
        one(tmp_path, tmp_path / "cache")


def test_a_file_that_ends_early_is_named(song_folder, tmp_path):
    folder = song_folder(tmp_path / "song", suffix=".flac")
    path = folder / "bass.flac"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match="bass.flac"):
        one(folder, tmp_path / "cache")
    assert not entries(tmp_path / "cache")


def test_a_folder_that_cannot_be_made_is_named(song_folder, tmp_path):
    folder = song_folder(tmp_path / "song")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file.*cannot write"):
        one(folder, tmp_path / "file" / "cache")


def test_a_full_disk_is_named_and_nothing_half_written_stays(song_folder, tmp_path):
    folder, cache = song_folder(tmp_path / "song"), tmp_path / "cache"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(InputError, match=r"cache.*: cannot be written: File too large"):
            one(folder, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(cache.glob("*.npy"))


def test_songs_without_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="made up"):
        cache_songs([Song("made up", RATE, lambda stem: np.zeros((9, 2)))], tmp_path, RATE, 2)


def test_floats_are_given_as_they_are():
    audio = np.linspace(-1, 1, 4 * 10 * 2).reshape(4, 10, 2)
    np.testing.assert_allclose(CachedSong("", audio).chunk(2, 0, 10), audio[2], rtol=1e-6)
