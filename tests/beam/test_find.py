"""Which songs there are and what they are called, without a list of them all in one place."""

import itertools
import os
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest

from keras_mmdense.audio.output import Output
from keras_mmdense.beam import storage
from keras_mmdense.beam.find import CheckTargets, FindSongs, NameSongs, Song, expand_place
from keras_mmdense.errors import InputError
from keras_mmdense.separation.batch import song_names
from keras_mmdense.stems import STEMS


def random_paths():
    """Many paths whose names meet: in case, in folders, in endings, and without a name."""
    rng = np.random.default_rng(0)
    folders = ["/m/a", "/m/b", "/n/b", "/n/a - x", "/m"]
    names = ["x.wav", "X.wav", "x.mp3", "x.stem.mp4", "a - x.wav", "b - x", "..wav", "y.flac"]
    every = [f"{folder}/{name}" for folder, name in itertools.product(folders, names)]
    return [str(path) for path in rng.permutation(every)[:30]]


def test_names_are_those_of_the_command(collect):
    paths = random_paths()
    found, _ = collect(lambda p: {"songs": p | beam.Create([*paths, paths[0]]) | NameSongs()})
    expected = song_names([Path(path) for path in paths])
    assert {Path(song.url): song.name for song in found["songs"]} == expected
    assert len(found["songs"]) == len(paths)


def test_names_of_urls_are_those_of_their_paths():
    url = "gs://bucket/album/song.stem.mp4"
    assert storage.as_path(url) == Path("/bucket/album/song.stem.mp4")
    assert song_names([storage.as_path(url)]) == {storage.as_path(url): "song"}


def check(collect, songs, output):
    transform = CheckTargets("/out", output, STEMS)
    found, metrics = collect(lambda p: p | beam.Create(songs) | transform)
    assert metrics.get("failed_input", 0) == len(found["failures"])
    return sorted(song.url for song in found["songs"]), found["failures"]


def test_songs_that_would_share_a_file_are_refused_and_the_others_kept(collect):
    songs = [Song("/1", "c/vocals"), Song("/2", "c"), Song("/3", "d"), Song("/out/4", "e")]
    songs += [Song("/5", "é"), Song("/6", "e\u0301"), Song("/7", "..")]
    kept, failures = check(collect, songs, Output(filename="{song}/{stem}"))
    assert kept == ["/1", "/2", "/3"]
    reasons = {failure.input: failure.reason for failure in failures}
    assert "lies in the output folder" in reasons["/out/4"]
    assert "bass of /5 and bass of /6 would both be written to é/bass" in reasons["/5"]
    assert "not the name of a file below the output folder" in reasons["/7"]
    assert sorted(reasons) == ["/5", "/6", "/7", "/out/4"]


def test_places_are_files_folders_and_patterns(tmp_path):
    for name in ("in/1.wav", "in/deep/2.flac", "in/[live].wav", "in/.hidden.wav", "in/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    out = tmp_path / "in" / "stems"
    out.mkdir()
    (out / "3.wav").touch()

    def names(place):
        found = expand_place(f"{tmp_path}/{place}", str(out))
        return sorted(str(Path(path).relative_to(tmp_path)) for path in found)

    every = ["in/1.wav", "in/[live].wav", "in/deep/2.flac"]
    assert names("in") == names("in/") == every
    assert names("in/*.wav") == ["in/.hidden.wav", "in/1.wav", "in/[live].wav"]
    assert names("in/**.flac") == ["in/deep/2.flac"]
    assert names("in/[live].wav") == ["in/[live].wav"]
    assert names("no.wav") == ["no.wav"]  # a missing song is a failure where it is separated
    for place in ("in/*.mp3", "none*"):
        with pytest.raises(InputError, match="no songs found"):
            names(place)


def test_names_that_are_not_utf8_are_failures(collect, tmp_path):
    (tmp_path / "in").mkdir()
    for name in (b"good.wav", b"bad\xff.wav"):
        (tmp_path / "in" / os.fsdecode(name)).touch()
    folder = str(tmp_path / "in")
    found, _ = collect(lambda p: p | beam.Create([folder]) | FindSongs(str(tmp_path / "out")))
    assert found["songs"] == [f"{folder}/good.wav"]
    (failure,) = found["failures"]
    assert failure.input == f"{folder}/bad\\udcff.wav" and "not UTF-8" in failure.reason


def test_output_folders_that_beam_cannot_write_to_are_named():
    for folder, reason in (
        ("out*", "must not hold"),
        ("nope://out", "nope://out: Unable to get"),
        ("", "an empty name"),
        ("/dev/null/out", "cannot write there"),
    ):
        with pytest.raises(InputError, match=reason):
            storage.check_folder(folder)
