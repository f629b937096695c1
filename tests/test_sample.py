import pytest

from data_gen.errors import InputError
from data_gen.sample import IDEAL, Sample


def test_the_default_is_the_ideal_powder():
    assert Sample() == IDEAL
    assert IDEAL.size is None
    assert not IDEAL.displacements


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0.9}, "size 0.9 nm: give a number from 1 nm"),
        ({"size": float("nan")}, "size nan nm"),
        ({"strain": -1e-3}, "strain -0.001: give a fraction"),
        ({"strain": 0.5}, "strain 0.5"),
        ({"preferred_orientation": ((0, 0, 0), 0.5)}, "give three indices, not all zero"),
        ({"preferred_orientation": ((0, 1), 0.5)}, "give three indices"),
        ({"preferred_orientation": ((0, 0, 1), 0)}, "March coefficient 0"),
    ],
)
def test_impossible_samples_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        Sample(**fields)
