"""Channels of DMA engines, and the test that runs on them."""

from .engine import *
from .metadata import *
from .slave import *
