"""Validation of requests inside a graph, with messages that name what was expected."""

import tensorflow as tf

# Axes in order: name -> size, or None for any size from 1 up.
Axes = dict[str, int | None]


def require(x: tf.Tensor, condition: tf.Tensor, message: str, *values: tf.Tensor) -> tf.Tensor:
    """Return `x` if `condition` holds, otherwise fail with a message.

    Args:
        x: A tensor.
        condition: A boolean scalar.
        message: What was expected, with `{}` for each value.
        *values: Tensors to insert into the message.

    Returns:
        `x`, computed after the condition.
    """
    said = tf.strings.format(message, values) if values else message
    with tf.control_dependencies([tf.debugging.Assert(condition, [said])]):
        return tf.identity(x)


def checked(x: tf.Tensor, name: str, shape: Axes) -> tf.Tensor:
    """Check shape and finiteness of a float tensor when the graph runs.

    Servers do not compare requests with the signature's shapes, and the graph would misinterpret
    some wrong shapes.

    Args:
        x: A float32 tensor.
        name: Its name in messages.
        shape: Its axes in order, name -> size or None for any size from 1 up.
    """
    x = shaped(x, name, shape)
    return finite(x, name)


def shaped(x: tf.Tensor, name: str, shape: Axes) -> tf.Tensor:
    """Check the shape of a tensor when the graph runs, see `checked`."""
    # The placeholder hides the signature's shape, which would make the check constant.
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
    """Return `x` if no value is NaN or infinite."""
    wrong = tf.size(x) - tf.reduce_sum(tf.cast(tf.math.is_finite(x), tf.int32))
    message = f"{name} must hold finite numbers; {{}} are NaN or infinite"
    return require(x, wrong == 0, message, wrong)
