import os
import shutil
import subprocess
import time

import numpy as np
import pytest
import soundfile

from keras_mmdense.audio import reading, writing
from keras_mmdense.audio.containers import drop_time
from keras_mmdense.errors import InputError
from keras_mmdense.utils import files


@pytest.fixture
def waveform():
    return (0.3 * np.random.default_rng(0).standard_normal((3001, 2))).astype("float32")


def test_write_and_read_are_exact(waveform, tmp_path):
    writing.write(tmp_path / "new" / "a.wav", waveform, 22050)
    result, rate = reading.read(tmp_path / "new" / "a.wav")
    assert rate == 22050 and result.dtype == "float32"
    np.testing.assert_array_equal(result, waveform)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.wav"]


def test_mono_has_a_channel_axis(waveform, tmp_path):
    soundfile.write(tmp_path / "a.flac", waveform[:, 0].clip(-1, 1), 44100)
    assert reading.read(tmp_path / "a.flac")[0].shape == (3001, 1)


def test_a_failed_write_leaves_nothing_and_keeps_the_old_file(waveform, tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    writing.write(path, waveform, 44100)
    old = path.read_bytes()

    def broken(file, *_, **__):
        file.write_bytes(b"half")
        raise RuntimeError("disk full")

    monkeypatch.setattr(soundfile, "write", broken)
    with pytest.raises(RuntimeError, match="disk full"):
        writing.write(path, 2 * waveform, 44100)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_stem_files_are_read_through_ffmpeg(musdb_root):
    path = sorted((musdb_root / "train").glob("*.stem.mp4"))[0]
    waveform, rate = reading.read(path)
    command = ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries"]
    command += ["stream=sample_rate,channels", "-of", "csv=p=0", str(path)]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert f"{rate},{waveform.shape[1]}" == expected
    assert 6 * rate < len(waveform) < 8 * rate and np.abs(waveform).max() > 0.05


def test_no_ffmpeg_is_said_in_one_line(musdb_root, monkeypatch):
    path = sorted((musdb_root / "train").glob("*.stem.mp4"))[0]
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="needs ffmpeg"):
        reading.read(path)


@pytest.mark.parametrize("name", ["song.wav", "song.stem.mp4", "song"])
def test_song_name(name, tmp_path):
    assert reading.song_name(tmp_path / name) == "song"


def test_the_same_samples_give_the_same_bytes(waveform, tmp_path):
    for name in ("a.wav", "b.wav"):
        writing.write(tmp_path / name, waveform, 44100)
        time.sleep(1.1)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.wav", None, "no such file"),
        ("empty.wav", b"", "empty"),
        ("text.wav", b"these are words, not sound\n" * 9, "not an audio file"),
    ],
)
def test_unreadable_files_are_named(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: .*{message}"):
        reading.read(tmp_path / name)


def test_a_broken_mp4_is_named(tmp_path, musdb_root):
    (tmp_path / "a.mp4").write_bytes(b"no film" * 99)
    with pytest.raises(InputError, match="a.mp4: ffmpeg cannot read it"):
        reading.read(tmp_path / "a.mp4")


def test_a_broken_off_file_is_named(tmp_path):
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (200000, 2))
    soundfile.write(tmp_path / "a.flac", x, 44100)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"only \d+ of 200000 samples"):
        reading.read(tmp_path / "a.flac")


def test_a_wav_without_samples_is_named(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 44100)
    with pytest.raises(InputError, match="holds no samples"):
        reading.read(tmp_path / "a.wav")


def test_a_file_in_the_way_is_not_writable(tmp_path, waveform):
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match="cannot write there"):
        files.check_writable(tmp_path / "file" / "stems")
    with pytest.raises(InputError, match="cannot write there"):
        writing.write(tmp_path / "file" / "a.wav", waveform, 44100)


def music(seconds=3, rate=44100):
    t = np.arange(seconds * rate) / rate
    noise = 0.05 * np.random.default_rng(0).standard_normal((len(t), 2))
    return (0.3 * np.sin(2 * np.pi * 440 * t)[:, None] + noise).astype("float32")


def convert(source, target, *options):
    command = ["ffmpeg", "-v", "error", "-y", "-i", source, *options, target]
    subprocess.run(list(map(str, command)), check=True)
    return target


@pytest.mark.parametrize("share", [0.6, 0.85])
@pytest.mark.parametrize("kind", ["wav", "aiff", "w64", "caf", "flac", "ogg", "opus", "mp3"])
def test_a_cut_file_is_refused(tmp_path, kind, share):
    """libsndfile reads some as shorter songs, and soundfile.blocks filled others with old sound."""
    path = tmp_path / f"a.{kind}"
    options = {"opus": {"format": "OGG", "subtype": "OPUS"}}.get(kind, {})
    soundfile.write(path, music(rate=48000), 48000, **options)
    assert len(reading.read(path)[0]) == 3 * 48000
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"a\.\w+: (the file ends early|only|not an audio file)"):
        reading.read(path)


@pytest.mark.parametrize(
    "options", [("aac",), ("m4a", "-movflags", "+faststart"), ("mkv",), ("wma",)]
)
def test_a_cut_file_that_ffmpeg_reads_is_refused(tmp_path, options):
    ffmpeg_or_skip()
    soundfile.write(tmp_path / "a.wav", music(), 44100)
    path = convert(tmp_path / "a.wav", tmp_path / f"a.{options[0]}", *options[1:])
    assert len(reading.read(path)[0]) > 2.9 * 44100
    data = path.read_bytes()
    path.write_bytes(data[: int(0.6 * len(data))])
    with pytest.raises(InputError, match=r"a\.\w+: ffmpeg cannot read it"):
        reading.read(path)


def test_a_hole_in_an_ogg_file_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.ogg", music(), 44100)
    data = bytearray((tmp_path / "a.ogg").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    (tmp_path / "a.ogg").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.ogg: the file ends early"):
        reading.read(tmp_path / "a.ogg")


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, music(), 44100)
    with (
        reading.open_audio(path) as source,
        pytest.raises(InputError, match="only 60000 of 132300"),
    ):
        for block in source.blocks(10000):
            path.write_bytes(path.read_bytes()[: 44 + 4 * 60000])
            assert len(block) == 10000


@pytest.mark.parametrize("kind", ["mp3", "flac"])
@pytest.mark.parametrize("options", [(), ("-q:a", "4")])
def test_a_stream_that_does_not_tell_its_length_is_read_whole(tmp_path, kind, options):
    """libsndfile guesses: 2.2 of 5 seconds of such an MP3."""
    ffmpeg_or_skip()
    soundfile.write(tmp_path / "a.wav", music(5), 44100)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", *options, "-f", kind, "-"]
    piped = subprocess.run(list(map(str, command)), capture_output=True, check=True).stdout
    (tmp_path / f"a.{kind}").write_bytes(piped)
    assert 5 * 44100 <= len(reading.read(tmp_path / f"a.{kind}")[0]) < 5 * 44100 + 2400


def test_a_wav_from_a_pipe_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", music(), 44100)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    assert len(reading.read(tmp_path / "a.wav")[0]) == 3 * 44100


@pytest.mark.parametrize("comment", ["TWIN PEAKS THEME", "SPEAKERBOXXX" * 120])
def test_the_time_is_dropped_whatever_the_tags_say(tmp_path, waveform, comment):
    tags = {"title": "PEAK", "artist": "Someone", "album": comment, "comment": comment}
    for name in ("a.wav", "b.wav"):
        with soundfile.SoundFile(tmp_path / name, "w", 44100, 2, "FLOAT") as file:
            for tag, value in tags.items():
                setattr(file, tag, value)
            file.write(waveform)
        drop_time(tmp_path / name)
        time.sleep(1.1)
        with soundfile.SoundFile(tmp_path / name) as file:
            assert {tag: getattr(file, tag) for tag in tags} == tags
            np.testing.assert_array_equal(file.read(dtype="float32"), waveform)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_a_name_need_not_be_utf8(tmp_path, waveform):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    writing.write(path, waveform, 44100)
    np.testing.assert_array_equal(reading.read(path)[0], waveform)


def test_a_name_with_a_colon_is_no_protocol(tmp_path, waveform, monkeypatch):
    ffmpeg_or_skip()
    monkeypatch.chdir(tmp_path)
    writing.write("a.wav", waveform, 44100)
    convert("a.wav", "file:12:30 live.m4a")
    assert len(reading.read("12:30 live.m4a")[0]) >= len(waveform)


def test_raw_samples_are_refused(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"sound" * 99)
    with pytest.raises(InputError, match=r"a\.raw: not an audio file"):
        reading.read(tmp_path / "a.raw")


def test_what_is_not_finite_is_not_written(tmp_path, waveform):
    waveform[7] = np.nan
    with pytest.raises(InputError, match="not finite"):
        writing.write(tmp_path / "a.wav", waveform, 44100)
    assert not list(tmp_path.iterdir())


def ffmpeg_or_skip():
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg on the PATH")


@pytest.mark.parametrize("options", [(), ("-id3v2_version", "3", "-metadata", "title=a" * 300)])
def test_an_mp3_that_does_not_tell_its_length_is_read_whole_or_refused(tmp_path, options):
    ffmpeg_or_skip()
    soundfile.write(tmp_path / "a.wav", music(1), 44100)
    path = convert(tmp_path / "a.wav", tmp_path / "a.mp3", "-write_xing", "0", *options)
    assert len(reading.read(path)[0]) >= 44100
    data = path.read_bytes()
    for cut in (1, 100, len(data) // 2 + 7):
        path.write_bytes(data[:-cut])
        with pytest.raises(InputError, match=r"a\.mp3: the file ends early: its last MP3 frame"):
            reading.read(path)
    path.write_bytes(data + b"TAG" + bytes(125))
    assert len(reading.read(path)[0]) >= 44100


def test_the_samples_that_can_be_read_are_counted_not_the_windows(tmp_path):
    soundfile.write(tmp_path / "a.flac", music(), 44100)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: int(0.6 * len(data))])
    with (
        pytest.raises(InputError, match=r"only (\d{5}) of 132300 samples") as told,
        reading.open_audio(tmp_path / "a.flac") as source,
    ):
        list(source.blocks(1 << 20))
    assert 0.5 * 132300 < int(str(told.value).split("only ")[1].split()[0]) < 0.7 * 132300
