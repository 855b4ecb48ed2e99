"""What a report says, before it takes the form of a page: scores that compare, and networks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_mmdense.analysis.efficiency import per_second
from keras_mmdense.analysis.run_folders import Scores, Training
from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.protocols import METRICS, Rule
from keras_mmdense.evaluation.scoring import SongScores, summarize
from keras_mmdense.models.registry import parameters
from keras_mmdense.pretrained.catalog import DESCRIPTION, list_weights
from keras_mmdense.pretrained.networks import load_network
from keras_mmdense.report.excerpts import Excerpt

STEM_ORDER = ("vocals", "accompaniment", "drums", "bass", "other", "remainder")


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Scores that compare with one another: the same songs under the same rule.

    Attributes:
        data: the data set, in words.
        rule: the rule.
        songs: names of the songs.
        systems: system -> scores, one entry a song.
    """

    data: str
    rule: Rule
    songs: tuple[str, ...]
    systems: Mapping[str, Sequence[SongScores]]

    def summary(self) -> dict[str, dict[str, dict[str, Any]]]:
        """System -> stem -> what `summarize` gives."""
        return {name: summarize(songs, self.rule) for name, songs in self.systems.items()}

    def stems(self) -> list[str]:
        """The stems that any system was scored on, vocals first."""
        found = {stem for songs in self.systems.values() for song in songs for stem in song.frames}
        known = [stem for stem in STEM_ORDER if stem in found]
        return known + sorted(found - set(known))

    def song_values(self, stem: str, metric: str = "SDR") -> dict[str, dict[str, float]]:
        """System -> song -> the song's score in dB, NaN without one; only systems with the stem."""
        values = {
            system: {
                song.name: scores[stem][metric]
                for song in songs
                if stem in (scores := song.by_rule(self.rule))
            }
            for system, songs in self.systems.items()
        }
        return {system: by_song for system, by_song in values.items() if by_song}

    def silent(self, stem: str) -> dict[str, str]:
        """Song -> why a system has no score of the stem, see `SongScores.silent`."""
        songs = [song for scores in self.systems.values() for song in scores]
        return {song.name: song.silent[stem] for song in songs if stem in song.silent}


@dataclasses.dataclass(frozen=True, eq=False)
class NetworkFacts:
    """A trained network: its size, its cost, and how it was trained, as far as that is known.

    Attributes:
        name: its name, folder or file.
        parameters: its trainable parameters.
        network: name of its table.
        stems: what it gives.
        multiply_adds: multiply-adds for a second of audio.
        training: the run that trained it.
    """

    name: str
    parameters: int
    network: str | None = None
    stems: tuple[str, ...] = ()
    multiply_adds: float | None = None
    training: Training | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """All that a report says."""

    groups: Sequence[Group]
    networks: Sequence[NetworkFacts]
    excerpts: Sequence[Excerpt] = ()
    title: str = "Separation report"

    def song_sdr(self, song: str) -> dict[str, dict[str, float]]:
        """System -> stem -> SDR in dB of a song, from the first group that has the song."""
        for group in self.groups:
            if song in group.songs:
                return {
                    system: {stem: row["SDR"] for stem, row in one.by_rule(group.rule).items()}
                    for system, songs in group.systems.items()
                    for one in songs
                    if one.name == song
                }
        return {}


def collect(
    scores: Sequence[Scores], trainings: Sequence[Training], excerpts: Sequence[Excerpt] = ()
) -> Report:
    """Sorts what runs hold into what a report says.

    Scores of the same songs under the same rule come side by side. An oracle that several runs
    scored alike appears once; systems of one name and other scores get their folder's name added.

    Args:
        scores, trainings: what `read_runs` gives.
        excerpts: what `take_excerpts` gives.

    Returns:
        The contents.
    """
    return Report(_group(scores), _networks(scores, trainings), excerpts)


def _group(scores: Sequence[Scores]) -> list[Group]:
    alike: dict[Any, list[Scores]] = {}
    for one in scores:
        if not one.systems:
            raise InputError(f"{one.name}/scores.json: no scores in it")
        alike.setdefault((one.rule, _song_names(one)), []).append(one)
    groups = []
    for (rule, songs), members in alike.items():
        systems: dict[str, Sequence[SongScores]] = {}
        for one in members:
            for name, songs_scores in one.systems.items():
                if name in systems and not _same(systems[name], songs_scores):
                    name = f"{name} ({one.name})"
                systems[name] = songs_scores
        groups.append(Group(_data_name(members[0]), rule, songs, systems))
    return groups


def _song_names(scores: Scores) -> tuple[str, ...]:
    return tuple(sorted({song.name for songs in scores.systems.values() for song in songs}))


def _data_name(scores: Scores) -> str:
    given = [str(scores.data[key]) for key in ("root", "split") if scores.data.get(key)]
    return ", ".join(given) or scores.name


def _same(some: Sequence[SongScores], others: Sequence[SongScores]) -> bool:
    def values(songs: Sequence[SongScores]) -> dict[tuple[str, str, str, int], float | str]:
        return {
            (song.name, stem, metric, index): "nan" if math.isnan(value) else value
            for song in songs
            for stem, metrics in song.frames.items()
            for metric in METRICS
            for index, value in enumerate(metrics[metric].tolist())
        }

    return values(some) == values(others)


def _networks(scores: Sequence[Scores], trainings: Sequence[Training]) -> list[NetworkFacts]:
    """Facts of the networks that are there; of other files what the scores tell of them."""
    trained = {Path(training.name).resolve(): training for training in trainings}
    facts = {}
    for name in find_networks(scores, trainings):
        spec, model = load_network(name)
        cost, size = per_second(spec, model), parameters(model)
        training = trained.get(Path(name).resolve())
        config = spec.config
        facts[name] = NetworkFacts(name, size, config.name, spec.targets, cost, training)
    described = [item for one in scores for item in one.descriptions.items()]
    for system, description in described:
        name = str(description.get("model", system))
        if description.get("parameters") is not None and name not in facts:
            facts[name] = NetworkFacts(name, description["parameters"])
    return list(facts.values())


def find_networks(scores: Sequence[Scores], trainings: Sequence[Training]) -> list[str]:
    """Names the trained networks, and the scored ones that are still where they were.

    Args:
        scores, trainings: what `read_runs` gives.

    Returns:
        Names that `load_network` takes, each network once.
    """
    names = {Path(training.name).resolve(): training.name for training in trainings}
    for one in scores:
        for system, description in one.descriptions.items():
            model = str(description.get("model", system))
            if model in list_weights() or (Path(model) / DESCRIPTION).is_file():
                names.setdefault(Path(model).resolve(), model)
    return list(names.values())


def rank_songs(scores: Sequence[Scores], model: str, stems: Sequence[str]) -> dict[str, float]:
    """Gives each song's mean SDR over stems, as the runs scored a network.

    Args:
        scores: what `read_runs` gives.
        model: the network's name or folder.
        stems: the stems to take the mean of.

    Returns:
        Song -> dB; empty if the network was not scored.
    """
    for one in scores:
        for system, songs in one.systems.items():
            scored = str(one.descriptions.get(system, {}).get("model", system))
            if Path(scored).resolve() == Path(model).resolve():
                return {song.name: _mean_sdr(song.by_rule(one.rule), stems) for song in songs}
    return {}


def _mean_sdr(scores: Mapping[str, Mapping[str, float]], stems: Sequence[str]) -> float:
    values = [scores[stem]["SDR"] for stem in stems if stem in scores]
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
