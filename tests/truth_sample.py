"""Crystals drawn from the sources, each beside what the source says of it, word for word."""

import json
import random
from collections import Counter
from dataclasses import replace
from itertools import islice

import gemmi
import numpy as np
from truth_cctbx import Content

from data_gen.cif import descriptions
from data_gen.crystal import Crystal
from data_gen.sources import amcsd, open_sources

SEED = 20


def draw_minerals(count, serves=lambda content: True):
    """(id, content, crystal) of entries of AMCSD, two per space group name and then any."""
    records = list(amcsd.AmcsdSource().records())
    random.Random(SEED).shuffle(records)
    seen = Counter()
    ranks = []
    for record in records:
        name = record.payload[1].space_group
        ranks.append(min(seen[name], 2))
        seen[name] += 1
    order = sorted(range(len(records)), key=lambda i: ranks[i] == 2)
    found = ((records[i].id, *_mineral(records[i])) for i in order)
    chosen = (row for row in found if _is_told_alike(*row[1:]) and serves(row[1]))
    return list(islice(chosen, count))


def draw_computed(archive, count, among):
    """(id, content, crystal) of CIFs among the first so many of an archive."""
    (source,) = open_sources(str(archive))
    chosen = set(random.Random(SEED).sample(range(among), 2 * count))
    records = (record for i, record in enumerate(islice(source.records(), among)) if i in chosen)
    found = ((record.id, *_computed(record)) for record in records)
    return list(islice((row for row in found if _is_told_alike(*row[1:])), count))


def _mineral(record):
    _, row = record.payload
    ((_, crystal),) = record.parse(record.payload)
    if not isinstance(crystal, Crystal):
        return None, None
    return _content(amcsd._describe(row), json.loads(row.triplets)), crystal


def _computed(record):
    ((_, crystal),) = record.parse(record.payload)
    if not isinstance(crystal, Crystal):
        return None, None
    text = record.payload[1].decode()
    ((_, description),) = descriptions(text)
    triplets = gemmi.cif.read_string(text)[0].find_values("_space_group_symop_operation_xyz")
    return _content(description, [gemmi.cif.as_string(triplet) for triplet in triplets]), crystal


def _content(description, triplets):
    sites = description.sites
    sites = sites.select(np.flatnonzero(sites.occupancies > 0))
    return Content(
        description.cell,
        tuple(dict.fromkeys(gemmi.Op(triplet).wrap().triplet() for triplet in triplets)),
        sites.species,
        np.minimum(sites.occupancies, 1.0),
        sites.positions,
        tuple(map(_motion, *_displacements(sites))),
    )


def _displacements(sites):
    count = len(sites.species)
    isotropic = np.full(count, np.nan) if sites.isotropic is None else sites.isotropic
    none = np.full((count, 6), np.nan)
    return isotropic, none if sites.anisotropic is None else sites.anisotropic


def _motion(isotropic, anisotropic):
    """U of a site as the peers take it: the tensor, if it could, but for rounding, be an atom's."""
    u11, u22, u33, u23, u13, u12 = anisotropic.tolist()
    tensor = np.array([[u11, u12, u13], [u12, u22, u23], [u13, u23, u33]])
    if np.isfinite(tensor).all() and np.linalg.eigvalsh(tensor)[0] > -5e-4 and tensor.max() < 1:
        return u11, u22, u33, u12, u13, u23
    return float(isotropic)


def moves(content):
    """Whether every atom has possible displacement parameters."""
    return all(isinstance(u, tuple) or 0 <= u < 1 for u in content.motion)


def at_rest(content):
    """The same crystal without thermal motion."""
    return replace(content, motion=(0.0,) * len(content.species))


def _is_told_alike(content, crystal):
    """Whether the source names every atom once: an atom named twice is kept once by the crystal."""
    return crystal is not None and len(crystal.species) == len(content.species)


def operations(content):
    """The operations as a group of gemmi's."""
    return gemmi.GroupOps([gemmi.Op(triplet) for triplet in content.triplets])


def laue_group(content):
    """Rotations of the Laue group; they act on rows of indices from the right."""
    rotations = np.array([gemmi.Op(triplet).rot for triplet in content.triplets]) / gemmi.Op.DEN
    return np.concatenate([rotations, -rotations])
