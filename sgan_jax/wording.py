"""How pages, cards and figures for people name things and write numbers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

TASKS = {"bravais_lattice": "Bravais lattice", "space_group": "space group"}
METHODS = {"sgan": "semi-supervised GAN", "supervised": "supervised network"}
SHORT_METHODS = {"sgan": "SGAN", "supervised": "supervised"}


class Merit(NamedTuple):
    """A figure of merit.

    Attributes:
        key: In `test` of a report; the prior's stands beside it under `prior_KEY`.
        told: What is to be told rightly; empty for the class itself.
        rank: Among how many answers.
    """

    key: str
    told: str
    rank: str

    def name(self, classes: str = "") -> str:
        """Its name, which says what the classes are if that is given."""
        return ", ".join(filter(None, (self.told or classes, self.rank)))


MERITS = (
    Merit("top1", "", "top-1"),
    Merit("top5", "", "top-5"),
    Merit("crystal_system_top1", "crystal system", "top-1"),
    Merit("extinction_group_top1", "extinction group", "top-1"),
)


def short(fingerprint: str) -> str:
    """The first characters of a data set's fingerprint, or of each where there are several."""
    return "+".join(part[:12] for part in fingerprint.split("+"))


def beginning(pretrained: Mapping[str, Any]) -> str:
    """A sentence on the weights that a training started from, and those before.

    Args:
        pretrained: `Pretrained.summary` of them.
    """
    links = [pretrained]
    while before := links[-1]["pretrained"]:
        links.append(before)
    told = ", starting from those ".join(
        f"of `{link['name']}` (`{short(link['sha256'])}`), which had learnt from "
        f"{link['n_labelled']:,} labelled crystals of {', '.join(link['sources'])} in "
        f"{link['steps']:,} steps"
        for link in links
    )
    return f"Training started from the weights {told}."


def points(fraction: float | None) -> str:
    """A fraction in per cent with one decimal, without the sign; empty where there is none."""
    return "" if fraction is None else f"{100 * fraction:.1f}"


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal, or a dash where there is none."""
    return "–" if fraction is None else f"{points(fraction)} %"


def share(fraction: float) -> str:
    """A share of labels in per cent, with up to three digits."""
    return f"{100 * fraction:.3g} %"
