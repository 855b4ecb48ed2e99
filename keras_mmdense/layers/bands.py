"""Splitting a spectrogram into frequency bands."""

import keras


@keras.saving.register_keras_serializable(package="keras_mmdense")
class BandSplit(keras.layers.Layer):
    """Cuts a spectrogram into bands along its bins (section 3.2 of the paper).

    `keras.layers.Concatenate(axis=2)` joins the bands again.

    Args:
        edges: Rising bin numbers [0, ..., bins]; band i holds edges[i] up to edges[i + 1].

    Input shape: (batch, frames, bins, channels). Output: a list of such tensors, one a band.

    Raises:
        ValueError: If the edges do not rise from 0 to the input's bins.
    """

    def __init__(self, edges: list[int], **kwargs):
        super().__init__(**kwargs)
        self.edges = [int(edge) for edge in edges]
        rising = all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False))
        if len(self.edges) < 2 or self.edges[0] != 0 or not rising:
            raise ValueError(f"edges must rise from 0, received {edges}")

    def build(self, input_shape):
        if input_shape[2] != self.edges[-1]:
            raise ValueError(
                f"edges {self.edges} must end at the input's bins, received {input_shape[2]} bins"
            )

    def call(self, x):
        pairs = zip(self.edges, self.edges[1:], strict=False)
        return [x[:, :, low:high] for low, high in pairs]

    def compute_output_shape(self, input_shape):
        batch, frames, _, channels = input_shape
        pairs = zip(self.edges, self.edges[1:], strict=False)
        return [(batch, frames, high - low, channels) for low, high in pairs]

    def get_config(self):
        return {**super().get_config(), "edges": self.edges}
