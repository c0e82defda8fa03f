"""The golden model, written from the documents, blind to the RTL.

:class:`~sim.golden.machine.GoldenMachine` answers the same calls as the simulated hardware. It has
no clock, so a comparison must leave out what only time decides:

- how many steps or cycles anything takes, and in which step an interrupt arrives;
- which of two outcomes the documents allow: a translation that was changed but not invalidated may
  be the old one (always, here) or the new one; a copy may overlap the one before it in time, but
  here each is over before the next begins;
- the hit, miss and walk counters of the IOMMU, which here count one lookup for each DMA burst, in
  an unlimited TLB;
- after a failed DMA transfer: its destination, the byte counter, ``err_addr`` within its page, and
  fault records other than the first of a direction, because hardware has several bursts in flight;
- after a refused line access: ``BusError.addr`` within its line;
- after a write-back that failed to make room: whether the access that needed the room was served.

Everything else must be equal: memory, registers, fault records, the errors that software sees.
"""
