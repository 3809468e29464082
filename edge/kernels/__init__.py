"""The kernels, and how they become machine code. A device imports nothing of this, but where it has no image yet.

=====================  ========================================================================================
:mod:`.frontend`       fixed-point arithmetic of the features
:mod:`.spectrum`       float arithmetic of the liveness cues
:mod:`.wake`           int8 arithmetic of the wake network
:mod:`.arithmetic`     operations of 16 and 32 bits, of which the features are made
:mod:`.lanes`          operations on eight numbers, of which the spectra are made
:mod:`.integer_lanes`  operations on sixteen numbers, of which the wake network is made
:mod:`.options`        how numba compiles all of them
:mod:`.entries`        the kernels as C functions
:mod:`.compiler`       from C functions to an image
:mod:`.elf_object`     from an object file to code that runs wherever it is mapped
=====================  ========================================================================================

:mod:`edge.native` finds an image, or has one made.
"""

__all__: list[str] = []
