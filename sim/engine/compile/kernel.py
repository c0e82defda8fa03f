"""Compiles the run-time loops, written in a small subset of Python, to statements.

All variables are unsigned 64-bit words. There are assignments, ``while``, ``break``,
``continue``, ``if``, ``match`` on numbers, ``return``, calls of the other functions, operators
(``and`` and ``or`` evaluate both), ``u8[address]`` to ``u64[address]``, and what `names` has.
Names in capitals are given when compiling: numbers, or tuples that a ``for`` is unrolled over.
Conditions on such numbers are decided when compiling.
"""

import ast
from pathlib import Path

from .code import Function
from .words import Builder, Word

__all__ = ["compile_kernel"]

_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitAnd: "and_", ast.BitOr: "or_",
           ast.BitXor: "xor", ast.LShift: "shl", ast.RShift: "shr"}
_DIVIDE = {ast.FloorDiv: "udiv", ast.Mod: "urem"}
_COMPARE = {ast.Eq: ("eq", False), ast.NotEq: ("ne", False), ast.Lt: ("ult", False),
            ast.LtE: ("ule", False), ast.Gt: ("ult", True), ast.GtE: ("ule", True)}
_PRIMITIVES = ("clz", "ctz", "sar", "slt", "sle")
_RUNTIME = Path(__file__).parents[1] / "runtime"
_PARTS = ("loop.py", "numbers.py", "vcd.py", "watches.py")
_SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}


class _Fresh(Builder):
    """Nodes of imperative code: equal loads at different times are not one load."""

    def node(self, op, *args, bits=None):
        self._known.pop((op, args), None)
        return super().node(op, *args, bits=bits)


class _Compiler:
    """Compiles one function."""

    def __init__(self, tree, constants, signatures):
        self.b = _Fresh()
        self.constants = dict(constants)
        self.signatures = signatures
        parameters = [argument.arg for argument in tree.args.args]
        self.variables = {name: n for n, name in enumerate(parameters)}
        self.function = Function(tree.name, len(parameters), signatures[tree.name])
        self.function.body = self.block(tree.body)
        self.function.locals = len(self.variables)
        self.function.keep = self.b     # the words must live on

    def block(self, nodes):
        out = []
        for node in nodes:
            out += getattr(self, "_" + type(node).__name__.lower())(node)
        return out

    # Statements --------------------------------------------------------------------------------

    def _assign(self, node):
        return self.store(node.targets[0], self.word(node.value))

    def _augassign(self, node):
        binary = ast.BinOp(left=node.target, op=node.op, right=node.value)
        return self.store(node.target, self.word(binary))

    def store(self, target, word):
        if isinstance(target, ast.Name):
            local = self.variables.setdefault(target.id, len(self.variables))
            return [("set", local, word)]
        address, index = self.place(target.slice)
        return [("store", _SIZES[target.value.id], address, index, word)]

    def _expr(self, node):
        if isinstance(node.value, ast.Constant):            # a docstring
            return []
        name, words = self.call(node.value)
        if name == "call":
            number = words[0].args[0] if words[0].op == "const" else None
            return [("table", words[0])] if number is None else [("call", f"f{number}", ())]
        return [("call", name, words)]

    def _return(self, node):
        return [("return", None if node.value is None else self.word(node.value))]

    def _break(self, node):
        return [("break",)]

    def _continue(self, node):
        return [("continue",)]

    def _while(self, node):
        condition = self.value(node.test)
        body = self.block(node.body)
        if condition.__class__ is Word:
            body = [("if", condition, (), [("break",)]), *body]
        return [("loop", body)]

    def _if(self, node):
        condition = self.value(node.test)
        if condition.__class__ is not Word:
            return self.block(node.body if condition else node.orelse)
        return [("if", condition, self.block(node.body), self.block(node.orelse))]

    def _for(self, node):
        out = []
        for one in self.value(node.iter):
            self.constants[node.target.id] = one
            out += self.block(node.body)
        return out

    def _match(self, node):
        cases = {case.pattern.value.value: self.block(case.body) for case in node.cases
                 if isinstance(case.pattern, ast.MatchValue)}
        default = [statement for case in node.cases if isinstance(case.pattern, ast.MatchAs)
                   for statement in self.block(case.body)]
        return [("switch", self.word(node.subject), cases, default)]

    # Expressions -------------------------------------------------------------------------------

    def word(self, node):
        value = self.value(node)
        return value if value.__class__ is Word else self.b.const(int(value))

    def value(self, node):
        """Return a `Word`, or what is known when compiling."""
        return getattr(self, "_value_" + type(node).__name__.lower())(node)

    def _value_constant(self, node):
        return node.value

    def _value_name(self, node):
        if node.id in self.constants:
            return self.constants[node.id]
        return self.b.node("local", self.variables[node.id], bits=64)

    def _value_attribute(self, node):
        return getattr(self.value(node.value), node.attr)

    def _value_binop(self, node):
        left, right = self.value(node.left), self.value(node.right)
        if left.__class__ is not Word and right.__class__ is not Word:
            return eval(compile(ast.fix_missing_locations(ast.Expression(ast.BinOp(
                ast.Constant(left), node.op, ast.Constant(right)))), "kernel", "eval"))
        words = [value if value.__class__ is Word else self.b.const(value)
                 for value in (left, right)]
        if type(node.op) in _DIVIDE:
            return self.b.node(_DIVIDE[type(node.op)], *words)
        return getattr(self.b, _BINARY[type(node.op)])(*words)

    def _value_unaryop(self, node):
        word = self.word(node.operand)
        if isinstance(node.op, ast.Invert):
            return self.b.xor(word, self.b.const(-1))
        return self.b.negative(word)

    def _value_compare(self, node):
        left, right = self.value(node.left), self.value(node.comparators[0])
        operator, swap = _COMPARE[type(node.ops[0])]
        words = [value if value.__class__ is Word else self.b.const(value)
                 for value in ((right, left) if swap else (left, right))]
        result = getattr(self.b, operator)(*words)
        return result.args[0] if result.op == "const" else result

    def _value_boolop(self, node):
        left, right = (self.value(value) for value in node.values)
        if left.__class__ is not Word:
            return right if left else 0
        zero = self.b.const(0)
        join = self.b.and_ if isinstance(node.op, ast.And) else self.b.or_
        return join(self.b.ne(left, zero), self.b.ne(right, zero))

    def _value_ifexp(self, node):
        return self.b.select(self.word(node.test), self.word(node.body), self.word(node.orelse))

    def _value_subscript(self, node):
        size = _SIZES[node.value.id]
        address, index = self.place(node.slice)
        return self.b.load(size, address, 8 * size, index)

    def place(self, node):
        """Return a fixed address and what is added to it."""
        value = self.value(node)
        if value.__class__ is not Word:
            return value, None
        if value.op == "add" and value.args[0].op == "const":
            return value.args[0].args[0], value.args[1]
        return 0, value

    def call(self, node):
        return node.func.id, [self.word(argument) for argument in node.args]

    def _value_call(self, node):
        if node.func.id == "peek":
            address, size = (self.value(argument) for argument in node.args)
            return self.b.load(size, address, 8 * size)
        name, words = self.call(node)
        if name in _PRIMITIVES:
            return self.b.node(name, *words)
        return self.b.node("call", name, *words, bits=64)


def compile_kernel(constants):
    """Compile the functions of the folder `runtime`.

    Parameters
    ----------
    constants : dict
        Values of the names in capitals.

    Returns
    -------
    list of Function
    """
    trees = [tree for part in _PARTS
             for tree in ast.parse((_RUNTIME / part).read_text()).body
             if isinstance(tree, ast.FunctionDef)]
    signatures = {tree.name: any(isinstance(node, ast.Return) and node.value is not None
                                 for node in ast.walk(tree)) for tree in trees}
    return [_Compiler(tree, constants, signatures).function for tree in trees]
