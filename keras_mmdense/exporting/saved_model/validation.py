"""Requests that a graph refuses, with a message that names what was expected."""

import tensorflow as tf

# Axes in order: name -> size, or None for any size from 1 up.
Axes = dict[str, int | None]


def require(x: tf.Tensor, condition: tf.Tensor, message: str, *values: tf.Tensor) -> tf.Tensor:
    """Gives `x` if `condition` holds; else the run ends with the message.

    Args:
        x: A tensor.
        condition: A boolean scalar.
        message: What was expected, with `{}` for every value.
        *values: Tensors that the message tells.

    Returns:
        `x`, computed after the condition.
    """
    said = tf.strings.format(message, values) if values else message
    with tf.control_dependencies([tf.debugging.Assert(condition, [said])]):
        return tf.identity(x)


def checked(x: tf.Tensor, name: str, shape: Axes) -> tf.Tensor:
    """Gives a float tensor whose shape is checked when the graph runs, and that is finite.

    Servers do not compare a request with the signature's shapes, and the graph would take some
    wrong ones for others.

    Args:
        x: A float32 tensor.
        name: Its name in messages.
        shape: Its axes in order, name -> size or None for any size from 1 up.
    """
    x = shaped(x, name, shape)
    return finite(x, name)


def shaped(x: tf.Tensor, name: str, shape: Axes) -> tf.Tensor:
    """As `checked`, without looking at the values."""
    # The placeholder hides the signature's shape, or the check would be taken for always true.
    x = tf.compat.v1.placeholder_with_default(x, None)
    found, sizes = tf.shape(x), list(shape.values())
    fits = tf.logical_and(tf.size(found) == len(sizes), tf.reduce_all(found > 0))
    for axis, size in enumerate(sizes):
        if size is not None:
            own = found[axis : axis + 1]
            fits = tf.logical_and(fits, tf.reduce_all(own == size))
    axes = ", ".join(axis if size is None else f"{size} {axis}" for axis, size in shape.items())
    x = require(x, fits, f"{name} must be [{axes}], none of them 0; received shape {{}}", found)
    return tf.ensure_shape(x, sizes)


def finite(x: tf.Tensor, name: str) -> tf.Tensor:
    """Gives `x` if no value is NaN or infinite."""
    wrong = tf.size(x) - tf.reduce_sum(tf.cast(tf.math.is_finite(x), tf.int32))
    message = f"{name} must hold finite numbers; {{}} are NaN or infinite"
    return require(x, wrong == 0, message, wrong)
