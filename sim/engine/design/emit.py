"""Netlist of a design: Amaranth's own emitter, with a short way for the expressions that abound.

Amaranth asks every expression for its shape, which asks its operands, at every level. Here, the
width is that of what was emitted.
"""

from amaranth.hdl import _ast, _ir, _nir

from ..errors import EngineError, where

__all__ = ["Emitter", "SimulationNetlist", "make_value"]

_MAX_WIDTH = 1 << 16
_ZERO, _ONE = _nir.Net.from_const(0), _nir.Net.from_const(1)


class _Value(_nir.Value):
    """Netlist value whose slices are not checked net by net."""

    __slots__ = ()

    def __getitem__(self, index):
        found = tuple.__getitem__(self, index)
        return tuple.__new__(_Value, found) if index.__class__ is slice else found


def make_value(nets):
    """Make a netlist value without checking every net."""
    return tuple.__new__(_Value, nets)


class SimulationNetlist(_nir.Netlist):
    """Netlist that is quick to make and to resolve.

    Attributes
    ----------
    sim_inputs : dict
        Cell of what nothing drives, to its initial value.
    sim_memories : dict
        `MemoryData` to cell.
    """

    def __init__(self):
        super().__init__()
        self.sim_inputs, self.sim_memories = {}, {}

    def add_value_cell(self, width, cell):
        """Add a cell, and return the value of its output."""
        first = self.add_cell(cell) << 16
        return make_value(map(_nir.Net, range(first, first + width)))

    def alloc_late_value(self, signal):
        """Return nets that are connected later."""
        self.last_late_net -= len(signal)
        return make_value(map(_nir.Net, range(self.last_late_net,
                                              self.last_late_net + len(signal))))

    def resolve_net(self, net):
        """Follow a net to what drives it."""
        while net < 0:
            net = self.connections[net]
        return net

    def resolve_value(self, value):
        """Follow all nets of a value."""
        if not value or min(value) >= 0:
            return value
        return make_value([net if net >= 0 else self.resolve_net(net) for net in value])


class Emitter(_ir.NetlistEmitter):
    """Undriven signals stay settable by a testbench: they become free inputs, not constants."""

    def emit_rhs(self, module_idx, value):
        """Return the nets of an expression, and whether it is signed."""
        found = self.rhs_cache.get(id(value))
        if found is not None:
            return found[:2]
        method = _QUICK.get(value.__class__)
        if method is None:
            _check_width(value, len(value))
            return super().emit_rhs(module_idx, value)
        result, signed = method(self, module_idx, value)
        _check_width(value, len(result))
        self.rhs_cache[id(value)] = result, signed, value       # which keeps the identity taken
        return result, signed

    def _const(self, module_idx, value):
        bits = value.value
        nets = [_ONE if bits >> n & 1 else _ZERO for n in range(len(value))]
        return make_value(nets), value.shape().signed

    def _signal(self, module_idx, value):
        return self.emit_signal(value), value._signed

    def _slice(self, module_idx, value):
        inner, _ = self.emit_rhs(module_idx, value.value)
        return inner[value.start:value.stop], False

    def _concat(self, module_idx, value):
        nets = []
        for part in value.parts:
            nets += self.emit_rhs(module_idx, part)[0]
        return make_value(nets), False

    def _operator(self, module_idx, value):
        operands = [self.emit_rhs(module_idx, operand) for operand in value.operands]
        operator = value.operator
        if len(operands) == 1:
            ((a, signed),) = operands
            if operator in ("u", "s"):
                return a, operator == "s"
            if operator == "-":
                a, signed = self.extend(a, signed, len(a) + 1), True
            return self._cell(module_idx, operator, value, a), operator in ("-", "~") and signed
        (a, a_signed), (b, b_signed) = operands
        if operator in ("<<", ">>", "*"):
            return self._shift_or_product(module_idx, value, a, a_signed, b, b_signed)
        a_width, b_width = len(a), len(b)
        signed = a_signed or b_signed
        width = max(a_width + (signed and not a_signed), b_width + (signed and not b_signed))
        if operator in ("+", "-"):
            width += 1
        elif operator == "//":
            width = max(width, a_width + b_signed)
        a, b = self.extend(a, a_signed, width), self.extend(b, b_signed, width)
        if operator in ("+", "-", "&", "|", "^"):
            return self._cell(module_idx, operator, value, a, b), signed or operator == "-"
        if operator in ("==", "!="):
            return self._cell(module_idx, operator, value, a, b), False
        out = self._cell(module_idx, ("s" if signed else "u") + operator, value, a, b)
        if operator == "//":
            return out[:a_width + b_signed], signed
        if operator == "%":
            return out[:b_width], b_signed
        return out, False

    def _shift_or_product(self, module_idx, value, a, a_signed, b, b_signed):
        operator = value.operator
        if operator == ">>":
            out = self._cell(module_idx, "s>>" if a_signed else "u>>", value, a, b)
            return out, a_signed
        if operator == "<<":
            width = len(a) + (1 << len(b)) - 1
            _check_width(value, width)
            return self._cell(module_idx, "<<", value, self.extend(a, a_signed, width), b), a_signed
        width = len(a) + len(b)
        a, b = self.extend(a, a_signed, width), self.extend(b, b_signed, width)
        return self._cell(module_idx, "*", value, a, b), a_signed or b_signed

    def extend(self, value, signed, width):
        """Return a value with more bits: its sign, or zeros."""
        if len(value) >= width:
            return value
        fill = value[-1] if signed else _ZERO
        return make_value([*value, *[fill] * (width - len(value))])

    def _cell(self, module_idx, operator, value, *inputs):
        return self.emit_operator(module_idx, operator, *inputs, src_loc=value.src_loc)

    def emit_operator(self, module_idx, operator, *inputs, src_loc):
        """Add a cell, and return its output."""
        cell = _nir.Operator(module_idx, operator=operator, inputs=(), src_loc=src_loc)
        cell.inputs = inputs
        return self.netlist.add_value_cell(cell.width, cell)

    def emit_signal_fields(self):
        """Leave out what only other back ends want."""

    def emit_instance(self, module_idx, instance, name):
        """Refuse a black box."""
        raise EngineError(f"Instance {instance.type!r} at {where(instance.src_loc)} is a black box "
                          f"and cannot be simulated")

    def emit_iobuffer(self, module_idx, instance):
        """Refuse a pin."""
        raise EngineError(f"I/O buffer at {where(instance.src_loc)} cannot be simulated")

    def emit_undriven(self):
        """Make inputs of all bits that nothing drives."""
        netlist = self.netlist
        connections = netlist.connections
        for signal, value in netlist.signals.items():
            if not value or min(value) >= 0:
                continue
            start, nets = 0, tuple(value)
            while start < len(nets):
                stop = start
                while stop < len(nets) and nets[stop] < 0 and nets[stop] not in connections:
                    stop += 1
                if stop == start:
                    start += 1
                    continue
                cell = _nir.AnyValue(0, kind="anyseq", width=stop - start, src_loc=signal.src_loc)
                made = netlist.add_value_cell(stop - start, cell)
                netlist.sim_inputs[made[0].cell] = (signal.init >> start) & ((1 << len(made)) - 1)
                connections.update(zip(nets[start:stop], made, strict=True))
                start = stop


def _check_width(value, width):
    if width > _MAX_WIDTH:
        raise OverflowError(f"Value defined at {where(value.src_loc)} is {width} bits wide, which "
                            f"is unlikely to simulate in reasonable time")


_QUICK = {_ast.Const: Emitter._const, _ast.Signal: Emitter._signal, _ast.Slice: Emitter._slice,
          _ast.Concat: Emitter._concat, _ast.Operator: Emitter._operator}
