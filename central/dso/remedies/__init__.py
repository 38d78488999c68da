"""Own means first (DA-6a, RT-4a, I-11): taps, capacitors and switches, before anybody is paid."""
