"""Functions to the bytes of a WebAssembly module.

Source: W3C, "WebAssembly Core Specification", section "Binary Format".
"""

__all__ = ["module"]

_LOAD = {1: 0x31, 2: 0x33, 4: 0x35, 8: 0x29}
_STORE = {1: 0x3c, 2: 0x3d, 4: 0x3e, 8: 0x37}
_ALIGN = {1: 0, 2: 1, 4: 2, 8: 3}
_BINARY = {"and": 0x83, "or": 0x84, "xor": 0x85, "add": 0x7c, "sub": 0x7d, "mul": 0x7e,
           "shl": 0x86, "shr": 0x88, "sar": 0x87, "udiv": 0x80, "urem": 0x82}
_COMPARE = {"eq": 0x51, "ne": 0x52, "ult": 0x54, "ule": 0x58, "slt": 0x53, "sle": 0x57}
_TABLE_LIMIT = 512      # largest value that a jump table is made for


def _unsigned(n):
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _signed(n):
    out = bytearray()
    while not -0x40 <= n < 0x40:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n & 0x7f)
    return bytes(out)


_SMALL = [_unsigned(n) for n in range(1 << 14)]


def _leb(n):
    return _SMALL[n] if n < 1 << 14 else _unsigned(n)


class _Body:
    """The instructions of one function."""

    def __init__(self, function, numbers):
        self.out = bytearray()
        self.names = function.names
        self.numbers = numbers
        self.depth = 0              # labels around the current place
        self.loops = []             # depth of each loop around it
        self.statements(function.body)
        if function.returns:
            self.out += b"\x00"     # unreachable: every path has returned
        extra = function.locals - function.parameters
        head = b"\x01" + _leb(extra) + b"\x7e" if extra else b"\x00"
        code = head + bytes(self.out) + b"\x0b"
        self.code = _leb(len(code)) + code

    def statements(self, statements):
        for statement in statements:
            getattr(self, "_" + statement[0])(*statement[1:])

    def _set(self, local, word):
        if self.names.get(id(word)) == local:
            self.compute(word)
        else:
            self.word(word)
        self.out += b"\x21" + _leb(local)

    def _store(self, size, address, index, word):
        self._base(index)
        self.word(word)
        self.out.append(_STORE[size])
        self.out += _leb(_ALIGN[size]) + _leb(address)

    def _or(self, address, bits):
        place = b"\x03" + _leb(address)
        value = _signed(bits - (1 << 64) if bits >> 63 else bits)
        self.out += b"\x41\x00\x41\x00\x29" + place + b"\x42" + value + b"\x84\x37" + place

    def _base(self, index):
        if index is None:
            self.out += b"\x41\x00"
        else:
            self.word(index)
            self.out.append(0xa7)

    def _open(self, code):
        self.out += code
        self.depth += 1

    def _close(self):
        self.out.append(0x0b)
        self.depth -= 1

    def _if(self, condition, then, otherwise):
        self.condition(condition)
        self._open(b"\x04\x40")
        self.statements(then)
        if otherwise:
            self.out.append(0x05)
            self.statements(otherwise)
        self._close()

    def _loop(self, body):
        self._open(b"\x02\x40")
        self._open(b"\x03\x40")
        self.loops.append(self.depth)
        self.statements(body)
        self.loops.pop()
        self.out += b"\x0c\x00"
        self._close()
        self._close()

    def _continue(self):
        self.out += b"\x0c" + _leb(self.depth - self.loops[-1])

    def _break(self):
        self.out += b"\x0c" + _leb(self.depth - self.loops[-1] + 1)

    def _switch(self, selector, cases, default):
        if max(cases) >= _TABLE_LIMIT:
            for value, body in cases.items():
                self.word(selector)
                self.out += b"\x42" + _signed(value) + b"\x51"
                self._open(b"\x04\x40")
                self.statements(body)
                self._close()
            return
        count, end = len(cases), max(cases) + 1
        for _ in range(count + 2):      # the end, the default, and the cases, innermost first
            self._open(b"\x02\x40")
        targets = [count] * end
        for n, value in enumerate(cases):
            targets[value] = n
        self.word(selector)
        self.out += b"\x42" + _signed(end)
        self.word(selector)
        self.out += b"\x42" + _signed(end) + b"\x54\x1b\xa7\x0e" + _leb(end)
        self.out += b"".join(map(_leb, targets)) + _leb(count)
        for n, body in enumerate(cases.values()):
            self._close()
            self.statements(body)
            self.out += b"\x0c" + _leb(count - n)
        self._close()
        self.statements(default)
        self._close()

    def _call(self, name, words):
        for word in words:
            self.word(word)
        number, returns = self.numbers[name]
        self.out += b"\x10" + _leb(number)
        if returns:
            self.out.append(0x1a)

    def _table(self, index):
        self.word(index)
        self.out += b"\xa7\x11\x00\x00"

    def _return(self, word):
        if word is not None:
            self.word(word)
        self.out.append(0x0f)

    # Expressions -------------------------------------------------------------------------------

    def condition(self, word):
        """Leave 32 bits that are zero when the word is."""
        if id(word) not in self.names and word.op in _COMPARE:
            self.word(word.args[0])
            self.word(word.args[1])
            self.out.append(_COMPARE[word.op])
        else:
            self.word(word)
            self.out += b"\xa7" if word.bits <= 32 else b"\x42\x00\x52"

    def word(self, word):
        local = self.names.get(id(word))
        if local is None:
            self.compute(word)
        else:
            self.out.append(0x20)
            self.out += _leb(local)

    def compute(self, word):
        out, op, args = self.out, word.op, word.args
        if op == "load":
            self._base(args[2])
            out.append(_LOAD[args[0]])
            out += _leb(_ALIGN[args[0]]) + _leb(args[1])
        elif op == "const":
            value = args[0]
            out.append(0x42)
            out += _signed(value - (1 << 64) if value >> 63 else value)
        elif op in _BINARY:
            self.word(args[0])
            self.word(args[1])
            out.append(_BINARY[op])
        elif op in _COMPARE:
            self.word(args[0])
            self.word(args[1])
            out.append(_COMPARE[op])
            out.append(0xad)
        elif op == "select":
            self.word(args[1])
            self.word(args[2])
            self.condition(args[0])
            out.append(0x1b)
        elif op == "local":
            out.append(0x20)
            out += _leb(args[0])
        elif op == "parity":
            self.word(args[0])
            out += b"\x7b\x42\x01\x83"
        elif op in ("clz", "ctz"):
            self.word(args[0])
            out.append(0x79 if op == "clz" else 0x7a)
        else:
            for word in args[1:]:
                self.word(word)
            out += b"\x10" + _leb(self.numbers[args[0]][0])


def _section(number, content):
    return bytes([number]) + _leb(len(content)) + content


def _name(text):
    return _leb(len(text)) + text.encode()


def module(table, others, exports, pages):
    """Return a module.

    Parameters
    ----------
    table : list of Function
        Functions without parameters, in the order of the function table.
    others : list of Function
        All others.
    exports : list of str
        Names of those to export; the memory is exported too.
    pages : int
        Size of the memory, in units of 64 KiB.
    """
    functions = [*table, *others]
    numbers = {f.name: (n, f.returns) for n, f in enumerate(functions)}
    kinds = [(0, False)]
    for f in others:
        if (f.parameters, f.returns) not in kinds:
            kinds.append((f.parameters, f.returns))
    types = b"".join(b"\x60" + _leb(count) + b"\x7e" * count + (b"\x01\x7e" if returns else b"\x00")
                     for count, returns in kinds)
    uses = b"".join(_leb(kinds.index((f.parameters, f.returns))) for f in functions)
    size = _leb(max(1, len(table)))
    shown = b"".join(_name(name) + b"\x00" + _leb(numbers[name][0]) for name in exports)
    elements = b"\x00\x41\x00\x0b" + _leb(len(table)) + b"".join(map(_leb, range(len(table))))
    return b"".join((
        b"\0asm\1\0\0\0",
        _section(1, _leb(len(kinds)) + types),
        _section(3, _leb(len(functions)) + uses),
        _section(4, b"\x01\x70\x01" + size + size),
        _section(5, b"\x01\x01" + _leb(pages) + _leb(pages)),
        _section(7, _leb(len(exports) + 1) + _name("memory") + b"\x02\x00" + shown),
        _section(9, b"\x01" + elements),
        _section(10, _leb(len(functions)) + b"".join(_Body(f, numbers).code for f in functions)),
    ))
