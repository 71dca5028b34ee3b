"""A device of mqtt-spb-wrapper, which deviates from the specification in several ways."""

import sys
import time

from mqtt_spb_wrapper import MqttSpbEntityDevice, MqttSpbEntityEdgeNode

node = MqttSpbEntityEdgeNode("Works", "Wrap")
node.data.set_value("Temp", 20.5)
device = MqttSpbEntityDevice("Works", "Wrap", "Press")
device.data.set_value("Count", 0)
for entity in (node, device):
    entity.connect("127.0.0.1", int(sys.argv[1]))
    until = time.monotonic() + 10
    while not entity.is_connected() and time.monotonic() < until:
        time.sleep(0.05)
    entity.publish_birth()
count = 0
for line in sys.stdin:
    word, _, argument = line.strip().partition(" ")
    if word == "count":
        for _ in range(int(argument)):
            count += 1
            device.data.set_value("Count", count)
            device.publish_data()
    elif word == "stop":
        for entity in (device, node):
            entity.disconnect()
        break
