"""The command `efficiency`."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli.common import console, quiet_startup


def efficiency(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Folders that `train` wrote, for training times."),
    ] = None,
) -> None:
    """Compare the networks by parameters, multiply-adds per second of audio, and training time.

    All are also relative to `blend`, the paper's baseline. Training times are those of the given
    runs, per hour of audio seen; they are comparable for runs on the same machine.

    Example: keras-mmdense efficiency runs/mmdensenet runs/fnn runs/blstm
    """
    with quiet_startup():
        from keras_mmdense.analysis import efficiency, run_folders
    trainings = [run_folders.read_training(run) for run in runs or ()]
    console.print(efficiency.efficiency_table(efficiency.efficiency(trainings)))
