"""Corpora as they are published, turned into the rows of one manifest: a module for each layout.

A layout module has ``SUMMARY`` (one line), ``LICENCE`` (as its publisher states it; None where that was not found)
and ``find(source, options)``, which reads protocols and returns :class:`train.importers.found.Found`. It opens no
audio and writes nothing: :mod:`train.importers.run` does, for all of them.
"""

__all__: list[str] = []
