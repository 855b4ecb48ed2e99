"""What happens between epochs: the best weights are kept, the curve is drawn."""

import csv
from pathlib import Path

import keras

from keras_mmdense.files import replacing
from keras_mmdense.weights import Network, save_network


class KeepBest(keras.callbacks.Callback):
    """Writes the network whenever the validation loss is the lowest so far.

    Args:
        folder: Folder to write to, see `weights.save_network`.
        network: What the network is.
        model: The network inside the model that is trained.
    """

    def __init__(self, folder: Path, network: Network, model: keras.Model):
        super().__init__()
        self.folder, self.network, self.inner = folder, network, model
        self.best = float("inf")

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.best:
            self.best = logs["val_loss"]
            save_network(self.folder, self.network, self.inner)


class LossCurve(keras.callbacks.Callback):
    """Keeps the losses of every epoch in `curve.csv` and draws them as `curve.png`.

    Args:
        folder: Folder to write to.
        seconds: Seconds of audio in an epoch, the unit of the horizontal axis.
    """

    def __init__(self, folder: Path, seconds: float):
        super().__init__()
        self.folder, self.seconds, self.rows = folder, seconds, []

    def on_epoch_end(self, epoch, logs=None):
        seen = (epoch + 1) * self.seconds
        self.rows.append((epoch + 1, round(seen, 1), logs["loss"], logs["val_loss"]))
        with replacing(self.folder / "curve.csv") as partial, partial.open("w") as file:
            writer = csv.writer(file)
            writer.writerow(("epoch", "audio_seconds", "loss", "val_loss"))
            writer.writerows(self.rows)
        with replacing(self.folder / "curve.png") as partial:
            self._draw(partial)

    def _draw(self, path):
        from matplotlib.figure import Figure

        _, seconds, loss, val_loss = zip(*self.rows, strict=True)
        minutes = [second / 60 for second in seconds]
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(minutes, loss, marker=".", label="training (remixed chunks)")
        axes.plot(minutes, val_loss, marker=".", label="validation (whole songs)")
        axes.set(xlabel="audio seen (minutes)", ylabel="MSE of magnitudes", ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(path, dpi=150)
