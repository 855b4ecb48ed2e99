"""The command on real clips, in processes of its own: equal to museval, resumed, refused."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from keras_mmdense.synthesis.songs import synthesize

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
METRICS = ("SDR", "ISR", "SIR", "SAR")
CODE = "from keras_mmdense.cli import main; main()"


def start(*arguments, **environment):
    environment = {**os.environ, "COLUMNS": "120", "OMP_NUM_THREADS": "1", **environment}
    run = [sys.executable, "-c", CODE, "evaluate", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(run, env=environment, **pipes)


def succeeds(*arguments, **environment):
    process = start(*arguments, **environment)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    return out


def fails(*arguments):
    process = start(*arguments)
    _, errors = process.communicate()
    lines = errors.strip().splitlines()
    assert process.returncode == 2 and len(lines) == 1, errors
    assert lines[0].startswith("keras-mmdense: error: ")
    return lines[0]


def write(folder, stems, rate=RATE, **options):
    folder.mkdir(parents=True)
    for stem, audio in stems.items():
        soundfile.write(folder / f"{stem}.wav", audio, rate, subtype="FLOAT", **options)


@pytest.fixture(scope="module")
def clips(real_stems):
    """Three clips of two seconds of a real song."""
    span = 2 * RATE
    return {
        f"clip {i}": {stem: audio[2 * i * span :][:span] for stem, audio in real_stems.items()}
        for i in range(3)
    }


@pytest.fixture(scope="module")
def root(clips, tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "clips"
    for name, stems in clips.items():
        write(root / "test" / name, stems)
    return root


@pytest.fixture(scope="module")
def vocals(clips, tmp_path_factory):
    """Another tool's vocals: what the true ones and a leak of the rest sum to."""
    folder = tmp_path_factory.mktemp("estimates") / "tool"
    for name, stems in clips.items():
        others = stems["drums"] + stems["other"]
        write(folder / name, {"vocals": 0.9 * stems["vocals"] + 0.1 * np.roll(others, 30, axis=0)})
    return folder


def options(root, vocals, *more):
    return ("--root", root, "--split", "test", "--estimates", vocals, *more)


@pytest.fixture(scope="module")
def whole(root, vocals, tmp_path_factory):
    """The output folder and table of a run in two processes."""
    out = tmp_path_factory.mktemp("scores") / "out"
    more = ("--oracles", "irm", "--processes", "2", "--output", out)
    return out, succeeds(*options(root, vocals, *more))


def loop(code, *arguments):
    """Runs museval in a process with one thread, as the command's have."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = [sys.executable, "-c", code, *map(str, arguments)]
    return json.loads(subprocess.check_output(run, env=environment, text=True))


LOOP = """
import json, sys
import museval, numpy, soundfile
root, tool, *names = sys.argv[1:]
scores = {}
for name in names:
    read = lambda folder, stem: soundfile.read(f"{folder}/{name}/{stem}.wav", dtype="float32")[0]
    truth = {stem: read(root, stem) for stem in ("vocals", "drums", "bass", "other")}
    mixture = numpy.sum([audio.astype("float64") for audio in truth.values()], axis=0)
    vocals = read(tool, "vocals").astype("float64")
    others = [truth[stem].astype("float64") for stem in ("drums", "bass", "other")]
    pairs = [truth["vocals"], numpy.sum(others, axis=0)], [vocals, mixture - vocals]
    values = museval.evaluate(*pairs, win=44100, hop=44100, mode="v4", padding=False)
    scores[name] = [value.tolist() for value in values[:4]]
print(json.dumps(scores))
"""


def test_parallel_scores_equal_a_plain_museval_loop(root, vocals, whole, clips):
    pytest.importorskip("museval")
    expected = loop(LOOP, root / "test", vocals, *clips)
    for name in clips:
        content = json.loads((whole[0] / "tool" / "test" / f"{name}.json").read_text())
        assert [target["name"] for target in content["targets"]] == ["vocals", "accompaniment"]
        for index, target in enumerate(content["targets"]):
            for metric, values in zip(METRICS, expected[name], strict=True):
                got = [frame["metrics"][metric] for frame in target["frames"]]
                np.testing.assert_allclose(got, values[index], rtol=0, atol=1e-9)


def test_track_files_follow_musevals_schema_and_are_read_by_it(whole):
    museval = pytest.importorskip("museval")
    store = museval.TrackStore("clip 0")
    store.scores = json.loads((whole[0] / "tool" / "test" / "clip 0.json").read_text())
    store.validate()
    assert store.scores["targets"][0]["frames"][1]["time"] == 1.0
    methods = museval.MethodStore()
    methods.add_eval_dir(str(whole[0] / "tool"))
    assert set(methods.df["track"]) == {"clip 0", "clip 1", "clip 2"}
    median = methods.agg_frames_tracks_scores()["tool", "vocals", "SDR"]
    summary = json.loads((whole[0] / "scores.json").read_text())["systems"]["tool"]["summary"]
    assert median == pytest.approx(summary["vocals"]["SDR"], abs=1e-9)


def test_output_tells_what_was_scored(whole):
    out, table = whole
    assert "clips test" in table and "tool" in table and "ideal ratio mask" in table
    content = json.loads((out / "scores.json").read_text())
    assert content["data"] == {"root": "clips", "split": "test", "songs": 3}
    assert (content["rule"], content["engine"]) == ("museval", "museval")
    systems = content["systems"]
    assert systems["tool"]["description"] == {"estimates": "tool"}
    assert systems["ideal ratio mask"]["description"] == {"oracle": True}
    assert (out / "scores.png").read_bytes().startswith(b"\x89PNG")


def wait(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_killed_and_resumed_gives_the_same(root, vocals, whole, tmp_path):
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    more = ("--oracles", "irm", "--processes", "2", "--output", out)
    process = start(*options(root, vocals, *more), TMPDIR=str(scratch))
    tracks = lambda: list(out.glob("*/test/[!.]*.json"))  # noqa: E731
    wait(tracks)
    process.kill()
    process.communicate()
    done = {path: path.stat().st_mtime_ns for path in tracks()}
    assert 0 < len(done) < 6
    for path in done:
        json.loads(path.read_text())
    wait(lambda: not list(scratch.iterdir()))  # the processes end and clean up
    table = succeeds(*options(root, vocals, *more))
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert table == whole[1]
    assert (out / "scores.json").read_text() == (whole[0] / "scores.json").read_text()


def test_done_songs_are_not_scored_again_but_other_settings_are_refused(
    root, vocals, whole, tmp_path
):
    out = tmp_path / "out"
    shutil.copytree(whole[0], out)
    more = ("--oracles", "irm", "--output", out)
    began = time.monotonic()
    assert succeeds(*options(root, vocals, *more)) == whole[1]
    assert time.monotonic() - began < 60
    before = {path: path.read_bytes() for path in out.rglob("*.json")}
    line = fails(*options(root, vocals, *more, "--rule", "dsd100"))
    assert "settings.json" in line and "rule 'museval', now 'dsd100'" in line
    other = tmp_path / "tool"
    shutil.copytree(vocals, other)
    shutil.copy(other / "clip 0" / "vocals.wav", other / "clip 2" / "vocals.wav")
    line = fails(*options(root, other, *more))
    assert "clip 2.json" in line and "other estimates" in line
    other = tmp_path / "changed" / root.name
    shutil.copytree(root, other)
    clips = {path.parent.name: path for path in other.rglob("vocals.wav")}
    shutil.copy(clips["clip 0"], clips["clip 1"])
    line = fails(*options(other, vocals, *more))
    assert "clip 1.json" in line and "other references" in line
    assert {path: path.read_bytes() for path in out.rglob("*.json")} == before


@pytest.mark.parametrize("text", ["", '{"targets": [', "[]", '{"targets": []}', "words"])
def test_damaged_scores_are_named_and_kept(root, vocals, whole, tmp_path, text):
    out = tmp_path / "out"
    shutil.copytree(whole[0], out)
    path = out / "tool" / "test" / "clip 1.json"
    path.write_text(text)
    line = fails(*options(root, vocals, "--oracles", "irm", "--output", out))
    assert str(path) in line
    assert path.read_text() == text


def test_bad_estimates(root, vocals, clips, tmp_path):
    tool = tmp_path / "tool"
    shutil.copytree(vocals, tool)
    path, audio = tool / "clip 1" / "vocals.wav", clips["clip 1"]["vocals"]
    run = options(root, tool, "--oracles", "none", "--output", tmp_path / "out")
    path.unlink()
    assert f"{path}: no such estimate" in fails(*run)
    soundfile.write(path, audio[:-1], RATE)
    assert f"{path}: 88199 samples of 2 channels, expected 88200 of 2" in fails(*run)
    soundfile.write(path, audio, 48000)
    assert f"{path}: 48000 Hz, expected the song's 44100 Hz" in fails(*run)
    soundfile.write(path, audio * np.nan, RATE, subtype="FLOAT")
    assert f"{path}: holds samples that are not finite" in fails(*run)
    path.write_text("words")
    assert f"{path}: not an audio file" in fails(*run)
    assert "no such folder" in fails(*options(root, tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    assert "no estimates found" in fails(*options(root, tmp_path / "empty"))


def test_museval_without_ffmpeg(root, vocals):
    process = start(*options(root, vocals), PATH="")
    assert "museval needs ffmpeg" in process.communicate()[1] and process.returncode == 2


def test_bad_options(root, vocals, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no songs found" in fails(*options(tmp_path / "empty", vocals))
    assert "unknown rule 'mean'" in fails(*options(root, vocals, "--rule", "mean"))
    assert "unknown engine 'slow'" in fails(*options(root, vocals, "--engine", "slow"))
    line = fails(*options(root, vocals, "--engine", "fast", "--rule", "dsd100"))
    assert "fast computes v4 only" in line
    assert "unknown oracle 'best'" in fails(*options(root, vocals, "--oracles", "irm,best"))


def test_dsd100_rule_on_a_dsd100_folder(tmp_path):
    """Synthesized songs as DSD100 lays them out; the scores are museval's, mode v3."""
    museval = pytest.importorskip("museval")
    root, tool, rate = tmp_path / "DSD100", tmp_path / "tool", 8000
    expected = []
    for number, seconds in enumerate((3, 4)):
        # every fifth sample, with noise that makes the distortion filters' equations regular
        noise = np.random.default_rng(number)
        stems = {
            stem: 0.2 * noise.standard_normal((seconds * rate, 1))
            + audio[: 5 * seconds * rate : 5, :1]
            for stem, audio in synthesize(number, 5 * seconds).items()
        }
        stems = {stem: audio.astype("float32") for stem, audio in stems.items()}
        write(root / "Sources" / "Test" / f"00{number} - Song", stems, rate)
        mixture = sum(np.float64(audio) for audio in stems.values())
        (root / "Mixtures" / "Test" / f"00{number} - Song").mkdir(parents=True)
        soundfile.write(
            root / "Mixtures" / "Test" / f"00{number} - Song" / "mixture.wav",
            mixture,
            rate,
            "FLOAT",
        )
        vocals = stems["vocals"] + 0.3 * stems["drums"]
        write(tool / f"00{number} - Song", {"vocals": vocals}, rate)
        truth = np.array([stems["vocals"], mixture - stems["vocals"]], np.float64)
        given = np.array([vocals, mixture - vocals], np.float64)
        window = {"win": 30 * rate, "hop": 15 * rate, "mode": "v3"}
        expected.append(np.array(museval.evaluate(truth, given, **window)[:4]))
    more = (
        "--rule",
        "dsd100",
        "--oracles",
        "none",
        "--processes",
        "1",
        "--output",
        tmp_path / "out",
    )
    table = " ".join(succeeds(*options(root, tool, *more)).split())
    assert "rule dsd100" in table and "songs shorter than 30 s, each one frame: 2" in table
    summary = json.loads((tmp_path / "out" / "scores.json").read_text())["systems"]["tool"][
        "summary"
    ]
    rows = np.median([scores.mean(axis=-1) for scores in expected], axis=0)
    for index, stem in enumerate(("vocals", "accompaniment")):
        assert summary[stem]["songs"] == 2
        for metric, row in zip(METRICS, rows, strict=True):
            assert summary[stem][metric] == pytest.approx(row[index], abs=1e-4)
