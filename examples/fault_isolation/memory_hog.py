"""Takes 200 MiB, a piece at a time, and writes to every page so that all of it is real."""
import time

taken = []
for _ in range(20):
    taken.append(bytearray(b"x") * (10 * 1024 * 1024))
    time.sleep(0.05)
