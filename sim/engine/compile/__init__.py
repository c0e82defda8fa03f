"""From a netlist to functions: lists of statements on 64-bit words, and where everything lies."""
