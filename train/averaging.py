"""The mean of the weights over the last steps of a training: it errs less than the weights of any one step.

An exponential moving average, as Polyak and Juditsky's averaging is used for networks since [1]_. Statistics of batch
normalisation are averaged, too.

References
----------
.. [1] M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019 (its RMSProp
   with a moving average of the weights); B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by
   averaging", 1992.
"""

from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError
from edge.files import write_whole
from train.keras import tf, tf_keras

__all__ = ["AveragedWeights"]


class AveragedWeights(tf_keras.callbacks.Callback):
    """Keep the moving average of a model's weights while it is fitted; interrupted, it goes on with the run.

    Parameters
    ----------
    decay : float
        Of one step: 0.999 looks back on a thousand steps or so; while there have been few, on a tenth of them.
        0 gives the weights of the last step.
    folder : Path
        Where its state is kept, a file an epoch; the last two are.
    """

    def __init__(self, decay: float, folder: Path) -> None:
        super().__init__()
        self._decay = decay
        self._folder = folder
        self._averages: list[Any] | None = None

    def _file(self, epoch: int) -> Path:
        return self._folder / f"average-{epoch:04d}.npz"

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Begin with the weights as they are, or with the state of the epochs before."""
        if self._averages is not None:
            return
        self._averages = [tf.Variable(w, trainable=False) for w in self.model.weights]
        file = self._file(epoch)
        if epoch and file.is_file():
            with np.load(file) as held:
                for i, average in enumerate(self._averages):
                    average.assign(held[f"w{i}"])

        @tf.function
        def update() -> None:
            steps = tf.cast(self.model.optimizer.iterations, tf.float32)
            decay = tf.minimum(self._decay, (1.0 + steps) / (10.0 + steps))
            for average, weight in zip(self._averages or [], self.model.weights, strict=True):
                if weight.dtype.is_floating:
                    average.assign(decay * average + (1.0 - decay) * weight)
                else:
                    average.assign(weight)

        self._update = update

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Take in one step."""
        self._update()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the state for a run that is interrupted later."""
        arrays = {f"w{i}": average.numpy() for i, average in enumerate(self._averages or [])}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._file(epoch + 1), lambda file: np.savez(file, **arrays))
        except OSError as error:
            raise DataError(
                f"{self._folder}: the averaged weights cannot be written ({error.strerror}); free some space and run "
                "the same command: it goes on from the last whole epoch"
            ) from error
        self._file(epoch - 1).unlink(missing_ok=True)

    def apply(self, model: Any) -> None:
        """Give a model the averaged weights; what pruning has set to zero stays zero.

        Parameters
        ----------
        model : tf_keras.Model
            The one that was fitted.
        """
        if self._averages is None:
            # All epochs were done before this call: the last state is on disk.
            states = sorted(self._folder.glob("average-*.npz"))
            if not states:
                return
            with np.load(states[-1]) as held:
                averages = [held[f"w{i}"] for i in range(len(model.weights))]
        else:
            averages = [average.numpy() for average in self._averages]
        for weight, average in zip(model.weights, averages, strict=True):
            now = weight.numpy()
            weight.assign(np.where(now == 0, now, average) if now.ndim >= 2 else average)
