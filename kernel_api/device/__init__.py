"""Devices: what each can address, and what the layers above give it."""
