"""What the project uses of ml_collections, whose own inferred types make every field a union."""

from ml_collections import config_dict as config_dict
from ml_collections import config_flags as config_flags
from ml_collections.config_dict import ConfigDict as ConfigDict
