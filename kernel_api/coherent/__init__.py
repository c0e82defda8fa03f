"""Memory that CPU and device share: coherent buffers, pools, declared memory."""
