"""Waveform in, stems out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_mmdense import audio
from keras_mmdense.chunking import Windows
from keras_mmdense.errors import InputError
from keras_mmdense.layers.sources import Rest
from keras_mmdense.layers.stft import STFT, InverseSTFT, Magnitude
from keras_mmdense.layers.wiener import WienerFilter
from keras_mmdense.models.receptive_field import context_frames
from keras_mmdense.registry import build, model_config
from keras_mmdense.stems import rest_name
from keras_mmdense.weights import Network, load_network

DEFAULT = "mmdensenet_4stems"
CORE_FRAMES = 512

Progress = Callable[[int, int], None]


class Separator:
    """Separates music into stems with one network of several sources, or several of one.

    The waveform passes through the networks in windows of bounded size; each sees as much context
    as the networks look at, so that the windows' borders leave no trace in the magnitudes. The
    Wiener filter takes its statistics over one window (about 17 s with the default network).

    Args:
        model: A trained network by name or folder (see `weights.load_network`), or several; with
            `weights`, a name or table that `build` takes.
        stems: Stems to return, None for all; with `weights`, the sources of the network.
        weights: A `.weights.h5` file for an untrained `model`.

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
        model: str | Path | Sequence[str | Path] = DEFAULT,
        *,
        stems: Sequence[str] | None = None,
        weights: str | Path | None = None,
    ):
        if weights is not None:
            network = Network(model_config(str(model)), tuple(stems or ("vocals",)))
            built = build(network.config, sources=network.sources, weights=weights)
            self._assemble([(network, built)], stems)
        else:
            names = [model] if isinstance(model, str | Path) else model
            self._assemble([load_network(name) for name in names], stems)

    @classmethod
    def of(cls, networks: Sequence[tuple[Network, keras.Model]]) -> "Separator":
        """Makes a separator of networks in memory, each with what it is."""
        separator = cls.__new__(cls)
        separator._assemble(networks, None)
        return separator

    @property
    def sample_rate(self) -> int:
        """Rate in Hz the networks work at; other rates are resampled to it and back."""
        return self._config.sample_rate

    def separate(
        self, waveform: np.ndarray, sample_rate: int, progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """Separates a waveform.

        Args:
            waveform: (samples, channels) or (samples,), in [-1, 1]; one or two channels.
            sample_rate: Its rate in Hz.
            progress: Called with (windows done, windows in all).

        Returns:
            Stems by name, each with the shape of `waveform`, float32, at the same rate. A network
            for part of the stems also gives what it leaves: "accompaniment" beside vocals alone,
            else "remainder".

        Raises:
            InputError: If the waveform is empty, not finite, or has more than two channels.
        """
        waveform = np.asarray(waveform)
        sound = _check(waveform)
        resampled = audio.resample(sound, sample_rate, self.sample_rate)
        stems = self._run(_with_channels(resampled, self._channels), progress)
        stems = {name: stem for name, stem in zip(self._names, stems, strict=True)}
        return {name: self._back(stems[name], sample_rate, waveform.shape) for name in self.stems}

    def separate_file(
        self, path: str | Path, out_dir: str | Path, progress: Progress | None = None
    ) -> list[Path]:
        """Separates a file into `out_dir/<name of the file>/<stem>.wav`, 32-bit float.

        Args:
            path: An audio file, see `audio.read`.
            out_dir: Folder to write to; made if it is missing.
            progress: Called with (windows done, windows in all).

        Returns:
            The files written. Each appears when it is complete.

        Raises:
            InputError: If the file cannot be read or separated, or the folder not be written.
        """
        path, folder = Path(path), Path(out_dir) / song_name(path)
        waveform, rate = audio.read(path)
        try:
            _check(waveform)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        audio.check_writable(folder)
        stems = self.separate(waveform, rate, progress)
        files = [folder / f"{name}.wav" for name in stems]
        for file, stem in zip(files, stems.values(), strict=True):
            audio.write(file, stem, rate)
        return files

    def _assemble(self, networks, stems):
        first = networks[0][0]
        self._config, self._channels = first.config, first.channels
        self._names = [source for network, _ in networks for source in network.sources]
        if len(set(self._names)) != len(self._names):
            raise InputError(f"two networks give the same stem: {', '.join(self._names)}")
        for network, _ in networks[1:]:
            if _front_end(network) != _front_end(first):
                raise InputError("the networks differ in rate, hop, bins or channels")
        rest = rest_name(self._names)
        self._model = separation_model([model for _, model in networks], first, bool(rest))
        self._names += [rest] if rest else []
        context = max(context_frames(network.config) for network, _ in networks)
        coarsest = max(2**stream.scales for net, _ in networks for stream in net.config.streams)
        hop = first.config.hop
        self._windows = Windows(CORE_FRAMES * hop, (context + coarsest) * hop)
        self.stems = tuple(stems or self._names)
        for stem in self.stems:
            if stem not in self._names:
                raise InputError(f"unknown stem {stem!r}; choose of {', '.join(self._names)}")

    def _run(self, waveform, progress):
        windows, samples = self._windows, len(waveform)
        out = np.empty((len(self._names), samples, waveform.shape[1]), "float32")
        count = windows.count(samples)
        for index in range(count):
            window = windows.cut(waveform, index)
            windows.keep(self._model.predict_on_batch(window[None])[0], out, index)
            if progress:
                progress(index + 1, count)
        return out

    def _back(self, stem, sample_rate, shape):
        stem = audio.resample(stem, self.sample_rate, sample_rate)[: shape[0]]
        stem = np.pad(stem, ((0, shape[0] - len(stem)), (0, 0)))
        return _with_channels(stem, 1 if len(shape) == 1 else shape[1]).reshape(shape)


def separation_model(models: Sequence[keras.Model], network: Network, rest: bool) -> keras.Model:
    """Puts networks between the STFT and the Wiener filter: the graph that everything else runs.

    Args:
        models: Networks from magnitude to magnitudes.
        network: Gives rate, hop, bins and channels, which all share.
        rest: Whether what the sources leave of the mixture becomes one more source.

    Returns:
        A model from waveforms (batch, samples, channels) to stems (batch, sources, samples,
        channels), float32; any number of samples from 1 up.
    """
    n_fft, hop = 2 * (network.bins - 1), network.config.hop
    waveform = keras.Input((None, network.channels), name="waveform")
    real, imag = STFT(n_fft, hop, name="stft")(waveform)
    mixture = Magnitude(name="magnitude")([real, imag])
    estimates = [model(mixture) for model in models]
    estimates = [ops.expand_dims(x, 1) if len(x.shape) == 4 else x for x in estimates]
    sources = ops.concatenate(estimates, axis=1) if estimates[1:] else estimates[0]
    if rest:
        sources = Rest(dtype="float32", name="rest")([sources, mixture])
    real, imag = WienerFilter(name="wiener")([sources, real, imag])
    stems = InverseSTFT(n_fft, hop, name="inverse_stft")([real, imag, waveform])
    return keras.Model(waveform, stems, name="separation")


def song_name(path: Path) -> str:
    """The name of a song's file without its ending: "a.stem.mp4" and "a.wav" give "a"."""
    return path.name.removesuffix(path.suffix).removesuffix(".stem")


def _front_end(network: Network):
    return network.config.sample_rate, network.config.hop, network.bins, network.channels


def _check(waveform: np.ndarray) -> np.ndarray:
    sound = waveform[:, None] if waveform.ndim == 1 else waveform
    if sound.ndim != 2:
        raise InputError(f"a waveform is (samples, channels), received shape {waveform.shape}")
    if not len(sound):
        raise InputError("the waveform holds no samples")
    if sound.shape[1] not in (1, 2):
        raise InputError(f"expected one or two channels, received {sound.shape[1]}")
    finite = np.isfinite(sound).all(axis=1)
    if not finite.all():
        raise InputError(f"sample {int(np.argmin(finite))} is not a finite number")
    return sound.astype("float32")


def _with_channels(waveform: np.ndarray, channels: int) -> np.ndarray:
    """Doubles mono to stereo, or averages stereo to mono."""
    if waveform.shape[1] == channels:
        return waveform
    mono = waveform.mean(axis=1, keepdims=True)
    return np.repeat(mono, channels, axis=1)
