"""Burns the CPU for two seconds."""
import time

end = time.monotonic() + 2
while time.monotonic() < end:
    pass
