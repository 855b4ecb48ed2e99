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
    """Separates music into stems with one network for several targets, or several networks.

    The waveform passes through the networks in windows or steps of bounded size, so that memory
    does not grow with its length. The Wiener filter takes its statistics over 64 frames (1.5 s)
    on either side of a frame.

    Args:
        model: str, path, sequence of those, or `Engine`. Any artifact that `from_pretrained`
            takes, or several networks of different targets by name or folder. With `weights`, a
            name or table that `build` takes. Defaults to `"mdensenet_cws_4stems"`.
        stems: Sequence of str. Stems to return; networks that estimate none of them do not run.
            With `weights`, the targets of the network. Defaults to `None`: all stems.
        weights: str or path. A `.weights.h5` file for an untrained `model`. Defaults to `None`.
        window: int. Frames kept of each window, a multiple of 8 and of the networks' coarsest
            scale. Larger windows are faster and need more memory and latency. Defaults to `None`:
            steps of 96 frames if the networks take steps, otherwise 384; exported files keep the
            window that they were made for.
        engine: str. `"litert"`, `"tensorflow"`, or `"auto"` for LiteRT if it can run the artifact
            and otherwise TensorFlow. LiteRT computes most convolutions of shipped networks in 8
            bits, which changes stems by a few percent (benchmarks/eight_bits.py); TensorFlow
            computes in float32. Defaults to `"auto"`.
        low_latency: bool. Make `stream` wait 0.4 s instead of six, for music that is playing: the
            networks see 0.2 s of the future, and its mirror image beyond. Takes several times as
            long, and scores a little lower (benchmarks/latency.py). Excludes `window`, exported
            files and LiteRT. Defaults to `False`.

    Raises:
        InputError: If a network or a stem is unknown, the weights do not fit, or options exclude
            each other.

    Example:

    >>> separator = keras_mmdense.Separator(stems=["vocals", "drums"])
    >>> stems = separator.separate(waveform, 44100)
    >>> sorted(stems)
    ['drums', 'vocals']
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
        low_latency: bool = False,
    ):
        stems = None if stems is None else tuple(stems)
        if not isinstance(model, Engine):
            model = open_engine(
                model,
                stems=stems,
                weights=weights,
                window=window,
                engine=engine,
                low_latency=low_latency,
            )
        self.engine, self.card = model, model.card
        self.stems = check_names("stems", self.card.stems if stems is None else stems)
        for stem in self.stems:
            if stem not in self.card.stems:
                raise InputError(f"unknown stem {stem!r}; choose from {', '.join(self.card.stems)}")

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, stems: Sequence[str] | None = None, engine: str = "auto"
    ) -> "Separator":
        """Load a separator from a network folder, SavedModel, `.tflite` or `.keras` file.

        Args:
            name: str or path. Name of a shipped network, a folder that `train` or `save_model`
                wrote, a SavedModel folder or `.tflite` file with a model card, or a `.keras` file
                of a network of the zoo or of `Separator.graph`.
            stems: Sequence of str. Stems to return. Defaults to `None`: all stems.
            engine: str. `"auto"`, `"litert"` or `"tensorflow"`, see `Separator`. Defaults to
                `"auto"`.

        Returns:
            A `Separator`; exported files run in windows of the size that they were made for.

        Raises:
            InputError: If there is no such file, it is damaged or has no card, it needs a package
                that is not installed, or a stem is unknown.

        Example:

        >>> separator = keras_mmdense.Separator.from_pretrained("mdensenet_cws_4stems")
        >>> separator.stems
        ('vocals', 'drums', 'bass', 'other')
        """
        return cls(name, stems=stems, engine=engine)

    @classmethod
    def from_networks(
        cls,
        networks: Sequence[tuple["NetworkSpec", "keras.Model"]],
        *,
        stems: Sequence[str] | None = None,
        window: int | None = None,
        low_latency: bool = False,
    ) -> "Separator":
        """Create a separator from in-memory networks and their specs.

        Args:
            networks: Sequence of `LoadedNetwork` or of pairs of `NetworkSpec` and `keras.Model`.
                Networks of different targets.
            stems: Sequence of str. Stems to return; networks that estimate none of them do not
                run. Defaults to `None`: all stems.
            window: int. Frames kept of each window, see `Separator`. Defaults to `None`.
            low_latency: bool. See `Separator`; excludes `window`. Defaults to `False`.

        Returns:
            A `Separator`.

        Raises:
            InputError: If the networks cannot be combined, or a stem is unknown.
        """
        from keras_mmdense.separation.engines.keras_graph import keras_engine

        return cls(keras_engine(networks, stems, window, low_latency), stems=stems)

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
            run: Callable. Takes waveforms (batch, card.window + 2 * card.context, card.channels)
                and returns stems (batch, len(card.stems), card.window, card.channels), float32.
            card: `ModelCard`. Facts about the graph.
            stems: Sequence of str. Stems to return. Defaults to `None`: all stems.

        Returns:
            A `Separator`.

        Raises:
            InputError: If a stem is unknown.
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
        """Rate in Hz of the networks; audio at other rates is resampled to it and back."""
        return self.card.sample_rate

    @property
    def latency(self) -> int:
        """Samples at `sample_rate` that `stream` reads before it yields the first one."""
        return self.card.window + self.card.context + self.card.delay

    def separate(
        self, waveform: np.ndarray, sample_rate: int, progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """Separate a waveform.

        Args:
            waveform: NumPy array `(samples, channels)` or `(samples,)`, float in [-1, 1], or int16
                or int32 in their full range. More than two channels are separated in pairs: first
                and second, third and fourth, and so on.
            sample_rate: int. Sample rate of the waveform in Hz.
            progress: Callable. Called with (samples done, total samples). Defaults to `None`.

        Returns:
            Stems by name, each a float32 array with the shape and sample rate of `waveform`. A
            network for some of the stems also returns the rest of the mixture: "accompaniment" if
            the only target is vocals, otherwise "remainder".

        Raises:
            InputError: If the waveform is empty, of another type or has too many channels, the rate
                is out of bounds, or a sample is not a finite number.
        """
        waveform = np.asarray(waveform)
        if waveform.ndim not in (1, 2) or 0 in waveform.shape[1:]:
            raise InputError(f"a waveform is (samples, channels), received shape {waveform.shape}")
        sound = waveform if waveform.ndim == 2 else waveform[:, None]
        blocks = split(sound, self._block(sample_rate, sound.shape[1]))
        found = {name: np.empty(sound.shape, "float32") for name in self.stems}
        done = 0
        for stems in self.stream(blocks, sample_rate):
            for name, stem in stems.items():
                found[name][done : done + len(stem)] = stem
            done += len(stem)
            if progress:
                progress(done, len(waveform))
        return {name: stem.reshape(waveform.shape) for name, stem in found.items()}

    def stream(
        self, blocks: Iterable[np.ndarray], sample_rate: int
    ) -> Iterator[dict[str, np.ndarray]]:
        """Separate an endless stream in bounded memory.

        Args:
            blocks: Iterable of NumPy arrays `(samples, channels)`. Consecutive waveforms of any
                lengths, see `separate`.
            sample_rate: int. Sample rate of the blocks in Hz.

        Yields:
            Stems by name, float32 arrays `(samples, channels)`, whenever samples are ready (see
            `latency`); in total as many samples as the blocks hold.

        Raises:
            InputError: If there are no samples, or they are invalid, see `separate`.

        Example:

        >>> blocks = [waveform[:30000], waveform[30000:]]
        >>> separator = keras_mmdense.Separator(stems=["vocals"])
        >>> sum(len(stems["vocals"]) for stems in separator.stream(blocks, 44100)) == len(waveform)
        True
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
        """Separate a file in bounded memory.

        Args:
            path: str or path. An audio file, see `audio.reading.open_audio`.
            out_dir: str or path. Folder to write to; created if it is missing.
            output: `Output`. Format, names and extra files. Defaults to `None`: 32-bit float WAV
                in `out_dir/<song>/<stem>.wav`.
            song: str. Name of the song. Defaults to the file's name without its suffix.
            progress: Callable. Called with (samples done, total samples). Defaults to `None`.

        Returns:
            `Written`: the files, and the common gain in dB that was applied. Each file appears
            under its name only when it is complete.

        Raises:
            InputError: If the file cannot be read or separated, or the folder cannot be written.
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
                stream = Stream(self.engine.start, self.card, sample_rate, block.shape[1])
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
