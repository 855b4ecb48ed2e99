"""Decoding and encoding of WAV files inside a TensorFlow graph.

`tf.audio.decode_wav` reads only 16-bit files and `tf.audio.encode_wav` clips.
"""

import tensorflow as tf

from keras_mmdense.exporting.saved_model.validation import require

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
# The twelve bytes that follow the format in the GUID of every extensible format.
GUID_TAIL = bytes.fromhex("00001000800000aa00389b71")
MAX_CHUNKS = 1000


def decode_wav(wav: tf.Tensor, sample_rate: int, name: str = "wav") -> tf.Tensor:
    """Decode a WAV file: 16- and 24-bit PCM or 32-bit float, mono or stereo.

    Args:
        wav: The file, a string scalar.
        sample_rate: Required sample rate in Hz.
        name: Its name in messages. Defaults to `"wav"`.

    Returns:
        The waveform (samples, channels), float32; full scale of PCM is [-1, 1).

    Raises:
        tf.errors.InvalidArgumentError: If the file is truncated, empty or of another kind.
    """
    fmt, start, size = _find_chunks(wav, name)
    kind, channels, found, align = _format(wav, fmt, name)
    message = f"{name} must have 1 or 2 channels, received {{}}"
    channels = require(channels, (channels == 1) | (channels == 2), message, channels)
    message = f"{name} must have a rate of {sample_rate} Hz, received {{}} Hz"
    channels = require(channels, found == sample_rate, message, found)
    whole = (size > 0) & (size % tf.cast(tf.maximum(align, 1), tf.int64) == 0)
    whole &= align == channels * tf.gather([2, 3, 4], kind)
    message = f"{name} must hold whole samples of all channels; its data are {{}} bytes"
    start = require(start, whole, message, size)
    data = tf.strings.substr(wav, start, size)
    readers = [lambda: _pcm16(data), lambda: _pcm24(data), lambda: _float32(data)]
    return tf.reshape(tf.switch_case(kind, readers), [-1, channels])


def encode_wav(waveform: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """Encode a WAV file of 32-bit floats, so that nothing clips.

    Args:
        waveform: (samples, channels), float32.
        sample_rate: Its rate in Hz.

    Returns:
        The file, a string scalar.
    """
    samples, channels = tf.shape(waveform)[0], tf.shape(waveform)[1]
    size = tf.size(waveform) * 4
    fmt = [
        FLOAT + 65536 * channels,
        sample_rate,
        sample_rate * channels * 4,
        channels * 4 + 65536 * 32,
    ]
    parts = [b"RIFF", _raw(size + 50), b"WAVEfmt ", _raw([18]), _raw(fmt), b"\0\0"]
    parts += [b"fact", _raw([4]), _raw(samples), b"data", _raw(size), _raw(waveform)]
    return tf.strings.join(parts)


def _find_chunks(wav: tf.Tensor, name: str) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the start of the format, and start and size of the data, in bytes (int64)."""
    total = tf.cast(tf.strings.length(wav), tf.int64)
    head = tf.strings.substr(wav, 0, 12)
    riff = (tf.strings.substr(head, 0, 4) == b"RIFF") & (tf.strings.length(head) == 12)
    tail = tf.strings.substr(head, tf.minimum(8, tf.strings.length(head)), 4)
    message = f"{name} must be a WAV file (RIFF WAVE); received {{}} other bytes"
    total = require(total, riff & (tail == b"WAVE"), message, total)

    def more(position: tf.Tensor, fmt: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
        return (position + 8 <= total) & (data < 0)

    def step(position: tf.Tensor, fmt: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, ...]:
        chunk = tf.strings.substr(wav, position, 4)
        size = _size(wav, position)
        fmt = tf.where((chunk == b"fmt ") & (size >= 16), position + 8, fmt)
        data = tf.where(chunk == b"data", position + 8, data)
        return position + 8 + size + size % 2, fmt, data

    begin = tuple(tf.constant(value, tf.int64) for value in (12, -1, -1))
    _, fmt, data = tf.while_loop(more, step, begin, maximum_iterations=MAX_CHUNKS)
    message = f"{name} must hold a fmt and then a data chunk; it ends after {{}} bytes without them"
    places = require(tf.stack([fmt, data]), (fmt >= 0) & (data >= 0), message, total)
    fmt, data = tf.unstack(places)
    size = _size(wav, data - 8)
    message = f"{name} is truncated: expected {{}} bytes of data, found {{}}"
    size = require(size, data + size <= total, message, size, total - data)
    return fmt, data, size


def _size(wav: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    size = tf.io.decode_raw(tf.strings.substr(wav, position + 4, 4), tf.uint8)
    return tf.reduce_sum(tf.cast(size, tf.int64) * [1, 1 << 8, 1 << 16, 1 << 24])


def _format(wav: tf.Tensor, fmt: tf.Tensor, name: str) -> tuple[tf.Tensor, ...]:
    """Return kind of samples (0: 16-bit, 1: 24-bit, 2: float), channels, Hz, bytes per frame."""
    fields = tf.io.decode_raw(tf.strings.substr(wav, fmt, 16), tf.uint16)
    code, channels, low, high, _, _, align, bits = tf.unstack(tf.cast(fields, tf.int32), 8)
    code = tf.cond(code == EXTENSIBLE, lambda: _extended(wav, fmt, name), lambda: code)
    known = [(PCM, 16), (PCM, 24), (FLOAT, 32)]
    kinds = tf.stack([(code == k) & (bits == b) for k, b in known])
    message = (
        f"{name} must hold 16-bit PCM, 24-bit PCM or 32-bit float samples; "
        "received {}-bit samples of format {}"
    )
    kinds = require(kinds, tf.reduce_any(kinds), message, bits, code)
    sample_rate = tf.cast(low, tf.int64) + 65536 * tf.cast(high, tf.int64)
    return tf.argmax(kinds, output_type=tf.int32), channels, sample_rate, align


def _extended(wav: tf.Tensor, fmt: tf.Tensor, name: str) -> tf.Tensor:
    """Return the format of an extensible one, 0 if it is not a common one."""
    message = f"{name} must have a fmt chunk of 40 bytes for its extensible format, received {{}}"
    size = _size(wav, fmt - 8)
    fmt = require(fmt, size >= 40, message, size)
    guid = tf.strings.substr(wav, fmt + 24, 16)
    code = tf.io.decode_raw(tf.strings.substr(guid, 0, 4), tf.int32)[0]
    return tf.where(tf.strings.substr(guid, 4, 12) == GUID_TAIL, code, 0)


def _pcm16(data: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.io.decode_raw(data, tf.int16), tf.float32) / 2**15


def _pcm24(data: tf.Tensor) -> tf.Tensor:
    parts = tf.cast(tf.reshape(tf.io.decode_raw(data, tf.uint8), [-1, 3]), tf.int32)
    value = parts[:, 0] + 256 * parts[:, 1] + 65536 * parts[:, 2]
    return tf.cast(tf.where(value < 2**23, value, value - 2**24), tf.float32) / 2**23


def _float32(data: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_raw(data, tf.float32)


def _raw(values: tf.Tensor | list[int]) -> tf.Tensor:
    """Return the bytes of a tensor, little-endian, which are the end of its serialized form."""
    values = tf.convert_to_tensor(values)
    size = tf.size(values) * values.dtype.size
    return tf.strings.substr(tf.io.serialize_tensor(values), -size, size)
