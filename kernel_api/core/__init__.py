"""Numbers, addresses, errors, messages, and the kernel that holds the parts together."""
