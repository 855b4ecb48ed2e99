"""Contents of a report, independent of its format: comparable scores, networks, excerpts."""

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
        data: The data set, in words.
        rule: The rule.
        songs: Names of the songs.
        systems: System -> scores, one entry a song.
    """

    data: str
    rule: Rule
    songs: tuple[str, ...]
    systems: Mapping[str, Sequence[SongScores]]

    def summary(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return system -> stem -> result of `summarize`."""
        return {name: summarize(songs, self.rule) for name, songs in self.systems.items()}

    def stems(self) -> list[str]:
        """Return the stems that any system was scored on, vocals first."""
        found = {stem for songs in self.systems.values() for song in songs for stem in song.frames}
        known = [stem for stem in STEM_ORDER if stem in found]
        return known + sorted(found - set(known))

    def song_values(self, stem: str, metric: str = "SDR") -> dict[str, dict[str, float]]:
        """Return system -> song -> score in dB, NaN without one, for systems with the stem."""
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
        """Return song -> why a system has no score of the stem, see `SongScores.silent`."""
        songs = [song for scores in self.systems.values() for song in scores]
        return {song.name: song.silent[stem] for song in songs if stem in song.silent}


@dataclasses.dataclass(frozen=True, eq=False)
class NetworkFacts:
    """A trained network: size, cost and training, as far as they are known.

    Attributes:
        name: Name, folder or file of the network.
        parameters: Number of trainable parameters.
        network: Name of its table.
        stems: Stems that it estimates.
        multiply_adds: Multiply-adds per second of audio.
        training: The run that trained it.
    """

    name: str
    parameters: int
    network: str | None = None
    stems: tuple[str, ...] = ()
    multiply_adds: float | None = None
    training: Training | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """Contents of a report.

    Attributes:
        groups: Scores of the same songs by the same rule.
        networks: Facts about the networks.
        excerpts: Separated excerpts of songs. Defaults to `()`.
        title: Title of the page. Defaults to `"Separation report"`.
    """

    groups: Sequence[Group]
    networks: Sequence[NetworkFacts]
    excerpts: Sequence[Excerpt] = ()
    title: str = "Separation report"

    def song_sdr(self, song: str) -> dict[str, dict[str, float]]:
        """Return the SDR of a song, from the first group with the song.

        Args:
            song: Name of the song.

        Returns:
            System -> stem -> SDR in dB.
        """
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
    """Collect the contents of a report from runs.

    Scores of the same songs by the same rule form a group. An oracle with equal scores in several
    runs appears once; the folder's name is appended to systems with equal names but different
    scores.

    Args:
        scores, trainings: Results of `read_runs`.
        excerpts: Results of `take_excerpts`. Defaults to `()`.

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
    """Describe the networks that are found; for other files use the descriptions of the scores."""
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
    """List the trained networks, and the scored ones that still exist.

    Args:
        scores, trainings: Results of `read_runs`.

    Returns:
        Names for `load_network`, each network once.
    """
    names = {Path(training.name).resolve(): training.name for training in trainings}
    for one in scores:
        for system, description in one.descriptions.items():
            model = str(description.get("model", system))
            if model in list_weights() or (Path(model) / DESCRIPTION).is_file():
                names.setdefault(Path(model).resolve(), model)
    return list(names.values())


def rank_songs(scores: Sequence[Scores], model: str, stems: Sequence[str]) -> dict[str, float]:
    """Return the mean SDR over stems of each song, as the runs scored a network.

    Args:
        scores: Results of `read_runs`.
        model: Name or folder of the network.
        stems: Stems to average.

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
