"""The naive light node: sleep, read, JSON, one commit a row, publish. For comparison only."""

import json
import sqlite3
import struct
import sys
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import ModbusSerialClient

NAMES = {
    "voltage_l1": 0x00, "voltage_l2": 0x02, "voltage_l3": 0x04, "current_l1": 0x06,
    "current_l2": 0x08, "current_l3": 0x0A, "power": 0x34, "reactive_power": 0x3C,
    "frequency": 0x46, "import_kwh": 0x48, "export_kwh": 0x4A,
}  # fmt: skip


def main(port: str, broker_port: int, database_file: str, period_s: float) -> None:
    """Read for ever, and print when each read began."""
    meter = ModbusSerialClient(port, baudrate=9600)
    meter.connect()
    database = sqlite3.connect(database_file)
    database.execute("CREATE TABLE reading (time REAL, body TEXT)")
    broker = Client(CallbackAPIVersion.VERSION2)
    broker.connect("127.0.0.1", broker_port)
    broker.loop_start()
    while True:
        begun_s = time.time()
        reading: dict[str, float] = {"time": begun_s}
        for name, address in NAMES.items():
            answer = meter.read_input_registers(address, count=2, device_id=1)
            (reading[name],) = struct.unpack(">f", struct.pack(">HH", *answer.registers))
        body = json.dumps(reading)
        database.execute("INSERT INTO reading VALUES (?, ?)", (begun_s, body))
        database.commit()
        broker.publish("naive/reading", body, qos=1)
        print(begun_s, flush=True)
        time.sleep(period_s)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
