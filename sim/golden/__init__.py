"""The golden model, written from the documents, blind to the RTL."""
