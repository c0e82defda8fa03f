"""Captures in pcap form, against files made by hand."""

import struct

import pytest

from sim.devices.pcap import make_packets, read_pcap, write_pcap


def test_what_is_written_is_read():
    packets = make_packets()
    assert read_pcap(write_pcap(packets)) == packets and read_pcap(write_pcap([])) == []


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_either_order_of_bytes_and_either_clock(order, magic):
    data = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    for packet in (b"one", b"three"):
        data += struct.pack(f"{order}IIII", 1, 2, len(packet), 100) + packet    # cut short
    assert read_pcap(data) == [b"one", b"three"]


@pytest.mark.parametrize("data", [b"", b"\x0a\x0d\x0d\x0a" + bytes(40), bytes(10)])
def test_what_is_no_capture(data):
    with pytest.raises(ValueError, match="Capture must begin as a pcap file does, not"):
        read_pcap(data)


@pytest.mark.parametrize("cut", [1, 70])
def test_what_ends_too_early(cut):
    data = write_pcap(make_packets((100,))[1:])
    with pytest.raises(ValueError, match="Capture must not end within a packet, not at byte"):
        read_pcap(data[:-142 - 16 + 10] if cut == 70 else data[:-1])


def test_packets_are_what_they_say():
    arp, *udp = make_packets((0, 300))
    assert len(arp) == 42 and arp[12:14] == b"\x08\x06"
    for packet, size in zip(udp, (0, 300), strict=True):
        header = packet[14:34]
        assert len(packet) == 42 + size
        assert int.from_bytes(header[2:4]) == 28 + size
        total = sum(struct.unpack(">10H", header))
        assert total % 0xFFFF == 0                  # ones' complement sum of a right header
        assert int.from_bytes(packet[38:40]) == 8 + size
