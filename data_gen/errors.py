"""What can go wrong with the input: a user's mistake, or a structure that cannot serve."""

from enum import StrEnum


class InputError(Exception):
    """A mistake that the user can mend; the message names the thing, the reason and the remedy."""


class Reason(StrEnum):
    """Why a structure was left out, in the words of `rejected.csv`."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too large"
    UNSAFE_MEMBER = "unsafe archive member"
    NO_CELL = "no cell"
    NO_ATOMS = "no atoms"
    IMPOSSIBLE_SYMMETRY = "impossible symmetry"
    OTHER_SYMMETRY = "symmetry other than stated"
    UNKNOWN_VALUE = "unknown coordinate or occupancy"
    IMPOSSIBLE_OCCUPANCY = "impossible occupancy"
    UNKNOWN_ELEMENT = "unknown element"
    MISSING_HYDROGEN = "missing hydrogen"
    NO_SCATTERING_LENGTH = "no scattering length"
    NO_DISPLACEMENT = "no displacement parameter"
    NO_REFLECTIONS = "no reflections in range"
    DUPLICATE_ID = "duplicate id"
    UNEXPECTED = "unexpected failure"


_LONGEST_DETAIL = 200  # characters: what is quoted from a file may be of any length


class StructureError(Exception):
    """One structure cannot serve; the run goes on without it.

    Attributes:
        reason: The kind of defect.
        detail: What exactly was found, in one line; may be empty.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        detail = detail[:_LONGEST_DETAIL]
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["StructureError"], tuple[Reason, str]]:
        """Lets the error cross process boundaries with both of its fields."""
        return StructureError, (self.reason, self.detail)
