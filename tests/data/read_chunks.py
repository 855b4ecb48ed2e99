"""Run by the interpreter of another environment: chunks that tensorflow-io reads, as arrays."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

from keras_mmdense.data.tfio import ChunkReader, random_chunks
from keras_mmdense.errors import InputError

task = json.loads(sys.argv[1])
arrays = {"tensorflow": tf.__version__}
for name, (file, starts, samples) in task["files"].items():
    reader = ChunkReader([file], samples)
    pairs = tf.data.Dataset.from_tensor_slices((np.zeros(len(starts), "int64"), starts))
    arrays[name] = np.stack(list(pairs.map(reader).as_numpy_iterator()))
    arrays[f"{name} header"] = [reader.sample_rate, reader.channels, *reader.lengths]
for name, (songs, samples, seed, count) in task["random"].items():
    chunks = random_chunks(songs, samples, seed).take(count)
    arrays[name] = np.stack(list(chunks.as_numpy_iterator()))
for name, (files, pairs, samples) in task["parallel"].items():
    pairs = tf.data.Dataset.from_tensor_slices(tuple(np.transpose(pairs)))
    chunks = pairs.map(ChunkReader(files, samples), num_parallel_calls=8)
    arrays[name] = np.stack(list(chunks.as_numpy_iterator()))
for name, files in task["errors"].items():
    try:
        ChunkReader(files, 10)
        arrays[name] = "no error"
    except InputError as error:
        arrays[name] = str(error)
np.savez(task["output"], **arrays)
os._exit(0)  # after s3:// the S3 part of tensorflow-io aborts an ordinary exit
