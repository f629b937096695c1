"""How fast and how robust the simulator is; run from the root of the repository."""
