"""Packet captures in the classic pcap form: read, write, and make one.

Source: draft-ietf-opsawg-pcap, "PCAP Capture File Format".
"""

import struct

__all__ = ["make_packets", "read_pcap", "write_pcap"]

_MAGIC = 0xA1B2C3D4, 0xA1B23C4D         # with microseconds, and with nanoseconds
_ETHERNET = 1
_HEADER, _RECORD = "IHHiIII", "IIII"


def read_pcap(data: bytes) -> list[bytes]:
    """List the packets of a capture, as far as they were captured.

    Raises
    ------
    ValueError
        If it is none, or ends within a packet.
    """
    order = next((order for order in "<>" if len(data) >= 24
                  and struct.unpack_from(f"{order}I", data)[0] in _MAGIC), None)
    if order is None:
        raise ValueError(f"Capture must begin as a pcap file does, not {data[:4]!r}")
    at, packets = struct.calcsize(f"{order}{_HEADER}"), []
    while at < len(data):
        if at + 16 > len(data):
            raise ValueError(f"Capture must not end within a packet, not at byte {len(data)}")
        size = struct.unpack_from(f"{order}{_RECORD}", data, at)[2]
        at += 16
        if at + size > len(data):
            raise ValueError(f"Capture must not end within a packet, not at byte {len(data)}")
        packets.append(data[at:at + size])
        at += size
    return packets


def write_pcap(packets: list[bytes]) -> bytes:
    """Make a capture of Ethernet packets, a millisecond apart."""
    data = struct.pack(f"<{_HEADER}", _MAGIC[0], 2, 4, 0, 0, 65535, _ETHERNET)
    for number, packet in enumerate(packets):
        seconds, milliseconds = divmod(number, 1000)
        data += struct.pack(f"<{_RECORD}", seconds, milliseconds * 1000, len(packet), len(packet))
        data += packet
    return data


def make_packets(sizes: tuple[int, ...] = (0, 1, 18, 40, 200, 512, 1000, 1472)) -> list[bytes]:
    """Make an ARP request, and UDP packets over IPv4 with so many bytes of data."""
    ours, theirs = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
    arp = struct.pack(">HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, theirs, bytes([10, 0, 0, 2]), bytes(6),
                      bytes([10, 0, 0, 1]))
    packets = [b"\xff" * 6 + theirs + b"\x08\x06" + arp]
    for number, size in enumerate(sizes):
        udp = struct.pack(">HHHH", 4000 + number, 7, 8 + size, 0)     # port 7: echo
        udp += bytes((number * 40 + index) % 256 for index in range(size))
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0,
                             bytes([10, 0, 0, 2]), bytes([10, 0, 0, 1]))
        total = sum(struct.unpack(">10H", header))
        checksum = ~(total % 0xFFFF or 0xFFFF) & 0xFFFF
        packets.append(ours + theirs + b"\x08\x00" + header[:10] + struct.pack(">H", checksum)
                       + header[12:] + udp)
    return packets
