import contextlib
import shutil

import numpy as np
import pytest
import soundfile

from keras_mmdense import audio
from keras_mmdense.errors import InputError
from keras_mmdense.outputs import Output, StemWriter
from keras_mmdense.stems import STEMS

RATE = 44100


def song(folder, scale=0.2, samples=50000, rate=RATE, channels=2, **tags):
    rng = np.random.default_rng(0)
    stems = {stem: scale * rng.uniform(-1, 1, (samples, channels)) for stem in STEMS}
    stems = {stem: x.astype("float32") for stem, x in stems.items()}
    path = folder / "song.wav"
    with soundfile.SoundFile(path, "w", rate, channels, "FLOAT") as file:
        for tag, value in tags.items():
            setattr(file, tag, value)
        file.write(sum(stems.values()))
    return path, stems


def write(path, stems, out_dir, output):
    mixture = audio.read(path)[0]
    with (
        audio.open_source(path) as source,
        StemWriter(out_dir, "song", list(stems), source, output) as writer,
    ):
        for block in np.array_split(np.arange(len(mixture)), 3):
            writer.write(mixture[block], {name: x[block] for name, x in stems.items()})
        return writer.finish()


@pytest.mark.parametrize(
    ("format", "subtype", "precision"),
    [
        ("wav", None, 0),
        ("wav", "PCM_16", 2**-15),
        ("wav", "PCM_24", 2**-23),
        ("flac", None, 2**-23),
        ("flac", "PCM_16", 2**-15),
    ],
)
def test_formats_hold_the_stems(tmp_path, format, subtype, precision):
    path, stems = song(tmp_path)
    written = write(path, stems, tmp_path / "out", Output(format, subtype))
    assert written.gain_db == 0 and set(written.files) == set(STEMS)
    for name, file in written.files.items():
        assert file == tmp_path / "out" / "song" / f"{name}.{format}"
        result, rate = soundfile.read(file)
        assert rate == RATE and result.shape == stems[name].shape
        np.testing.assert_allclose(result, stems[name], atol=precision * 1.01)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["song"]


@pytest.mark.parametrize("format", ["ogg", "mp3"])
def test_lossy_formats_hold_the_stems(tmp_path, format):
    path, stems = song(tmp_path)
    t = np.arange(50000) / RATE
    tones = {
        name: 0.2 * np.sin(2 * np.pi * 300 * number * t)[:, None] * np.ones(2)
        for number, name in enumerate(stems, 1)
    }
    written = write(path, tones, tmp_path / "out", Output(format))
    for name, file in written.files.items():
        result, rate = soundfile.read(file)
        assert rate == RATE and result.shape == (50000, 2)
        error = (result - tones[name])[2000:-2000]
        assert np.sum(tones[name] ** 2) > 100 * np.sum(error**2)


def test_residual_makes_the_files_sum_to_the_input(tmp_path):
    path, stems = song(tmp_path)
    stems = {"vocals": stems["vocals"], "bass": stems["bass"]}
    written = write(path, stems, tmp_path / "out", Output(residual="residual"))
    assert set(written.files) == {"vocals", "bass", "residual"}
    total = sum(soundfile.read(file)[0] for file in written.files.values())
    np.testing.assert_allclose(total, soundfile.read(path)[0], atol=1e-6)


@pytest.mark.parametrize(("format", "subtype"), [("wav", "PCM_16"), ("flac", None)])
def test_one_gain_for_all_where_a_format_would_clip(tmp_path, format, subtype):
    path, stems = song(tmp_path)
    stems["drums"] = 10 * stems["drums"]
    written = write(path, stems, tmp_path / "out", Output(format, subtype))
    peak = np.abs(stems["drums"]).max()
    assert written.gain_db == pytest.approx(20 * np.log10(0.999 / peak))
    for name, file in written.files.items():
        expected = stems[name] * 10 ** (written.gain_db / 20)
        np.testing.assert_allclose(soundfile.read(file)[0], expected, atol=1e-4)


def test_float_keeps_what_is_above_one(tmp_path):
    path, stems = song(tmp_path, scale=3)
    written = write(path, stems, tmp_path / "out", Output())
    assert written.gain_db == 0
    np.testing.assert_array_equal(soundfile.read(written.files["bass"])[0], stems["bass"])


@pytest.mark.parametrize("format", ["wav", "flac", "ogg"])
def test_tags_are_copied(tmp_path, format):
    path, stems = song(tmp_path, title="Näme", artist="Someone")
    written = write(path, stems, tmp_path / "out", Output(format))
    with soundfile.SoundFile(written.files["vocals"]) as file:
        assert (file.title, file.artist) == ("Näme", "Someone")


def test_stem_mp4_has_the_streams_of_musdb18(tmp_path):
    if not shutil.which("ffmpeg"):
        pytest.skip("writing stem.mp4 needs ffmpeg on the PATH")
    stempeg = pytest.importorskip("stempeg")
    path, stems = song(tmp_path, samples=3 * RATE)
    t = np.arange(3 * RATE) / RATE
    for number, name in enumerate(stems, 1):
        stems[name] = np.repeat(0.2 * np.sin(2 * np.pi * 300 * number * t)[:, None], 2, 1)
    audio.write(path, sum(stems.values()).astype("float32"), RATE)
    written = write(path, stems, tmp_path / "out", Output("stem.mp4"))
    assert list(written.files.values()) == [tmp_path / "out" / "song.stem.mp4"]
    streams, rate = stempeg.read_stems(str(written.files["stems"]))
    assert rate == RATE and len(streams) == 5
    for stream, name in zip(streams[1:], ["drums", "bass", "other", "vocals"], strict=True):
        spectrum = np.abs(np.fft.rfft(stream[RATE : 2 * RATE, 0]))
        assert np.argmax(spectrum) == 300 * (1 + list(stems).index(name))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "aiff"}, "'aiff'; choose of wav, flac"),
        ({"format": "flac", "subtype": "FLOAT"}, "flac has no subtype 'FLOAT'"),
        ({"format": "stem.mp4", "subtype": "PCM_16"}, "no subtype"),
        ({"filename": "{song}.wav"}, "song and stem"),
        ({"filename": "{song}{stem}{year}"}, "year"),
        ({"filename": "{song"}, "bad file name template"),
    ],
)
def test_bad_outputs_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        Output(**arguments)


def test_a_template_names_the_files(tmp_path):
    paths = Output("flac", filename="{stem}/{song}.{format}").paths(tmp_path, "a b", ["bass"])
    assert paths == {"bass": tmp_path / "bass" / "a b.flac"}


def test_a_format_that_cannot_hold_the_song_is_said_before_the_work(tmp_path):
    path, stems = song(tmp_path, channels=5, samples=100)
    with pytest.raises(InputError, match="MP3 cannot hold 5 channels"):
        write(path, stems, tmp_path / "out", Output("mp3"))
    assert not (tmp_path / "out").exists()


def test_stem_mp4_wants_all_stems(tmp_path):
    path, stems = song(tmp_path, samples=100)
    with pytest.raises(InputError, match="all four stems"):
        write(path, {"bass": stems["bass"]}, tmp_path / "out", Output("stem.mp4"))


@pytest.mark.parametrize("made_before", [True, False])
def test_a_failure_leaves_nothing(tmp_path, made_before):
    path, stems = song(tmp_path)
    if made_before:
        (tmp_path / "out").mkdir()
    with (
        contextlib.suppress(KeyboardInterrupt),
        audio.open_source(path) as source,
        StemWriter(tmp_path / "out", "song", list(stems), source, Output("flac")) as writer,
    ):
        writer.write(sum(stems.values()), stems)
        raise KeyboardInterrupt
    assert (tmp_path / "out").exists() == made_before
    assert not list(tmp_path.glob("out/*"))
