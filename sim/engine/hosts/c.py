"""Functions to portable C: a function of the memory's address, for each function."""

__all__ = ["source"]

_TYPES = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}
_BINARY = {"and": "&", "or": "|", "xor": "^", "add": "+", "sub": "-", "mul": "*", "shl": "<<",
           "shr": ">>", "udiv": "/", "urem": "%"}
_COMPARE = {"eq": "==", "ne": "!=", "ult": "<", "ule": "<="}
_SIGNED = {"slt": "<", "sle": "<="}

_PRELUDE = """\
#include <stdint.h>
typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
typedef int64_t i64;
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define AT(type, address) (*(type*)(m + (address)))
static inline u64 sar(u64 a, u64 n) { return a >> n | (n && a >> 63 ? ~(u64)0 << (64 - n) : 0); }
"""


class _Body:
    """The statements of one function."""

    def __init__(self, function, numbers, head):
        self.names = function.names
        self.numbers = numbers
        self.lines = [head + "{"]
        self.loops, self.labels = [], 0
        for local in range(function.parameters, function.locals):
            self.lines.append(f"u64 v{local}=0;")
        self.statements(function.body)
        self.lines.append("return 0;}" if function.returns else "}")

    def statements(self, statements):
        for statement in statements:
            getattr(self, "_" + statement[0])(*statement[1:])

    def _set(self, local, word):
        value = self.compute(word) if self.names.get(id(word)) == local else self.word(word)
        self.lines.append(f"v{local}={value};")

    def _store(self, size, address, index, word):
        place = address if index is None else f"{address}+{self.word(index)}"
        self.lines.append(f"AT({_TYPES[size]},{place})=({_TYPES[size]}){self.word(word)};")

    def _or(self, address, bits):
        self.lines.append(f"AT(u64,{address})|={bits}ull;")

    def _if(self, condition, then, otherwise):
        self.lines.append(f"if({self.word(condition)}){{")
        self.statements(then)
        if otherwise:
            self.lines.append("}else{")
            self.statements(otherwise)
        self.lines.append("}")

    def _loop(self, body):
        # Jumps, because `break` would leave a `switch` only.
        self.loops.append(self.labels)
        self.labels += 1
        here = self.loops[-1]
        self.lines.append(f"n{here}:;")
        self.statements(body)
        self.lines.append(f"goto n{here}; e{here}:;")
        self.loops.pop()

    def _continue(self):
        self.lines.append(f"goto n{self.loops[-1]};")

    def _break(self):
        self.lines.append(f"goto e{self.loops[-1]};")

    def _switch(self, selector, cases, default):
        self.lines.append(f"switch({self.word(selector)}){{")
        for value, body in cases.items():
            self.lines.append(f"case {value}ull:")
            self.statements(body)
            self.lines.append("break;")
        self.lines.append("default:;")
        self.statements(default)
        self.lines.append("}")

    def _call(self, name, words):
        self.lines.append(f"{self.invoke(name, words)};")

    def _table(self, index):
        self.lines.append(f"table[{self.word(index)}](m);")

    def _return(self, word):
        self.lines.append("return;" if word is None else f"return {self.word(word)};")

    # Expressions -------------------------------------------------------------------------------

    def invoke(self, name, words):
        return f"{name}({','.join(['m', *map(self.word, words)])})"

    def word(self, word):
        local = self.names.get(id(word))
        return self.compute(word) if local is None else f"v{local}"

    def compute(self, word):
        op, args = word.op, word.args
        if op == "const":
            return str(args[0]) if args[0] < 1 << 31 else f"{args[0]}ull"
        if op == "load":
            place = args[1] if args[2] is None else f"{args[1]}+{self.word(args[2])}"
            return f"(u64)AT({_TYPES[args[0]]},{place})"
        if op == "local":
            return f"v{args[0]}"
        if op == "call":
            return self.invoke(args[0], args[1:])
        operands = [self.word(arg) for arg in args]
        if op in _BINARY:
            return f"((u64){operands[0]}{_BINARY[op]}{operands[1]})"
        if op in _COMPARE:
            return f"(u64)((u64){operands[0]}{_COMPARE[op]}(u64){operands[1]})"
        if op in _SIGNED:
            return f"(u64)((i64){operands[0]}{_SIGNED[op]}(i64){operands[1]})"
        if op == "select":
            return f"({operands[0]}?(u64){operands[1]}:(u64){operands[2]})"
        if op == "sar":
            return f"sar({operands[0]},{operands[1]})"
        return {"parity": f"(u64)__builtin_parityll({operands[0]})",
                "clz": f"(u64)__builtin_clzll({operands[0]})",
                "ctz": f"(u64)__builtin_ctzll({operands[0]})"}[op]


def source(table, others, exports):
    """Return the text of a translation unit; see `wasm.module` for the arguments."""
    numbers = {f.name: n for n, f in enumerate(table)}
    out, bodies = [_PRELUDE], []
    for f in [*table, *others]:
        kind = "EXPORT" if f.name in exports else "static"
        parameters = "".join(f",u64 v{n}" for n in range(f.parameters))
        head = f"{kind} {'u64' if f.returns else 'void'} {f.name}(u8*m{parameters})"
        out.append(head + ";")
        bodies.append("\n".join(_Body(f, numbers, head).lines))
    names = ",".join(f.name for f in table) or "0"
    out.append(f"static void (*const table[])(u8*)={{{names}}};")
    return "\n".join([*out, *bodies, ""])
