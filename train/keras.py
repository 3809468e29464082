"""The one place that imports TensorFlow: the optimisation toolkit needs Keras 2, chosen before the import."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from edge.errors import MissingExtraError

try:
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot
    import tf_keras
except ImportError as error:
    raise MissingExtraError("training (TensorFlow and its optimisation toolkit)", "train") from error

__all__ = ["tf", "tf_keras", "tfmot"]
