"""Reading chunks of WAV and FLAC files, local or in a bucket, inside a TensorFlow graph.

Requires tensorflow-io (`pip install "keras-mmdense[io]"`), whose native part loads only with
TensorFlow 2.16. Without it, `keras_mmdense.data.cache` reads local files with any TensorFlow. After
reading from s3://, tensorflow-io 0.37.1 aborts the process when Python exits.
"""

import re
import uuid
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType

import tensorflow as tf

from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

# Sample type of tensorflow-io -> its full scale; 24 bits are the upper bits of int32.
FULL_SCALE = {tf.int16: 2.0**15, tf.int32: 2.0**31, tf.float32: 1.0}


class ChunkReader:
    """Reads chunks of audio files inside a graph, for `tf.data`.

    Args:
        files: WAV or FLAC files as local paths or s3:// or gs:// URLs, with equal sample rate,
            channels and sample format. Their headers are read immediately.
        samples: Length of a chunk in samples.

    Attributes:
        sample_rate: Rate in Hz.
        channels: Channels of each file.
        lengths: Lengths of the files in samples.

    Raises:
        InputError: If tensorflow-io cannot be used, or a file cannot be read or differs from the
            first.
    """

    def __init__(self, files: Sequence[str], samples: int):
        self._open = _tensorflow_io().audio.AudioIOTensor
        self._files, self._samples = tf.constant(list(map(str, files))), samples
        headers = [self._header(str(file)) for file in files]
        (self.sample_rate, self.channels, self._dtype), self.lengths = headers[0][:3], []
        for file, (*header, length) in zip(files, headers, strict=True):
            if header != [self.sample_rate, self.channels, self._dtype]:
                raise InputError(
                    f"{file}: {header[0]} Hz, {header[1]} channel(s), {header[2].name}; expected "
                    f"{self.sample_rate} Hz, {self.channels}, {self._dtype.name} as in {files[0]}"
                )
            self.lengths.append(length)

    def __call__(self, file: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
        """Read a chunk.

        Args:
            file: Index into `files`, an integer.
            start: First sample, an integer, inside the file.

        Returns:
            The chunk, float32 (samples, channels) in [-1, 1], zeros past the end of the file.
        """
        # The op that opens a file holds one file at a time: concurrent calls would mix files up.
        alone = tf.CriticalSection(shared_name=uuid.uuid4().hex)
        chunk = alone.execute(lambda: self._read(file, tf.cast(start, tf.int64)))
        chunk = tf.cast(chunk, tf.float32) / FULL_SCALE[self._dtype]
        chunk = tf.pad(chunk, [[0, self._samples - tf.shape(chunk)[0]], [0, 0]])
        return tf.ensure_shape(chunk, (self._samples, self.channels))

    def _read(self, file: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
        audio = self._open(tf.gather(self._files, file), dtype=self._dtype)
        return audio[start : tf.minimum(start + self._samples, audio.shape[0])]

    def _header(self, file: str) -> tuple[int, int, tf.DType, int]:
        try:
            audio = self._open(file)
            length, channels = audio.shape.numpy()
        except tf.errors.OpError as error:
            reason = re.sub(r"^\{\{.*\}\} | \[Op:.*", "", error.message.replace("\n", " "))
            raise InputError(
                f"{file}: not a WAV or FLAC file that can be read: {reason}"
            ) from error
        if audio.dtype not in FULL_SCALE:
            raise InputError(
                f"{file}: coded as {audio.dtype.name}, expected 16, 24 bits or float32"
            )
        return int(audio.rate), int(channels), audio.dtype, int(length)


def random_chunks(
    songs: Sequence[Mapping[str, str]], samples: int, seed: int = 0
) -> "tf.data.Dataset":
    """Create an infinite data set of random chunks, each stem of a mixture from another song.

    Each chunk is drawn uniformly over all music, as in `RemixedChunks`.

    Args:
        songs: Stem -> path or URL, see `ChunkReader`; all of `STEMS`, each with the song's length.
        samples: Length of a chunk in samples.
        seed: Seed of songs and positions; equal seeds produce equal chunks. Defaults to `0`.

    Returns:
        A data set of float32 (stems, samples, channels) in the order of `STEMS`.

    Raises:
        InputError: See `ChunkReader`; also if a song lacks a stem or its stems differ in length.

    Example:
        >>> chunks = random_chunks(songs, 44100).batch(8)  # doctest: +SKIP
        >>> batches = chunks.map(lambda stems: (tf.reduce_sum(stems, 1), stems))  # doctest: +SKIP
    """
    for song in songs:
        missing = set(STEMS) - set(song)
        if missing:
            raise InputError(f"{dict(song)}: the stem {min(missing)} is missing")
    files = [song[stem] for song in songs for stem in STEMS]
    reader = ChunkReader(files, samples)
    lengths = tf.reshape(tf.constant(reader.lengths, tf.int64), (len(songs), len(STEMS)))
    for index, length in enumerate(reader.lengths):
        first = index - index % len(STEMS)
        if length != reader.lengths[first]:
            expected = f"{reader.lengths[first]} as in {files[first]}"
            raise InputError(f"{files[index]}: {length} samples, expected {expected}")

    def draw(step: tf.Tensor) -> tf.Tensor:
        keys = tf.random.experimental.stateless_split(tf.stack([tf.cast(seed, tf.int64), step]))
        odds = tf.math.log(tf.cast(lengths[:, :1], tf.float32))
        song = tf.random.stateless_categorical(tf.transpose(odds), len(STEMS), keys[0])[0]
        free = tf.maximum(tf.gather(lengths[:, 0], song) - samples + 1, 1)
        place = tf.random.stateless_uniform([len(STEMS)], keys[1], dtype=tf.float64)
        start = tf.cast(place * tf.cast(free, tf.float64), tf.int64)
        chunks = [reader(song[stem] * len(STEMS) + stem, start[stem]) for stem in range(len(STEMS))]
        return tf.stack(chunks)

    return tf.data.Dataset.range(tf.int64.max).map(draw, num_parallel_calls=tf.data.AUTOTUNE)


def _tensorflow_io() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tensorflow_io
            from tensorflow_io.python.ops import core_ops

            core_ops.io_audio_readable_init  # noqa: B018
    except ImportError as error:
        raise InputError(
            'reading audio in the graph needs tensorflow-io: pip install "keras-mmdense[io]"'
        ) from error
    except NotImplementedError as error:
        raise InputError(
            f"the native part of tensorflow-io {tensorflow_io.__version__} does not load with "
            f"TensorFlow {tf.__version__}; it needs TensorFlow 2.16"
        ) from error
    return tensorflow_io
