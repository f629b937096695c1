"""What the paper reports, for comparison: patterns of the ICSD, which are not here.

S. Lolla, H. Liang, A. G. Kusne, I. Takeuchi, W. Ratcliff, J. Appl. Cryst. 55 (2022) 882, Tables 3
and 4.
"""

from ml_collections import ConfigDict

from data_gen.symmetry import BRAVAIS_LATTICES, PAPER_SPACE_GROUPS, ClassList

_CLASSES = (BRAVAIS_LATTICES, tuple(map(str, PAPER_SPACE_GROUPS)))

# Fractions of the test patterns by (task, method) and share of labelled patterns.
_FIGURES = {
    ("bravais_lattice", "sgan"): {
        0.05: {"top1": 0.70},
        0.10: {"top1": 0.74},
        0.25: {"top1": 0.80},
        0.50: {"top1": 0.85},
    },
    ("bravais_lattice", "supervised"): {
        0.05: {"top1": 0.61},
        0.10: {"top1": 0.68},
        0.25: {"top1": 0.76},
        0.50: {"top1": 0.82},
        0.90: {"top1": 0.88},
    },
    ("space_group", "sgan"): {
        0.05: {"top1": 0.60},
        0.10: {"top1": 0.65},
        0.25: {"top1": 0.72},
        0.50: {"top1": 0.78},
    },
    ("space_group", "supervised"): {
        0.05: {"top1": 0.54},
        0.10: {"top1": 0.61},
        0.25: {"top1": 0.68},
        0.50: {"top1": 0.75},
        0.90: {"top1": 0.806, "top5": 0.903},
    },
}

SPACE_GROUP_STUDIES = {
    8: ("Ziletti et al.", 0.963),
    45: ("Liu et al.", 0.71),
    72: ("Tiong et al.", 0.802),
    144: ("Lolla et al.", 0.80),
}
"""Table 3: how many space groups were told apart, by whom, and the fraction told rightly; each on
other data, and patterns of other kinds."""


def paper_figures(config: ConfigDict, class_list: ClassList) -> dict[str, float] | None:
    """What the paper reports for the same task, method, classes and share of labels, if anything.

    The data differ, so this is a neighbour for comparison, not a target. With labelled structures
    beside those that are split, or with weights that have learnt before, the share of labels is
    another one, and there is nothing to compare.
    """
    if class_list.names not in _CLASSES or config.data.labelled_sources or config.pretrained:
        return None
    return _FIGURES[config.task, config.method].get(round(config.label_fraction, 4))
