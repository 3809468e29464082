"""The simulated device: ``firmware_bridge/c_device`` compiled for this machine, and run (docs/simulate.md)."""

__all__: list[str] = []
