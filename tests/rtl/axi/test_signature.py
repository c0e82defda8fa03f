"""Bus signatures: what they refuse, what makes them equal."""

import pytest

from rtl.axi import lite, stream
from rtl.axi.signature import Signature, dma_user_layout


@pytest.mark.parametrize("make, other", [
    (lambda: Signature(addr_width=32), Signature(addr_width=33)),
    (lambda: Signature(addr_width=32, user=dma_user_layout()), Signature(addr_width=32)),
    (lambda: lite.Signature(addr_width=12), lite.Signature(addr_width=12, data_width=64)),
    (lambda: stream.Signature(data_width=32), stream.Signature(data_width=32, user_width=1)),
])
def test_equality(make, other):
    assert make() == make() != other
    assert repr(make()) == repr(make()) != repr(other)


def test_refused():
    with pytest.raises(TypeError, match=r"^Address width must be a positive integer, not 0$"):
        Signature(addr_width=0)
    with pytest.raises(TypeError, match=r"^ID width must be a positive integer, not '4'$"):
        Signature(addr_width=32, id_width="4")
    with pytest.raises(ValueError, match=r"^Data width must be a power of two from 8 to 1024, "
                                         r"not 48$"):
        Signature(addr_width=32, data_width=48)
    with pytest.raises(TypeError, match=r"^Address width must be a positive integer, not None$"):
        lite.Signature(addr_width=None)
    with pytest.raises(ValueError, match=r"^Data width must be 32 or 64, not 16$"):
        lite.Signature(addr_width=12, data_width=16)
    with pytest.raises(ValueError, match=r"^Data width must be a positive multiple of 8, not 12$"):
        stream.Signature(data_width=12)
    with pytest.raises(ValueError, match=r"^Destination width must not be negative, not -1$"):
        stream.Signature(dest_width=-1)
