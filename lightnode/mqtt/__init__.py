"""MQTT 5 and 3.1.1: just what a node needs, small enough for a node, acknowledged by hand."""

from lightnode.mqtt.broker import BrokerSettings, MqttBroker

__all__ = ["BrokerSettings", "MqttBroker"]
