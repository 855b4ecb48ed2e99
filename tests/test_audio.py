import subprocess
import time

import numpy as np
import pytest
import soundfile

from keras_mmdense import audio
from keras_mmdense.errors import InputError


@pytest.fixture
def waveform():
    return (0.3 * np.random.default_rng(0).standard_normal((3001, 2))).astype("float32")


def test_write_and_read_are_exact(waveform, tmp_path):
    audio.write(tmp_path / "new" / "a.wav", waveform, 22050)
    result, rate = audio.read(tmp_path / "new" / "a.wav")
    assert rate == 22050 and result.dtype == "float32"
    np.testing.assert_array_equal(result, waveform)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.wav"]


def test_mono_has_a_channel_axis(waveform, tmp_path):
    soundfile.write(tmp_path / "a.flac", waveform[:, 0].clip(-1, 1), 44100)
    assert audio.read(tmp_path / "a.flac")[0].shape == (3001, 1)


def test_a_failed_write_leaves_nothing_and_keeps_the_old_file(waveform, tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    audio.write(path, waveform, 44100)
    old = path.read_bytes()

    def broken(file, *_, **__):
        file.write_bytes(b"half")
        raise RuntimeError("disk full")

    monkeypatch.setattr(soundfile, "write", broken)
    with pytest.raises(RuntimeError, match="disk full"):
        audio.write(path, 2 * waveform, 44100)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_stem_files_are_read_through_ffmpeg(musdb_root):
    path = sorted((musdb_root / "train").glob("*.stem.mp4"))[0]
    waveform, rate = audio.read(path)
    command = ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries"]
    command += ["stream=sample_rate,channels", "-of", "csv=p=0", str(path)]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert f"{rate},{waveform.shape[1]}" == expected
    assert 6 * rate < len(waveform) < 8 * rate and np.abs(waveform).max() > 0.05


def test_no_ffmpeg_is_said_in_one_line(musdb_root, monkeypatch):
    path = sorted((musdb_root / "train").glob("*.stem.mp4"))[0]
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="needs ffmpeg"):
        audio.read(path)


@pytest.mark.parametrize("name", ["song.wav", "song.stem.mp4", "song"])
def test_song_name(name, tmp_path):
    assert audio.song_name(tmp_path / name) == "song"


def test_the_same_samples_give_the_same_bytes(waveform, tmp_path):
    for name in ("a.wav", "b.wav"):
        audio.write(tmp_path / name, waveform, 44100)
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
        audio.read(tmp_path / name)


def test_a_broken_mp4_is_named(tmp_path, musdb_root):
    (tmp_path / "a.mp4").write_bytes(b"no film" * 99)
    with pytest.raises(InputError, match="a.mp4: ffmpeg cannot read it"):
        audio.read(tmp_path / "a.mp4")


def test_a_broken_off_file_is_named(tmp_path):
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (200000, 2))
    soundfile.write(tmp_path / "a.flac", x, 44100)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"only \d+ of 200000 samples"):
        audio.read(tmp_path / "a.flac")


def test_a_wav_without_samples_is_named(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 44100)
    with pytest.raises(InputError, match="holds no samples"):
        audio.read(tmp_path / "a.wav")


def test_a_file_in_the_way_is_not_writable(tmp_path, waveform):
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match="cannot write there"):
        audio.check_writable(tmp_path / "file" / "stems")
    with pytest.raises(InputError, match="cannot write there"):
        audio.write(tmp_path / "file" / "a.wav", waveform, 44100)
