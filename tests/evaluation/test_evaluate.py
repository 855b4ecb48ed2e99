"""Systems and oracles over songs, in this process and in parallel."""

import importlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.evaluate import evaluate_songs, folder_name
from keras_mmdense.evaluation.process_pool import free_memory, run_jobs
from keras_mmdense.evaluation.protocols import METRICS, RULES
from keras_mmdense.evaluation.systems import System
from keras_mmdense.evaluation.tasks import Task, score_parallel

RATE = 4000
STEMS = ("vocals", "drums", "bass", "other")


@dataclass
class Song:
    name: str
    seed: int = 0
    seconds: float = 2.0
    sample_rate: int = RATE

    def stems(self):
        generator = np.random.default_rng(self.seed)
        shape = (int(self.seconds * RATE), 1)
        return {stem: generator.standard_normal(shape).astype("float32") for stem in STEMS}


def system(function=lambda mixture: 0.5 * mixture, name="half", stems=("vocals",)):
    return System(name, stems, lambda song, mixture, rate: {stems[0]: function(mixture)})


def direct(references, estimates):
    museval = pytest.importorskip("museval")
    signals = np.float64(references), np.float64(estimates)
    values = museval.evaluate(*signals, win=RATE, hop=RATE, mode="v4", padding=False)
    return dict(zip(("SDR", "ISR", "SIR", "SAR"), values, strict=True))


def in_place(mixture):
    mixture *= 0.5
    return mixture


def test_systems_are_scored_beside_oracles():
    songs, steps = [Song("one"), Song("two", 1, 1.0)], []
    results = evaluate_songs(songs, [system(in_place)], lambda *step: steps.append(step))
    assert list(results) == ["half", "mixture", "ideal ratio mask"]
    assert [step[:2] for step in steps] == [(done, 6) for done in range(7)]
    assert steps[1][2] == "one: half"
    for scores in results.values():
        assert [song.name for song in scores] == ["one", "two"]
        assert list(scores[0].frames) == ["vocals", "accompaniment"]
    assert results["half"][0].seconds > 0 and results["mixture"][0].seconds is None
    vocals, *others = (np.float64(audio) for audio in songs[1].stems().values())
    mixture = vocals + sum(others)
    for name, estimates in (("half", [mixture / 2] * 2), ("mixture", [mixture] * 2)):
        expected, got = direct([vocals, sum(others)], estimates), results[name][1].frames
        for index, stem in enumerate(("vocals", "accompaniment")):
            np.testing.assert_allclose(got[stem]["SDR"], expected["SDR"][index], atol=1e-4)


def test_without_systems_the_oracles_give_all_stems():
    results = evaluate_songs([Song("one", seconds=0.5)], [])
    for scores in results.values():
        assert list(scores[0].frames) == [*STEMS, "accompaniment"]
    assert evaluate_songs([], [], oracles=()) == {}
    assert list(evaluate_songs([], [], oracles=["ideal binary mask"])) == ["ideal binary mask"]


def test_a_mixture_is_its_own_remainder():
    drums = system(stems=("drums",))
    scores = evaluate_songs([Song("one", seconds=1.0)], [drums], oracles=["mixture"])["mixture"][0]
    vocals, drums, *others = (
        np.float64(audio) for audio in Song("one", seconds=1.0).stems().values()
    )
    rest = vocals + sum(others)
    expected = direct([drums, rest], [drums + rest] * 2)["SDR"]
    np.testing.assert_allclose(scores.frames["remainder"]["SDR"], expected[1], atol=1e-4)


def test_names_must_differ_and_be_known():
    for name in ("mixture", "MIXTURE"):
        with pytest.raises(InputError, match=f"(?i)have the name '{name}'"):
            evaluate_songs([], [system(name=name)])
    with pytest.raises(InputError, match=r"'nothing'; choices: mixture"):
        evaluate_songs([], [], oracles=["nothing"])
    assert folder_name("../runs/vocals") == "runs-vocals"
    assert folder_name("ideal ratio mask") == "ideal ratio mask"


def test_bad_estimates_name_song_and_system():
    short = system(lambda mixture: mixture[:-1], "short")
    with pytest.raises(InputError, match=r"one, short: estimate of vocals"):
        evaluate_songs([Song("one")], [short])


def test_parallel_equals_one_after_the_other(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    songs = [Song("one"), Song("two", 1), Song("three", 2)]
    here = evaluate_songs(songs, [system()], oracles=["ideal ratio mask"])
    steps = []
    apart = evaluate_songs(
        songs,
        [system()],
        lambda *step: steps.append(step[:2]),
        oracles=["ideal ratio mask"],
        processes=2,
    )
    assert steps == [(done, 6) for done in range(7)]
    assert list(apart) == list(here)
    for name, scores in here.items():
        for before, after in zip(scores, apart[name], strict=True):
            assert before.name == after.name
            for stem, metrics in before.frames.items():
                for metric in ("SDR", "SIR", "ISR"):
                    got = after.frames[stem][metric]
                    np.testing.assert_allclose(got, metrics[metric], atol=1e-9)
    assert not list(tmp_path.iterdir())


def test_an_error_in_a_process_is_raised_and_leaves_no_files(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    short = system(lambda mixture: mixture[:-1], "short")
    with pytest.raises(InputError, match=r"one, short: estimate of vocals"):
        evaluate_songs([Song("one"), Song("two")], [short], processes=1)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def orders(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("orders")


def test_processes_have_one_thread_and_jobs_of_all_memory_take_turns(orders, tmp_path):
    kept = dict(os.environ)
    size = 0.5 * free_memory()
    taken = []

    def give():
        for number in range(3):
            taken.append(number)
            yield orders.Order(str(number), size)

    for count, (order, threads) in enumerate(run_jobs(orders.obey, give(), 3, tmp_path)):
        assert threads == {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        assert (order.name, len(taken)) == (str(count), min(3, count + 2))
    assert dict(os.environ) == kept


def test_a_job_that_no_memory_suffices_for_is_named(orders, tmp_path):
    with pytest.raises(InputError, match=r"huge: .*needs about .* GB"):
        list(run_jobs(orders.obey, [orders.Order("huge", 2 * free_memory())], 1, tmp_path))


def test_a_killed_process_is_told_and_waits_for_nobody(orders, tmp_path):
    given = [orders.Order("good"), orders.Order("bad", kill=True), orders.Order("late")]
    results = run_jobs(orders.obey, given, 1, tmp_path)
    assert next(results)[0].name == "good"
    with pytest.raises(InputError, match="bad: the process that scored it was killed"):
        next(results)


def test_files_are_deleted_as_songs_are_done(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def separated():
        for number in range(4):
            song = Song(str(number), number, 0.5)
            options = (RATE, RULES["museval"], "museval", 0.0)
            yield (
                Task(song.name, "half", ("vocals",), *options),
                song.stems(),
                {"vocals": song.stems()["vocals"] + song.stems()["bass"]},
            )

    for task, scores in score_parallel(separated(), 1):
        assert scores.name == task.name and set(scores.frames["vocals"]) == set(METRICS)
        folders = {path.name for path in tmp_path.glob("*/*")}
        # the song's own and the next one's, which may be at work or ready
        assert task.name not in folders and len(folders) <= 3, folders
    assert not list(tmp_path.iterdir())
