"""Doublewords of memory for one reader or writer of the IOMMU, without a bus."""

from random import Random

from sim.streams import get


async def serve_reads(ctx, port, words, *, latency: int = 1, stall: float = 0.0, log=None):
    """Answer the requests of ``port``; a word that is missing in ``words`` is an error."""
    random = Random(1)
    while True:
        while random.random() < stall:
            await ctx.tick()
        request = await get(ctx, port.request)
        if log is not None:
            log.append((request.addr, request.len + 1))
        if request.lock and hasattr(words, "locked"):
            words.locked.append(request.addr)
        for _ in range(latency - 1):
            await ctx.tick()
        for beat in range(request.len + 1):
            while random.random() < stall:
                await ctx.tick()
            word = words.get(request.addr + 8 * beat)
            ctx.set(port.reply.valid, 1)
            ctx.set(port.reply.data, word or 0)
            ctx.set(port.reply.error, word is None)
            ctx.set(port.reply.last, beat == request.len)
            await ctx.tick()
            ctx.set(port.reply.valid, 0)


async def ask(ctx, service, request, *, patience: int = 0):
    """Ask a service; its reply, and the cycles from ``start`` to ``valid``."""
    ctx.set(service.request, request)
    ctx.set(service.want, 1)
    await ctx.tick().until(service.start)
    ctx.set(service.want, 0)
    cycles = 1
    async for *_, valid in ctx.tick().sample(service.valid):
        if valid:
            break
        cycles += 1
    reply = ctx.get(service.reply)      # stays until it is taken
    for _ in range(patience):
        await ctx.tick()
    ctx.set(service.take, 1)
    await ctx.tick()
    ctx.set(service.take, 0)
    return reply, cycles
