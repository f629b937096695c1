"""Limits that keep one strange file from taking the memory or the time of a whole run."""

MAX_FILE_BYTES = 32 * 2**20
"""Largest file, as it is and decompressed."""

MAX_MARKUP_BYTES = 16 * 2**20
"""Largest CIF, XML document or archive: these take many times their size in memory."""

MAX_ELEMENTS = 300_000
"""Most elements of an XML document."""

MAX_MEMBERS = 1_000
"""Most members of an archive."""

MAX_POINTS = 1_000_000
"""Most points of a pattern."""

MIN_POINTS = 50
"""Fewest points of a pattern: with fewer there is nothing to recognise."""

MAX_LINES = MAX_POINTS + 2_000
"""Most lines of a text: a line for each point, and a header."""

MAX_LINE = 4_000
"""Most characters of a line of a text of more than `LARGE_TEXT`."""

LARGE_TEXT = 2**20
"""Characters of a text whose lines are looked at before it is split."""

MAX_PATTERNS = 64
"""Most banks, blocks or scans that are read from one file."""

MAX_INTENSITY = 1e15
"""Largest intensity, and smallest with a minus sign: beyond it sums lose their digits."""

WAVELENGTHS = (0.1, 10.0)
"""Shortest and longest wavelength in Å: another number is no wavelength of a diffractometer."""
