"""A report of what recordings are like.

`measure` reads them, `summary` finds what stands out, `svg` draws, `listening` cuts excerpts, `parts` is what pages are
made of, `page` writes.
"""

__all__: list[str] = []
