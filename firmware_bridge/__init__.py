"""The link between the gate and the hardware around it. Nothing is implemented here yet.

What belongs here, when it comes: a framed serial link to a microcontroller or DSP that hears the wake
word itself; export of the networks as C arrays with their settings; mute switch, button and light ring;
and the services by which a house learns of a decision (MQTT, Wyoming). These modules may import
:mod:`edge`; nothing in :mod:`edge` may import them, and none of them may need TensorFlow.
"""

__all__: list[str] = []
