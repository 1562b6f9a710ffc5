import itertools
import sys
import time

print("Python", sys.version.split()[0], "says hello")
for number in itertools.count(1):
    print(f"hello for the {number}. time", flush=True)
    time.sleep(10)
