"""The card of a trained network: training data, terms, scores and limits."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

RESEARCH = "research"
UNKNOWN = "unknown"
NETWORK = "separated"  # the network itself among the systems of a table of scores

# A value in dB, or the value with the ends of its interval.
Score = float | tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Music that a network was trained on.

    Args:
        name: Name of the data set.
        license: License of the music.
        hours: Hours of music.
        songs: Number of songs.
        details: Its origin, and which songs validate.
    """

    name: str
    license: str
    hours: float
    songs: int
    details: str = ""


@dataclasses.dataclass(frozen=True)
class Provenance:
    """How a network was trained.

    Args:
        command: The command that trained it, "" if it was not a command.
        seed: Seed of the training.
        commit: Commit of this repository that ran the command, "" if it is not known.
        machine: Processor or accelerator.
        software: Versions of the backend and of Keras.
        date: Date of the training, such as "2026-11-22".
        minutes: Minutes of training.
        hours_of_audio: Hours of audio that the kept weights have seen.
        details: Further facts, such as the augmentation and the epoch that was kept.
    """

    command: str
    seed: int
    commit: str
    machine: str
    software: str
    date: str
    minutes: float
    hours_of_audio: float
    details: str = ""


@dataclasses.dataclass(frozen=True)
class ScoreTable:
    """SDR of a network and of the systems it is compared with, on the same songs.

    Args:
        data: The songs and the method, such as "14 songs of MUSDB18-7s, museval".
        command: The command that prints these scores.
        systems: System -> stem -> SDR in dB, alone or as (SDR, low, high). The system "separated"
            is the network.
    """

    data: str
    command: str
    systems: dict[str, dict[str, Score]]

    def __post_init__(self) -> None:
        if not self.systems or len({tuple(row) for row in self.systems.values()}) != 1:
            raise ValueError("the systems of a table of scores must have scores of the same stems")
        systems = {
            system: {stem: _score(value) for stem, value in row.items()}
            for system, row in self.systems.items()
        }
        object.__setattr__(self, "systems", systems)


@dataclasses.dataclass(frozen=True)
class NetworkCard:
    """Facts about a network in `network.json`, besides its table.

    Args:
        license: SPDX identifier of the license of the weights, such as "CC0-1.0"; "research" if
            they may be used for research only; "unknown".
        terms: The terms of use in one line.
        description: Description of the network and its purpose.
        training_data: The data sets.
        provenance: How it was trained, None if that is not known.
        scores: Tables of scores.
        limits: Known weaknesses.

    Raises:
        ValueError: If a field has the wrong type, or a score is not finite.
    """

    license: str = UNKNOWN
    terms: str = UNKNOWN
    description: str = ""
    training_data: tuple[DataSet, ...] = ()
    provenance: Provenance | None = None
    scores: tuple[ScoreTable, ...] = ()
    limits: str = ""

    def __post_init__(self) -> None:
        for field in ("license", "terms"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value or len(value.splitlines()) != 1:
                raise ValueError(f"{field} must be one line of text, received {value!r}")

    @property
    def restricted(self) -> bool:
        """Whether the stems may be used for research only."""
        return self.license == RESEARCH

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain dicts, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "NetworkCard":
        """Create a card from what `to_dict` returned.

        Args:
            fields: Values by name of the field.

        Returns:
            The card.

        Raises:
            ValueError: If the fields are invalid.
        """
        if not isinstance(fields, Mapping):
            raise ValueError(f"a card must be an object, received {type(fields).__name__}")
        try:
            fields = dict(fields)
            made = fields.get("provenance")
            fields["provenance"] = None if made is None else Provenance(**made)
            fields["training_data"] = tuple(DataSet(**x) for x in fields.get("training_data", ()))
            fields["scores"] = tuple(ScoreTable(**x) for x in fields.get("scores", ()))
            return cls(**fields)
        except (TypeError, AttributeError) as error:
            raise ValueError(f"the card does not fit: {error}") from error


def join_cards(*cards: NetworkCard) -> NetworkCard:
    """Combine the license and terms of networks that are used together.

    Args:
        *cards: Cards of the networks.

    Returns:
        A card with license and terms.
    """
    licenses = dict.fromkeys(card.license for card in cards)
    license = next(iter(licenses)) if len(licenses) == 1 else UNKNOWN
    if RESEARCH in licenses:
        license = RESEARCH
    return NetworkCard(license, join_terms(*cards))


def join_terms(*cards: NetworkCard) -> str:
    """Combine the terms of networks that are used together.

    Args:
        *cards: Cards of the networks.

    Returns:
        The distinct terms; those of a network for research contain that word, see
        `is_restricted`.
    """
    terms = (
        f"research use only; {card.terms}"
        if card.restricted and not is_restricted(card.terms)
        else card.terms
        for card in cards
    )
    return "; ".join(dict.fromkeys(terms))


def is_restricted(terms: str) -> bool:
    """Return whether terms, such as those of an exported file, restrict the use to research.

    Args:
        terms: The terms in one line.

    Returns:
        Whether they do.
    """
    return RESEARCH in terms.lower()


def _score(value: Any) -> Score:
    numbers = value if isinstance(value, list | tuple) else (value,)
    if len(numbers) not in (1, 3) or not all(
        isinstance(number, int | float) and math.isfinite(number) for number in numbers
    ):
        raise ValueError(f"a score must be a number or [value, low, high], received {value!r}")
    if len(numbers) == 1:
        return float(numbers[0])
    value, low, high = map(float, numbers)
    return value, low, high
