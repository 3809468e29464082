"""The running mean of the weights over a training run, which errs less than the weights of its last step."""

from typing import Any

from train.keras import tf, tf_keras

__all__ = ["averaging_callback"]


def averaging_callback(model: Any, decay: float) -> Any:
    """Return the callback that averages the weights, and puts the averages in their place when training ends.

    The mean is exponential [1]_, over the trainable weights and the statistics of batch normalisation. Over the first
    steps it forgets faster, so that it holds nothing of the initial weights. What was pruned to zero is zero in it.
    It hangs on the optimiser, so that whatever saves a model with its optimiser saves it, too.

    Parameters
    ----------
    model : tf_keras.Model
        Compiled; wrapped for pruning or not.
    decay : float
        Share of the mean that is kept at each step, between 0 and 1.

    References
    ----------
    .. [1] B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on Control
       and Optimization 1992; with an exponential window as in ``tf.train.ExponentialMovingAverage``.
    """
    norms = [layer for layer in model.layers if isinstance(layer, tf_keras.layers.BatchNormalization)]
    weights = [*model.trainable_variables, *(w for norm in norms for w in (norm.moving_mean, norm.moving_variance))]
    means = [tf.Variable(weight, trainable=False) for weight in weights]
    model.optimizer.weight_means = means

    @tf.function
    def update() -> None:
        step = tf.cast(model.optimizer.iterations, tf.float32)
        kept = tf.minimum(decay, (1.0 + step) / (10.0 + step))
        for weight, mean in zip(weights, means, strict=True):
            mean.assign(kept * mean + (1.0 - kept) * weight)

    class Averaging(tf_keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            update()

        def on_train_end(self, logs: dict[str, float] | None = None) -> None:
            for weight, mean in zip(weights, means, strict=True):
                weight.assign(mean)
            for layer in self.model.layers:
                for weight, mask, _ in getattr(layer, "pruning_vars", ()):
                    weight.assign(weight * mask)

    return Averaging()
