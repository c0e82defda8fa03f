"""What a legal program of API calls knows of its buffers."""

from tests.integration.api_program import BLOCK

__all__ = ["Buffer"]


class Buffer:
    """What a legal program knows of a buffer: who owns each of its blocks."""

    def __init__(self, number, size, kind):
        self.number, self.size, self.kind = number, size, kind
        self.direction = self.list = None
        self.pooled = False
        self.blocks = [kind] * -(-size // BLOCK)

    def give(self, owner, blocks=None):
        """Give blocks, or all, to "cpu", "device", "lent" or "stored" (lent, with new data)."""
        for block in range(len(self.blocks)) if blocks is None else blocks:
            self.blocks[block] = owner

    def run(self, start, length, owners):
        """Blocks of those owners from the first such one at or behind ``start`` on."""
        place = [(start + n) % len(self.blocks) for n in range(len(self.blocks))]
        first = next((block for block in place if self.blocks[block] in owners), None)
        found = []
        while first is not None and first < len(self.blocks) and len(found) < length and \
                self.blocks[first] in owners:
            found.append(first)
            first += 1
        return found

    def part(self, blocks, skip=0):
        """First byte and bytes of blocks, without the first bytes of them."""
        start, end = blocks[0] * BLOCK, min((blocks[-1] + 1) * BLOCK, self.size)
        skip = min(skip, end - start - 1)
        return start + skip, end - start - skip
