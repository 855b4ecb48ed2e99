"""Separate and score songs, sequentially or in parallel, resuming an interrupted run."""

from __future__ import annotations

import contextlib
import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.museval_engine import check_engine
from keras_mmdense.evaluation.museval_json import Tracks
from keras_mmdense.evaluation.oracles import ORACLES
from keras_mmdense.evaluation.protocols import Rule, find_rule
from keras_mmdense.evaluation.scoring import SongScores
from keras_mmdense.evaluation.systems import Song, System
from keras_mmdense.evaluation.tasks import Task, score_here, score_parallel
from keras_mmdense.stems import STEMS, Stems
from keras_mmdense.utils.files import sha256

DEFAULT_ORACLES = ("mixture", "ideal ratio mask")

SongProgress = Callable[[int, int, str], None]
Done = dict[tuple[str, str], SongScores]
Digests = Callable[[System, str], dict[str, str | None]]


def evaluate_songs(
    songs: Sequence[Song],
    systems: Sequence[System],
    progress: SongProgress | None = None,
    *,
    oracles: Sequence[str] = DEFAULT_ORACLES,
    rule: Rule | str = "museval",
    engine: str = "museval",
    processes: int | None = None,
    output: str | Path | None = None,
    root: str = "",
    split: str = "",
) -> dict[str, list[SongScores]]:
    """Score systems and oracles on songs.

    The oracles estimate the same stems as the systems, or all if there is no system.

    In parallel, this process reads the songs, runs the systems and passes signals as temporary
    files; the other processes compute oracles and scores. At most `processes` songs are scored at
    a time while one more is prepared, or fewer if memory is short, see `museval_engine.memory`.

    Args:
        songs: The songs; the systems get the sum of their stems.
        systems: Systems to score.
        progress: Called with (done, total, label) at the start and after each song and system.
            Defaults to `None`.
        oracles: Names of `ORACLES`. Defaults to the mixture and the ideal ratio mask.
        rule: Rule of the scores, which defines frames and version of BSSEval. Defaults to
            `"museval"`.
        engine: One of `museval_engine.ENGINES`. Defaults to `"museval"`.
        processes: Number of scoring processes. Defaults to `None`: this process.
        output: Folder for the tracks' scores, see `museval_json`; songs found there are skipped.
            Defaults to `None`.
        root, split: Names of the data set and its split, by which `output` is organized.

    Returns:
        System -> scores, one entry per song, in the order of `songs`.

    Raises:
        InputError: If two systems have the same name, stems are invalid for `score_song`, a rule,
            engine or oracle is unknown, the output folder has other settings or a damaged file, or
            memory is too small.
    """
    rule = find_rule(rule)
    check_engine(engine, rule)
    plan = _plan(systems, oracles)
    settings = {"data": root, **vars(rule), "rule": rule.name, "engine": engine}
    tracks = {} if output is None else _open(Path(output), split, settings, plan)
    digests = _digests(songs)
    done = _read_done(songs, plan, tracks, digests)
    total, report = len(songs) * len(plan), progress or (lambda *_: None)
    report(len(done), total, "")
    separated = _separate(songs, plan, done, rule, engine)
    results = score_here(separated) if processes is None else score_parallel(separated, processes)
    with contextlib.closing(results):
        for task, scores in results:
            if output is not None:
                tracks[task.system].write(scores, digests(plan[task.system], task.name))
            done[task.name, task.system] = scores
            report(len(done), total, f"{task.name}: {task.system}")
    return {system: [done[song.name, system] for song in songs] for system in plan}


def folder_name(system: str) -> str:
    """Return the folder name of a system's scores: its name without characters invalid in paths."""
    return re.sub(r"[^\w .+-]+", "-", system).strip(" .-") or "system"


def _plan(systems: Sequence[System], oracles: Sequence[str]) -> dict[str, System]:
    """Return systems and oracles by name."""
    given = {stem for system in systems for stem in system.stems}
    stems = tuple(stem for stem in STEMS if stem in given) or STEMS
    plan: dict[str, System] = {}
    for oracle in oracles:
        if oracle not in ORACLES:
            raise InputError(f"unknown oracle {oracle!r}; choices: {', '.join(ORACLES)}")
    facts = {"oracle": True}
    for system in (*systems, *(System(oracle, stems, None, facts, facts) for oracle in oracles)):
        if folder_name(system.name).casefold() in map(str.casefold, map(folder_name, plan)):
            raise InputError(f"two systems have the name {system.name!r}")
        plan[system.name] = system
    return plan


def _open(
    output: Path, split: str, settings: Mapping[str, Any], plan: Mapping[str, System]
) -> dict[str, Tracks]:
    return {
        name: Tracks(
            output / folder_name(name), split, {**settings, "name": name, **system.identity}
        )
        for name, system in plan.items()
    }


def _digests(songs: Sequence[Song]) -> Digests:
    """Return what identifies the files that scores are computed from; songs are read once."""
    files = {song.name: [path for _, path in getattr(song, "sources", ())] for song in songs}

    @functools.cache
    def references(name: str) -> str | None:
        return sha256(*files[name]) if files[name] else None

    def digests(system: System, name: str) -> dict[str, str | None]:
        estimates = system.digest(name) if system.digest else None
        return {"estimates": estimates, "references": references(name)}

    return digests


def _read_done(
    songs: Sequence[Song],
    plan: Mapping[str, System],
    tracks: Mapping[str, Tracks],
    digests: Digests,
) -> Done:
    done = {}
    for name, track in tracks.items():
        for song in songs:
            found = functools.partial(digests, plan[name], song.name)
            scores = track.read(song.name, plan[name].stems, found)
            if scores is not None:
                done[song.name, name] = scores
    return done


def _separate(
    songs: Sequence[Song], plan: Mapping[str, System], done: Done, rule: Rule, engine: str
) -> Iterator[tuple[Task, Stems, Stems | None]]:
    """Yield unfinished tasks with references and estimates; None for an oracle."""
    before = set(done)
    for song in songs:
        missing = [system for system in plan.values() if (song.name, system.name) not in before]
        references = song.stems() if missing else {}
        for system in missing:
            estimates = seconds = None
            if system.separate is not None:
                mixture = np.sum(list(references.values()), axis=0)
                start = time.monotonic()
                estimates = system.separate(song.name, mixture, song.sample_rate)
                seconds = None if system.digest else time.monotonic() - start
            task = Task(
                song.name, system.name, system.stems, song.sample_rate, rule, engine, seconds
            )
            yield task, references, estimates
