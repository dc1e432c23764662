"""Job queue, job log, uploads, memory."""
