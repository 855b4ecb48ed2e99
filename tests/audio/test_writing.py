import contextlib
import resource
import shutil

import numpy as np
import pytest
import soundfile

from keras_mmdense.audio import reading, writing
from keras_mmdense.audio.output import Output
from keras_mmdense.audio.writing import StemWriter, plan, were_written
from keras_mmdense.errors import InputError
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
    mixture = reading.read(path)[0]
    with (
        reading.open_audio(path) as source,
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


@pytest.mark.parametrize(("format", "bits"), [("wav", 16), ("wav", 24), ("flac", 16), ("flac", 24)])
def test_rounded_files_sum_to_a_rounded_input(tmp_path, format, bits):
    path, stems = song(tmp_path)
    mixture = np.rint(soundfile.read(path)[0] * 2 ** (bits - 1)).astype("int32") << (32 - bits)
    soundfile.write(path, mixture, RATE, f"PCM_{bits}")
    output = Output(format, f"PCM_{bits}", residual="residual")
    known = {"vocals": stems["vocals"], "bass": stems["bass"]}
    written = write(path, known, tmp_path / "out", output)
    files = {name: soundfile.read(file)[0] for name, file in written.files.items()}
    error = sum(files.values()) - soundfile.read(path)[0]
    # The last of 24 bits is also the last that float32 holds.
    assert np.abs(error).max() <= (0 if bits == 16 else 2.0**-23)
    for name, stem in known.items():
        assert np.abs(files[name] - stem).max() <= 2.0**-bits * (1 + 1e-6)


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
    writing.write(path, sum(stems.values()).astype("float32"), RATE)
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
        ({"format": "aiff"}, "'aiff'; choose from wav, flac"),
        ({"format": "flac", "subtype": "FLOAT"}, "flac has no subtype 'FLOAT'"),
        ({"format": "stem.mp4", "subtype": "PCM_16"}, "no subtype"),
        ({"filename": "{song}.wav"}, "song and stem"),
        ({"filename": "{song}{stem}{year}"}, "year"),
        ({"filename": "{song"}, "bad file name template"),
        ({"filename": "{song}{}{stem}"}, "song, stem and format only"),
        ({"filename": "{song}/{stem:.0}.wav"}, "take no ':'"),
        ({"filename": "{song:{x}}{stem}"}, "take no ':'"),
        ({"filename": "{song!r}{stem}"}, "take no ':' and no '!'"),
        ({"filename": "../esc/{song}-{stem}.wav"}, "below the output folder"),
        ({"filename": "/tmp/{song}-{stem}.wav"}, "below the output folder"),
        ({"filename": "{song}/{stem}/"}, "below the output folder"),
        ({"subtype": "IMA_ADPCM"}, "wav has no subtype 'IMA_ADPCM'"),
        ({"subtype": "G721_32"}, "choose from PCM_16, PCM_24"),
        ({"format": "stem.mp4", "residual": "residual"}, "the four stems, not residual"),
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
        reading.open_audio(path) as source,
        StemWriter(tmp_path / "out", "song", list(stems), source, Output("flac")) as writer,
    ):
        writer.write(sum(stems.values()), stems)
        raise KeyboardInterrupt
    assert (tmp_path / "out").exists() == made_before
    assert not list(tmp_path.glob("out/*"))


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("stem", ["../../up", "/abs", "..", ".bashrc", "", "a/b", "a\n", "a\0"])
def test_stems_cannot_name_other_places(tmp_path, stem):
    path, stems = song(tmp_path, samples=100)
    with pytest.raises(InputError, match="stems must be distinct names"):
        write(path, {"vocals": stems["vocals"], stem: stems["bass"]}, tmp_path / "out", Output())
    assert everything_in(tmp_path) == ["song.wav"]


@pytest.mark.parametrize("name", ["..", ".", "", "../../esc", "/abs", "a/../../b"])
def test_songs_cannot_name_other_places(tmp_path, name):
    with pytest.raises(InputError, match="not the name of a file below"):
        Output().paths(tmp_path, name, STEMS)


def test_stems_of_one_name_are_refused(tmp_path):
    for names in (["vocals", "vocals"], ["vocals", "residual"]):
        with pytest.raises(InputError, match="distinct"):
            Output(residual="residual").paths(tmp_path, "song", names)


def test_a_plan_refuses_two_files_of_one_name(tmp_path):
    songs = {tmp_path / "a" / "x.wav": "X", tmp_path / "b" / "x.wav": "x"}
    with pytest.raises(InputError, match=r"a/x.wav and vocals of .*b/x.wav would both"):
        plan(Output(), tmp_path, songs, STEMS)
    assert len(plan(Output(), tmp_path, dict(zip(songs, "ab", strict=True)), STEMS)) == 2


@pytest.mark.parametrize(
    ("output", "name"),
    [
        (Output("stem.mp4"), "song.stem.mp4"),
        (Output(filename="{song}-{stem}.wav"), "song-vocals.wav"),
    ],
)
def test_a_plan_refuses_to_replace_a_song(tmp_path, output, name):
    songs = {tmp_path / name: "song", tmp_path / "other.wav": "other"}
    plan(output, tmp_path, songs, STEMS)
    (tmp_path / name).write_text("music")
    with pytest.raises(InputError, match=f"{name}: would replace a song to separate"):
        plan(output, tmp_path / "." / ".." / tmp_path.name, songs, STEMS)


def test_two_runs_at_once_do_not_touch_each_other(tmp_path):
    path, stems = song(tmp_path)
    mixture = reading.read(path)[0]
    with reading.open_audio(path) as source, contextlib.ExitStack() as stack:
        arguments = (tmp_path / "out", "song", STEMS, source, Output("flac"))
        first, second = (stack.enter_context(StemWriter(*arguments)) for _ in range(2))
        first.write(mixture[:30000], {name: x[:30000] for name, x in stems.items()})
        second.write(mixture, stems)
        second.finish()
        first.write(mixture[30000:], {name: x[30000:] for name, x in stems.items()})
        first.finish()
    for name, stem in stems.items():
        result = soundfile.read(tmp_path / "out" / "song" / f"{name}.flac")[0]
        np.testing.assert_allclose(result, stem, atol=1e-6)
    assert len(everything_in(tmp_path / "out")) == 4


def test_what_a_killed_run_left_is_removed_and_a_live_one_kept(tmp_path):
    path, stems = song(tmp_path, samples=100)
    (tmp_path / "out" / ".old.partial").mkdir(parents=True)
    (tmp_path / "out" / ".old.partial" / "keras-mmdense.lock").touch()
    (tmp_path / "out" / ".foreign.partial").mkdir()
    (tmp_path / "out" / ".foreign.partial" / "notes").touch()
    with reading.open_audio(path) as source:
        arguments = (tmp_path / "out", "song", STEMS, source, Output())
        with StemWriter(*arguments), StemWriter(*arguments):
            assert len(list((tmp_path / "out").glob(".*.partial"))) == 3
    assert everything_in(tmp_path / "out") == [".foreign.partial/notes"]


@pytest.mark.parametrize(
    ("format", "subtype"), [("wav", "PCM_16"), ("flac", None), ("ogg", None), ("mp3", None)]
)
def test_a_disk_that_fills_up_in_the_end_leaves_nothing(tmp_path, format, subtype):
    """A limit on the size of a file stands in for the disk, at every byte count near the end."""
    path, stems = song(tmp_path, samples=20000)
    output = Output(format, subtype)
    whole = write(path, stems, tmp_path / "whole", output).files["vocals"].stat().st_size
    kept, refused = resource.getrlimit(resource.RLIMIT_FSIZE), 0
    with reading.open_audio(path) as source:
        for size in range(whole - 5000, whole + 1000, 500):
            folder = tmp_path / str(size)
            with StemWriter(folder, "song", STEMS, source, output) as writer:
                writer.write(reading.read(path)[0], stems)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
                try:
                    files = writer.finish().files
                    assert were_written(files, path, output)
                    assert {len(soundfile.read(file)[0]) for file in files.values()} == {20000}
                except InputError as error:
                    refused += 1
                    assert str(folder) in str(error)
                    assert not everything_in(folder / "song")
                finally:
                    resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert 9 <= refused <= 11


def test_a_folder_in_the_way_is_said_before_the_work(tmp_path):
    path, stems = song(tmp_path, samples=100)
    (tmp_path / "out" / "song" / "bass.wav").mkdir(parents=True)
    with pytest.raises(InputError, match=r"bass\.wav: is a folder, expected"):
        write(path, stems, tmp_path / "out", Output())
    assert everything_in(tmp_path) == ["song.wav"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("format", ["wav", "flac", "mp3"])
def test_what_is_not_finite_is_not_written(tmp_path, format, value):
    path, stems = song(tmp_path, samples=5000)
    stems["drums"][4321] = value
    with pytest.raises(InputError, match="drums: a sample to write is not a finite number"):
        write(path, stems, tmp_path / "out", Output(format))
    assert everything_in(tmp_path) == ["song.wav"]


@pytest.mark.parametrize("title", ["TWIN PEAKS THEME", "SPEAKERBOXXX"])
def test_tags_that_hold_names_of_chunks_are_kept(tmp_path, title):
    path, stems = song(tmp_path, title=title, artist="Someone")
    written = write(path, stems, tmp_path / "out", Output())
    with soundfile.SoundFile(written.files["vocals"]) as file:
        assert (file.title, file.artist) == (title, "Someone")
        np.testing.assert_array_equal(file.read(dtype="float32"), stems["vocals"])


@pytest.mark.parametrize(("rate", "samples"), [(192000, 5000), (44100, 1), (8001, 5000)])
def test_stem_mp4_refuses_what_aac_would_change(tmp_path, rate, samples):
    path, stems = song(tmp_path, samples=samples, rate=rate)
    with pytest.raises(InputError, match=f"cannot hold {samples} samples at {rate} Hz"):
        write(path, stems, tmp_path / "out", Output("stem.mp4"))


@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "mp3"])
def test_written_files_tell_their_song_and_length(tmp_path, format):
    path, stems = song(tmp_path)
    output = Output(format)
    files = write(path, stems, tmp_path / "out", output).files
    assert were_written(files, path, output)
    other = tmp_path / "other.wav"
    samples = 50000 if format != "mp3" else 49999
    writing.write(other, reading.read(path)[0][:samples] * np.float32(0.5), RATE)
    assert not were_written(files, other, output)
    if format in ("wav", "flac"):
        assert not were_written(files, path, Output(format, "PCM_16"))
    cut = files["bass"].read_bytes()
    files["bass"].write_bytes(cut[: len(cut) // 2])
    assert not were_written(files, path, output)


@pytest.mark.parametrize("format", ["wav", "flac", "ogg"])
def test_written_files_tell_their_model(tmp_path, format):
    path, stems = song(tmp_path, samples=3000)
    files = write(path, stems, tmp_path / "out", Output(format, model="ab12")).files
    assert were_written(files, path, Output(format, model="ab12"))
    assert were_written(files, path, Output(format))
    assert not were_written(files, path, Output(format, model="cd34"))
