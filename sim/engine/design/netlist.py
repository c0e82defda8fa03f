"""Amaranth's own netlist of a prepared design, made fit for simulation."""

import copy

from amaranth.hdl import _ast, _nir
from amaranth.hdl._mem import MemoryInstance

from ..errors import EngineError, where
from .emit import Emitter, SimulationNetlist
from .graph import ordered

__all__ = ["combinational_signals", "simulation_netlist"]

_COMBINATIONAL = (_nir.Operator, _nir.Part, _nir.Matches, _nir.PriorityMatch, _nir.AssignmentList,
                  _nir.AsyncReadPort)
_SPLIT = ("&", "|", "^", "~", "m")


def combinational_signals(fragment):
    """Return all signals that combinational logic drives; testbenches may not set them."""
    found = _ast.SignalDict()
    for part in _fragments(fragment):
        if "comb" in part.statements:
            for signal in part.statements["comb"]._lhs_signals():
                found[signal] = True
        if isinstance(part, MemoryInstance):
            for port in part._read_ports:
                if port._domain == "comb":
                    for signal in port._data._lhs_signals():
                        found[signal] = True
    return found


def _fragments(fragment):
    yield fragment
    for part, _name, _src_loc in fragment.subfragments:
        yield from _fragments(part)


def _without_driven_ports(design):
    """Drop the ports of clocks and resets that the design itself drives."""
    driven = {_ast.SignalKey(signal) for part in _fragments(design.fragment)
              for statements in part.statements.values() for signal in statements._lhs_signals()}
    ports = [port for port in design.ports
             if isinstance(port[1], _ast.IOPort) or _ast.SignalKey(port[1]) not in driven]
    design = copy.copy(design)
    design.ports = ports
    return design


def _depends_on(cell, among):
    return sorted({net >> 16 for net in cell.input_nets() if net >= 65536} & among)


def _refuse_cycle(nets, cells):
    """Raise an error when single bits depend on themselves."""
    for cycle in ordered(nets, lambda net: [
            other for other, _ in cells[net >> 16].comb_edges_to(net & 0xffff) if other in nets]):
        edges = {other for other, _ in cells[cycle[0] >> 16].comb_edges_to(cycle[0] & 0xffff)}
        if len(cycle) > 1 or cycle[0] in edges:
            places = list(dict.fromkeys(where(cells[net >> 16].src_loc) for net in cycle))
            raise EngineError("Combinational loop through " + ", ".join(places[:8]))


def _split_bits(netlist, index, cell):
    """Replace a cell that works bit by bit by one-bit cells. Return the moved nets."""
    moved = {}

    def add(bit, new, new_bit=0):
        number = netlist.add_cell(new)
        moved[_nir.Net.from_cell(index, bit)] = _nir.Net.from_cell(number, new_bit)

    if isinstance(cell, _nir.AssignmentList):
        for bit, default in enumerate(cell.default):
            add(bit, _nir.AssignmentList(
                cell.module_idx, default=_nir.Value((default,)), src_loc=cell.src_loc,
                assignments=[_nir.Assignment(cond=one.cond, start=0, src_loc=one.src_loc,
                                             value=_nir.Value((one.value[bit - one.start],)))
                             for one in cell.assignments
                             if one.start <= bit < one.start + len(one.value)]))
    elif isinstance(cell, _nir.PriorityMatch):
        for bit in range(len(cell.inputs)):
            add(bit, _nir.PriorityMatch(cell.module_idx, en=cell.en, src_loc=cell.src_loc,
                                        inputs=cell.inputs[:bit + 1]), bit)
    elif isinstance(cell, _nir.Operator) and cell.operator in _SPLIT:
        for bit in range(cell.width):
            inputs = [_nir.Value((value[0 if cell.operator == "m" and n == 0 else bit],))
                      for n, value in enumerate(cell.inputs)]
            add(bit, _nir.Operator(cell.module_idx, operator=cell.operator, inputs=inputs,
                                   src_loc=cell.src_loc))
    return moved


class _Moved:
    """Stands in for a netlist when cells look up where their nets went."""

    def __init__(self, moved):
        self._moved = moved

    def resolve_net(self, net):
        return self._moved.get(net, net)

    def resolve_value(self, value):
        return _nir.Value(self._moved.get(net, net) for net in value)


def _split_loops(netlist):
    """Cells may form a cycle where their bits do not, such as a carry chain in one signal."""
    cells = netlist.cells
    among = {i for i, cell in enumerate(cells) if isinstance(cell, _COMBINATIONAL)}
    leads = {i: _depends_on(cells[i], among) for i in sorted(among)}
    loops = [part for part in ordered(leads, leads.__getitem__)
             if len(part) > 1 or part[0] in leads[part[0]]]
    if not loops:
        return
    moved = {}
    for part in loops:
        _refuse_cycle({net: None for i in part for net in sorted(cells[i].output_nets(i))}, cells)
        for i in part:
            moved |= _split_bits(netlist, i, cells[i])
    renamed = _Moved(moved)
    for cell in cells:
        cell.resolve_nets(renamed)
    for signal, value in netlist.signals.items():
        netlist.signals[signal] = renamed.resolve_value(value)


def simulation_netlist(design):
    """Return the `SimulationNetlist` of a prepared design.

    Raises
    ------
    EngineError
        If the design has an instance, an I/O buffer, or a combinational loop.
    DriverConflict
        If two modules or two domains drive the same bit.
    """
    netlist = SimulationNetlist()
    Emitter(netlist, _without_driven_ports(design)).emit_fragment(design.fragment, None)
    netlist.resolve_all_nets()
    _split_loops(netlist)
    memories = [i for i, cell in enumerate(netlist.cells) if isinstance(cell, _nir.Memory)]
    data = [part._data for part in _fragments(design.fragment) if isinstance(part, MemoryInstance)]
    netlist.sim_memories = dict(zip(data, memories, strict=True))
    return netlist
