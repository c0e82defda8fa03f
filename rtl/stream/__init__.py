"""Streams: register slice, queue, arbiter, fork and join."""
