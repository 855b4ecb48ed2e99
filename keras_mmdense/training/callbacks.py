"""Callbacks: validation, best model, checkpoint, learning curve."""

import csv
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_mmdense.data.pipeline import Batches
from keras_mmdense.models.registry import parameters
from keras_mmdense.pretrained.card import render_to_folder
from keras_mmdense.pretrained.networks import save_network
from keras_mmdense.training.card import CardWriter
from keras_mmdense.training.checkpoint import save_checkpoint
from keras_mmdense.training.distribution import one_device
from keras_mmdense.training.model import averaged_weights
from keras_mmdense.training.run_folder import CHECKPOINT, write_run
from keras_mmdense.training.validation import Validator
from keras_mmdense.utils.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SDR = "val_sdr_"
Logs = dict[str, float]

# State of each callback that a resumed run restores; the others have none.
STATE = {
    "Clock": ("seconds",),
    "KeepBest": ("best",),
    "Curve": ("rows",),
    "ReduceLROnPlateau": ("best", "wait", "cooldown_counter"),
    "EarlyStopping": ("best", "wait", "stopped_epoch"),
}


class Clock(keras.callbacks.Callback):
    """Sums the seconds of training, without validation."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.seconds += time.perf_counter() - self.start


class Validate(keras.callbacks.Callback):
    """Validates the network after each epoch: `val_loss`, and `val_sdr_<stem>` every few epochs.

    Args:
        validator: Validates the network.
        trained: The network inside the trained model.
        batches: Training batches for statistics of averaged weights, or None to validate the
            weights themselves.
        count: Number of batches for statistics.
        sdr_every: Epochs between measurements of SDR; 0 for none.
    """

    def __init__(
        self,
        validator: Validator,
        trained: keras.Model,
        batches: Batches | None,
        count: int,
        sdr_every: int,
    ):
        super().__init__()
        self.validator, self.trained, self.batches = validator, trained, batches
        self.count, self.sdr_every = count, sdr_every

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        with one_device():
            self.validator.take(self.trained)
            if self.batches is not None:
                weights = averaged_weights(self.model.optimizer)
                self.validator.average(weights, self.batches, self.count)
            logs["val_loss"] = self.validator.loss()
            last = epoch + 1 == self.params["epochs"]
            due = self.sdr_every and (last or (epoch + 1) % self.sdr_every == 0)
            if due and np.isfinite(logs["val_loss"]):
                logs |= {SDR + source: value for source, value in self.validator.sdr().items()}


class KeepBest(keras.callbacks.Callback):
    """Writes the validated network and its card whenever it is the best so far.

    Args:
        folder: Folder to write to, see `networks.save_network`.
        validator: Holds the network.
        keep: Criterion: "sdr", the highest mean SDR among the epochs that measure it, or "loss",
            the lowest validation loss. Stems whose SDR is not a number do not count.
        card: Describes the network of an epoch.
        clock: Measures the time of training.
    """

    def __init__(
        self, folder: Path, validator: Validator, keep: str, card: CardWriter, clock: Clock
    ):
        super().__init__()
        self.folder, self.validator, self.keep, self.best = folder, validator, keep, float("inf")
        self.card, self.clock = card, clock

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        sdr = {name.removeprefix(SDR): logs[name] for name in logs if name.startswith(SDR)}
        last = self.model.stop_training or epoch + 1 == self.params["epochs"]
        # A run that stops early may not have measured any SDR.
        only = last and self.best == float("inf") and math.isfinite(logs["val_loss"])
        if only and self.keep == "sdr" and not sdr:
            with one_device():
                sdr = self.validator.sdr()
            logs |= {SDR + source: value for source, value in sdr.items()}
        scores = [-logs["val_loss"]] if self.keep == "loss" else list(sdr.values())
        score = np.mean([x for x in scores if math.isfinite(x)] or [float("nan")])
        if only or -score < self.best:
            self.best = -float(score)
            spec, model = self.validator.spec, self.validator.model
            card = self.card.describe(epoch + 1, sdr, self.clock.seconds)
            save_network(self.folder, spec, model, card)
            render_to_folder(self.folder, spec, card, parameters(model))


class Curve(keras.callbacks.Callback):
    """Writes the metrics of all epochs to `curve.csv` and plots them in `curve.png`.

    Args:
        folder: Folder to write to.
        seconds: Seconds of audio in an epoch, the unit of the horizontal axis.
        sources: Stems whose SDR may be measured.
        loss: Name of the loss.
    """

    def __init__(self, folder: Path, seconds: float, sources: tuple[str, ...], loss: str):
        super().__init__()
        self.loss = loss
        self.folder, self.seconds = folder, seconds
        self.rows: list[dict[str, float]] = []
        fields = ("epoch", "audio_seconds", "loss", "val_loss", "learning_rate")
        self.fields = (*fields, *(SDR + source for source in sources))

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {**logs, "epoch": epoch + 1, "learning_rate": rate}
        row["audio_seconds"] = round((epoch + 1) * self.seconds, 1)
        self.rows.append({field: row[field] for field in self.fields if field in row})
        with replacing(self.folder / "curve.csv") as partial, partial.open("w") as file:
            writer = csv.DictWriter(file, self.fields)
            writer.writeheader()
            writer.writerows(self.rows)
        with replacing(self.folder / "curve.png") as partial:
            self._draw(partial)

    def _draw(self, path: Path) -> None:
        from matplotlib.figure import Figure

        measured = any(field.startswith(SDR) for row in self.rows for field in row)
        figure = Figure(figsize=(7, 7 if measured else 4), layout="constrained")
        losses, *scores = figure.subplots(2 if measured else 1, sharex=True, squeeze=False)[:, 0]
        self._plot(losses, "loss", "training (remixed chunks)")
        self._plot(losses, "val_loss", "validation (whole songs)")
        losses.set(ylabel=f"loss ({self.loss})")
        for axes in scores:
            for field in self.fields[5:]:
                self._plot(axes, field, field.removeprefix(SDR))
            axes.set(ylabel="SDR of validation songs (dB)")
        for axes in figure.axes:
            axes.grid(alpha=0.3)
            axes.legend()
        figure.axes[-1].set(xlabel="audio seen (minutes)")
        figure.savefig(path, dpi=150)

    def _plot(self, axes: "Axes", field: str, label: str) -> None:
        rows = [row for row in self.rows if field in row]
        minutes = [row["audio_seconds"] / 60 for row in rows]
        axes.plot(minutes, [row[field] for row in rows], marker=".", label=label)


class Checkpoint(keras.callbacks.Callback):
    """Writes `checkpoint.npz` and `run.json` after each epoch; must be the last callback.

    Args:
        folder: Folder to write to.
        variables: All variables that training updates.
        callbacks: The other callbacks.
        run: Settings for `run.json`.
        state: State of the checkpoint to resume from, or an empty dict.
    """

    def __init__(
        self,
        folder: Path,
        variables: Sequence[keras.Variable],
        callbacks: Sequence[keras.callbacks.Callback],
        run: dict[str, Any],
        state: dict[str, Any],
    ):
        super().__init__()
        self.folder, self.variables, self.run, self.state = folder, variables, run, state
        self.callbacks = {type(callback).__name__: callback for callback in callbacks}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        for name, fields in self.state.get("callbacks", {}).items():
            vars(self.callbacks[name]).update(fields)
        write_run(self.folder, self.run, self.state)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.state = {
            "epochs_done": epoch + 1,
            "finished": self.model.stop_training or epoch + 1 == self.params["epochs"],
            "callbacks": {
                name: {field: getattr(callback, field) for field in STATE[name]}
                for name, callback in self.callbacks.items()
                if name in STATE
            },
        }
        save_checkpoint(self.folder / CHECKPOINT, self.variables, self.state)
        write_run(self.folder, self.run, self.state)
