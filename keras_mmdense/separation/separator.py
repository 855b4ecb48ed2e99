"""Waveform in, stems out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_mmdense.audio import reading
from keras_mmdense.audio.output import Output
from keras_mmdense.audio.writing import StemWriter, Written
from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.separation.engines.engine import Engine
from keras_mmdense.separation.loading import Artifacts, open_engine
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.streaming import Stream, as_floats, check_signal, split
from keras_mmdense.stems import check_names
from keras_mmdense.utils.progress import Progress

if TYPE_CHECKING:
    import keras

    from keras_mmdense.pretrained.networks import NetworkSpec


class Separator:
    """Separates music into stems with one network of several targets, or several of one.

    The waveform passes through the networks in steps of 96 frames, and their layers remember what
    they need of the frames before: memory is bounded, no frame is computed twice, and steps leave
    no trace. Networks with LSTMs, SavedModels and `.tflite` files of windows see context on either
    side of a window instead. The Wiener filter takes its statistics over 64 frames (1.5 s) on
    either side of a frame, however long the song is.

    Args:
        model: An artifact, see `from_pretrained`, or several networks of different targets by name
            or folder; with `weights`, a name or table that `build` takes; or an `Engine`.
        stems: Stems to return, None for all; networks that give none of them do not run. With
            `weights`, the targets of the network.
        weights: A `.weights.h5` file for an untrained `model`.
        window: Frames to keep of a window that sees its context, a multiple of the networks'
            coarsest scale and of 8. None for steps without context where the networks can take
            them, else for 384; in an exported file, for the window it was made for.
        engine: What runs the graph: "litert", "tensorflow", or "auto" for LiteRT where it can and
            else TensorFlow. Stems are the same within 1e-4.

    Raises:
        InputError: If a network or a stem is unknown, or weights do not fit.

    Example:
        >>> separator = Separator()
        >>> stems = separator.separate(waveform, 44100)
        >>> stems["vocals"].shape == waveform.shape
        True
    """

    def __init__(
        self,
        model: Artifacts | Engine = DEFAULT,
        *,
        stems: Sequence[str] | None = None,
        weights: str | Path | None = None,
        window: int | None = None,
        engine: str = "auto",
    ):
        stems = None if stems is None else tuple(stems)
        if not isinstance(model, Engine):
            model = open_engine(model, stems=stems, weights=weights, window=window, engine=engine)
        self.engine, self.card, self._start = model, model.card, model.start
        self.stems = check_names("stems", self.card.stems if stems is None else stems)
        for stem in self.stems:
            if stem not in self.card.stems:
                raise InputError(f"unknown stem {stem!r}; choose from {', '.join(self.card.stems)}")

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, stems: Sequence[str] | None = None, engine: str = "auto"
    ) -> "Separator":
        """Load a separator from a trained network or an exported file.

        Args:
            name: A network's name or folder (see `networks.load_network`), a SavedModel folder or
                a `.tflite` file with a model card, or a `.keras` file of a network of the zoo or
                of `Separator.graph`.
            stems: Stems to return, None for all.
            engine: "auto", "litert" or "tensorflow", see `Separator`.

        Returns:
            A separator; exported files run in windows of the size they were made for.

        Raises:
            InputError: If there is no such file, it is damaged or has no card, a package is
                missing that it needs, or a stem is unknown.

        Example:
            >>> separator = Separator.from_pretrained("stems.tflite", stems=["vocals"])
            >>> stems = separator.separate(waveform, 44100)
        """
        return cls(name, stems=stems, engine=engine)

    @classmethod
    def from_networks(
        cls,
        networks: Sequence[tuple["NetworkSpec", "keras.Model"]],
        *,
        stems: Sequence[str] | None = None,
        window: int | None = None,
    ) -> "Separator":
        """Create a separator from in-memory networks and their specs.

        Args:
            networks: `LoadedNetwork`s of different targets.
            stems: Stems to return, None for all; networks that give none of them do not run.
            window: Frames to keep of a window that sees its context; None for steps, see
                `Separator`.
        """
        from keras_mmdense.separation.engines.keras_graph import keras_engine

        return cls(keras_engine(networks, stems, window), stems=stems)

    @classmethod
    def from_function(
        cls,
        run: Callable[[np.ndarray], np.ndarray],
        card: ModelCard,
        *,
        stems: Sequence[str] | None = None,
    ) -> "Separator":
        """Create a separator from a function that runs a graph.

        Args:
            run: From waveforms (batch, card.window + 2 * card.context, card.channels) to stems
                (batch, len(card.stems), card.window, card.channels), float32.
            card: What the graph is.
            stems: Stems to return, None for all.
        """
        return cls(Engine("function", card, lambda: run), stems=stems)

    @property
    def graph(self) -> "keras.Model":
        """The `keras.Model` from waveforms, with context on either side, to stems.

        Raises:
            AttributeError: If the engine runs another kind of graph.
        """
        if self.engine.graph is None:
            raise AttributeError(f"the engine {self.engine.name!r} has no Keras graph")
        return self.engine.graph

    @property
    def sample_rate(self) -> int:
        """Rate in Hz the networks work at; other rates are resampled to it and back."""
        return self.card.sample_rate

    @property
    def latency(self) -> int:
        """Samples at `sample_rate` that `stream` takes in before it gives the first one out."""
        return self.card.window + self.card.context + self.card.delay

    def separate(
        self, waveform: np.ndarray, sample_rate: int, progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """Separates a waveform.

        Args:
            waveform: (samples, channels) or (samples,), float in [-1, 1], or int16 or int32 in
                their full range. More than two channels are separated in pairs: first and second,
                third and fourth, and so on.
            sample_rate: Its rate in Hz.
            progress: Called with (samples done, samples in all).

        Returns:
            Stems by name, each with the shape of `waveform`, float32, at the same rate. A network
            for part of the stems also gives what it leaves: "accompaniment" beside vocals alone,
            else "remainder".

        Raises:
            InputError: If the waveform is empty, of another type or with too many channels, the
                rate is out of bounds, or a sample is not a finite number.
        """
        waveform = np.asarray(waveform)
        if waveform.ndim not in (1, 2) or 0 in waveform.shape[1:]:
            raise InputError(f"a waveform is (samples, channels), received shape {waveform.shape}")
        sound = waveform if waveform.ndim == 2 else waveform[:, None]
        blocks = split(sound, self._block(sample_rate, sound.shape[1]))
        parts: dict[str, list[np.ndarray]] = {name: [] for name in self.stems}
        done = 0
        for stems in self.stream(blocks, sample_rate):
            for name, stem in stems.items():
                parts[name].append(stem)
            done += len(stem)
            if progress:
                progress(done, len(waveform))
        return {name: np.concatenate(part).reshape(waveform.shape) for name, part in parts.items()}

    def stream(
        self, blocks: Iterable[np.ndarray], sample_rate: int
    ) -> Iterator[dict[str, np.ndarray]]:
        """Separates a signal without end, in bounded memory.

        Args:
            blocks: Waveforms (samples, channels), one after the other, of any lengths.
            sample_rate: Their rate in Hz.

        Yields:
            Stems by name, (samples, channels), float32, whenever a window is complete (see
            `latency`); in all as many samples as the blocks hold.

        Raises:
            InputError: If there are no samples, or they do not fit, see `separate`.
        """
        for _, stems in self._stream(blocks, sample_rate):
            yield stems

    def separate_file(
        self,
        path: str | Path,
        out_dir: str | Path,
        output: Output | None = None,
        *,
        song: str | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """Separates a file, in bounded memory.

        Args:
            path: An audio file, see `reading.open_audio`.
            out_dir: Folder to write to; made if it is missing.
            output: Format, names and extra files; 32-bit float WAV in
                `out_dir/<song>/<stem>.wav` by default.
            song: Name of the song; by default that of the file without its ending.
            progress: Called with (samples done, samples in all).

        Returns:
            The files written and the gain that was needed. Each file appears when it is complete.

        Raises:
            InputError: If the file cannot be read or separated, or the folder not be written.
        """
        path, output = Path(path), output or Output()
        try:
            with reading.open_audio(path) as source:
                writer = StemWriter(
                    out_dir, song or reading.song_name(path), self.stems, source, output
                )
                with writer:
                    size = self._block(source.sample_rate, source.channels)
                    for mixture, stems in self._stream(source.blocks(size), source.sample_rate):
                        done = writer.write(mixture, stems)
                        if progress:
                            progress(done, source.samples)
                    return writer.finish()
        except InputError as error:
            known = str(error).startswith(str(path)) or str(error).startswith(str(out_dir))
            raise (error if known else InputError(f"{path}: {error}")) from error

    def _stream(
        self, blocks: Iterable[np.ndarray], sample_rate: int
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Pairs of mixture and stems by name, of the same samples."""
        stream = None
        for block in blocks:
            block = as_floats(block)
            if stream is None:
                if block.ndim != 2:
                    raise InputError(
                        f"a block is (samples, channels), received shape {block.shape}"
                    )
                stream = Stream(self._start, self.card, sample_rate, block.shape[1])
            mixture, stems = stream.push(block)
            if len(mixture):
                yield mixture, self._by_name(stems)
        if stream is None:
            raise InputError("the signal holds no samples")
        mixture, stems = stream.finish()
        if len(mixture):
            yield mixture, self._by_name(stems)

    def _block(self, sample_rate: int, channels: int) -> int:
        """Samples to read at a time: a window at the graph's rate."""
        check_signal(sample_rate, channels)
        return max(1, int(self.card.window * sample_rate / self.card.sample_rate))

    def _by_name(self, stems: np.ndarray) -> dict[str, np.ndarray]:
        return {name: stems[self.card.stems.index(name)] for name in self.stems}
