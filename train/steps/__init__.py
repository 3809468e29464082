"""The steps of ``vivavoce train``, a module each (see :mod:`train.command`)."""

__all__: list[str] = []
