"""Where stems go: never outside OUTPUT, never over a foreign file, whole or absent."""

import numpy as np
import pytest
import soundfile

from keras_mmdense.audio.output import Output
from keras_mmdense.audio.writing import plan
from keras_mmdense.errors import InputError

RATE = 8000


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (20_000, 2)), RATE)
    return path


TEMPLATES = [
    "../{song}/{stem}",
    "/tmp/{song}/{stem}",
    "{song}/../{stem}",
    "{song}//{stem}",
    "{song}/./{stem}",
    "{song}/{stem}/",
    "{song}\0{stem}",
    "{song}",
    "{stem}.wav",
    "{song}{}{stem}",
    "{song}{0}{stem}",
    "{song:d}{stem}",
    "{song:.1}{stem}",
    "{song!r}{stem}",
    "{song:{stem}}{stem}",
    "{song.__class__}{stem}",
    "{song[0]}{stem}",
    "{song}{stem}{secret}",
    "{song}{stem",
    "",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_that_are_refused(template):
    with pytest.raises(InputError, match="template|name of a file below"):
        Output(filename=template)


STEMS = ["../up", "/abs", "a/b", "..", ".", "", ".hidden", "a\0b", "a\nb", "x" * 65, "\x1b[2J", 5]


@pytest.mark.parametrize("stem", STEMS)
def test_stems_that_are_no_names(tmp_path, song, stem):
    with pytest.raises(InputError, match="stems must be distinct names"):
        plan(Output(), tmp_path / "out", {song: "a"}, [stem])


@pytest.mark.parametrize("name", ["../a", "/a", "..", ".", "", "a/../../b", "a\0b"])
def test_songs_that_are_no_names(tmp_path, song, name):
    with pytest.raises(InputError, match="not the name of a file below"):
        plan(Output(), tmp_path / "out", {song: name}, ["vocals"])


@pytest.mark.parametrize(("one", "other"), [("Song", "song"), ("é", "e\u0301"), ("ẞ", "ss")])
def test_names_that_are_one_on_some_disks(tmp_path, one, other):
    songs = {tmp_path / "1.wav": one, tmp_path / "2.wav": other}
    with pytest.raises(InputError, match="would both be written"):
        plan(Output(), tmp_path / "out", songs, ["vocals"])


@pytest.mark.parametrize("size", [0, 1, 44, 100, 5000, 30_000, 100_000, 159_000])
@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "mp3"])
def test_a_full_disk(song, hold, full_disk, format, size):
    with full_disk(size):
        hold(song, "cannot write there" if size < 44 else "refused", output=Output(format=format))


def test_the_next_run_after_a_full_disk_is_whole(song, hold, full_disk):
    with full_disk(5000):
        hold(song, "refused")
    hold(song, "separated")


def file_for_output(out_dir):
    out_dir.write_text("here")


def file_for_song(out_dir):
    out_dir.mkdir()
    (out_dir / "a").write_text("here")


def folder_for_stem(out_dir):
    (out_dir / "a" / "drums.wav").mkdir(parents=True)


def dangling_output(out_dir):
    out_dir.symlink_to("nowhere/at/all")


@pytest.mark.parametrize("make", [file_for_output, file_for_song, folder_for_stem, dangling_output])
def test_what_is_in_the_way(tmp_path, song, separate, make):
    make(tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    result = separate(song, tmp_path / "out")
    assert result.error and "\n" not in result.error
    assert "cannot write there" in result.error or "is a folder, expected" in result.error
    assert sorted(tmp_path.rglob("*")) == before
