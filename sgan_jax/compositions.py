"""What crystals are made of, however their formulas are written."""

from data_gen.species import parse_formula


def atom_shares(formula: str) -> dict[str, float]:
    """Elements of a formula with their shares of its atoms; empty if it is no formula."""
    amounts = parse_formula(formula)
    total = sum(amounts.values())
    return {element: amount / total for element, amount in amounts.items() if amount}
