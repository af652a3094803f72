"""The engine: time, devices and disks; the only backward() of the package."""
