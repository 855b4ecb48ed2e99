"""Resumption, failures and stores, with a separator that does no work."""

import json
import os
import threading
import time
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import soundfile

from keras_mmdense.audio.output import Output
from keras_mmdense.audio.reading import song_name
from keras_mmdense.audio.writing import StemWriter
from keras_mmdense.beam.failures import BrokenWorker, Failure, attempt
from keras_mmdense.beam.find import Song
from keras_mmdense.beam.record import record_url
from keras_mmdense.beam.separate import SeparateSongs, _Separate, separate_song
from keras_mmdense.beam.worker import Settings, Worker
from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.stems import STEMS


def write_songs(folder, *names, samples=3000):
    """Writes songs that differ; gives their paths."""
    paths = [str(folder / name) for name in names]
    for number, path in enumerate(paths):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        x = np.random.default_rng(number).uniform(-0.5, 0.5, (samples, 2))
        soundfile.write(path, x, 44100)
    return paths


@pytest.fixture
def separate(collect, tmp_path, quarters):
    """Runs the pipeline; gives rows by song, reasons by input, and metrics."""

    def run(urls, out_dir=None, **options):
        transform = SeparateSongs(out_dir or str(tmp_path / "out"), DEFAULT, **options)
        found, metrics = collect(lambda p: p | beam.Create(urls) | transform)
        rows = {row["song"]: row for row in found["songs"]}
        return rows, {failure.input: failure for failure in found["failures"]}, metrics

    return run


@pytest.fixture
def in_order(tmp_path, quarters):
    """Does without a pipeline what one worker does, a song after the other; gives the same."""

    def run(urls, out_dir=None, stems=STEMS, output=None):
        folder = out_dir or str(tmp_path / "out")
        worker = Worker(Settings(folder, (DEFAULT,), tuple(stems), output or Output(), "auto", 1))
        songs = [Song(url, song_name(url)) for url in urls]
        results = [attempt(song.url, separate_song, song, worker) for song in songs]
        failures = {result.input: result for result in results if isinstance(result, Failure)}
        rows = [result for result in results if not isinstance(result, Failure)]
        return {row["song"]: row for row in rows}, failures

    return run


def skipped(rows):
    return sorted(name for name, row in rows.items() if row["skipped"])


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_row_tells_what_was_made_of_what(in_order, tmp_path):
    (song,) = write_songs(tmp_path / "in", "a.flac")
    rows, failures = in_order([song])
    row = rows["a"]
    assert (row["input"], row["skipped"], failures) == (song, False, {})
    assert row["stems"] == list(STEMS) and row["model"]["names"] == [DEFAULT]
    for file in row["files"]:
        path = tmp_path / "out" / file["path"]
        assert path.stat().st_size == file["size"]
        expected = soundfile.read(song)[0] / 4
        np.testing.assert_allclose(soundfile.read(path)[0], expected, atol=1e-6)
    assert row["audio_seconds"] == round(3000 / 44100, 3) and row["model_seconds"] >= 0
    assert json.loads(Path(record_url(str(tmp_path / "out"), "a")).read_text())["input"] == song
    expected = [f"a/{stem}.wav" for stem in sorted(STEMS)]
    assert [name for name in files(tmp_path / "out") if not name.startswith(".")] == expected


def test_what_is_complete_is_skipped_and_all_else_is_not(separate, in_order, tmp_path):
    names = ("kept", "touched", "changed", "cut", "lost", "unrecorded")
    songs = write_songs(tmp_path / "in", *(f"{name}.wav" for name in names))
    assert not skipped(in_order(songs)[0])
    out = tmp_path / "out"
    os.utime(songs[1], (1e9, 1e9))
    write_songs(tmp_path / "in", *["changed.wav"])  # as long as before, and of another sound
    os.truncate(out / "cut" / "bass.wav", 100)
    (out / "lost" / "bass.wav").unlink()
    Path(record_url(str(out), "unrecorded")).unlink()
    (out / ".partial").mkdir(exist_ok=True)
    (out / ".partial" / "left by a killed worker").touch()
    rows, failures, metrics = separate(songs)
    assert skipped(rows) == ["kept", "touched"] and not failures
    assert (metrics["skipped"], metrics["separated"]) == (2, 4)
    assert not (out / ".partial").exists()
    assert soundfile.info(out / "cut" / "bass.wav").frames == 3000
    for options in ({"stems": ["vocals"]}, {"output": Output(subtype="PCM_16")}):
        assert not skipped(in_order(songs[:1], **options)[0])


def test_failures_have_a_kind_and_a_reason_and_stop_nothing(separate, tmp_path):
    good = write_songs(tmp_path / "in", "1.wav", "2.wav")
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), 44100)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "corrupt.wav").write_text("words")
    (tmp_path / "out" / "2").mkdir(parents=True)
    (tmp_path / "out" / "2" / "bass.wav").mkdir()
    bad = {name: str(tmp_path / f"{name}.wav") for name in ("none", "empty", "corrupt", "missing")}
    rows, failures, metrics = separate([*good, *bad.values()])
    assert list(rows) == ["1"]
    expected = {
        "none": "holds no samples",
        "empty": "the file is empty",
        "corrupt": "not an audio file",
        "missing": "no such file",
    }
    for name, reason in expected.items():
        failure = failures[bad[name]]
        assert failure.kind == "input" and failure.reason.startswith(f"{bad[name]}: {reason}")
    assert failures[good[1]].kind == "storage"
    assert (metrics["failed_input"], metrics["failed_storage"]) == (4, 1)
    assert metrics["separated"] == metrics["audio_seconds"].count == 1
    assert len(failures) == 5


def test_an_error_of_the_program_is_a_failure_too(in_order, tmp_path, monkeypatch):
    songs = write_songs(tmp_path / "in", "1.wav", "2.wav")

    def broken(self, path, *args, **options):
        raise ZeroDivisionError("division by zero\nand more")

    monkeypatch.setattr("keras_mmdense.separation.separator.Separator.separate_file", broken)
    rows, failures = in_order(songs)
    assert not rows and failures[songs[1]].kind == "internal"
    reason = f"{songs[0]}: ZeroDivisionError: division by zero"
    assert failures[songs[0]].reason == reason


def test_a_worker_that_cannot_load_the_model_blames_no_song(in_order, tmp_path, monkeypatch):
    songs = write_songs(tmp_path / "in", "1.wav")

    def broken(settings, artifacts=None):
        raise InputError("LiteRT is not installed")

    monkeypatch.setattr("keras_mmdense.beam.worker.open_separator", broken)
    with pytest.raises(BrokenWorker, match="cannot load the model: LiteRT is not installed"):
        in_order(songs)
    assert not files(tmp_path / "out")


def test_songs_and_stems_in_a_store_without_folders(separate, tmp_path, memory):
    for path in write_songs(tmp_path / "in", "a/1 [live].wav", "b/1 [live].wav"):
        url = f"mem://songs/{Path(path).relative_to(tmp_path / 'in')}"
        memory.FILES[url] = (Path(path).read_bytes(), 1.0)
    urls = [*memory.FILES]
    rows, failures, _ = separate(urls, "mem://out")
    assert sorted(rows) == ["a - 1 [live]", "b - 1 [live]"] and not failures
    written = [url for url in memory.FILES if url.startswith("mem://out/")]
    assert len(written) == 2 * 4 + 2 and not any(".partial" in url for url in written)
    assert all(url.startswith("mem://out/.partial/") for url in memory.CREATED)


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_store_that_fails_leaves_no_part_and_the_next_run_mends_it(
    in_order, tmp_path, memory, number
):
    """The second or the last stem cannot be uploaded, or the record."""
    (path,) = write_songs(tmp_path / "in", "1.wav")
    memory.REFUSED.append(number)
    rows, failures = in_order([path], "mem://out")
    assert not rows and failures[path].kind == "storage"
    assert "out of order" in failures[path].reason
    named = [url for url in memory.FILES if url.endswith(".wav")]
    assert len(named) == (4 if number == 4 else 0)  # each of them whole
    assert len(named) == len(memory.FILES)
    assert not skipped(in_order([path], "mem://out")[0])
    assert skipped(in_order([path], "mem://out")[0]) == ["1"]


def test_a_store_that_loses_a_byte_is_found_out(in_order, tmp_path, memory):
    (path,) = write_songs(tmp_path / "in", "1.wav")
    memory.CUT.append(2)
    rows, failures = in_order([path], "mem://out")
    assert not rows and "could not be stored whole" in failures[path].reason
    assert not memory.FILES


def test_a_long_song_lets_short_ones_pass(tmp_path, quarters, monkeypatch):
    """It comes first, and is not over before all of the short ones have had their turn."""
    (long,) = write_songs(tmp_path / "in", "long.wav", samples=100 * 2048)
    short = write_songs(tmp_path / "in", "1.wav", "2.wav", "3.wav", "4.wav", samples=2048)
    firsts = {float(soundfile.read(path, dtype="float32")[0][0, 0]) for path in short}
    write, waited = StemWriter.write, threading.Event()

    def slow(writer, mixture, stems):
        if write(writer, mixture, stems) == 20 * 2048:
            for _ in range(6000):
                if firsts <= set(quarters):
                    waited.set()
                    break
                time.sleep(0.01)
        return 0

    monkeypatch.setattr(StemWriter, "write", slow)
    work = _Separate(Settings(str(tmp_path / "out"), (DEFAULT,), STEMS, Output(), "auto", 1))
    work.setup()
    work.start_bundle()
    early = [row for path in (long, *short) for row in work.process(Song(path, Path(path).stem))]
    late = [value.value for value in work.finish_bundle()]
    assert sorted(row["song"] for row in early + late) == ["1", "2", "3", "4", "long"]
    assert waited.is_set() and len(quarters) == 104


def test_bad_settings_are_named_before_the_pipeline_runs(tmp_path, memory):
    with pytest.raises(InputError, match="unknown stem 'guitar'"):
        SeparateSongs(str(tmp_path / "out"), stems=["guitar"])
    with pytest.raises(InputError, match="nope.tflite: no such file"):
        SeparateSongs(str(tmp_path / "out"), str(tmp_path / "nope.tflite"))
    with pytest.raises(InputError, match="mem://nope: no such file or folder"):
        SeparateSongs(str(tmp_path / "out"), "mem://nope")
    assert not list(tmp_path.iterdir())
