"""The same API as Python would have it: context managers, exceptions, views of memory."""
