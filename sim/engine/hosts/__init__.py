"""Functions as WebAssembly or C, and what runs them."""
