"""Limits that keep one strange file from taking the memory or the time of a whole run."""

MAX_CELL_VOLUME = 20_000.0
"""Largest conventional cell, in Å3."""

MAX_SITES = 5_000
"""Most atoms in the conventional cell: sites of the asymmetric unit times operations."""

MAX_CIF_BYTES = 10 * 2**20
"""Largest CIF, as a file, an archive member or a table cell."""

MAX_ARCHIVE_MEMBERS = 2_000_000
"""Most members read from one archive."""

MAX_ARCHIVE_BYTES = 64 * 2**30
"""Most uncompressed bytes read from one archive."""
