"""The discriminator and the generator."""
