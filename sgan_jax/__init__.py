"""Bravais lattice and space group from powder neutron patterns: a semi-supervised GAN."""
