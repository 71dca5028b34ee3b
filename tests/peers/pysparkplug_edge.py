"""An edge node of pysparkplug: born with a device, says a count at each line it is told."""

import sys

import pysparkplug as psp

count = 0
node = psp.EdgeNode(
    "Works",
    "Py",
    [psp.Metric(name="Temp", datatype=psp.DataType.FLOAT, value=0.1, timestamp=psp.get_current_timestamp())],
)
device = psp.Device(
    "Press", [psp.Metric(name="Count", datatype=psp.DataType.UINT32, value=0, timestamp=psp.get_current_timestamp())]
)
node.register(device)
node.connect("127.0.0.1", port=int(sys.argv[1]))
for line in sys.stdin:
    word, _, argument = line.strip().partition(" ")
    if word == "count":
        for _ in range(int(argument)):
            count += 1
            now = psp.get_current_timestamp()
            node.update_device(
                "Press", [psp.Metric(name="Count", datatype=psp.DataType.UINT32, value=count, timestamp=now)]
            )
    elif word == "stop":
        node.disconnect()
        break
