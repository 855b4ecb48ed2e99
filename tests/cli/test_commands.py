"""The command as a person runs it: real files, exit status and one clear line."""

import contextlib
import io
import json
import os
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import soundfile
from rich.console import Console
from typer.testing import CliRunner

from keras_mmdense.cli import app, main
from keras_mmdense.configs import TABLES
from keras_mmdense.pretrained.catalog import list_weights
from keras_mmdense.pretrained.networks import NetworkSpec, save_network

STEMS = ("vocals", "drums", "bass", "other")


def command(*arguments, **environment):
    """Runs the command line in this process, whose TensorFlow has started already."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    argv = ["keras-mmdense", *map(str, arguments)]
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", argv),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    return subprocess.CompletedProcess(argv, status, out.getvalue(), err.getvalue())


def fresh(*arguments, without=()):
    """Runs the command as a person does, in a fresh process that lacks some packages."""
    code = f"import sys; sys.modules.update(dict.fromkeys({list(without)}))"
    code += "; from keras_mmdense.cli import main; main()"
    run = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(run, capture_output=True, text=True, check=False)


def succeeds(*arguments):
    result = command(*arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def fails(*arguments, **environment):
    result = command(*arguments, **environment)
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("keras-mmdense: error: "), result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "net"
    network = NetworkSpec(TABLES["tiny"], STEMS)
    save_network(folder, network, network.build())
    return folder


@pytest.fixture(scope="module")
def song(tmp_path_factory, real_mixture):
    path = tmp_path_factory.mktemp("song") / "Übung 1.flac"
    soundfile.write(path, real_mixture.clip(-1, 1), 44100, subtype="PCM_24")
    return path


def test_separate_writes_whole_stems_that_sum_to_the_song(song, tiny, tmp_path):
    extras = ("scipy", "matplotlib", "jinja2", "musdb", "museval", "ai_edge_litert")
    result = fresh("separate", song, "-o", tmp_path, "--model", tiny, without=extras)
    assert result.returncode == 0 and not result.stderr, result.stderr
    mixture, rate = soundfile.read(song)
    files = sorted((tmp_path / "Übung 1").iterdir())
    assert [file.name for file in files] == sorted(f"{stem}.wav" for stem in STEMS)
    stems = [soundfile.read(file) for file in files]
    assert {stem.shape for stem, _ in stems} == {mixture.shape} and {r for _, r in stems} == {rate}
    error = sum(stem for stem, _ in stems) - mixture
    assert 10 * np.log10(np.sum(mixture**2) / np.sum(error**2)) > 30


def test_separate_writes_chosen_stems_of_a_stem_file(musdb_root, tiny, tmp_path):
    path = sorted((musdb_root / "train").glob("*.stem.mp4"))[0]
    succeeds("separate", path, "-o", tmp_path, "--model", tiny, "--stems", "vocals,bass")
    folder = tmp_path / path.name.removesuffix(".stem.mp4")
    assert sorted(file.name for file in folder.iterdir()) == ["bass.wav", "vocals.wav"]


def test_two_stems_and_residual_sum_to_the_song(song, tiny, tmp_path):
    succeeds("separate", song, "-o", tmp_path, "--model", tiny, "--two-stems", "vocals")
    folder = tmp_path / "Übung 1"
    assert sorted(file.name for file in folder.iterdir()) == ["accompaniment.wav", "vocals.wav"]
    total = sum(soundfile.read(file)[0] for file in folder.iterdir())
    np.testing.assert_allclose(total, soundfile.read(song)[0], atol=1e-5)
    options = ("--stems", "drums,bass", "--residual", "--filename", "{stem}-{song}.{format}")
    succeeds("separate", song, "-o", tmp_path / "b", "--model", tiny, *options)
    files = sorted((tmp_path / "b").iterdir())
    assert [f.name for f in files] == [f"{x}-Übung 1.wav" for x in ("bass", "drums", "residual")]
    total = sum(soundfile.read(file)[0] for file in files)
    np.testing.assert_allclose(total, soundfile.read(song)[0], atol=1e-5)


def test_many_songs_with_a_bad_one(real_mixture, tiny, tmp_path):
    """Three songs and a bad one together: the same bytes as three single runs."""
    songs = [tmp_path / name for name in ("a/x.wav", "b/x.wav", "y.flac")]
    for i, song in enumerate(songs):
        song.parent.mkdir(exist_ok=True)
        x = real_mixture[i * 44100 :][: (3 * 44100 - 1000 * i)].clip(-1, 1)
        soundfile.write(song, x, 44100)
    (tmp_path / "bad.wav").write_text("words")
    given = [tmp_path / "a", tmp_path / "bad.wav", *songs[1:]]
    result = command("separate", *given, "-o", tmp_path / "out", "--model", tiny)
    assert result.returncode == 2 and "failed" in result.stdout
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and "bad.wav" in lines[0]
    together = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert together == ["a - x", "b - x", "y"]
    for i, (song, name) in enumerate(zip(songs, together, strict=True)):
        succeeds("separate", song, "-o", tmp_path / name, "--model", tiny)
        for stem in STEMS:
            alone = tmp_path / name / song.stem / f"{stem}.wav"
            assert soundfile.info(alone).frames == 3 * 44100 - 1000 * i
            assert alone.read_bytes() == (tmp_path / "out" / name / alone.name).read_bytes()


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
def test_an_empty_path_is_enough_for_common_formats(real_mixture, tiny, tmp_path, suffix):
    x = real_mixture[:96000].clip(-1, 1)
    kind = {"opus": {"format": "OGG", "subtype": "OPUS"}}.get(suffix, {})
    soundfile.write(tmp_path / f"song.{suffix}", x, 48000, **kind)
    arguments = ("separate", tmp_path / f"song.{suffix}", "-o", tmp_path, "--model", tiny)
    result = command(*arguments, PATH="")
    assert result.returncode == 0, result.stderr
    info = soundfile.info(tmp_path / "song" / "vocals.wav")
    assert (info.samplerate, info.frames) == (48000, soundfile.info(arguments[1]).frames)


def test_high_frequencies_are_kept(real_mixture, tiny, tmp_path):
    soundfile.write(tmp_path / "song.wav", real_mixture, 48000, "FLOAT")
    succeeds("separate", tmp_path / "song.wav", "-o", tmp_path, "--model", tiny)
    total = sum(soundfile.read(tmp_path / "song" / f"{stem}.wav")[0] for stem in STEMS)
    high = [np.abs(np.fft.rfft(x, axis=0))[len(x) * 16 // 48 :] for x in (real_mixture, total)]
    assert abs(10 * np.log10(np.sum(high[1] ** 2) / np.sum(high[0] ** 2))) < 1


def test_synth_train_evaluate(tmp_path):
    songs, run = tmp_path / "songs", tmp_path / "run"
    succeeds("synth", songs, "--tracks", 3, "--seconds", 3, "--seed", 5)
    sizes = ["--epochs", 2, "--steps", 2, "--batch", 1, "--frames", 16]
    out = ["--output", run, "--target", "vocals"]
    result = fresh("train", "--root", songs, "--model", "tiny", *out, *sizes)
    assert result.returncode == 0, result.stderr
    for name in (
        "network.json",
        "network.weights.h5",
        "CARD.md",
        "curve.csv",
        "curve.png",
        "run.json",
    ):
        assert (run / name).stat().st_size
    table = succeeds("evaluate", "--root", songs, "--model", run, "--output", tmp_path / "scores")
    assert "vocals" in table and "ideal ratio mask" in table and "SDR" in table
    assert (tmp_path / "scores" / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "scores" / "scores.json").read_text())


def test_demo_writes_four_stems_and_a_figure(tmp_path):
    table = succeeds("demo", "-o", tmp_path / "demo", "--seconds", 6)
    names = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert names == ["bass.wav", "demo.png", "drums.wav", "mixture.flac", "other.wav", "vocals.wav"]
    assert "mean" in table


def test_models_prints_the_published_parameter_counts():
    table = succeeds("models")
    assert "338,352" in table and "159,406" in table
    assert "100.00 %" in table and "0.92 %" in table


def test_models_prints_whole_names(monkeypatch):
    monkeypatch.setattr("keras_mmdense.cli.models.console", Console(width=80))
    table = succeeds("models")
    assert all(name in table for name in (*TABLES, *list_weights()))


COMMANDS = (
    *("separate", "train", "evaluate", "report", "models", "filters", "efficiency", "blend"),
    *("synth", "demo", "export saved-model", "export tflite"),
)


def test_help_has_an_example():
    """In one process, as none of them needs more than the command line itself."""
    text = succeeds("--help")
    assert all(name.split()[0] in text for name in COMMANDS)
    for name in COMMANDS:
        result = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "120"})
        assert result.exit_code == 0, result.output
        assert f"Example: keras-mmdense {name}" in " ".join(result.output.split()), name


def test_an_error_is_one_line_in_a_process_of_its_own(tmp_path, tiny):
    song = tmp_path / "missing.wav"
    result = fresh("separate", song, "-o", tmp_path / "out", "--model", tiny)
    assert result.returncode == 2 and not result.stdout.strip()
    assert result.stderr == f"keras-mmdense: error: {song}: no such file\n"


def test_bad_songs(tmp_path, tiny):
    (tmp_path / "text.wav").write_text("these are words\n" * 9)
    (tmp_path / "empty.wav").touch()
    for name in ("missing.wav", "text.wav", "empty.wav"):
        assert name in fails("separate", tmp_path / name, "-o", tmp_path / "out", "--model", tiny)
    assert not (tmp_path / "out").exists()


def write_noise(path, seconds=1, **tags):
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (int(seconds * 44100), 2))
    with soundfile.SoundFile(path, "w", 44100, 2) as file:
        for tag, value in tags.items():
            setattr(file, tag, value)
        file.write(x)
    return path


def test_a_cut_song_leaves_no_stems(tmp_path, tiny):
    path = write_noise(tmp_path / "a.mp3", 5)
    path.write_bytes(path.read_bytes()[:-20000])
    line = fails("separate", path, "-o", tmp_path / "out", "--model", tiny)
    assert "a.mp3: only " in line and " of 220500 samples can be read" in line
    assert not (tmp_path / "out").exists()


def test_an_output_that_would_replace_a_song_is_refused(tmp_path, tiny):
    song = write_noise(tmp_path / "a.wav")
    other = write_noise(tmp_path / "a-vocals.wav")
    before = other.read_bytes()
    template = ("--filename", "{song}-{stem}.{format}")
    line = fails("separate", song, other, "-o", tmp_path, "--model", tiny, *template)
    assert "a-vocals.wav: would replace a song to separate" in line
    assert len(list(tmp_path.iterdir())) == 2 and other.read_bytes() == before


def test_resume_tells_what_was_there_and_separates_another_song(tmp_path, tiny):
    songs = write_noise(tmp_path / "a" / "x.flac"), write_noise(tmp_path / "b" / "x.flac", 0.9)
    arguments = ("-o", tmp_path / "out", "--model", tiny, "--resume")
    succeeds("separate", songs[0], *arguments)
    assert succeeds("separate", songs[0], *arguments).strip() == f"{songs[0]}: skipped"
    assert "vocals.wav" in succeeds("separate", songs[1], *arguments)
    assert soundfile.info(tmp_path / "out" / "x" / "vocals.wav").frames == 0.9 * 44100


def test_resume_with_another_model_separates_again(tmp_path, tiny):
    song, network = write_noise(tmp_path / "x.flac"), NetworkSpec(TABLES["tiny"], STEMS)
    save_network(tmp_path / "other", network, network.build())
    arguments = ("separate", song, "-o", tmp_path / "out", "--resume", "--model")
    assert "vocals.wav" in succeeds(*arguments, tiny)
    assert "vocals.wav" in succeeds(*arguments, tmp_path / "other")
    assert "skipped" in succeeds(*arguments, tmp_path / "other")


def test_resume_separates_again_what_leaves_another_residual(tmp_path, tiny):
    song = write_noise(tmp_path / "x.wav")
    arguments = ("separate", song, "-o", tmp_path / "out", "--model", tiny, "--resume", "--stems")
    succeeds(*arguments, "vocals,drums", "--residual")
    assert "residual.wav" in succeeds(*arguments, "vocals", "--residual")
    folder = tmp_path / "out" / "x"
    total = sum(soundfile.read(folder / f"{name}.wav")[0] for name in ("vocals", "residual"))
    np.testing.assert_allclose(total, soundfile.read(song)[0], atol=1e-5)
    assert "skipped" in succeeds(*arguments, "vocals", "--residual")
    assert "skipped" in succeeds(*arguments, "vocals,drums")


def test_two_stems_are_two(tmp_path, tiny):
    song, network = write_noise(tmp_path / "x.wav"), NetworkSpec(TABLES["tiny"], ("vocals",))
    save_network(tmp_path / "net", network, network.build())
    arguments = ("separate", song, "-o", tmp_path / "out", "--two-stems")
    succeeds(*arguments, "accompaniment", "--model", tmp_path / "net")
    files = sorted((tmp_path / "out" / "x").iterdir())
    assert [file.name for file in files] == ["accompaniment.wav", "vocals.wav"]
    total = sum(soundfile.read(file)[0] for file in files)
    np.testing.assert_allclose(total, soundfile.read(song)[0], atol=1e-5)
    assert "stems must be distinct names" in fails(*arguments, "", "--model", tiny)


def test_stems_are_given_once(tmp_path, tiny):
    song = write_noise(tmp_path / "a.wav")
    options = ("--stems", "vocals,vocals", "--residual")
    line = fails("separate", song, "-o", tmp_path / "out", "--model", tiny, *options)
    assert "stems must be distinct" in line


def test_paths_are_printed_as_they_are(tmp_path, tiny):
    """Not as markup or emoji codes, nor wrapped; in a terminal that cannot show them escaped."""
    folder = tmp_path / ("long " * 30 + "mk [") / "Disc 1]"
    song = write_noise(folder / "Song [live] :cd:.wav")
    bad = folder / os.fsdecode(b"caf\xe9 \xf0\x9f\x8e\xb5.wav")
    song.rename(bad)
    write_noise(song)
    out = tmp_path / "out [" / "x]"
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    argv = ["keras-mmdense", "separate", str(folder), "-o", str(out), "--model", str(tiny)]
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(terminal):
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    terminal.flush()
    printed = terminal.buffer.getvalue().decode("ascii")
    assert f"{out}/{song.stem}: vocals.wav, drums.wav, bass.wav, other.wav" in printed
    assert f"{out}/caf\\udce9 \\U0001f3b5: vocals.wav" in printed
    assert sum(len(list(folder.iterdir())) for folder in out.iterdir()) == 8


def test_bad_networks_and_stems(song, tiny, tmp_path):
    out = ("-o", tmp_path / "out")
    assert "nothing" in fails("separate", song, *out, "--model", "nothing")
    assert "guitar" in fails("separate", song, *out, "--model", tiny, "--stems", "guitar")
    other = tmp_path / "other"
    save_network(
        other, NetworkSpec(TABLES["tiny"], STEMS), NetworkSpec(TABLES["tiny"], STEMS).build()
    )
    (other / "network.weights.h5").write_bytes((tiny / "network.weights.h5").read_bytes())
    assert "network.weights.h5" in fails("separate", song, *out, "--model", other)
    assert not (tmp_path / "out").exists()


def test_unwritable_output(song, tiny, tmp_path):
    (tmp_path / "file").touch()
    line = fails("separate", song, "-o", tmp_path / "file" / "out", "--model", tiny)
    assert "cannot write there" in line
    assert (tmp_path / "file").read_bytes() == b""


def test_stem_files_without_ffmpeg(musdb_root, tiny, tmp_path):
    path = sorted((musdb_root / "train").glob("*.stem.mp4"))[0]
    out = ("-o", tmp_path / "out", "--model", tiny)
    assert "needs ffmpeg" in fails("separate", path, *out, PATH="")
    assert "needs ffmpeg" in fails("evaluate", "--root", musdb_root, "--model", tiny, PATH="")
    (tmp_path / "song.m4a").write_bytes(b"sound")
    assert ".m4a needs ffmpeg" in fails("separate", tmp_path / "song.m4a", *out, PATH="")


def test_bad_training_input(tmp_path):
    run = tmp_path / "run"
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "nowhere", tmp_path / "empty"):
        assert str(root) in fails("train", "--root", root, "--output", run)
        assert str(root) in fails("evaluate", "--root", root)
    succeeds("synth", tmp_path / "songs", "--tracks", 2, "--seconds", 1)
    root = ("--root", tmp_path / "songs", "--output", run)
    assert "resnet" in fails("train", *root, "--model", "resnet")
    assert "guitar" in fails("train", *root, "--target", "guitar")
    assert not run.exists()


def test_synth_does_not_overwrite(tmp_path):
    succeeds("synth", tmp_path, "--tracks", 1, "--seconds", 1)
    assert "exists" in fails("synth", tmp_path, "--tracks", 1, "--seconds", 1)
