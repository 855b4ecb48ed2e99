"""The model card of a separation graph, which every exported file carries."""

import dataclasses
import json
from typing import Any

from keras_mmdense.errors import InputError
from keras_mmdense.stems import check_names
from keras_mmdense.utils.values import SIGNAL_LIMITS, check_whole

LIMITS = {**SIGNAL_LIMITS, "window": (1, 1 << 26), "context": (0, 1 << 26), "delay": (0, 1 << 26)}
MAX_SAMPLES = 1 << 27  # of all channels of a window with its context: 512 MB

FORMAT = "keras_mmdense model 1"
# Where exported files keep it: a file in a SavedModel, a metadata buffer in a TFLite file.
SAVED_MODEL_CARD = "assets.extra/card.json"
TFLITE_CARD = "keras_mmdense_card"
# The memories of a TFLite file of steps after silence, see `silence`.
TFLITE_SILENCE = "keras_mmdense_silence"


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """Facts about a graph from waveform to stems, and how its windows join.

    Args:
        network: Names of the networks in the graph.
        stems: Names of the stems, in the order of the graph's output.
        sample_rate: Rate in Hz of waveform and stems.
        channels: Audio channels of the graph.
        n_fft: Length of the STFT in samples.
        hop: Hop of the STFT in samples.
        window: Samples kept of a window, a multiple of `hop`. Window i keeps samples
            [i * window, (i + 1) * window).
        context: Samples that a window sees on either side, zeros outside the song.
        delay: Samples by which the stems are late, in a graph that takes a song in steps of a
            window and remembers the past; 0 for a graph without memory.
        precision: "float32", "float16", "dynamic" or "int8", see `export_tflite`.
        weights: Sha256 of each network's weights file, if there is one.
        license: Terms of use of the weights, as far as they are known.
        scores: SDR in dB by stem and the data they were measured on, if known.

    Raises:
        InputError: If a name does not fit, see `stems.check_names`, or a number is out of bounds.
    """

    network: tuple[str, ...]
    stems: tuple[str, ...]
    sample_rate: int
    channels: int
    n_fft: int
    hop: int
    window: int
    context: int
    delay: int = 0
    precision: str = "float32"
    weights: tuple[str, ...] = ()
    license: str = "unknown"
    scores: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stems", check_names("stems", self.stems))
        for field, limits in LIMITS.items():
            check_whole(field, getattr(self, field), *limits)
        samples = (self.window + 2 * self.context) * self.channels
        if samples > MAX_SAMPLES:
            raise InputError(f"a window must hold up to {MAX_SAMPLES} samples, received {samples}")

    @property
    def reach(self) -> int:
        """Samples on either side that can change a stem, a multiple of the networks' grid."""
        return self.context + -(-self.delay // self.window) * self.window

    def to_json(self) -> str:
        """Return the card as a JSON object."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, path: str = "card") -> "ModelCard":
        """Read a card from JSON.

        Args:
            text: A JSON object that `to_json` returned.
            path: Name of the file for error messages.

        Returns:
            The card.

        Raises:
            InputError: If the text is not a card.
        """
        try:
            fields = json.loads(text)
            if fields.pop("format") != FORMAT:
                raise ValueError(f"the format is not {FORMAT!r}")
            if "licence" in fields:  # 0.1.0
                fields["license"] = fields.pop("licence")
            for name in ("network", "weights"):
                fields[name] = tuple(map(str, fields[name]))
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path}: not a model card of keras_mmdense: {error}") from error
