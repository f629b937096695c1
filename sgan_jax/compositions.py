"""What crystals are made of, however their formulas are written."""

from data_gen.species import parse_formula

Composition = frozenset[tuple[str, float]]


def atom_shares(formula: str) -> dict[str, float]:
    """Elements of a formula with their shares of its atoms; empty if it is no formula."""
    amounts = parse_formula(formula)
    total = sum(amounts.values())
    return {element: amount / total for element, amount in amounts.items() if amount}


def composition(formula: str) -> Composition:
    """Elements with their shares of the atoms, to a thousandth; empty if it is no formula."""
    return frozenset((name, round(share, 3)) for name, share in atom_shares(formula).items())


def listed_compositions(formulas: str) -> set[Composition]:
    """The compositions of formulas that are separated by commas."""
    return {composition(text) for text in formulas.split(",") if text.strip()}
