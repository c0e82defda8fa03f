"""The main job, end to end: a file scattered over memory, copied by DMA on two machines."""
