"""A report of what recordings are like.

`measure` reads them, `summary` finds what stands out, `svg` draws, `listening` cuts excerpts, `page` writes.
"""

__all__: list[str] = []
