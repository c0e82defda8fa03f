"""The data of all lines."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from .ram import Ram

__all__ = ["DataArray", "PlaceLayout", "StoreLayout"]


class PlaceLayout(data.StructLayout):
    """Where a word is: ``word``, ``set``, ``way``."""

    def __init__(self, params: CacheParams):
        super().__init__({"word": params.word_bits, "set": params.set_bits,
                                  "way": params.way_bits})


class StoreLayout(data.StructLayout):
    """A word to write: ``word``, ``set``, ``way``, ``data``, ``strb`` (a bit a byte)."""

    def __init__(self, params: CacheParams):
        super().__init__({**PlaceLayout(params).members, "data": params.data_width,
                                  "strb": params.data_width // 8})


class DataArray(wiring.Component):
    """Block RAM for the data: one word read and one written in a cycle.

    The word comes in the cycle after ``read`` and stays until the next one. A word must
    not be written in the cycle in which it is read.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    read : ``In(1)``, place : ``In(PlaceLayout(params))``
        Read this word.
    data : ``Out(data_width)``
        Word that was read.
    fills : ``In(stream.Signature(StoreLayout(params)))``
        Words from memory; always ready.
    stores : ``In(stream.Signature(StoreLayout(params)))``, merge : ``In(1)``
        Words from the CPU; ready while no word comes from memory, or if it is the same word: then
        both are merged.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "read": In(1), "place": In(PlaceLayout(params)), "data": Out(params.data_width),
            "fills": In(stream.Signature(StoreLayout(params))),
            "stores": In(stream.Signature(StoreLayout(params))), "merge": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.words = words = Ram(
            width=params.data_width, depth=params.beats * params.sets * params.ways, granularity=8)

        store = Signal(StoreLayout(params))
        m.d.comb += [
            words.read.eq(self.read),
            words.read_at.eq(self.place),
            self.data.eq(words.data),
            self.fills.ready.eq(1),
            self.stores.ready.eq(~self.fills.valid | self.merge),
            store.eq(Mux(self.fills.valid, self.fills.payload, self.stores.payload)),
            words.write_at.eq(Cat(store.word, store.set, store.way)),
        ]
        merge = self.merge & self.stores.valid
        for byte in range(params.data_width // 8):
            lane, fills = slice(8 * byte, 8 * byte + 8), Signal(name=f"fills_{byte}")
            m.d.comb += [
                fills.eq(self.fills.valid & ~(merge & self.stores.p.strb[byte])),
                words.new[lane].eq(Mux(fills, self.fills.p.data[lane], self.stores.p.data[lane])),
            ]
        with m.If(self.fills.valid | self.stores.valid):
            m.d.comb += words.write.eq(store.strb)
        return m
