"""Functions as lists of statements, the form that both back ends print.

Statements, with words of `words` as operands:
``("set", local, word)``, ``("store", size, address, index or None, word)``,
``("or", address, bits)`` (set bits of the 8 bytes there),
``("if", word, then, otherwise)``, ``("loop", body)``, ``("break",)``, ``("continue",)``,
``("switch", word, {value: body}, default)``, ``("call", name, words)``, ``("table", word)`` (call
by number in the function table), ``("return", word or None)``.
"""

__all__ = ["Function", "linear"]

_LEAVES = frozenset(("const", "local"))
_DEEP = 40              # expressions deeper than this are cut, for the sake of the printers


class Function:
    """A function without parameters or with words as parameters, the first of its locals.

    ``names`` maps the identity of words that a local already holds to that local.
    """

    def __init__(self, name, parameters=0, returns=False):
        self.name = name
        self.parameters = parameters
        self.returns = returns
        self.locals = parameters
        self.body = []
        self.names = {}


def _roots(statements):
    for statement in statements:
        if statement[0] == "if":
            yield statement[1]
            yield from _roots(statement[2])
            yield from _roots(statement[3])
        elif statement[0] == "store":
            if statement[3] is not None:
                yield statement[3]
            yield statement[4]
        elif statement[0] == "set":
            yield statement[2]


def _order(roots):
    """Return the words below the roots that compute, operands first, and how often each is used."""
    uses, order, seen, stack = {}, [], set(), []
    for root in roots:
        stack.append(root)
        while stack:
            word = stack.pop()
            if word.__class__ is tuple:         # its operands are done
                order.append(word[0])
                continue
            if word.op in _LEAVES:
                continue
            key = id(word)
            uses[key] = uses.get(key, 0) + 1
            if key not in seen:
                seen.add(key)
                if word.op == "load" and word.args[2] is None:
                    order.append(word)
                else:
                    stack.append((word,))
                    stack += word.operands()
    return order, uses


def linear(name, statements, variables=0):
    """Make a function of stores under conditions: what is used twice is computed once, first.

    Nothing that is stored may be loaded after that: loads may move before stores.

    Parameters
    ----------
    name : str
        Name to call it by.
    statements : list
        Of the kinds ``set`` (whose word is computed in place), ``store`` and ``if``.
    variables : int
        Locals that the statements use.
    """
    function = Function(name)
    function.locals = variables
    names, body, depth = function.names, function.body, {}
    order, uses = _order(_roots(statements))
    for word in order:
        deep = 1 + max([depth.get(id(operand), 0) for operand in word.operands()], default=0)
        if word.op == "switch":
            local = function.locals
            function.locals += 1
            enable, selector, default, cases = word.args
            table = {value: [("set", local, result)] for value, result in cases}
            body += [("set", local, default),
                     ("if", enable, [("switch", selector, table, ())], ())]
        elif (uses[id(word)] > 1 or deep > _DEEP
                or (word.op == "load" and word.args[2] is not None)):
            local = function.locals
            function.locals += 1
            body.append(("set", local, word))
        else:
            depth[id(word)] = deep
            continue
        names[id(word)] = local
        depth[id(word)] = 0
    body += statements
    function.keep = order           # names go by identity: the words must live on
    return function

