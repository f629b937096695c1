class Pattern:
    x: list[float]
    y: list[float]

def read_bytes(
    data: bytes, filename: str, *, index: int = 0, block: str | None = None
) -> Pattern: ...
