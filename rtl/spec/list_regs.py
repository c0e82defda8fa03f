"""Fields that control and status registers of every list of descriptors have.

Source: AMD PG021, "AXI DMA", and PG034, "AXI Central Direct Memory Access", section "Register
Space".
"""

from .regmap import Access, Field

__all__ = ["control_fields", "status_fields"]

RO, RW, W1C, WARL = Access.RO, Access.RW, Access.W1C, Access.WARL


def control_fields(counted: str) -> tuple[Field, ...]:
    """Interrupts of a control register; ``counted`` is what the threshold counts."""
    return (
        Field("ioc_irq_en", 12, 1, RW, "Interrupt on completion."),
        Field("dly_irq_en", 13, 1, WARL, "Interrupt on delay timer; 0 in builds without."),
        Field("err_irq_en", 14, 1, RW, "Interrupt on error."),
        Field("irq_threshold", 16, 8, WARL,
              f"{counted} an interrupt; 1 at reset, 0 is not kept."),
        Field("irq_delay", 24, 8, WARL, "Delay in units of 125 cycles; 0 is none."),
    )


def status_fields(counted: str, internal: str) -> tuple[Field, ...]:
    """Errors and interrupts of a status register; ``internal`` is what ``dma_int_err`` says."""
    return (
        Field("sg_incld", 3, 1, RO, "Scatter-gather is in this build: reads 1."),
        Field("dma_int_err", 4, 1, RO, internal),
        Field("dma_slv_err", 5, 1, RO, "SLVERR on a data access."),
        Field("dma_dec_err", 6, 1, RO, "DECERR on a data access."),
        Field("err_write", 7, 1, RO, "Extension: the first failed access was a write."),
        Field("sg_int_err", 8, 1, RO, "Stale descriptor: it was complete when fetched."),
        Field("sg_slv_err", 9, 1, RO, "SLVERR on a descriptor access."),
        Field("sg_dec_err", 10, 1, RO, "DECERR on a descriptor access."),
        Field("err_refused", 11, 1, RO, "Extension: its SLVERR was a refusal of the IOMMU."),
        Field("ioc_irq", 12, 1, W1C, "Completion interrupt."),
        Field("dly_irq", 13, 1, W1C, "Delay interrupt."),
        Field("err_irq", 14, 1, W1C, "Error interrupt."),
        Field("irq_threshold_sts", 16, 8, RO, f"{counted} left until the next interrupt."),
        Field("irq_delay_sts", 24, 8, RO, "Delay timer: units since the last completion."),
    )
