"""The compiled part: arrays in, arrays out, without the interpreter lock.

`batch` holds the two functions that the rest of the package calls for many crystals at once; the
other modules are its parts: `sites` (atoms of a cell), `enumeration` (which reflections there are),
`structure_factors`, `intensities` (geometry of the measurement) and `peaks` (profile).
"""
