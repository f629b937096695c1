"""Times of something that was launched several times and ran several times in each launch."""

import statistics


class Timed:
    """Figures of its `seconds`, of which there is at least one.

    Attributes:
        seconds: Of every pass, by launch.
    """

    seconds: list[list[float]]

    @property
    def median(self) -> float:
        """Median over all passes."""
        return statistics.median(time for launch in self.seconds for time in launch)

    @property
    def least(self) -> float:
        """The fastest pass."""
        return min(time for launch in self.seconds for time in launch)

    @property
    def spread(self) -> float:
        """The slowest launch over the fastest, by their medians."""
        medians = [statistics.median(launch) for launch in self.seconds]
        return max(medians) / min(medians)
