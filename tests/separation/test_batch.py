"""Many songs with a stand-in separator, and what survives a kill with the real command."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_mmdense.audio import reading
from keras_mmdense.audio.output import Output
from keras_mmdense.audio.writing import StemWriter
from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.networks import NetworkSpec, save_network
from keras_mmdense.separation import batch
from keras_mmdense.stems import STEMS


class Quarter:
    """A separator that gives every stem a quarter of the mixture."""

    stems = STEMS

    def __init__(self):
        self.songs = []

    def separate_file(self, path, out_dir, output, *, song, progress):
        self.songs.append(song)
        with (
            reading.open_audio(path) as source,
            StemWriter(out_dir, song, self.stems, source, output) as writer,
        ):
            for block in source.blocks(1000):
                progress(writer.write(block, dict.fromkeys(STEMS, block / 4)), source.samples)
            return writer.finish()


def write_songs(folder, *names):
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        x = np.random.default_rng(number).uniform(-0.5, 0.5, (3000, 2))
        soundfile.write(folder / name, x, 44100)
    return [folder / name for name in names]


def run(files, out_dir, resume=False):
    separator, said = Quarter(), []
    job = batch.Job(separator, out_dir, Output(), resume)
    return job.run(files, lambda name: lambda done, total: None, said.append), separator, said


def test_a_folder_gives_its_audio_files(tmp_path):
    files = write_songs(tmp_path / "a", "2.wav", "1.flac", ".hidden.wav")[:2]
    (tmp_path / "a" / "notes.txt").write_text("no song")
    write_songs(tmp_path / "a" / "deep", "3.ogg")
    found = batch.find_audio([tmp_path / "a", files[0]])
    assert [path.name for path in found] == ["1.flac", "2.wav", "3.ogg"]


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no audio files"):
        batch.find_audio([tmp_path])


def test_stems_and_hidden_folders_are_no_songs(tmp_path):
    """OUTPUT may lie in the folder of the songs, and not be it; killed runs leave folders."""
    (song,) = write_songs(tmp_path / "in", "1.wav")
    write_songs(tmp_path / "in" / ".x.partial", "0.wav")
    for _ in range(2):
        files = batch.find_audio([tmp_path / "in"], tmp_path / "in" / "stems")
        assert files == [song]
        run(files, tmp_path / "in" / "stems")
    assert len(batch.find_audio([tmp_path / "in"])) == 5
    with pytest.raises(InputError, match="a different folder than the songs"):
        batch.find_audio([tmp_path / "in"], tmp_path / "in" / "stems" / "..")


def test_an_empty_name_is_not_the_current_folder(tmp_path, monkeypatch):
    write_songs(tmp_path, "1.wav")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="file name is empty"):
        batch.find_audio([""])
    assert batch.find_audio(["."]) == [Path("1.wav")]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    write_songs(tmp_path / "a", "1.wav")
    (tmp_path / "a" / "closed").mkdir()
    scan = os.scandir

    def closed(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(InputError, match="closed: cannot be read: Permission denied"):
        batch.find_audio([tmp_path / "a"])


def test_songs_of_one_name_get_names_of_their_own():
    paths = [Path(p) for p in ("/m/a/x.wav", "/m/b/x.wav", "/m/b/x.mp3", "/m/y.wav", "/n/b/x.mp3")]
    names = batch.song_names(paths)
    assert names[paths[0]] == "a - x" and names[paths[3]] == "y"
    assert names[paths[1]] == "b - x.wav"
    assert len(set(names.values())) == 5


def test_a_bad_file_is_passed_over(tmp_path):
    files = write_songs(tmp_path / "in", "1.wav", "2.wav", "3.wav")
    files[1].write_text("words")
    results, _, said = run(files, tmp_path / "out")
    assert [bool(result.error) for result in results] == [False, True, False]
    assert "2.wav: not an audio file" in results[1].error
    assert said == results
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1", "3"]


def test_resume_skips_what_is_whole_and_mends_the_rest(tmp_path):
    files = write_songs(tmp_path / "in", "1.wav", "2.wav", "3.wav")
    run(files[:2], tmp_path / "out")
    (tmp_path / "out" / "2" / "bass.wav").unlink()
    results, separator, _ = run(files, tmp_path / "out", resume=True)
    assert separator.songs == ["2", "3"]
    assert [result.written is None for result in results] == [True, False, False]
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 12


def test_one_run_of_three_equals_three_runs_of_one(tmp_path):
    files = write_songs(tmp_path / "in", "1.wav", "2.wav", "3.wav")
    run(files, tmp_path / "together")
    for file in files:
        run([file], tmp_path / "alone")
    for path in (tmp_path / "together").rglob("*.wav"):
        alone = tmp_path / "alone" / path.relative_to(tmp_path / "together")
        assert alone.read_bytes() == path.read_bytes()


def test_any_failure_is_told_and_passed_over(tmp_path):
    files = write_songs(tmp_path / "in", "1.wav", "2.wav", "3.wav")

    class Broken(Quarter):
        def separate_file(self, path, *args, **options):
            if path == files[1]:
                raise ZeroDivisionError("division by zero\nand more")
            return super().separate_file(path, *args, **options)

    (tmp_path / "out" / "3" / "bass.wav").mkdir(parents=True)
    job = batch.Job(Broken(), tmp_path / "out", Output())
    results = job.run(files, lambda name: lambda done, total: None, lambda result: None)
    assert results[0].written and not any(result.written for result in results[1:])
    assert results[1].error == f"{files[1]}: ZeroDivisionError: division by zero"
    assert "bass.wav: is a folder, expected a file name" in results[2].error


def test_songs_that_would_share_a_file_are_refused_before_the_work(tmp_path):
    for folder in ("a - b", "a", "z"):
        write_songs(tmp_path / folder, "c.wav", "b - c.wav")
    files = batch.find_audio([tmp_path])
    output = Output(filename="{stem}/{song}")
    job = batch.Job(Quarter(), tmp_path / "out", output)
    with pytest.raises(InputError, match="would both be written"):
        job.run(files, lambda name: lambda done, total: None, lambda result: None)
    assert not (tmp_path / "out").exists()


def test_songs_without_a_name_get_one():
    paths = [Path("/m/..wav"), Path("/m/...wav"), Path("/m/.stem.mp4"), Path("/n/X.wav")]
    names = batch.song_names([*paths, Path("/m/x.wav")])
    assert [names[path] for path in paths] == ["m - .", "m - ..", "m - ", "n - X"]


def test_resume_separates_another_song_of_the_same_name_and_length(tmp_path):
    (first,) = write_songs(tmp_path / "a", "x.wav")
    second = write_songs(tmp_path / "b", "0.wav", "x.wav")[1]
    run([first], tmp_path / "out")
    kept = (tmp_path / "out" / "x" / "bass.wav").read_bytes()
    assert not run([first], tmp_path / "out", resume=True)[1].songs
    assert run([second], tmp_path / "out", resume=True)[1].songs == ["x"]
    assert (tmp_path / "out" / "x" / "bass.wav").read_bytes() != kept


def test_a_kill_leaves_every_file_whole_or_absent(tmp_path):
    """SIGKILL at random times in a run over songs, then --resume ends it."""
    network = NetworkSpec(TABLES["tiny"], STEMS)
    save_network(tmp_path / "net", network, network.build())
    (tmp_path / "in").mkdir()
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (44100, 2))
    for number in range(20):
        soundfile.write(tmp_path / "in" / f"{number:02}.wav", x, 44100)
    code = "from keras_mmdense.cli import main; main()"
    out = ["-o", tmp_path / "out", "--model", tmp_path / "net", "--resume", "--format", "flac"]
    command = [sys.executable, "-c", code, "separate", tmp_path / "in", *out]
    rng = random.Random(0)
    for _ in range(2):
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
        while process.poll() is None and not (tmp_path / "out").exists():
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for path in (tmp_path / "out").rglob("[!.]*.flac"):
            if not any(part.startswith(".") for part in path.relative_to(tmp_path).parts):
                assert len(soundfile.read(path)[0]) == 44100
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert sorted(names) == [f"{number:02}" for number in range(20)]
    assert len(list((tmp_path / "out").rglob("*.flac"))) == 80
