"""The streaming API: map, unmap and sync, of one range, of lists, of linked pieces."""
