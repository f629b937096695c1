"""Limits that keep one strange file from taking the memory or the time of a whole run."""

MAX_CELL_VOLUME = 20_000.0
"""Largest conventional cell, in Å3."""

MAX_AXIS = 10_000.0
"""Longest axis of a cell, in Å."""

MIN_AXIS = 0.5
"""Shortest axis of a cell, in Å: no two atoms are so close."""

MAX_SITES = 5_000
"""Most atoms in the conventional cell: sites of the asymmetric unit times operations."""

MAX_SITES_PER_PLACE = 100
"""Most sites that may share one place: every pair of them is looked at."""

MAX_CIF_BYTES = 10 * 2**20
"""Largest CIF, as a file, an archive member or a table cell."""

MAX_STRUCTURES_PER_CIF = 2_500
"""Most structures read from one CIF: their patterns, 12 kB each, are in memory together."""

MAX_ARCHIVE_MEMBERS = 2_000_000
"""Most members read from one archive."""

MAX_ARCHIVE_BYTES = 64 * 2**30
"""Most uncompressed bytes read from one archive."""

MAX_HEADER_BYTES = 2**20
"""Most bytes that describe one member of a tar archive: tarfile takes them into memory."""

MAX_DIRECTORY_BYTES = 64 * 2**20
"""Largest list of members of a zip archive, some 700,000 of them: zipfile takes it into memory."""

MAX_DECODER_BYTES = 256 * 2**20
"""Most memory for decoding an xz file, four times what the strongest preset needs."""

MAX_WORKERS_PER_CORE = 8
"""Most processes of a build per core: each takes memory, and more than one gains nothing."""
