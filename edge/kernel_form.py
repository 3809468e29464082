"""In which form the kernels are wanted: what the user's environment says."""

import os
from typing import Literal

from edge.errors import UsageError

__all__ = ["KERNELS_VARIABLE", "Form", "wanted_form"]

KERNELS_VARIABLE = "VIVAVOCE_KERNELS"
"""Environment variable that says which form of the kernels is used: ``auto``, ``image`` or ``numba``."""

Form = Literal["auto", "image", "numba"]

_FORMS: dict[str, Form] = {"": "auto", "auto": "auto", "image": "image", "numba": "numba"}


def wanted_form() -> Form:
    """Return which form of the kernels is asked for.

    Raises
    ------
    UsageError
        If ``VIVAVOCE_KERNELS`` asks for a form that does not exist.
    """
    form = os.environ.get(KERNELS_VARIABLE, "")
    if form not in _FORMS:
        raise UsageError(f"{KERNELS_VARIABLE}: got {form!r}, expected auto, image or numba; correct or unset it")
    return _FORMS[form]
