import math
import time

began = time.monotonic()
while True:
    age = time.monotonic() - began
    print(f"temperature {20 + 3 * math.sin(age / 20):.2f}")
    time.sleep(2)
