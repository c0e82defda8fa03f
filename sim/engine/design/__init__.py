"""An Amaranth design as a netlist that is fit for simulation."""
